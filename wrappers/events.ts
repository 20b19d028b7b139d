/** The events of a registry that say who sells what and who wants to buy. An event is a hint: the accounts decide. */
import { Address, Cell } from '@ton/core';
import * as tact from '../build/Registry/Registry_Registry';
import {
    hardwareOf,
    type Hardware,
    parseOffers,
    parseService,
    type Offer,
    type Service,
    type Tier,
    tiers,
} from './Node';
import { opcodes } from './protocol';

/** What one announcement says of a node; a part that it does not mention is absent. */
export interface ListingChange {
    hardware?: Hardware;
    service?: Service;
    offers?: Offer[];
    attestation?: { tier: Tier; expiresAt: number }; // unix seconds; tier `open`: none
    stopped?: true; // the node has closed
}

/** An event of a registry. */
export type MarketEvent =
    | { type: 'provider'; provider: Address; owner: Address; stake: bigint }
    | { type: 'node'; provider: Address; number: number; change: ListingChange }
    | { type: 'demand'; client: Address; model: bigint; queriesPerDay: number; endsAt: number };

/** Reads an event. Undefined for one that says nothing of providers, nodes or demand. Throws if it is malformed. */
export function readMarketEvent(body: Cell): MarketEvent | undefined {
    const slice = body.beginParse();
    switch (slice.remainingBits < 32 ? undefined : slice.preloadUint(32)) {
        case opcodes.ProviderRegistered: {
            const { provider, owner, stake } = tact.loadProviderRegistered(slice);
            return { type: 'provider', provider: basechain(provider), owner, stake };
        }
        case opcodes.NodeAnnounced: {
            const { provider, number, content } = tact.loadNodeAnnounced(slice);
            return { type: 'node', provider: basechain(provider), number: Number(number), change: changeIn(content) };
        }
        case opcodes.DemandAnnounced: {
            const { client, model, queriesPerDay, endsAt } = tact.loadDemandAnnounced(slice);
            return { type: 'demand', client, model, queriesPerDay: Number(queriesPerDay), endsAt: Number(endsAt) };
        }
        default:
            return undefined;
    }
}

function changeIn(content: Cell): ListingChange {
    const slice = content.beginParse();
    switch (slice.remainingBits < 32 ? undefined : slice.preloadUint(32)) {
        case opcodes.ListNode: {
            const { hardware, service, offers, attestation } = tact.loadListNode(slice);
            return {
                hardware: hardwareOf(hardware),
                service: parseService(service),
                offers: parseOffers(offers),
                attestation: attestationOf(attestation),
            };
        }
        case opcodes.SetHardware:
            return { hardware: hardwareOf(tact.loadSetHardware(slice).hardware) };
        case opcodes.SetOffers:
            return { offers: parseOffers(tact.loadSetOffers(slice).offers) };
        case opcodes.SetService:
            return { service: parseService(tact.loadSetService(slice).service) };
        case opcodes.SetAttestation:
            return { attestation: attestationOf(tact.loadSetAttestation(slice).attestation) };
        case opcodes.SetKeys:
            return { attestation: attestationOf(null) }; // it was made over the old keys
        case opcodes.NodeStopped:
            return { stopped: true };
        default:
            return {};
    }
}

function attestationOf(cell: Cell | null): { tier: Tier; expiresAt: number } {
    if (cell === null) {
        return { tier: 'open', expiresAt: 0 };
    }
    const { tier, expiresAt } = tact.loadAttestation(cell.beginParse());
    return { tier: tiers[Number(tier)] ?? 'open', expiresAt: Number(expiresAt) };
}

function basechain(account: bigint): Address {
    return new Address(0, Buffer.from(account.toString(16).padStart(64, '0'), 'hex'));
}
