/** Puts a whole market on a chain: registry, one provider with one node, one client with an escrow. */
import {
    Actor,
    addressOf,
    deployMarket,
    joinMarket,
    Listing,
    registerNode,
    Rules,
    setUpEscrow,
    SigningKey,
} from '@cocoon-market/wrappers';
import { toNano } from '@ton/core';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Rules as design section 4 states them, with rates for a small machine. */
function rulesOf(insurance: Rules['insurance']): Rules {
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

function asNumber(bytes: Buffer): bigint {
    return BigInt(`0x${bytes.toString('hex')}`);
}

/** Deploys the registry; `committee` rules in disputes. */
export function launch(governor: Actor, committee: SigningKey[]) {
    return deployMarket(governor, {
        delay: 7 * DAY,
        rules: rulesOf(addressOf(governor)),
        committee: {
            threshold: Math.ceil((committee.length * 2) / 3),
            keys: committee.map(({ publicKey }) => asNumber(publicKey)),
        },
        catalogue: 0n,
        rent: toNano('0.5'),
        value: toNano('1'),
    });
}

/** Joins as a provider with enough stake for one node. */
export function join(owner: Actor, registry: Rules['insurance'], payout: Rules['insurance']) {
    return joinMarket(owner, { registry, stake: toNano('60'), payout });
}

/** What a node says of itself when it is registered. */
export interface NodeKeys {
    receiptKey: Buffer;
    encryptionKey: Buffer;
}

export function register(
    owner: Actor,
    provider: Rules['insurance'],
    { receiptKey, encryptionKey }: NodeKeys,
    { endpoint, offers }: { endpoint: string; offers: Listing['offers'] },
) {
    const listing: Listing = {
        hardware: { gpuClass: 0, gpus: 1, vram: 24, model: 'Demo GPU' },
        receiptKey: asNumber(receiptKey),
        encryptionKey: asNumber(encryptionKey),
        service: { region: 'local', uptime: 9900, endpoint },
        offers,
    };
    return registerNode(owner, { provider, listing });
}

/** Deploys the client's escrow with a deposit; the spend key may use half of it a day. */
export function deposit(client: Actor, spendKey: Buffer, amount: bigint) {
    return setUpEscrow(client, { deposit: amount, spendKey, jobLimit: amount / 2n, dayLimit: amount });
}
