import { answerTime, choose, type NodeFacts, sortBy, weightsOf } from '../../../offchain/gateway/scoring';
import { NodeStats } from '../../../offchain/gateway/nodeStats';
import { hasGoneOn } from '../../../offchain/gateway/silence';

const node = (change: Partial<NodeFacts> = {}): NodeFacts => ({
    ...{ price: 100n, tier: 'open', region: 'eu', covered: undefined, delay: 1, speed: 100, usual: 3 },
    ...{ success: 1, refusals: 0, jobs: 0, ...change },
});
/** How often the second node is chosen for each time that a usual node is. */
const ratio = (change: Partial<NodeFacts>, regions: string[] = []) => {
    const [one, other] = weightsOf([node(), node(change)], { regions });
    return Number((other / one).toFixed(3));
};

describe('The weight of a node, against a usual one', () => {
    it.each<[string, Partial<NodeFacts>, number]>([
        ['like it', {}, 1],
        ['twice as dear', { price: 200n }, 0.25],
        ['at half the price', { price: 50n }, 4],
        ['for nothing', { price: 0n }, Infinity],
        ['that takes twice the time', { delay: 3, speed: 66.667 }, 0.25],
        ['that was not measured', { delay: undefined, speed: undefined, usual: undefined }, 1],
        ['that answers half of its queries', { success: 0.5 }, 0.063],
        ['that answers none', { success: 0 }, 0],
        ['attested by testca', { tier: 'testca' }, 1.1],
        ['attested by tdx', { tier: 'tdx' }, 1.2],
        ['of which half the share of the stake is used up', { covered: 0.5 }, 0.75],
        ['that refused once what it lists', { refusals: 1 }, 0.25],
        ['that refused it twice', { refusals: 2 }, 0.063],
        ['that refused it three times', { refusals: 3 }, 0],
        ['that has a job already', { jobs: 1 }, 0.5],
    ])('one %s', (_, change, expected) => {
        expect(ratio(change)).toBe(expected);
    });

    it('one outside the preferred regions is chosen half as often', () => {
        expect(ratio({ region: 'us' }, ['eu'])).toBe(0.5);
        expect(ratio({ region: 'us' }, [])).toBe(1);
    });

    it('differences of times below 0.05 s are noise', () => {
        const [one, other] = weightsOf(
            [node({ delay: 0.001, speed: undefined }), node({ delay: 0.05, speed: undefined })],
            {
                regions: [],
            },
        );
        expect(other).toBe(one);
    });
});

describe('Choosing', () => {
    it.each([
        [0, 0],
        [0.249, 0],
        [0.25, 2],
        [0.999, 2],
        [1, 2],
    ])('with weights 1, 0 and 3, the number %s chooses the one at %s', (random, place) => {
        expect(choose([1, 0, 3], random)).toBe(place);
    });

    it('takes the first if none has a weight', () => {
        expect(choose([0, 0], 0.5)).toBe(0);
    });

    it.each([
        ['price', [0, 1, 0]],
        ['latency', [1, 0, 0]],
        ['throughput', [0, 0, 1]],
    ] as const)('sorted by %s, only the best is chosen', (sort, expected) => {
        const nodes = [node({ delay: 0.1 }), node({ price: 1n }), node({ speed: 900 })];
        expect(sortBy(nodes, sort)).toEqual(expected);
    });

    it('an answer takes its delay and 200 tokens', () => {
        expect(answerTime({ delay: 1, speed: 100 })).toBe(3);
        expect(answerTime({ delay: 1, speed: undefined })).toBe(1);
        expect(answerTime({ delay: undefined, speed: 100 })).toBeUndefined();
    });
});

describe('What is measured of a worker', () => {
    const url = 'http://one.example';
    let now = 0;
    const stats = () => new NodeStats(2, () => now);
    const answer = (delay: number) => ({ delay, seconds: 1, tokens: 101 });

    beforeEach(() => (now = 0));

    it('the newest answer is three tenths of the average', () => {
        const measured = stats();
        measured.addAnswer(url, answer(1));
        measured.addAnswer(url, answer(2));

        expect(measured.of(url)).toMatchObject({ delay: 1.3, speed: 100, success: 1 });
    });

    it('is forgotten ten minutes after its last query', () => {
        const measured = stats();
        measured.addFailure(url);
        now = 600;
        expect(measured.of(url).success).toBe(0.7);
        now = 600.1;
        expect(measured.of(url)).toEqual({ delay: undefined, speed: undefined, success: 1 });
    });

    it('a worker is poor when it takes three times its usual time and more than slowSeconds, or fails twice', () => {
        const measured = stats();
        measured.addAnswer(url, { delay: 0.1, seconds: 0, tokens: 1 });
        expect(measured.isPoor(url)).toBe(false);
        measured.addAnswer(url, { delay: 6, seconds: 0, tokens: 1 });
        expect(measured.isPoor(url)).toBe(false);
        measured.addAnswer(url, { delay: 6, seconds: 0, tokens: 1 });
        expect(measured.isPoor(url)).toBe(true);

        const failing = stats();
        failing.addFailure(url);
        expect(failing.isPoor(url)).toBe(false);
        failing.addFailure(url);
        expect(failing.isPoor(url)).toBe(true);
    });

    it('refusals count by feature, and an answer with the feature clears them', () => {
        const measured = stats();
        measured.addRefusal(url, ['tools', 'json']);
        measured.addRefusal(url, ['tools']);
        expect([measured.refusalsOf(url, ['tools']), measured.refusalsOf(url, ['json'])]).toEqual([2, 1]);

        measured.addAnswer(url, answer(1), ['tools']);
        expect([measured.refusalsOf(url, ['tools']), measured.refusalsOf(url, ['json'])]).toEqual([0, 1]);
    });

    it('a worker refuses most queries of a key from the seventh in a row, until ten minutes after the last', () => {
        const measured = stats();
        const refuse = (times: number) => {
            for (let time = 0; time < times; time++) measured.addRefused(url, 'bob');
        };
        refuse(6);
        expect(measured.refuses(url, 'bob')).toBe(false);
        refuse(1);
        expect([measured.refuses(url, 'bob'), measured.refuses(url, 'eve')]).toEqual([true, false]);
        now = 599;
        expect(measured.refuses(url, 'bob')).toBe(true);
        now = 600;
        expect(measured.refuses(url, 'bob')).toBe(false);

        refuse(6); // what it refused before is forgotten
        expect(measured.refuses(url, 'bob')).toBe(false);
    });

    it('a worker that answers none of the queries of a key is known for it however rare they are, until it answers', () => {
        const measured = stats();
        const seldom = (times: number, note: () => void) => {
            for (let time = 0; time < times; time++) {
                now += 86_400;
                note();
            }
        };
        seldom(6, () => measured.addRefused(url, 'bob'));
        expect(measured.answersNone(url, 'bob')).toBe(false);
        seldom(1, () => measured.addRefused(url, 'bob'));
        expect([measured.answersNone(url, 'bob'), measured.answersNone(url, 'eve')]).toEqual([true, false]);
        measured.addAnswer(url, answer(1), [], 'bob');
        expect(measured.answersNone(url, 'bob')).toBe(false);

        seldom(1, () => measured.addFailure(url, 'bob'));
        expect(measured.answersNone(url, 'bob')).toBe(false);
        seldom(1, () => measured.addFailure(url, 'bob'));
        expect(measured.answersNone(url, 'bob')).toBe(true);
    });

    it('a worker that answers none is passed over as long again as it answered none, six hours at most', () => {
        const measured = stats();
        const passed = () => measured.isPassedOver(url, 'bob');
        const failAfter = (seconds: number) => {
            now += seconds;
            measured.addFailure(url, 'bob');
        };
        failAfter(0);
        now += 100;
        expect(passed()).toBe(false);
        failAfter(0);
        now += 99;
        expect([passed(), measured.isPassedOver(url, 'eve')]).toEqual([true, false]);
        now += 1;
        expect(passed()).toBe(false);
        failAfter(0);
        failAfter(0); // at once again, as of many that were under way
        now += 199;
        expect(passed()).toBe(true);
        now += 1;
        expect(passed()).toBe(false);
        failAfter(86_400);
        now += 6 * 3600 - 1;
        expect(passed()).toBe(true);
        now += 1;
        expect(passed()).toBe(false);

        failAfter(0);
        measured.addAnswer(url, answer(1), [], 'bob');
        expect(passed()).toBe(false);
        now += 1000;
        failAfter(0);
        failAfter(10);
        now += 10;
        expect(passed()).toBe(false); // what was before the answer does not count
    });

    it('a worker whose answer went on until the app left is passed over no longer', () => {
        const measured = stats();
        measured.addFailure(url, 'bob');
        now += 86_400;
        measured.addFailure(url, 'bob');
        measured.addCut(url, 'eve');
        expect(measured.isPassedOver(url, 'bob')).toBe(true);
        measured.addCut(url, 'bob');
        expect(measured.isPassedOver(url, 'bob')).toBe(false);
    });

    it.each([
        [0, 0, false],
        [1, 1, false],
        [19, 10, false],
        [20, 10, true],
    ])('an answer of %d characters in %d s went on: %p', (characters, seconds, expected) => {
        expect(hasGoneOn(characters, seconds)).toBe(expected);
    });

    it('a worker answered a key last, or another before it got a query of this one', () => {
        const measured = stats();
        const answered = (...keys: string[]) => keys.map((key) => measured.answeredLast(url, key));
        expect(answered('bob')).toEqual([undefined]);
        measured.addAnswer(url, answer(1), [], 'eve');
        expect(answered('bob')).toEqual([true]);
        measured.addRefused(url, 'bob');
        expect(answered('bob', 'eve')).toEqual([false, true]);
        measured.addAnswer(url, answer(1), [], 'bob');
        expect(answered('bob')).toEqual([true]);
        measured.addFailure(url, 'eve');
        expect(answered('eve', 'ann', 'bob')).toEqual([false, false, true]);
    });

    it('a prompt as long as one that it refused as too long is not sent to it, a shorter one is', () => {
        const measured = stats();
        const size = (prompt: number) => ({ prompt, total: prompt + 100, bytes: () => 4 * prompt });
        measured.addTooLong(url, size(1000));
        expect([measured.takes(url, size(1000)), measured.takes(url, size(999))]).toEqual([false, true]);
    });
});
