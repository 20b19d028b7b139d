import { randomOf } from '../soak/plan';
import * as gateway from './gateway';
import { violation } from './invariants';
import { replayed, scopes, type ScopeName } from './scopes';
import { searchAll, walk } from './search';
import { copy, firstState, priceOf, type State, STEP } from './state';
import { after, enabled, rules, type Step } from './steps';
import * as worker from './worker';

const DEPTH = 6; // `npm run model` goes further
const names = Object.keys(scopes) as ScopeName[];

/** The state after these steps, each of which must be possible. */
function follow(steps: Step[], name: ScopeName = 'kills'): State {
    return steps.reduce((state, step) => {
        expect(enabled(state, scopes[name])).toContain(step);
        return after(state, step, scopes[name]);
    }, firstState());
}

const asked: Step[] = ['the app asks', 'the query arrives', 'a record arrives', 'the backend goes on'];

describe('The model of one query', () => {
    it.each(names)('holds after every sequence of steps: %s', (name) => {
        const found = searchAll(scopes[name], DEPTH);

        expect(found.violations).toEqual([]);
        expect(found.sequences).toBeGreaterThan(200n);
        expect(found.longestWayOut.steps).toBeLessThan(60);
    });

    it('counts every sequence of steps once', () => {
        const count = (state: State, depth: number): bigint =>
            depth === 0
                ? 0n
                : enabled(state, scopes.kills).reduce(
                      (sum, step) => sum + 1n + count(after(state, step, scopes.kills), depth - 1),
                      0n,
                  );
        expect(searchAll(scopes.kills, 5).sequences).toBe(count(firstState(), 5));
    });

    it('walks the same way with the same seed', () => {
        const walked = (seed: number) => walk(replayed(scopes.kills), 30, randomOf(seed));
        expect(walked(1)).toEqual(walked(1));
        expect(walked(1)).not.toEqual(walked(2));
    });

    it('has a worker that ends what a killed one left with a result over what was stored', () => {
        const steps: Step[] = [...asked, 'the backend goes on', 'the worker is killed', 'the worker starts'];
        expect(follow(steps).worker.store.queries[0]!.ending).toMatchObject({ kind: 'result', frames: 1 });
    });

    it.each<[string, Step, (state: State) => void, string]>([
        [
            'acknowledges a voucher that it does not store',
            'the voucher arrives',
            ({ gateway: { post }, seen }) => void (seen.acknowledged = post!.cumulative),
            'no acknowledged voucher is lost',
        ],
        [
            'forgets the query whose client is gone',
            'the connection breaks',
            (state) => {
                state.worker.running = null;
                state.gateway.live = 0;
            },
            'every accepted query runs or has an ending',
        ],
        [
            'signs again at its start',
            'the worker starts',
            (state) => {
                state.worker.store.queries.forEach((query) => query && (query.ending = null));
                worker.start(state);
            },
            'nothing is signed twice, and no honest party refuses what another says',
        ],
        [
            'does not pay what it fetched',
            'the ending is fetched',
            (state) => gateway.forget(state, gateway.open(state)[0]),
            'every result is paid',
        ],
        [
            'signs more than it got',
            'the gateway signs',
            ({ gateway: client }) => {
                client.store.voucher = { cumulative: 100, count: 0 };
                client.isDue = false;
            },
            'a client signs no more than results and what arrived',
        ],
        [
            'ends the job and does not claim',
            'the job ends',
            ({ chain, gateway: client }) => {
                chain.isClosed = true;
                client.store.job = 'ended';
            },
            'the worker is paid for every voucher that it holds',
        ],
    ])('is told from one with a party that %s', (_, step, fault, violated) => {
        const planted = jest.spyOn(rules[step], 'then').mockImplementation(fault);
        const { violations } = searchAll(scopes.losses, 10);
        planted.mockRestore();

        expect(violations.map((found) => found.violated)).toContain(violated);
    });

    describe('tells', () => {
        const told = (change: (state: State) => void, steps: Step[] = asked) => {
            const state = copy(follow(steps));
            change(state);
            return violation(state, scopes.kills);
        };

        it('nothing of an honest query', () => expect(told(() => undefined)).toBeUndefined());

        it('that a worker goes on unpaid', () =>
            expect(told(({ worker }) => void (worker.running!.sent = 6))).toContain('never unpaid'));

        it('that a client signs more than it got', () =>
            expect(told(({ gateway }) => void (gateway.store.voucher.cumulative = 1))).toContain('signs no more'));

        it('that a voucher is lost', () =>
            expect(told(({ seen }) => void (seen.acknowledged = 1))).toContain('acknowledged'));

        it('that an accepted query is forgotten', () =>
            expect(told(({ worker }) => void (worker.running = null))).toContain('runs or has an ending'));

        const result = (index: number, price: number) =>
            ({ kind: 'result', index, price, cumulative: price, frames: 1, isWhole: true }) as const;

        it('that a client is billed for what never arrived', () =>
            expect(
                told(({ gateway: { store } }) => {
                    store.queries = [{ phase: 'result', ending: result(1, STEP + priceOf(1) + 1) }];
                }),
            ).toContain('billed no more than a step'));

        it('that an honest worker is blamed', () =>
            expect(told(({ gateway: { store } }) => void (store.queries[0]!.phase = 'refused'))).toContain('blamed'));

        it('that a client holds two receipts that exclude each other', () =>
            expect(
                told(({ gateway: { store } }) => {
                    store.queries = [1, 2].map((price) => ({ phase: 'open', ending: result(1, price) }));
                }),
            ).toContain('two receipts'));

        it('that something was signed twice', () =>
            expect(told(({ seen }) => void (seen.fault = 'a second signature'))).toContain('signed twice'));
    });
});
