/** Which answers to demands share an order of the wallet. */
import { beginCell, Cell } from '@ton/core';
import { ChainError, OutcomeUnknown, type Transfer } from '../../../offchain/chain';
import { Tasks } from '../../../offchain/process/tasks';
import { OneMember } from '../../../offchain/store/cluster';
import { AnswerSender } from '../../../offchain/worker/answerSender';
import type { WorkerContext } from '../../../offchain/worker/context';
import { account } from '../support/worker';

const VALUE = 10n; // nanoTON
const NEEDED = 11n; // nanoTON, with a quarter of the bond
const WALLET = account(0x33);

let coins: bigint; // nanoTON
let orders: number[][]; // the last byte of the accounts that each order goes to
let failure: ((order: number[]) => Error | undefined) | undefined;
let release: () => void; // the first order waits for it
let sender: AnswerSender;
let tasks: Tasks;

beforeEach(() => {
    [coins, orders, failure, tasks] = [1_000_000n, [], undefined, new Tasks()];
    const held = new Promise<void>((resolve) => (release = resolve));
    const send = async (transfers: Transfer[]) => {
        const order = transfers.map(({ to }) => to.hash.at(-1)!);
        orders.push(order);
        await held;
        const error = failure?.(order);
        if (error !== undefined) {
            throw error;
        }
        coins -= NEEDED * BigInt(order.length);
    };
    const wallet = { address: WALLET, send, balance: async () => coins, outcome: async () => 'executed' as const };
    const context = { store: { cluster: new OneMember() }, chain: {}, config: { network: -239 } };
    sender = new AnswerSender(context as unknown as WorkerContext, wallet, tasks);
});

/** Sends an answer to the demand of this number; the outcome is a word. */
function answer(number: number, { answerBy = number, body = Cell.EMPTY, messages = 1 } = {}): Promise<string> {
    const order = Array.from({ length: messages }, () => ({ to: account(number), value: VALUE, body }));
    return sender.send({ key: `${number}`, answerBy, order, bond: 4n }).then(
        () => 'sent',
        (error: Error) => error.message,
    );
}

/** Sends one that is on its way, and then the others, which wait for it. */
async function answerAfterFirst(numbers: number[], options: Parameters<typeof answer>[1] = {}): Promise<string[]> {
    const first = answer(1);
    while (orders.length === 0) await new Promise(setImmediate);
    const others = numbers.map((number) => answer(number, options));
    release();
    return Promise.all([first, ...others]);
}

/** A body of a few bytes more than so many. */
function bodyOf(bytes: number): Cell {
    const bits = beginCell().storeBuffer(Buffer.alloc(120, bytes % 251));
    return bytes <= 120 ? bits.endCell() : bits.storeRef(bodyOf(bytes - 120)).endCell();
}

describe('Answers to demands', () => {
    it('that wait while an order is under way share the next one, those that end soonest first', async () => {
        expect(await answerAfterFirst([9, 7, 8])).toEqual(['sent', 'sent', 'sent', 'sent']);

        expect(orders).toEqual([[1], [7, 8, 9]]);
    });

    it('are sent as far as the coins of the wallet go, those that end soonest first', async () => {
        coins = 3n * NEEDED;

        const [first, ...others] = await answerAfterFirst([9, 7, 8]);

        expect(orders).toEqual([[1], [7, 8]]);
        expect([first, ...others.slice(1)]).toEqual(['sent', 'sent', 'sent']);
        expect(others[0]).toMatch(/^The worker's wallet .+ needs 0.000000011 TON to answer a demand$/);
    });

    it('of which one needs more coins than there are do not keep the others', async () => {
        const first = answer(1);
        while (orders.length === 0) await new Promise(setImmediate);
        const dear = sender.send({
            ...{ key: '2', answerBy: 2, bond: 4n },
            order: [{ to: account(2), value: 10n ** 18n }],
        });
        const others = [answer(3), answer(4)];
        release();

        await expect(dear).rejects.toThrow('TON to answer a demand');
        expect(await Promise.all([first, ...others])).toEqual(['sent', 'sent', 'sent']);
        expect(orders).toEqual([[1], [3, 4]]);
    });

    it('share an order of 40 KiB at most, and a longer one is sent alone', async () => {
        await answerAfterFirst([2, 3, 4, 5], { body: bodyOf(12_000) });
        expect(orders).toEqual([[1], [2, 3, 4], [5]]);

        expect(await answer(6, { body: bodyOf(15_000), messages: 3 })).toBe('sent');
        expect(orders.at(-1)).toEqual([6, 6, 6]);
    });

    it('share no order of more messages than a wallet takes', async () => {
        await answerAfterFirst([2, 3], { messages: 128 });

        expect(orders.map(({ length }) => length)).toEqual([1, 128, 128]);
    });

    it('whose order failed are tried with ever fewer others, and one that failed alone comes last', async () => {
        failure = (order) => (order.includes(2) ? new ChainError('refused') : undefined);
        const numbers = [2, 3, 4, 5, 6, 7, 8, 9];
        const outcomes = await answerAfterFirst(numbers);
        expect(outcomes).toEqual(['sent', ...numbers.map(() => 'refused')]);

        const again = async () => {
            orders.splice(0);
            await Promise.all(numbers.map((number) => answer(number)));
            return orders;
        };
        const pairs = [4, 6, 8].map((number) => [number, number + 1]);
        expect(await again()).toEqual([[2, 3], ...pairs]); // the first fails
        expect(await again()).toEqual([[2], [3], [4, 5, 6, 7, 8, 9]]);
        expect(await again()).toEqual([[3, 4, 5, 6, 7, 8, 9], [2]]);
    });

    it('that wait behind an order of unknown outcome are not sent: their cases are read again first', async () => {
        const unknown = { wallet: WALLET, seqno: 1, hash: '00', from: 0, validUntil: 0 };
        failure = () => new OutcomeUnknown(unknown, 'The API is silent');
        const outcomes = await answerAfterFirst([2, 3]);
        expect(outcomes.every((text) => text.startsWith('The API is silent'))).toBe(true);
        expect(orders).toEqual([[1]]);

        // The next order may find out that the earlier one was executed after all.
        failure = (order) => (order.includes(4) ? new ChainError('executed after all') : undefined);
        const full = answer(4, { answerBy: 1, messages: 255 });
        expect(await Promise.all([full, answer(2), answer(3)])).toEqual(Array(3).fill('executed after all'));
        expect(orders.map(([number]) => number)).toEqual([1, 4]);

        failure = undefined;
        expect(await Promise.all([answer(4), answer(2), answer(3)])).toEqual(['sent', 'sent', 'sent']);
    });

    it('that wait when the worker stops are not sent', async () => {
        const first = answer(1);
        while (orders.length === 0) await new Promise(setImmediate);
        const second = answer(2);
        await tasks.close();
        release();

        expect(await Promise.all([first, second])).toEqual(['sent', 'The worker stops']);
        expect(orders).toEqual([[1]]);
    });
});
