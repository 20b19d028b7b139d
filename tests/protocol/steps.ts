// Longer than 350 lines because it is one list.
/**
 * The steps of the model. A step is one commit with the messages that follow from it, or one message that arrives.
 * Kills come between any two of them. A message that is lost, and a process that is killed between its commit and its
 * message, leave the same behind.
 */
import * as gateway from './gateway';
import { copy, isSame, isStale, memoryOf, type Scope, type State, type Word } from './state';
import * as worker from './worker';

interface Rule {
    /** True if the step can happen now. */
    when: (state: State, scope: Scope) => boolean;
    then: (state: State, scope: Scope) => void;
}

const loses = ({ used }: State, { losses }: Scope) => used.losses < losses;
const kills = ({ used }: State, { kills: max }: Scope) => used.kills < max;
const forges = (who: Scope['hostile']) => (state: State, scope: Scope) =>
    scope.hostile === who && state.used.forgeries < scope.forgeries && !state.chain.isClosed;
const byGateway = forges('gateway');
const byWorker = forges('worker');

/** Queries that count: a number that the worker refused without a signature is not one. */
const asked = ({ gateway: { store } }: State) =>
    store.queries.filter((query) => query && query.phase !== 'void').length;
const isAsking = ({ gateway: { live }, wire }: State) => live !== 0 && wire.query === null;
const isAccepted = (state: State) => isAsking(state) && !state.wire.records.some(({ kind }) => kind === 'accept');
const fetchable = (state: State) =>
    !state.gateway.hasConnected
        ? 0
        : (gateway.open(state).find((number) => number !== state.gateway.live && isEnded(state, number)) ?? 0);
const isEnded = ({ worker: { store } }: State, number: number) => store.queries[number - 1]?.ending !== null;

/** The connection of the query that runs ends; each side notices. */
function breakOff(state: State): void {
    state.gateway.live = 0;
    state.wire = { query: null, records: [] };
    worker.loseClient(state);
}

const lie = (word: Word): Rule => ({
    when: ({ chain, used }, { lies }) => chain.word === 'truth' && used.lies < lies && !chain.isClosed,
    then: (state) => {
        state.chain.word = word;
        state.used.lies++;
    },
});

/** What the gateway refuses: rules 3, 6 and 10. */
const breach = (when: (state: State) => boolean = isAccepted): Rule => ({
    when: (state, scope) => byWorker(state, scope) && when(state),
    then: (state) => {
        const { live } = state.gateway;
        state.used.forgeries++;
        breakOff(state);
        gateway.refuse(state, live);
    },
});

/** What the worker refuses, or has already: it changes nothing. */
const idle = (when: (state: State) => boolean): Rule => ({
    when: (state, scope) => byGateway(state, scope) && state.worker.isUp && when(state),
    then: (state) => void state.used.forgeries++,
});

const list = {
    'the app asks': {
        when: (state, { queries }) =>
            gateway.pays(state) &&
            state.gateway.store.job === 'open' &&
            state.gateway.session !== 0 &&
            gateway.open(state).length === 0 &&
            asked(state) < queries &&
            !state.chain.isClosed,
        then: (state) => gateway.ask(state),
    },
    'the query arrives': {
        when: ({ wire, worker: { isUp } }) => wire.query !== null && isUp,
        then: (state, scope) => worker.admit(state, scope),
    },
    'the query arrives without its voucher': {
        when: (state, { hostile }) =>
            hostile === 'gateway' &&
            state.wire.query !== null &&
            state.worker.isUp &&
            state.wire.query.voucher.cumulative > 0,
        then: (state, scope) => worker.admit(state, scope, { bare: true }),
    },
    'the query is lost': {
        when: (state, scope) => state.wire.query !== null && loses(state, scope),
        then: (state) => {
            state.used.losses++;
            state.gateway.live = 0;
            state.wire.query = null;
        },
    },
    'the backend goes on': {
        when: ({ worker: { running } }) => running !== null && running.isStarted && !running.isWaiting,
        then: worker.goOn,
    },
    'the patience of the worker ends': {
        when: ({ worker: { running } }, { hasPatience }) =>
            hasPatience && running !== null && (!running.isStarted || running.isWaiting),
        then: (state) => worker.end(state, { isWhole: false, isConnected: true }),
    },
    'a record arrives': {
        when: (state) => isAsking(state) && state.wire.records.length > 0,
        then: (state) => gateway.take(state, state.wire.records.shift()!),
    },
    'the connection breaks': {
        when: (state, scope) => isAsking(state) && loses(state, scope),
        then: (state) => {
            state.used.losses++;
            breakOff(state);
        },
    },
    'the gateway signs': {
        when: (state) =>
            gateway.pays(state) && state.gateway.isDue && state.gateway.post === null && gateway.hasGrown(state),
        then: gateway.sign,
    },
    'the voucher arrives': {
        when: ({ gateway: { post }, worker: { isUp }, chain }) => post !== null && isUp && !chain.isClosed,
        then: (state, scope) => gateway.deliver(state, scope, { isAnswered: true }),
    },
    'the voucher arrives and its answer is lost': {
        when: (state, scope) =>
            state.gateway.post !== null && state.worker.isUp && !state.chain.isClosed && loses(state, scope),
        then: (state, scope) => {
            state.used.losses++;
            gateway.deliver(state, scope, { isAnswered: false });
        },
    },
    'the voucher is lost': {
        when: (state, scope) => state.gateway.post !== null && gateway.hasGrown(state) && loses(state, scope),
        then: (state) => {
            state.used.losses++;
            state.gateway.post = null;
            state.gateway.isDue = true;
        },
    },
    'the ending is fetched': {
        when: (state) => gateway.isServed(state) && state.worker.isUp && fetchable(state) !== 0,
        then: (state) => gateway.fetch(state, fetchable(state)),
    },
    'the gateway connects': {
        when: (state) =>
            gateway.isServed(state) &&
            state.worker.isUp &&
            state.gateway.session === 0 &&
            state.chain.word !== 'absent',
        then: gateway.connect,
    },
    'the worker claims': {
        when: ({ worker: { isUp, store }, chain }) =>
            isUp && chain.word === 'truth' && !chain.isClosed && store.voucher.cumulative > chain.paid,
        then: (state) => {
            worker.readChannel(state);
            state.chain.paid = state.worker.store.voucher.cumulative;
        },
    },
    'the worker is killed': {
        when: (state, scope) => state.worker.isUp && kills(state, scope),
        then: (state) => {
            state.used.kills++;
            worker.kill(state);
            const { gateway: client } = state;
            client.live = 0;
            state.wire = { query: null, records: [] };
            client.isDue ||= client.post !== null; // it is posted again, with what is owed by then
            client.post = null;
        },
    },
    'the worker starts': {
        when: ({ worker: { isUp, store } }) => !isUp && !store.isRetired,
        then: worker.start,
    },
    'the gateway is killed': {
        when: (state, scope) => state.gateway.isUp && kills(state, scope),
        then: (state) => {
            state.used.kills++;
            breakOff(state);
            gateway.kill(state);
        },
    },
    'the gateway starts': {
        when: ({ gateway: { isUp } }) => !isUp,
        then: gateway.start,
    },
    'the worker is backed up': {
        when: ({ worker: { backup, isUp } }, { restores }) => restores > 0 && backup === null && isUp,
        then: ({ worker: node }) => void (node.backup = copy(node.store)),
    },
    "the worker's machine is restored": {
        when: ({ worker: { backup, isUp, store }, used }, { restores }) =>
            !isUp && backup !== null && used.restores < restores && !isSame(backup, store),
        then: (state) => restoreWorker(state, state.worker.backup!.receipts),
    },
    "the worker's store is restored": {
        when: ({ worker: { backup, isUp, store }, used }, { restores }) =>
            !isUp && backup !== null && used.restores < restores && backup.receipts < store.receipts,
        then: (state) => restoreWorker(state, state.worker.mark),
    },
    'the gateway is backed up': {
        when: ({ gateway: { backup, isUp } }, { restores }) => restores > 0 && backup === null && isUp,
        then: ({ gateway: client }) => void (client.backup = copy(client.store)),
    },
    'the gateway is restored': {
        when: ({ gateway: { backup, isUp, store }, used }, { restores }) =>
            !isUp && backup !== null && used.restores < restores && !isSame(backup, store),
        then: ({ gateway: client, used, seen }) => {
            client.store = copy(client.backup!);
            Object.assign(client, memoryOf(client.store.queries));
            used.restores++;
            seen.isGatewayRestored = true;
        },
    },
    'the chain hides the job': lie('absent'),
    'the chain shows too little money': lie('poor'),
    'the chain shows an earlier state': lie('old'),
    'the chain shows the truth': {
        when: ({ chain }) => chain.word !== 'truth',
        then: ({ chain }) => void (chain.word = 'truth'),
    },
    'the client settles': {
        when: (state, { hasEnds }) => hasEnds && canSettle(state),
        then: settleJob,
    },
    'the job ends': {
        when: (state, { hasEnds }) => hasEnds && state.gateway.store.job === 'settling' && isPaid(state),
        then: ({ worker: { store }, chain, gateway: client }) => {
            chain.paid = store.voucher.cumulative;
            chain.isClosed = true;
            client.store.job = 'ended';
        },
    },
    'the client leaves': {
        when: ({ gateway: { isUp, live, store } }, { hasEnds }) =>
            hasEnds && isUp && live === 0 && store.job !== 'leaving' && store.job !== 'ended',
        then: leaveJob,
    },
    'the notice is over': {
        // A worker that can run does within a whole notice: docs/trust.md says what another one loses.
        when: ({ chain, gateway: { isUp }, worker: { isUp: claims, store } }, { hasEnds }) =>
            hasEnds && chain.isLeaving && !chain.isClosed && isUp && (claims || store.isRetired),
        then: ({ chain, gateway: client, worker: node }) => {
            chain.paid = node.isUp ? Math.max(chain.paid, node.store.voucher.cumulative) : chain.paid;
            chain.isClosed = true;
            client.store.job = 'ended';
        },
    },
    'forged by the client: a voucher of another job': idle(() => true),
    'forged by the client: a voucher above the channel': idle(() => true),
    'forged by the client: an old voucher again': idle(({ worker: { store } }) => store.voucher.cumulative > 0),
    'forged by the client: the query again': idle(
        ({ worker: { store, boot }, gateway: { highest, session } }) =>
            session === boot && store.queries[highest - 1] != null,
    ),
    'forged by the client: a voucher that counts too much': {
        when: (state, scope) => byGateway(state, scope) && state.worker.isUp && !isStale(state.worker.store),
        then: (state, scope) => {
            const { index, voucher } = state.worker.store;
            state.used.forgeries++;
            worker.takeVoucher(state, scope, { ...voucher, count: index + 1 });
        },
    },
    'forged by the node: a result of another job': breach(),
    'forged by the node: a result with a false price': breach(),
    'forged by the node: a result over an answer without its end': breach(),
    'forged by the node: a result with a used index': breach(
        (state) => isAccepted(state) && gateway.results(state).length > 0,
    ),
    'forged by the node: a second accept': breach(),
    'forged by the node: a meter above its text': breach(
        (state) => isAccepted(state) && (state.seen.arrived[state.gateway.live - 1] ?? 0) === 0,
    ),
    'forged by the node: a fail after its frames': {
        when: (state, scope) => byWorker(state, scope) && isAccepted(state),
        then: (state) => {
            state.used.forgeries++;
            const { live } = state.gateway;
            breakOff(state);
            state.gateway.live = live;
            gateway.take(state, { kind: 'ending', ending: worker.FAIL });
        },
    },
    'forged by the node: no such query': {
        when: (state, scope) => byWorker(state, scope) && gateway.isServed(state) && fetchable(state) !== 0,
        then: (state) => {
            state.used.forgeries++;
            gateway.forget(state, fetchable(state));
        },
    },
} satisfies Record<string, Rule>;

export type Step = keyof typeof list;

/** Every step, and when it can happen. */
export const rules: Record<Step, Rule> = list;

const names = Object.keys(rules) as Step[];

function restoreWorker({ worker: node, used, seen }: State, mark: number): void {
    node.store = copy(node.backup!);
    node.mark = mark;
    used.restores++;
    seen.isRestored = true;
}

function canSettle({ gateway: { isUp, live, store } }: State): boolean {
    return isUp && live === 0 && store.job === 'open';
}

function settleJob(state: State): void {
    const { gateway: client } = state;
    client.store.job = 'settling';
    client.isDue = true;
}

function leaveJob(state: State): void {
    gateway.leave(state);
    state.seen.hasLeft = true;
}

/** Everything is paid, and nothing is without an ending. */
function isPaid(state: State): boolean {
    const { gateway: client, worker: node, chain } = state;
    const isIdle = client.isUp && node.isUp && client.live === 0 && !client.isDue && client.post === null;
    return isIdle && chain.word === 'truth' && client.session !== 0 && gateway.open(state).length === 0;
}

/** The steps that can happen now. */
export function enabled(state: State, scope: Scope): Step[] {
    return names.filter((name) => rules[name].when(state, scope));
}

/** The state after a step. */
export function after(state: State, step: Step, scope: Scope): State {
    const next = copy(state);
    rules[step].then(next, scope);
    gateway.settle(next);
    return next;
}

/** Brings a job to its end when nothing goes wrong any more, with the steps that it took. */
export function finish(state: State, scope: Scope): { way: Step[]; end: State } {
    const none = { kills: 0, losses: 0, restores: 0, lies: 0, forgeries: 0, queries: 0 };
    const honest: Scope = { ...scope, ...none, hasEnds: true, hasPatience: true };
    const way: Step[] = [];
    let end = copy(state);
    while (way.length < MAX_WAY_OUT) {
        const step = WAY_OUT.find((name) => rules[name].when(end, honest));
        if (step !== undefined) {
            way.push(step);
            end = after(end, step, honest);
            continue;
        }
        if (end.chain.isClosed) {
            break;
        }
        const canEnd = canSettle(end) && end.worker.isUp && !isStale(end.worker.store);
        way.push(canEnd ? 'the client settles' : 'the client leaves');
        end = copy(end);
        (canEnd ? settleJob : leaveJob)(end);
        gateway.settle(end);
    }
    return { way, end };
}

const MAX_WAY_OUT = 100;

/** What honest parties do, the first that is possible. */
const WAY_OUT: Step[] = [
    'the chain shows the truth',
    'the worker starts',
    'the gateway starts',
    'the query arrives',
    'a record arrives',
    'the gateway signs',
    'the voucher arrives',
    'the gateway connects',
    'the ending is fetched',
    'the backend goes on',
    'the patience of the worker ends',
    'the job ends',
    'the notice is over',
];
