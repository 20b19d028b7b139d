/** Has real processes follow a trace of the model, and compares them with it after each step. */
import { StaleStore } from '../../../offchain/store/worker';
import { until } from '../../offchain/support/until';
import type { Market } from '../../support/market';
import { firstState, isSame, saysMore, type Scope, type State } from '../state';
import { after, finish, type Step } from '../steps';
import { forgeries } from './forge';
import { expectedView, realView, type View } from './views';
import { NOTICE, UNIT, World } from './world';

const STEP_MS = 15_000; // for the processes to come where the model is, on a busy machine
const STEADY_MS = 5; // for which they stay there
const IDLE_ROUNDS = 50; // after which nothing moves any more

/** What a step does besides the wait until the processes are where the model is. */
type Action = (world: World, before: State, next: State) => Promise<void> | void;

const say =
    (word: World['word']): Action =>
    (world) =>
        void (world.word = word);

const actions: Partial<Record<Step, Action>> = {
    'the app asks': (world) => world.ask(),
    'the query arrives': (world) => arrive(world),
    'the query arrives without its voucher': (world) => arrive(world, { bare: true }),
    'the query is lost': ({ relay }) => relay.lose(relay.find('query')!),
    'the backend goes on': async ({ backend }) => {
        await backend.atPause();
        backend.go();
    },
    'a record arrives': ({ relay }) => relay.deliverRecord(),
    'the connection breaks': ({ relay }) => relay.breakStream(),
    'the gateway signs': (world) => world.payments.begin(world.gatewayJob.money),
    'the voucher arrives': ({ relay }) => relay.deliver(relay.find('voucher')!),
    'the voucher arrives and its answer is lost': ({ relay }) =>
        relay.deliver(relay.find('voucher')!, { isAnswered: false }),
    'the voucher is lost': ({ relay }) => relay.lose(relay.find('voucher')!),
    'the ending is fetched': () => undefined,
    'the gateway connects': () => undefined,
    'the worker claims': async ({ worker }) => void (await worker!.claimNow()),
    'the worker is killed': (world) => world.killWorker(),
    'the worker starts': async (world, _, next) => {
        const refused = await world.startWorker().then(
            () => false,
            (error: unknown) => {
                if (!(error instanceof StaleStore)) {
                    throw error;
                }
                return true;
            },
        );
        if (refused === next.worker.isUp) {
            throw new Error(refused ? 'The worker refuses its store' : 'The worker starts with an old store');
        }
    },
    'the gateway is killed': (world) => world.killGateway(),
    'the gateway starts': (world) => world.startGateway(),
    'the worker is backed up': (world) => world.backUpWorker(),
    "the worker's machine is restored": (world) => world.restoreWorker({ isWhole: true }),
    "the worker's store is restored": (world) => world.restoreWorker({ isWhole: false }),
    'the gateway is backed up': (world) => world.backUpGateway(),
    'the gateway is restored': (world) => world.restoreGateway(),
    'the chain hides the job': say('absent'),
    'the chain shows too little money': say('poor'),
    'the chain shows an earlier state': say('old'),
    'the chain shows the truth': say('truth'),
    'forged by the node: no such query': () => undefined,
    ...forgeries,
};

function arrive({ relay, backend }: World, change: { bare?: boolean } = {}): void {
    backend.go(); // forgets a stream that was broken off at its pause
    relay.deliverQuery(relay.find('query')!, change);
}

/** What is repeated until the processes are where the model is. */
async function push(world: World, step: Step, next: State): Promise<void> {
    const { relay, gateway } = world;
    const stored = relay.find('stored');
    if (stored !== undefined && relay.upstream !== undefined && step === 'the ending is fetched') {
        await relay.deliver(stored);
    } else if (stored !== undefined && step === 'forged by the node: no such query') {
        relay.answer(stored, 404, { error: { code: 'bad_request', message: 'No query of this number is stored' } });
    }
    const job = gateway?.book.get(world.jobNumber);
    if (job === undefined || gateway === undefined) {
        return;
    }
    job.wake(); // no wait between two tries
    if (step === 'the gateway connects' && job.session === undefined) {
        void gateway.recovery.connect(job);
    }
    const { post, store } = next.gateway;
    const posted = relay.find('voucher');
    if (post !== null && posted === undefined && world.payments.waits(job.money)) {
        world.payments.begin(job.money); // it is posted again
    } else if (post === null && posted !== undefined && store.job === 'leaving') {
        relay.lose(posted); // it is on its way, and nothing more is paid
    } else if (post === null && posted !== undefined && relay.upstream !== undefined) {
        // Only what the worker has already: it changes nothing.
        if (!saysMore(store.voucher, next.worker.store.voucher)) {
            await relay.deliver(posted);
        }
    }
}

/** How a trace is replayed. */
export interface ReplayOptions {
    frames?: number; // that the backend gives; those of the scope unless given
    maxMs?: number; // for the processes to come where the model is
}

/** Replays one trace, then brings the job to its end. Throws where the processes are not where the model is. */
export async function replay(
    market: Market,
    scope: Scope,
    trace: readonly Step[],
    { frames = scope.frames, maxMs = STEP_MS }: ReplayOptions = {},
): Promise<void> {
    const world = await World.open(market, frames);
    let state = firstState();
    let at = 0;
    try {
        for (const step of trace) {
            at++;
            const next = after(state, step, scope);
            await perform(world, step, { before: state, next, maxMs });
            state = next;
        }
        await end(world, state, scope);
    } catch (error) {
        const steps = trace.slice(0, at).map((step, i) => `${i + 1}. ${step}`);
        throw new Error(`${(error as Error).message}\nafter:\n${steps.join('\n')}`, { cause: error });
    } finally {
        await world.close();
    }
}

async function perform(
    world: World,
    step: Step,
    { before, next, maxMs }: { before: State; next: State; maxMs: number },
): Promise<void> {
    const isRevealed = before.worker.isUp && !next.worker.isUp && next.worker.store.isRetired;
    world.relay.passes = new Set(next.gateway.session !== 0 || isRevealed ? ['introduction'] : []);
    const action = actions[step];
    if (action === undefined) {
        throw new Error(`No real process can follow the step "${step}"`);
    }
    await action(world, before, next);
    if (isRevealed) {
        await untilFailed(world);
    }
    await untilThere(world, step, next, maxMs);
    if (next.gateway.live === 0) {
        world.leaveQuestion();
    }
}

/** The worker has seen that its store is old, and its process ends. */
async function untilFailed(world: World): Promise<void> {
    let error: unknown;
    world.worker!.failed.catch((reason: unknown) => (error = reason));
    await until(() => error !== undefined, STEP_MS);
    if (!(error instanceof StaleStore)) {
        throw error;
    }
    await world.killWorker();
}

async function untilThere(world: World, step: Step, next: State, maxMs: number): Promise<void> {
    const expected = expectedView(next);
    const highest = Math.max(next.gateway.highest, next.worker.store.queries.length);
    let real: View | undefined;
    const isThere = async () => {
        await push(world, step, next);
        real = await realView(world, highest);
        return isSame(real, expected) && !world.isAboutToPay;
    };
    try {
        await until(isThere, maxMs);
        await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
        if (!(await isThere())) {
            throw new Error('The processes went on');
        }
    } catch {
        throw new Error(`"${step}": the processes are not where the model is:\n${differences(expected, real!)}`);
    }
}

function differences(expected: View, real: View): string {
    const parts = ['worker', 'gateway', 'wire', 'paid'] as const;
    return parts
        .filter((part) => !isSame(expected[part], real[part]))
        .map((part) => `${part}\n  model ${JSON.stringify(expected[part])}\n  real  ${JSON.stringify(real[part])}`)
        .join('\n');
}

/** Everything works again: the job is settled, or left and refunded, and paid as the model says. */
async function end(world: World, state: State, scope: Scope): Promise<void> {
    const { way, end: expected } = finish(state, scope);
    const { isRetired } = expected.worker.store;
    world.word = 'truth';
    world.relay.passes = new Set(['introduction']);
    if (world.worker === undefined && !state.worker.store.isRetired) {
        await world.startWorker().catch((error: unknown) => {
            if (!(isRetired && error instanceof StaleStore)) {
                throw error;
            }
        });
    }
    if (world.gateway === undefined) {
        await world.startGateway();
    }
    const { gateway, market } = world;
    const job = world.gatewayJob;
    if (isRetired && world.worker !== undefined) {
        await Promise.all([gateway!.recovery.connect(job), untilFailed(world)]);
    }
    if (expected.chain.isLeaving) {
        await leave(world);
    } else {
        await settle(world, way.includes('the patience of the worker ends'));
    }
    const claimed = Number(world.wallet.claimed / UNIT);
    if (claimed !== expected.chain.paid) {
        throw new Error(`The channel paid ${claimed} units, and the model says ${expected.chain.paid}`);
    }
    if (!(await market.isGone({ address: world.channel }))) {
        throw new Error('The channel is not closed');
    }
}

/**
 * Settles the job. A worker that was not paid all that it signed does not end it, so the client then leaves.
 * `isUnpaid`: the worker waits for a voucher that never comes. The connection ends sooner than its patience, and with
 * the same ending.
 */
async function settle(world: World, isUnpaid: boolean): Promise<void> {
    const { gateway, gatewayJob: job } = world;
    let idle = 0; // rounds in which nothing moved
    await world.flow(() => {
        idle = world.relay.stream?.records.length === 0 ? idle + 1 : 0;
        if (isUnpaid && idle > IDLE_ROUNDS) {
            world.relay.breakStream();
        }
        void gateway!.recovery.connect(job);
        job.wake();
        return job.unfinished.length === 0 && job.running === 0 && job.session !== undefined;
    });
    let isOver = false;
    void gateway!.closing.settle(job).then(
        () => (isOver = true),
        () => (isOver = true),
    );
    await world.flow(() => isOver);
    if ((await world.paid()) !== undefined) {
        await leave(world);
    }
}

async function leave(world: World): Promise<void> {
    const { gateway, market, worker } = world;
    await gateway!.closing.leave(world.gatewayJob);
    await worker?.claimNow();
    market.blockchain.now = market.now + NOTICE + 1;
    await world.flow(async () => {
        await gateway!.sweep();
        return (await world.paid()) === undefined;
    });
}
