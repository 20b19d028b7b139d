import {
    Accept,
    answerRoot,
    contentHash,
    Finish,
    jobHash,
    priceOf,
    Result,
    type SigningKey,
} from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { checkReceipt, readReceiptId, receiptId, type StoredReceipt } from '../../../offchain/gateway/receipts';
import { FrameKind, FrameWriter, signReceipt } from '../../../offchain/link';
import { testKey } from '../../support/market';
import { RATES } from './support';

const NETWORK = -3;
const ASKED = 1_790_000_000;
const NUMBER = 7;
const node = testKey(70);

const channel = randomBytes(32);
const terms = {
    ...{ escrow: randomBytes(32), provider: randomBytes(32), node: randomBytes(32) },
    ...{ receiptKey: node.publicKey, payout: randomBytes(32), voucherKey: testKey(71).publicKey },
    ...{ model: randomBytes(32), rates: RATES, step: 10_000_000n, maxParallel: 4, maxAnswer: 1 << 20 },
    ...{ notice: 3600, end: ASKED + 86_400 },
};
const hash = jobHash(NETWORK, channel, terms);
const request = randomBytes(32);
const secret = randomBytes(32);
const counts = { prompt: 40, cached: 10, completion: 3, reasoning: 2 };

/** The bytes of an answer with 40 bytes of reasoning and 60 of content. */
function answerBytes(final = true): Buffer {
    const writer = new FrameWriter(secret, NUMBER, randomBytes(16));
    const frame = { meter: counts, choice: 0, more: false };
    return Buffer.concat([
        writer.salt,
        writer.write({ ...frame, kind: FrameKind.Reasoning, text: 'r'.repeat(40), final: false }),
        writer.write({ ...frame, kind: FrameKind.Content, text: 'c'.repeat(60), final }),
    ]);
}

interface Changes {
    result?: Partial<Result>;
    accept?: Partial<Accept>;
    key?: SigningKey;
    parts?: (parts: StoredReceipt) => Partial<StoredReceipt>;
    answer?: Partial<StoredReceipt['answer']>;
}

/** States of all fields of a receipt that is right but for the changes. */
function statesOf({ result = {}, accept = {}, key = node, parts = () => ({}), answer: stored = {} }: Changes = {}) {
    const answer = answerBytes();
    const all = { ...counts, ...result };
    const price = priceOf(all, RATES);
    const signed: Result = {
        ...{ job: hash, number: NUMBER, index: 4, content: contentHash(request, answerRoot(answer)) },
        ...{ ...counts, price, cumulative: 1000n + price, finishedAt: ASKED + 5, finish: Finish.Stop },
        ...result,
    };
    const accepted: Accept = {
        ...{ job: hash, number: NUMBER, request, ceiling: 50_000n, deadline: ASKED + 600 },
        ...accept,
    };
    const whole: StoredReceipt = {
        job: { hash, channel, terms },
        network: NETWORK,
        answer: {
            ...{ number: NUMBER, phase: 'result', accept: signReceipt(Accept, accepted, node) },
            ...{ receipt: signReceipt(Result, signed, key), request, ceiling: 50_000n, askedAt: ASKED, index: 4 },
            ...{ promptBound: 50, stopBound: 0, tokenizer: 'bytes' },
            ...stored,
        },
        entries: [{ index: 3, cumulative: 1000n }],
        whole: { secret, answer },
    };
    const { checks } = checkReceipt({ ...whole, ...parts(whole) });
    return Object.fromEntries(checks.map(({ field, state }) => [field, state]));
}

const wrongIn = (changes: Changes): string[] =>
    Object.entries(statesOf(changes))
        .filter(([, state]) => state === 'wrong')
        .map(([field]) => field);

describe('a receipt', () => {
    it('that is right has every field right', () => {
        const fields = [
            ...[
                'layout',
                'signature',
                'terms',
                'job',
                'number',
                'index',
                'prompt',
                'completion',
                'reasoning',
                'price',
                'ceiling',
            ],
            ...['cumulative', 'finish', 'accept', 'finishedAt', 'content'],
        ];
        expect(statesOf()).toEqual(Object.fromEntries(fields.map((field) => [field, 'right'])));
    });

    it.each<[string, Changes, Changes]>([
        ['signature', {}, { key: testKey(72) }],
        ['job', { result: { job: hash } }, { result: { job: randomBytes(32) } }],
        ['number', { result: { number: NUMBER } }, { result: { number: NUMBER + 1 } }],
        ['index', {}, { answer: { index: 5 } }],
        // 50 tokens are possible, and 2 % and 16 above them.
        ['prompt', { result: { prompt: 57 } }, { result: { prompt: 58 } }],
        // 60 bytes arrived, and 2 % and 16 are tolerated: 62 and 16.
        [
            'completion',
            { result: { completion: 78, reasoning: 0 }, answer: { ceiling: 100_000n }, accept: { ceiling: 100_000n } },
            { result: { completion: 79, reasoning: 0 }, answer: { ceiling: 100_000n }, accept: { ceiling: 100_000n } },
        ],
        // 40 bytes arrived: 41 and 16.
        [
            'reasoning',
            { result: { reasoning: 57, completion: 0 }, answer: { ceiling: 100_000n }, accept: { ceiling: 100_000n } },
            { result: { reasoning: 58, completion: 0 }, answer: { ceiling: 100_000n }, accept: { ceiling: 100_000n } },
        ],
        [
            'ceiling',
            { answer: { ceiling: 9_100n }, accept: { ceiling: 9_100n } },
            { answer: { ceiling: 9_099n }, accept: { ceiling: 9_099n } },
        ],
        ['cumulative', {}, { parts: () => ({ entries: [{ index: 3, cumulative: 999n }] }) }],
        ['finish', { result: { finish: Finish.Length } }, { result: { finish: 200 } }],
        ['accept', { accept: { ceiling: 50_000n } }, { accept: { ceiling: 50_001n } }],
        ['accept', {}, { answer: { accept: null } }],
        ['finishedAt', { result: { finishedAt: ASKED - 60 } }, { result: { finishedAt: ASKED - 61 } }],
        ['finishedAt', { result: { finishedAt: ASKED + 660 } }, { result: { finishedAt: ASKED + 661 } }],
        ['content', {}, { parts: () => ({ whole: { secret, answer: answerBytes() } }) }],
        ['terms', {}, { parts: () => ({ network: -239 }) }],
    ])('with another %s has this field wrong, and no other', (field, right, wrong) => {
        expect(wrongIn(right)).toEqual([]);
        expect(wrongIn(wrong)).toEqual([field]);
    });

    it('with another price has the price wrong', () => {
        const price = priceOf(counts, RATES);
        expect(wrongIn({ result: { price: price + 1n, cumulative: 1001n + price } })).toEqual(['price']);
    });

    it('of an answer without an end has its content wrong, unless it says that it was cut', () => {
        const cut = answerBytes(false);
        const content = contentHash(request, answerRoot(cut));
        const parts = () => ({ whole: { secret, answer: cut } });
        expect(wrongIn({ parts, result: { content } })).toEqual(['content']);
        expect(wrongIn({ parts, result: { content, finish: Finish.CutByClient } })).toEqual([]);
    });

    it('whose answer was not kept is not checked in what needs it', () => {
        const states = statesOf({ parts: () => ({ whole: undefined }) });
        expect(states).toMatchObject({ content: 'not checked', completion: 'not checked', reasoning: 'not checked' });
        expect(Object.values(states)).not.toContain('wrong');
    });

    it('that is no receipt has neither its layout nor a signature', () => {
        expect(wrongIn({ answer: { receipt: Buffer.from('nonsense') } })).toEqual(['layout', 'signature']);
    });

    it('has a name of job and query', () => {
        expect(readReceiptId(receiptId(12, 3))).toEqual({ job: 12, number: 3 });
        expect(['12', '12-', '-3', '12-3-4', 'a-b', '12.5-3'].map(readReceiptId)).toEqual(Array(6).fill(undefined));
    });
});
