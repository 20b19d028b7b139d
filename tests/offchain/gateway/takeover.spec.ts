/** How a gateway takes up the jobs of a process that ended, when reads fail meanwhile. */
import { Address } from '@ton/core';
import pino from 'pino';
import { ChainError } from '../../../offchain/chain';
import type { JobBook } from '../../../offchain/gateway/book';
import type { GatewayContext } from '../../../offchain/gateway/context';
import type { GatewayJob } from '../../../offchain/gateway/job';
import { OrderTurns } from '../../../offchain/gateway/orderTurns';
import { type OpenOrder, SpendAccount } from '../../../offchain/gateway/spending';
import { Recovery, type RecoveryParts } from '../../../offchain/gateway/recovery';
import { Tasks } from '../../../offchain/process/tasks';
import { OneMember } from '../../../offchain/store/cluster';
import type { StoredJob } from '../../../offchain/store/gateway';
import { testKey } from '../../support/market';
import { until } from './support';

let added: number[];
let resumed: number[];
let replaced: number[]; // numbers whose place in the book another object took
let gone: number[]; // members whose jobs nobody has taken over
let entries: () => Promise<never[]>;
let restore: () => Promise<void>;
let recovery: Recovery;
let tasks: Tasks;

beforeEach(() => {
    [added, resumed, replaced, gone] = [[], [], [], [2]];
    entries = async () => [];
    restore = async () => undefined;
    tasks = new Tasks();
    const stored = { number: 7, phase: 'ordered' } as StoredJob;
    const store = {
        cluster: { lapsed: async () => gone.map((number) => ({ number, holder: 'another process' })) },
        takeOver: async () => gone.splice(0).map(() => stored),
        entries: () => entries(),
        openQueries: async () => [],
        highest: async () => 0,
        tokenizer: async () => undefined,
    };
    const spending = {
        resume: async () => {
            resumed.push(stored.number);
            return 5n;
        },
    };
    const book = {
        add(record: StoredJob) {
            added.push(record.number);
            const change = async (fields: object) => void Object.assign(record, fields);
            const connect = () => new Promise(() => undefined);
            const job = {
                ...{ stored: record, number: record.number, change, connect },
                ...{ raiseHighest: () => undefined, money: { restore: () => undefined } },
            };
            return Object.defineProperty(job, 'phase', { get: () => record.phase }) as unknown as GatewayJob;
        },
        replace: (job) => void replaced.push(job.number),
    } as Partial<JobBook>;
    const context = {
        ...{ store, spending, log: pino({ level: 'silent' }), nodes: {} },
        people: { budgets: { restore: () => restore() } },
    } as unknown as GatewayContext;
    recovery = new Recovery(context, { book, closing: {}, tasks } as RecoveryParts);
    recovery['markLoaded']();
});
afterEach(() => tasks['stopping'].abort());

describe('The jobs of a process that ended', () => {
    it('are taken into memory once, also if the next round begins while they are read', async () => {
        let read!: () => void;
        const reading = new Promise<void>((resolve) => (read = resolve));
        entries = () => reading.then(() => []);
        const rounds = [recovery.takeOver(), recovery.takeOver()];
        read();
        await Promise.all(rounds);
        await recovery.takeOver();
        expect(added).toEqual([7]);
    });

    it.each([
        ['its entries are', () => (entries = failOnce(async () => []))],
        ['what its keys reserved is', () => (restore = failOnce(async () => undefined))],
    ])('are taken up by the next round, if %s not read in the first', async (_, fail) => {
        fail();
        await expect(recovery.takeOver()).rejects.toThrow('the connection ended');
        await recovery.takeOver();
        await recovery.ordersResolved;
        expect([added, resumed]).toEqual([[7], [7]]);
    });

    it('are in the book once their order was taken, whatever has their number meanwhile', async () => {
        await recovery.takeOver();
        await recovery.ordersResolved;
        await new Promise(setImmediate);
        expect(replaced).toEqual([7]);
    });
});

describe('Many jobs of one worker', () => {
    it('are shown to it four at a time, so that the first ones can be used early', async () => {
        const shown: (() => void)[] = [];
        const connect = () => new Promise((resolve) => shown.push(() => resolve({ results: { index: 0 } })));
        const jobs = Array.from({ length: 6 }, (_, number) => ({
            ...{ number, phase: 'open', unfinished: [], isComplete: true, connect },
            ...{ stored: { worker: 'http://worker', voucher: null }, money: {}, ledger: { verified: 0 } },
        }));
        const connected = jobs.map((job) => recovery.connect(job as unknown as GatewayJob));
        await new Promise(setImmediate);
        expect(shown).toHaveLength(4);
        shown[0]();
        await connected[0];
        await until(() => shown.length === 5);
        shown.forEach((resolve) => resolve());
        await until(() => shown.length === 6);
        shown[5]();
        expect(await Promise.all(connected)).toEqual(Array(6).fill(true));
    });
});

describe('An order that was taken over', () => {
    const channel = new Address(0, Buffer.alloc(32, 1));
    const order = { channel, validUntil: 9, deposit: 5n, parameters: { job: 4 } } as OpenOrder;
    const ordersUnderWay = async () => [{ channel: channel.hash, validUntil: 9 }];
    let turns: OrderTurns;

    beforeEach(() => void (turns = new OrderTurns({ ordersUnderWay, cluster: new OneMember() }, channel)));

    it('holds back the openers of its process until the chain was read for it', async () => {
        const read = () => Promise.reject(new Error('the API is away'));
        const chain = { as: () => chain };
        const spending = new SpendAccount(chain as never, 1, { account: { urgent: { read } }, turns } as never);
        await expect(spending.resume(order)).rejects.toThrow('the API is away');
        expect(await turns.hasUnresolved(9)).toBe(true);
    });

    it('gets a turn between the tries of an opener that waits for it', async () => {
        let isResolved = false;
        const opened = turns.takeFree(async () => (isResolved ? 'opened' : undefined));
        await turns.take(async () => void (isResolved = true));
        expect(await opened).toBe('opened');
    });
});

describe('An order to leave', () => {
    const escrow = new Address(0, Buffer.alloc(32, 1));
    const parameters = { job: 4, end: 9, notice: 9, voucherKey: Buffer.alloc(32), payout: Buffer.alloc(32) };

    it.each([
        [true, 'The escrow refused the order', 1],
        [false, 'this order was not sent', 0],
    ])('is sent only by the process whose turn it is: %p', async (isHeld, outcome, count) => {
        let sent = 0;
        const sendExternal = async () => {
            sent++;
            throw new ChainError('refused', 5);
        };
        const chain = { as: () => chain, network: -3, sendExternal };
        const urgent = {
            ...{ address: escrow, read: async () => ({ account: { at: 1 }, state: { seqno: 2n } }) },
            refusalOf: () => undefined,
        };
        const cluster = { exclusive: (_: string, run: (lease: object) => Promise<void>) => run({ isHeld }) };
        const turns = new OrderTurns({ cluster } as never, escrow);
        const parts = { account: { urgent }, turns, key: testKey(1), now: () => 1 } as never;
        const ordered = new SpendAccount(chain as never, 1, parts).jobOrder(parameters, 'leave');
        await expect(ordered).rejects.toThrow(outcome);
        expect(sent).toBe(count);
    });
});

/** A read that fails the first time. */
function failOnce<T>(read: () => Promise<T>): () => Promise<T> {
    let isFirst = true;
    return async () => {
        if (isFirst) {
            isFirst = false;
            throw new Error('the connection ended');
        }
        return read();
    };
}
