/**
 * Orders of wallets: external messages that a key signed. An API that fails while it carries one does not say whether it
 * arrived, so each is known by its number and its hash until the chain shows what became of it.
 */
import type { Address, Cell } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account, Chain } from './chain';
import { CONFIRM_READS, Confirmed } from './confirmed';
import { ChainError } from './errors';

export interface Order {
    wallet: Address;
    seqno: number;
    hash: string; // of the body, hex
    from: number; // unix seconds of the chain when it was signed
    validUntil: number; // unix seconds: taken by then, or never
}

/**
 * taken: the wallet has sent it. lapsed: it did not in time, and never will. overtaken: it never will either, for it took
 * another with its number. waiting: it still may.
 */
export type OrderOutcome = 'taken' | 'lapsed' | 'overtaken' | 'waiting';

/** What became of an order is not known: until then nothing else may be sent in its place. */
export class OutcomeUnknown extends ChainError {
    constructor(
        readonly order: Order,
        why: string,
        silent = false,
    ) {
        super(`${why}; whether the wallet takes order ${order.seqno} (${order.hash}) is not known yet`, undefined, {
            unknown: true,
            silent,
        });
        this.name = 'OutcomeUnknown';
    }
}

const SLACK = 60; // seconds by which the clocks of the chain's servers may differ
const GRACE_POLLS = 5; // after which an order that is no longer valid cannot show any more
const RESEND_POLLS = 10;
const PATIENCE = 60; // seconds beyond an order's validity that a silent API is asked again

/**
 * What the chain shows of an order of a wallet, or of an escrow. `seqno`: reads the account's; `numberOf`: the number of an order
 * that it took, where that can be read. That it lapsed is heard several times, `pauseMs` apart, and of every endpoint, for who
 * believes it signs another in its place.
 */
export async function outcomeOf(
    chain: Chain,
    order: Order,
    seqno: () => Promise<number>,
    pauseMs = 1000,
    numberOf: (body: Cell) => number | undefined = () => undefined,
): Promise<OrderOutcome> {
    const seconds = (GRACE_POLLS * pauseMs) / 1000;
    const words = new Confirmed(chain, { reads: CONFIRM_READS, seconds });
    // Another order may have used its number, or the list of transactions is behind: time decides.
    const wordOf = ({ at, data }: Account) =>
        at > order.validUntil ? `lapsed, as ${data?.hash().toString('hex')}` : undefined;
    for (let read = 0; read < 2 * GRACE_POLLS; read++) {
        const { account, word, confirmed } = await words.read(order.wallet, wordOf);
        const next = account.state === 'active' ? await seqno() : 0;
        const shown = next > order.seqno ? await shownOf(chain, order, numberOf) : undefined;
        if (shown !== undefined) {
            return shown;
        }
        if (word === undefined) {
            return 'waiting';
        }
        if (confirmed) {
            return next > order.seqno ? 'overtaken' : 'lapsed';
        }
        await sleep(pauseMs);
    }
    return 'waiting'; // the endpoints do not agree
}

async function shownOf(
    chain: Chain,
    { wallet, seqno, hash, from }: Order,
    numberOf: (body: Cell) => number | undefined,
): Promise<'taken' | 'overtaken' | undefined> {
    for await (const { at, body } of chain.accepted(wallet)) {
        if (at < from - SLACK) {
            return undefined;
        }
        if (body.hash().toString('hex') === hash) {
            return 'taken';
        }
        if (numberOf(body) === seqno) {
            return 'overtaken';
        }
    }
    return undefined;
}

/**
 * Hands an order over, again while it may be lost, and resolves once the wallet has taken it.
 * @throws ChainError when it was refused, lapsed or was overtaken: nothing was sent; OutcomeUnknown when the API says nothing for long
 */
export async function deliver(
    chain: Chain,
    order: Order,
    message: { body: Cell; init?: { code: Cell; data: Cell } },
    { seqno, pollMs }: { seqno: () => Promise<number>; pollMs: number },
): Promise<void> {
    const carry = () => chain.sendExternal(order.wallet, message.body, message.init);
    let trouble: Error | undefined;
    try {
        await carry();
    } catch (error) {
        if (!(error instanceof ChainError) || !error.unknown) {
            throw error; // refused before anything was on its way
        }
        trouble = error;
    }
    const end = performance.now() + (order.validUntil - order.from + PATIENCE) * 1000;
    for (let poll = 1; performance.now() < end; poll++) {
        const outcome = await outcomeOf(chain, order, seqno, pollMs).catch((error: Error) => {
            trouble = error;
            return 'waiting' as const;
        });
        if (outcome === 'taken') {
            return;
        }
        if (outcome === 'lapsed') {
            throw new ChainError(
                `The wallet did not take order ${order.seqno} in time and never will: nothing was sent`,
            );
        }
        if (outcome === 'overtaken') {
            throw new ChainError(
                `The wallet took another order ${order.seqno}, so nothing of this one was sent: does anything else use its key?`,
            );
        }
        if (poll % RESEND_POLLS === 0) {
            await carry().catch(() => undefined); // the same bytes: the wallet takes them once
        }
        await sleep(pollMs);
    }
    const silent = trouble instanceof ChainError && trouble.silent;
    throw new OutcomeUnknown(order, trouble?.message ?? 'The wallet has not taken it', silent);
}
