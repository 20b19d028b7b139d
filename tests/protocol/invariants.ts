/** What must hold in every state of the model, and at the end of every job. */
import * as gateway from './gateway';
import { isStale, priceOf, type Scope, type State, STEP } from './state';
import { finish } from './steps';
import { excludes, sentPrice } from './worker';

type Check = (state: State, scope: Scope) => boolean;

const isHonest = ({ hostile }: Scope) => hostile === 'nobody';
const isWorkerHonest = ({ seen }: State, { hostile }: Scope) => hostile !== 'worker' && !seen.isRestored;
const sum = (amounts: number[]) => amounts.reduce((all, amount) => all + amount, 0);

const checks: Record<string, Check> = {
    'a worker is never unpaid beyond one step for the query that runs': (state, scope) => {
        const { cumulative, voucher } = state.worker.store;
        return !isWorkerHonest(state, scope) || cumulative + sentPrice(state) - voucher.cumulative <= STEP;
    },
    'a client is billed no more than a step beyond what arrived of a query': (state) =>
        gateway.results(state).every((entry) => gateway.billedUnseen(state, entry) <= STEP),
    'a client signs no more than results and what arrived': (state) => {
        const { store, isStopped } = state.gateway;
        // A worker that was restored may have a shorter answer than the one that arrived.
        const received = store.queries.map((query, i) =>
            Math.max(query?.ending?.price ?? 0, priceOf(state.seen.arrived[i] ?? 0)),
        );
        return isStopped || state.seen.isGatewayRestored || store.voucher.cumulative <= sum(received);
    },
    'nothing is signed twice, and no honest party refuses what another says': ({ seen }) => seen.fault === '',
    'no acknowledged voucher is lost': ({ worker: { store }, seen }) =>
        seen.isRestored || store.voucher.cumulative >= seen.acknowledged,
    'no honest worker is blamed': (state, scope) => {
        const { store } = state.gateway;
        const isBlamed = store.queries.some((query) => query?.phase === 'refused');
        const isLeft = store.job === 'leaving' && !state.seen.hasLeft;
        return (
            !isWorkerHonest(state, scope) ||
            (!isBlamed && (!isLeft || !isHonest(scope) || state.seen.isGatewayRestored))
        );
    },
    'no client holds two receipts that exclude each other': (state, { hostile }) => {
        const held = state.gateway.store.queries.flatMap((query, i) =>
            query?.ending ? [{ number: i + 1, ending: query.ending }] : [],
        );
        return hostile === 'worker' || held.every((one, i) => !held.slice(i + 1).some((other) => excludes(one, other)));
    },
    'every accepted query runs or has an ending': ({ worker: { isUp, store, running } }) =>
        !isUp ||
        isStale(store) ||
        store.queries.every((query, i) => query === null || query.ending !== null || running?.number === i + 1),
};

/** What does not hold in a state; undefined if everything does. */
export function violation(state: State, scope: Scope): string | undefined {
    return Object.keys(checks).find((name) => !checks[name](state, scope));
}

/** What does not hold when a job is brought to its end from a state by honest parties, and how many steps that took. */
export function endViolation(state: State, scope: Scope): { steps: number; violated: string | undefined } {
    const { way, end } = finish(state, scope);
    const { worker, chain, seen } = end;
    const isServed = worker.isUp && !isStale(worker.store);
    const isPlain = isHonest(scope) && !seen.isRestored && !seen.isGatewayRestored && !seen.hasLeft;
    const lacks: [string, boolean][] = [
        ['the job ends', !chain.isClosed],
        ['every query has an ending', isServed && !chain.isLeaving && gateway.open(end).length > 0],
        [
            'the worker is paid for every voucher that it holds',
            worker.isUp && chain.paid < worker.store.voucher.cumulative,
        ],
        [
            'every result is paid',
            isPlain && !(chain.paid === worker.store.cumulative && chain.paid === gateway.total(end)),
        ],
    ];
    const violated = violation(end, scope) ?? lacks.find(([, isLacking]) => isLacking)?.[0];
    return { steps: way.length, violated };
}
