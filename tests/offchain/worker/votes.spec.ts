import {
    type EndpointWord,
    agreedAmount,
    messagesIn,
    type ChannelVerdict,
    voteOf,
} from '../../../offchain/worker/votes';

type Word = EndpointWord['word'];

const words = (...all: Word[]) => all.map((word, i) => ({ endpoint: `${i}.example`, word }));

describe('Endpoints that vote about a channel', () => {
    it.each<[ChannelVerdict, Word[]]>([
        ['agreed', []],
        ['agreed', ['yes']],
        ['disputed', ['no']],
        ['agreed', ['yes', undefined]],
        ['disputed', ['no', undefined]],
        ['agreed', ['yes', 'yes']],
        ['disputed', ['yes', 'no']],
        ['denied', ['no', 'no']],
        ['agreed', ['yes', 'yes', 'no']],
        ['denied', ['yes', 'no', 'no']],
        ['disputed', ['yes', 'no', undefined]],
        ['denied', ['no', 'no', undefined]],
        ['disputed', ['yes', 'yes', 'no', 'no']],
    ])('come to %s by %j', (verdict, all) => {
        expect(voteOf(words(...all)).verdict).toBe(verdict);
    });

    it.each<[number | undefined, (number | undefined)[]]>([
        [undefined, []],
        [5, [5]],
        [undefined, [undefined]],
        [3, [5, 3]],
        [undefined, [5, undefined]],
        [5, [9, 5, 3]],
        [3, [9, undefined, 3]],
        [undefined, [9, undefined, undefined]],
        [3, [9, 5, 3, 1]],
    ])('show %s together by %j', (agreed, amounts) => {
        const shown = (amount: number | undefined) =>
            amount === undefined
                ? { word: undefined }
                : { word: 'yes' as const, snapshot: { balance: BigInt(amount - 1), paid: 1n, refundAt: 1, at: 0 } };
        const all = amounts.map((amount, i) => ({ endpoint: `${i}.example`, ...shown(amount) }));

        expect(agreedAmount(voteOf(all))).toBe(agreed === undefined ? undefined : BigInt(agreed));
    });

    it('show nothing together where most show no such channel', () => {
        expect(agreedAmount(voteOf(words('no', 'no', undefined)))).toBe(0n);
    });

    it('are named with what each of them shows', () => {
        const snapshot = { balance: 1_500_000_000n, paid: 250_000_000n, refundAt: 1, at: 0 };
        const [shows, denies, silent] = words('yes', 'no', undefined);

        expect(messagesIn(voteOf([{ ...shows, snapshot }, denies, silent]))).toEqual({
            '0.example': '1.5 TON, and 0.25 TON paid',
            '1.example': 'no such channel',
            '2.example': 'no answer',
        });
    });
});
