/** The demo's market: rules, one provider with one node, clients' escrows. */
import type { Actor, Rates, Rules, SigningKey } from '@cocoon-market/wrappers';
import {
    addressOf,
    bytesToNumber,
    codesOfThisCheckout,
    joinMarket,
    launchRegistry,
    registerNode,
    setUpEscrow,
} from '@cocoon-market/wrappers';
import { Address, toNano } from '@ton/core';
import { modelHash } from '../offchain/link';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Rules with the windows of params/mainnet.json, and with rates for small machines. */
function rulesOf(insurance: Address): Rules {
    return {
        evidence: 120 * HOUR,
        response: 24 * HOUR,
        verdict: 72 * HOUR,
        buffer: 24 * HOUR,
        unbonding: 336 * HOUR,
        payoutDelay: DAY,
        baseStake: toNano('50'),
        insurance,
        rates: [toNano('10'), toNano('20'), toNano('40')],
    };
}

/** Deploys the registry; `committee` rules in disputes. `codes`: others than this checkout's. */
export async function launch(
    governor: Actor,
    committee: SigningKey[],
    codes?: Awaited<ReturnType<typeof codesOfThisCheckout>>,
) {
    return launchRegistry(governor, {
        delay: 7 * DAY,
        rules: rulesOf(addressOf(governor)),
        committee: {
            threshold: Math.ceil((committee.length * 2) / 3),
            keys: committee.map(({ publicKey }) => bytesToNumber(publicKey)),
        },
        catalogue: 0n,
        rent: toNano('0.5'),
        codes: codes ?? (await codesOfThisCheckout()),
    });
}

/** Joins with enough stake for one node. */
export function joinAsProvider(owner: Actor, registry: Address, payout: Address) {
    return joinMarket(owner, { registry, stake: toNano('60'), payout });
}

/** What the demo's node says of itself when it is registered. */
export interface NodeOffer {
    receiptKey: Buffer; // Ed25519
    encryptionKey: Buffer; // X25519
    endpoint: string;
    model: string; // catalogue id
    rates: Rates;
}

/** Registers the provider's next node. */
export async function registerMachine(owner: Actor, provider: Address, offer: NodeOffer) {
    const listing = {
        hardware: { gpuClass: 0, gpus: 1, vram: 24, model: 'Demo GPU' },
        receiptKey: bytesToNumber(offer.receiptKey),
        encryptionKey: bytesToNumber(offer.encryptionKey),
        service: { region: 'local', uptime: 9900, endpoint: offer.endpoint },
        offers: [{ model: bytesToNumber(modelHash(offer.model)), ...offer.rates }],
    };
    const { node: code } = await codesOfThisCheckout();
    return registerNode(owner, { provider, code, listing });
}

/** Deploys a client's escrow with a deposit; the spend key may use all of it in a day, half of it for one job. */
export function deposit(client: Actor, spendKey: Buffer, amount: bigint) {
    return setUpEscrow(client, { deposit: amount, spendKey, jobLimit: amount / 2n, dayLimit: amount });
}
