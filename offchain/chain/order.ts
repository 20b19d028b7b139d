/**
 * Orders of wallets: external messages that a key signed. An API that fails while it carries one does not say whether
 * the order arrived. So each order is identified by its number and its hash until the chain shows its outcome.
 */
import type { Address, Cell } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { unixSeconds } from '../process/clock';
import type { Accepted, AccountReader, ChainAccount, Chain } from './chain';
import { CONFIRM_READS, Confirmer } from './confirmer';
import { ChainError } from './errors';
import { answerSoon } from './others';

export interface Order {
    wallet: Address;
    seqno: number;
    hash: string; // of the body, hex
    from: number; // unix seconds of the chain when it was signed
    validUntil: number; // unix seconds: executed by then, or never
}

/**
 * executed: the wallet has executed the order. lapsed: its time is over, so it never will. overtaken: it has executed
 * another order of the same number, so it never will. waiting: it still may.
 */
export type OrderOutcome = 'executed' | 'lapsed' | 'overtaken' | 'waiting';

/** The outcome of an order is not known yet; until it is, no other order may be sent in its place. */
export class OutcomeUnknown extends ChainError {
    constructor(
        readonly order: Order,
        reason: string,
        silent = false,
    ) {
        const text = `${reason}; whether the wallet executes order ${order.seqno} (${order.hash}) is not known yet`;
        super(text, undefined, { unknown: true, silent });
        this.name = 'OutcomeUnknown';
    }
}

const SLACK = 60; // seconds by which the clocks of the chain's servers may differ
const SILENT = 600; // seconds after an order's validity, from which an endpoint that gives no usable answer has no say
const GRACE_POLLS = 5; // after the end of its validity, in which an order may still appear
const RESEND_POLLS = 10; // as long as so many of them would last if the chain answered at once
const PATIENCE = 60; // seconds after an order's validity in which a silent API is asked again
const LIST_SECONDS = 15; // for the list of what an account took: an endpoint may make up one without an end

const OVER = 'over'; // what is found of an order that may be made again, long after its time

/** Where the number of a wallet v5r1 begins in its data: after whether its key may sign. */
export const V5_SEQNO_BIT = 1;
const SEQNO_BITS = 32;

/** The number of a wallet by its data, in which it begins at `bit`; undefined if the account shows no such data. */
export function seqnoAt(bit: number, { data }: ChainAccount): number | undefined {
    const isRead = data !== undefined && !data.isExotic && data.bits.length > bit + SEQNO_BITS;
    return isRead ? data.beginParse().skip(bit).loadUint(SEQNO_BITS) : undefined;
}

/** What {@link outcomeOf} knows of an order's account. */
export interface OutcomeOptions {
    pauseMs?: number; // between two readings
    /** The number of an order that the account executed, where that can be read. */
    numberOf?: (body: Cell) => number | undefined;
    /** It does little harm if an order is made again that was executed. */
    mayRepeat?: boolean;
}

/**
 * The outcome of an order of a wallet or of an escrow, as the chain shows it. `seqno`: the number of an account. A
 * lapse is confirmed by several readings, and by every endpoint, because the caller then signs another order in its
 * place. An endpoint that is down, or whose time stands ten minutes behind that of the chain and of this machine, has
 * no say in the end. What others say of the account has none either in the end if the order may be repeated: no order
 * is executed so late, and neither one endpoint nor strangers, who fill the list of what a wallet took, must keep it
 * waiting for ever.
 */
export async function outcomeOf(
    chain: Chain,
    order: Order,
    seqno: (account: ChainAccount) => Promise<number>,
    { pauseMs = 1000, numberOf = () => undefined, mayRepeat = false }: OutcomeOptions = {},
): Promise<OrderOutcome> {
    const seconds = (GRACE_POLLS * pauseMs) / 1000;
    const rules = { reads: CONFIRM_READS, seconds, silentAgree: false };
    let newest = 0; // unix seconds of the chain
    const read = async (source: AccountReader) => {
        const account = await source.account(order.wallet);
        if (Math.min(newest, unixSeconds()) - account.at > SILENT) {
            throw new ChainError('The endpoint is far behind');
        }
        return account;
    };
    const confirmer = new Confirmer(chain, rules);
    // Another order may have used its number, or the list of transactions is behind, so time decides.
    const findingOf = ({ at, data }: ChainAccount) =>
        at <= order.validUntil
            ? undefined
            : mayRepeat && at > order.validUntil + SILENT
              ? OVER
              : `lapsed, as ${data?.hash().toString('hex')}`;
    for (let reads = 0; reads < 2 * GRACE_POLLS; reads++) {
        const key = order.wallet.toRawString();
        const { value: account, finding, confirmed } = await confirmer.ask(key, read, findingOf);
        newest = account.at;
        rules.silentAgree = account.at > order.validUntil + SILENT; // one that is dead keeps no order waiting
        const next = account.state === 'active' ? await seqno(account) : 0;
        // An order may have been signed for a later time than it was, on the word of one endpoint.
        const from = Math.min(order.from, account.at);
        const isUsed = next > order.seqno;
        const outcome = isUsed
            ? await readOutcome(chain, { ...order, from }, numberOf).catch((error: unknown) => {
                  if (finding !== OVER) {
                      throw error;
                  }
                  return undefined; // strangers may fill the list faster than it is read
              })
            : undefined;
        if (outcome !== undefined) {
            return outcome;
        }
        if (finding === undefined) {
            return 'waiting';
        }
        if (confirmed) {
            return isUsed ? 'overtaken' : 'lapsed';
        }
        await sleep(pauseMs);
    }
    return 'waiting'; // the endpoints do not agree
}

/**
 * As the chain lists what the account took, or as another endpoint does: the first may hide that it took the order.
 * @throws ChainError if it is in no list, and most endpoints give none: those that do may hide it
 */
async function readOutcome(
    chain: Chain,
    order: Order,
    numberOf: (body: Cell) => number | undefined,
): Promise<'executed' | 'overtaken' | undefined> {
    const { others = [] } = chain;
    let outcome: 'overtaken' | undefined;
    let lists = 0; // of different endpoints
    let failure: unknown = new ChainError('Too few endpoints list what the wallet took');
    // Others not urgently: one that is down must not keep the next order waiting.
    for (const source of [chain, ...others.map((one) => one.as?.('routine') ?? one)]) {
        try {
            const accepted = source.accepted?.(order.wallet, { seconds: LIST_SECONDS });
            const listed = accepted && (await listedOutcome(accepted, order, numberOf));
            if (listed === 'executed') {
                return listed;
            }
            outcome ??= listed;
            lists += accepted !== undefined && (source !== chain || others.length === 0) ? 1 : 0;
        } catch (error) {
            failure = error;
        }
    }
    if (2 * lists <= others.length) {
        throw failure;
    }
    return outcome;
}

async function listedOutcome(
    accepted: AsyncIterable<Accepted>,
    { seqno, hash, from }: Order,
    numberOf: (body: Cell) => number | undefined,
): Promise<'executed' | 'overtaken' | undefined> {
    for await (const { at, body } of accepted) {
        if (at < from - SLACK) {
            return undefined;
        }
        if (body.hash().toString('hex') === hash) {
            return 'executed';
        }
        if (numberOf(body) === seqno) {
            return 'overtaken';
        }
    }
    return undefined;
}

/**
 * Has each of several endpoints carry a message: one may have taken it and carried it nowhere. Resolves with whether it
 * may be on its way: not if each of them has refused it. Never throws, and waits for none that does not answer soon:
 * the next order waits meanwhile.
 */
export async function carryElsewhere(
    { others = [] }: Pick<Chain, 'others'>,
    to: Address,
    { body, init }: { body: Cell; init?: { code: Cell; data: Cell } },
): Promise<boolean> {
    // Not urgently: an endpoint that is down must not keep the next order waiting.
    const carry = async (one: (typeof others)[number]) => {
        const endpoint = one.as?.('routine') ?? one;
        if (endpoint.sendExternal === undefined) {
            throw new ChainError('The endpoint carries nothing');
        }
        await endpoint.sendExternal(to, body, init);
    };
    const answers = await Promise.allSettled(others.map((one) => answerSoon(carry(one))));
    return answers.some((one) => one.status === 'fulfilled' || !isRefusal(one.reason));
}

/** True if nothing is on its way, by the endpoint that failed with this error. */
const isRefusal = (error: unknown): boolean => error instanceof ChainError && !error.unknown;

/**
 * Sends an order, again while it may be lost, and resolves once the wallet has executed it.
 * @throws ChainError when every endpoint refused it, it lapsed or was overtaken: nothing was sent; OutcomeUnknown when
 * the API stays silent
 */
export async function deliver(
    chain: Chain,
    order: Order,
    message: { body: Cell; init?: { code: Cell; data: Cell } },
    { seqno, pollMs }: { seqno: (account: ChainAccount) => Promise<number>; pollMs: number },
): Promise<void> {
    const carry = () => chain.sendExternal(order.wallet, message.body, message.init);
    let trouble: Error | undefined;
    try {
        await carry();
    } catch (error) {
        // One endpoint alone may refuse just the orders that it does not want to arrive.
        if (
            !(error instanceof ChainError) ||
            (!error.unknown && !(await carryElsewhere(chain, order.wallet, message)))
        ) {
            throw error;
        }
        trouble = error;
    }
    const over = new AbortController();
    const carryAll = async () => {
        await carry().catch(() => undefined); // the same bytes: the wallet executes them once
        await carryElsewhere(chain, order.wallet, message);
    };
    // Aside, because an endpoint that is asked for the outcome may take as long as it likes.
    void repeat(carryAll, RESEND_POLLS * pollMs, over.signal);
    try {
        await untilExecuted(chain, order, { seqno, pollMs }, trouble);
    } finally {
        over.abort();
    }
    await carryElsewhere(chain, order.wallet, message); // one endpoint may have made its transaction up
}

/** Runs `action` after each pause, until `signal` is aborted. */
async function repeat(action: () => Promise<void>, pauseMs: number, signal: AbortSignal): Promise<void> {
    const pause = () =>
        sleep(pauseMs, undefined, { signal }).then(
            () => true,
            () => false,
        );
    while (await pause()) {
        await action();
    }
}

async function untilExecuted(
    chain: Chain,
    order: Order,
    { seqno, pollMs }: { seqno: (account: ChainAccount) => Promise<number>; pollMs: number },
    carried: Error | undefined, // why it may not have arrived
): Promise<void> {
    let trouble = carried;
    const end = performance.now() + (order.validUntil - order.from + PATIENCE) * 1000;
    while (performance.now() < end) {
        const outcome = await outcomeOf(chain, order, seqno, { pauseMs: pollMs }).catch((error: Error) => {
            trouble = error;
            return 'waiting' as const;
        });
        if (outcome === 'executed') {
            return;
        }
        if (outcome === 'lapsed') {
            throw new ChainError(`The wallet did not execute order ${order.seqno} in time, so nothing was sent`);
        }
        if (outcome === 'overtaken') {
            const text = `The wallet executed another order ${order.seqno}, so nothing of this one was sent`;
            throw new ChainError(`${text}. Does another program use its key?`);
        }
        await sleep(pollMs);
    }
    const silent = trouble instanceof ChainError && trouble.silent;
    throw new OutcomeUnknown(order, trouble?.message ?? 'The wallet has not executed it', silent);
}
