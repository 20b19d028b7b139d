import { priceOf } from '@cocoon-market/wrappers';
import fc from 'fast-check';
import { FrameKind, maxPrompt, RENT, remainingRent, requestLimits } from '../../../offchain/link';
import { parts, MAX_TEXT } from '../../../offchain/worker/answer';
import {
    answerTokens,
    billedCounts,
    covers,
    frameTokens,
    maySend,
    promptBoundPrice,
    stepCarriesFrames,
    tokensFor,
    unmeteredBound,
    unpaidTokens,
} from '../../../offchain/worker/credit';
import { BYTES, counterOf } from '../../../offchain/tokens';

const amount = fc.bigInt(0n, 1n << 40n);
const rate = fc.oneof(fc.constant(0n), fc.bigInt(0n, 1n << 50n));
const rates = fc.record({ prompt: rate, cached: rate, completion: rate, reasoning: rate });
const tokens = fc.nat(100_000);
const counts = fc.record({ prompt: tokens, cached: tokens, completion: tokens, reasoning: tokens });
const NONE = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };
const kinds = ['prompt', 'cached', 'completion', 'reasoning'] as const;

describe('credit', () => {
    it('rule 5: lets no more be unpaid than one step for each running query', () => {
        const cost = fc.record({ sent: amount, unmetered: amount });
        const credit = fc.record({
            step: amount,
            ended: amount,
            paid: amount,
            running: fc.array(cost, { maxLength: 5 }),
        });
        fc.assert(
            fc.property(credit, amount, (state, next) => {
                const sent = state.running.reduce((sum, query) => sum + query.sent + query.unmetered, 0n);
                const unpaid = state.ended + sent + next - state.paid;
                expect(maySend(state, next)).toBe(unpaid <= state.step * BigInt(state.running.length));
            }),
        );
    });

    it('rule 5: a client that pays its meters is never waited for, once the worker has shown them', () => {
        // Blocked with everything on the disk and shown: then at least a quarter of a step is unpaid, so the client
        // pays.
        fc.assert(
            fc.property(fc.bigInt(1000n, 1n << 40n), amount, amount, fc.bigInt(0n, 10n), (step, sent, paid, tenth) => {
                const next = (step * tenth) / 100n; // at most a tenth of a step
                const state = { step, ended: 0n, paid, running: [{ sent, unmetered: maxPrompt(step) }] };
                fc.pre(!maySend(state, next));
                expect(sent - paid).toBeGreaterThanOrEqual(step / 4n);
            }),
        );
    });

    it('rule 2: covers ceilings only from what the channel holds and has paid', () => {
        const seen = { balance: 75n, paid: 30n, rent: 5n };
        expect(covers(seen, { results: 40n, ceilings: 50n, ceiling: 10n })).toBe(true);
        expect(covers(seen, { results: 40n, ceilings: 50n, ceiling: 11n })).toBe(false);
    });

    it('rule 2: counts no money that rent may take, and never less than was paid', () => {
        expect(covers({ balance: 4n, paid: 30n, rent: 5n }, { results: 20n, ceilings: 0n, ceiling: 10n })).toBe(true);
        expect(covers({ balance: 4n, paid: 30n, rent: 5n }, { results: 20n, ceilings: 0n, ceiling: 11n })).toBe(false);
        expect([0, 45, 90, 900].map((days) => remainingRent(days * 86_400))).toEqual([0n, RENT / 2n, RENT, RENT]);
    });

    it('tokensFor is the most tokens that an amount pays', () => {
        fc.assert(
            fc.property(amount, fc.bigInt(1n, 1n << 50n), (pays, each) => {
                const max = tokensFor(pays, each);
                fc.pre(max < 0xffff_ffff);
                const price = (completion: number) => priceOf({ ...NONE, completion }, { ...FREE, completion: each });
                expect(price(max) <= pays && price(max + 1) > pays).toBe(true);
            }),
        );
    });

    it('an answer of the tokens that a ceiling allows never costs more than the ceiling', () => {
        fc.assert(
            fc.property(amount, tokens, rates, fc.nat(100), (ceiling, promptBound, at, share) => {
                const max = answerTokens(ceiling, promptBound, at);
                fc.pre(max > 0);
                const reasoning = Math.floor((max * share) / 100);
                const cached = Math.floor((promptBound * share) / 100);
                const used = { prompt: promptBound - cached, cached, completion: max - reasoning, reasoning };
                // Both prices were rounded up apart, so together they never exceed it.
                expect(priceOf(used, at)).toBeLessThanOrEqual(ceiling);
            }),
        );
    });

    it('rule 17: bounds what is unmetered by half a step', () => {
        fc.assert(
            fc.property(amount, tokens, counts, counts, rates, (step, promptBound, some, more, at) => {
                const bounds = { ...some, completion: some.completion + more.completion };
                const bound = unmeteredBound({ step, promptBound, counts: some, bounds }, at);
                expect(bound <= maxPrompt(step) && bound >= 0n).toBe(true);
                const whole = promptBoundPrice(promptBound, at) + priceOf({ ...NONE, completion: more.completion }, at);
                expect(bound <= whole).toBe(true);
            }),
        );
    });
});

const FREE = { prompt: 0n, cached: 0n, completion: 0n, reasoning: 0n };

describe('billed counts', () => {
    const ended = {
        meter: { prompt: 10, cached: 2, completion: 5, reasoning: 1 },
        accepted: { completion: 22, reasoning: 18 }, // 2 % and 16 tokens above the meter
        promptBound: 100,
        promptKnown: true,
        allCounted: true,
        usage: undefined,
        cut: false,
        promptEstimate: 10,
        textEstimate: { completion: 26, reasoning: 3 },
        ceiling: 1n << 60n,
    };
    const even = { prompt: 1_000_000n, cached: 1_000_000n, completion: 1_000_000n, reasoning: 1_000_000n };

    it('rule 12: are the meter and the prompt of an answer that was cut', () => {
        expect(billedCounts({ ...ended, cut: true }, even)).toEqual(ended.meter);
        const unknown = {
            ...ended,
            meter: { ...ended.meter, prompt: 0, cached: 0 },
            promptKnown: false,
            allCounted: false,
        };
        expect(billedCounts({ ...unknown, cut: true }, even)).toEqual({
            prompt: 10,
            cached: 0,
            completion: 5,
            reasoning: 1,
        });
    });

    it('rule 17: are the estimates when usage never comes', () => {
        const accepted = { completion: 120, reasoning: 26 };
        const unknown = {
            ...ended,
            accepted,
            meter: { ...NONE, completion: 5 },
            promptKnown: false,
            allCounted: false,
        };
        expect(billedCounts(unknown, even)).toEqual({ prompt: 10, cached: 0, completion: 26, reasoning: 3 });
    });

    it('are the usage that the backend reports', () => {
        const usage = { prompt: 20, cached: 5, completion: 6, reasoning: 2 };
        expect(billedCounts({ ...ended, usage }, even)).toEqual(usage);
    });

    it('are never more than the client can have sent or received, whatever the backend reports', () => {
        const usage = { prompt: 5000, cached: 50, completion: 5000, reasoning: 5000 };
        expect(billedCounts({ ...ended, usage }, even)).toEqual({
            prompt: 50,
            cached: 50,
            completion: 22,
            reasoning: 18,
        });
    });

    it('never fall below the meter and never cost more than the ceiling, nor more than a backend reports in sum', () => {
        const inputs = fc.record({
            meter: counts,
            usage: fc.option(counts, { nil: undefined }),
            room: amount,
            promptKnown: fc.boolean(),
            allCounted: fc.boolean(),
            cut: fc.boolean(),
            bytes: tokens,
        });
        fc.assert(
            fc.property(inputs, rates, ({ meter, room, bytes, ...known }, at) => {
                const ceiling = priceOf(meter, at) + room;
                const texts = { promptEstimate: bytes, textEstimate: { completion: bytes, reasoning: bytes } };
                const limits = { accepted: meter, promptBound: meter.prompt + meter.cached + bytes };
                const billed = billedCounts({ meter, ceiling, ...texts, ...limits, ...known }, at);
                expect(priceOf(billed, at) <= ceiling).toBe(true);
                expect(billed.prompt >= meter.prompt && billed.cached >= meter.cached).toBe(true);
                if (known.allCounted || known.usage === undefined) {
                    expect(kinds.every((kind) => billed[kind] >= meter[kind])).toBe(true);
                } else {
                    const { completion, reasoning } = known.usage;
                    expect(billed.completion + billed.reasoning).toBeLessThanOrEqual(completion + reasoning);
                }
            }),
        );
    });
});

describe('tokens that were made and nobody pays', () => {
    const rates = { prompt: 7_000_000n, cached: 3_000_000n, completion: 2_000_000n, reasoning: 5_000_000n };
    const billed = { prompt: 1, cached: 1, completion: 3, reasoning: 2 }; // 7 + 3 + 6 + 10 = 26 nanoTON
    const unpaid = (completion: number, reasoning: number, maxTokens = 1000) =>
        unpaidTokens({ made: { completion, reasoning }, billed, maxTokens }, rates);

    it('cost what completion costs, whichever kind they are', () => {
        expect([unpaid(105, 0), unpaid(5, 100), unpaid(0, 105)]).toEqual([200n, 200n, 200n]);
    });

    it('count once they cost more than what is billed', () => {
        expect([unpaid(18, 0), unpaid(19, 0)]).toEqual([0n, 28n]);
    });

    it('are none if more is billed than was made', () => {
        expect(unpaid(1, 1)).toBe(0n);
    });

    it('are at most the tokens that the request allowed', () => {
        expect([unpaid(500, 500, 24), unpaid(500, 500, 25)]).toEqual([38n, 40n]);
    });
});

describe('parts of a delta', () => {
    const delta = fc.record(
        {
            content: fc.string({ unit: 'grapheme', maxLength: 300 }),
            reasoning: fc.string({ unit: 'grapheme', maxLength: 300 }),
        },
        { requiredKeys: [] },
    );

    it('hold its text and its tokens, each within the most of a frame', () => {
        fc.assert(
            fc.property(delta, fc.nat(500), fc.integer({ min: 1, max: 100 }), (texts, count, max) => {
                const made = [...parts({ ...texts, tokens: count }, max, counterOf(BYTES))];
                const text = (kind: FrameKind) => made.filter((part) => part.kind === kind).map((part) => part.text);
                expect(text(FrameKind.Content).join('')).toBe(texts.content ?? '');
                expect(text(FrameKind.Reasoning).join('')).toBe(texts.reasoning ?? '');
                expect(made.reduce((sum, part) => sum + part.tokens, 0)).toBe(count);
                expect(made.every((part) => part.tokens <= max)).toBe(true);
            }),
        );
    });

    it('count one token for text that was not allCounted, and at most one for each byte', () => {
        fc.assert(
            fc.property(delta, fc.integer({ min: 4, max: 100 }), (texts, max) => {
                const made = [...parts(texts, max, counterOf(BYTES))];
                const given = [texts.content, texts.reasoning].filter((text) => text !== undefined && text !== '');
                expect(made.reduce((sum, part) => sum + part.tokens, 0)).toBe(given.length);
                expect(made.every(({ text, bound }) => bound === Buffer.byteLength(text) && bound <= max)).toBe(true);
            }),
        );
    });

    it('are no more than any answer has, whatever a model server counts', () => {
        const made = [...parts({ content: 'a', tokens: Number.MAX_SAFE_INTEGER }, 1000, counterOf(BYTES))];
        expect(made.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(requestLimits.tokens);
    });

    it('with megabytes of vectors are cut without a look at each character', () => {
        const looked = jest.spyOn(Buffer, 'byteLength');
        const vectors = 'x'.repeat(1 << 22);
        const made = [...parts({ note: { vectors }, tokens: 0 }, 1000, counterOf(BYTES))];
        const looks = looked.mock.calls.length;
        looked.mockRestore();

        expect(made.map(({ text }) => text).join('')).toBe(JSON.stringify({ vectors }));
        expect(looks).toBeLessThan(100);
    });

    it('of a long text are cut as they are taken', () => {
        const text = jest.fn(Buffer.byteLength);
        const [first] = parts({ content: 'x'.repeat(1 << 22) }, 4, { ...counterOf(BYTES), text });

        expect(first.text).toBe('xxxx');
        expect(text).toHaveBeenCalledTimes(1);
    });

    it('rule 4: have at most 16 KiB, however cheap they are', () => {
        const made = [...parts({ content: 'é'.repeat(40_000), tokens: 10 }, 1_000_000, counterOf(BYTES))];
        expect(Math.max(...made.map(({ text }) => Buffer.byteLength(text)))).toBeLessThanOrEqual(MAX_TEXT);
    });

    it('rule 4: cost at most a tenth of a step', () => {
        fc.assert(
            fc.property(fc.bigInt(1n, 1n << 40n), rates, (step, at) => {
                fc.pre(stepCarriesFrames(step, at));
                const max = frameTokens(step, at);
                expect(priceOf({ ...NONE, completion: max }, at) <= step / 10n).toBe(true);
                expect(priceOf({ ...NONE, reasoning: max }, at) <= step / 10n).toBe(true);
            }),
        );
    });
});
