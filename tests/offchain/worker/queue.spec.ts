/** Longer than 350 lines because the queue, failures and the health of backends share one harness. */
import { Reason } from '@cocoon-market/wrappers';
import pino from 'pino';
import { BackendError } from '../../../offchain/backend';
import { Backends, type BackendSettings, type Seat } from '../../../offchain/worker/backends';
import { ECHO, ScriptedBackend, type Step } from '../support/backend';
import { chatRequest } from '../support/requests';
import { until } from '../support/until';

const request = chatRequest({ model: ECHO, messages: [{ role: 'user', content: 'one two' }], maxTokens: 8 });
const held: Step[] = [{ type: 'pause' }, { type: 'delta', content: 'a', tokens: 1 }, { type: 'end', finish: 'stop' }];

let backends: Backends;
let models: ScriptedBackend[];

const make = (limits: (number | object)[], settings: Partial<BackendSettings> = {}) => {
    models = limits.map(() => new ScriptedBackend());
    const servers = limits.map((limit, i) => ({
        ...{ name: `b${i}`, backend: models[i], models: undefined, maxParallel: 64 },
        ...(typeof limit === 'number' ? { maxParallel: limit } : limit),
    }));
    backends = new Backends(
        servers,
        {
            offers: { current: [{ model: ECHO }] },
            queue: { max: 64, seconds: 30 },
            health: { seconds: 0.05, retrySeconds: 0.05 },
            ...settings,
        },
        pino({ level: 'silent' }),
    );
};
afterEach(() => backends.close());

const place = (client = 'a', model = ECHO) =>
    backends.reserve(model, { sharer: client, isLast: false, findOrigin: () => undefined }) as Seat;

/** Runs the query of a place to its end; resolves with its text, or the error. */
async function run(one: Seat, signal = new AbortController().signal): Promise<string | BackendError> {
    let text = '';
    try {
        for await (const event of one.stream(request, signal)) {
            text += event.type === 'delta' ? (event.content ?? '') : '';
        }
        return text;
    } catch (error) {
        return error as BackendError;
    } finally {
        one.release();
    }
}

const view = () => backends.view().models[0];

describe('the queue at the backends', () => {
    it('takes as many queries as may run and wait, and not one more', async () => {
        make([2], { queue: { max: 2, seconds: 30 } });
        const places = ['a', 'b', 'c', 'd'].map((client) => place(client));
        expect(places.every((one) => typeof one === 'object')).toBe(true);
        expect(place('e')).toBe(Reason.TooBusy);

        places[0].release();
        expect(typeof place('e')).toBe('object');
    });

    it('is open to any one client by half', async () => {
        make([1], { queue: { max: 4, seconds: 30 } });
        const own = [place('a'), place('a'), place('a')]; // one to run and two to wait
        expect(own.every((one) => typeof one === 'object')).toBe(true);
        expect(place('a')).toBe(Reason.TooBusy);
        expect(typeof place('b')).toBe('object');
    });

    it('does not count a query that waits for money of its client', async () => {
        make([1], { queue: { max: 0, seconds: 30 } });
        const poor = place('a');
        expect(place('b')).toBe(Reason.TooBusy);
        poor.yield();
        expect(typeof place('b')).toBe('object');
    });

    it('gives clients their turns, and each its queries in order', async () => {
        make([1]);
        models[0].script = () => held;
        const order: string[] = [];
        const start = (client: string, name: string) => void run(place(client)).then(() => order.push(name));
        start('a', 'a1');
        await models[0].atPause();
        ['a2', 'a3', 'a4'].forEach((name) => start('a', name));
        start('b', 'b1');
        start('c', 'c1');
        for (let ended = 1; ended <= 6; ended++) {
            await until(() => models[0].requests.length === ended);
            await models[0].atPause();
            models[0].go();
            await until(() => order.length === ended);
        }
        expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'a3', 'a4']);
    });

    it('serves a client that waits before those that come later, also when they ask one query at a time', async () => {
        make([1]);
        models[0].script = () => held;
        const order: string[] = [];
        const start = async (client: string, name: string) => {
            await run(place(client));
            order.push(name);
        };
        const first = start('victim', 'v1');
        await models[0].atPause();
        const others = [start('victim', 'v2'), start('x', 'x1')];
        for (let ended = 1; ended <= 5; ended++) {
            await models[0].atPause();
            others.push(ended % 2 ? start('y', `y${ended}`) : start('x', `x${ended}`)); // new again each time
            models[0].go();
            await until(() => order.length === ended);
        }
        expect(order.indexOf('v2')).toBeLessThanOrEqual(3);
        models[0].script = () => [{ type: 'end', finish: 'stop' }];
        models[0].go();
        await Promise.all([first, ...others]);
    });

    it('gives free room to the client that has the least of it', async () => {
        make([3]);
        models[0].script = () => held;
        const order: string[] = [];
        const start = (client: string, name: string, signal?: AbortSignal) =>
            run(place(client), signal).then(() => order.push(name));
        const cut = new AbortController();
        const first = [start('b', 'b1'), start('a', 'a1', cut.signal), start('a', 'a2')];
        await until(() => models[0].requests.length === 3);
        const last = [start('b', 'b2'), start('c', 'c1')];
        models[0].script = () => [{ type: 'end', finish: 'stop' }];
        cut.abort(); // b had its turn first, and runs a query; c runs none
        await Promise.all(last);
        expect(order).toEqual(['a1', 'c1', 'b2']);
        models[0].go();
        await Promise.all(first);
    });

    it('lets no query in that waited for money if the queue is full once it is paid', async () => {
        make([1], { queue: { max: 4, seconds: 30 } });
        models[0].script = () => held;
        const first = run(place('a'));
        await models[0].atPause();
        const poor = place('evil');
        poor.yield();
        const rest = ['b', 'c', 'd', 'e'].map((client) => run(place(client)));
        expect(await run(poor)).toMatchObject({ reason: Reason.BackendBusy });
        models[0].script = () => [{ type: 'end', finish: 'stop' }];
        models[0].go();
        await Promise.all([first, ...rest]);
    });

    it('has as many places for a client whatever queries of its name wait for money', async () => {
        make([1], { queue: { max: 4, seconds: 30 } });
        for (let i = 0; i < 3; i++) {
            place('a').yield();
        }
        const own = [place('a'), place('a'), place('a')]; // one to run and two to wait
        expect(own.every((one) => typeof one === 'object')).toBe(true);
        expect(place('a')).toBe(Reason.TooBusy);
    });

    it('runs no more than a backend takes, nor than a model takes over all backends', async () => {
        make([2, 2], { offers: { current: [{ model: ECHO, maxParallel: 3 }] } });
        models.forEach((model) => (model.script = () => held));
        const running = Array.from({ length: 5 }, (_, i) => run(place(`client ${i}`)));
        await until(() => view().running === 3);
        expect(view()).toMatchObject({ running: 3, waiting: 2 });
        expect(
            backends
                .view()
                .backends.map((one) => one.running)
                .sort(),
        ).toEqual([1, 2]);
        while (view().running > 0) {
            models.forEach((model) => model.go());
            await new Promise(setImmediate);
        }
        expect(await Promise.all(running)).toEqual(['a', 'a', 'a', 'a', 'a']);
    });

    it('fails a query whose turn does not come in time as one of a busy node, and says when to ask again', async () => {
        make([1], { queue: { max: 4, seconds: 0.05 } });
        models[0].script = () => held;
        const first = run(place());
        await models[0].atPause();
        expect(await run(place('b'))).toMatchObject({ reason: Reason.BackendBusy, retryAfter: 1 });
        models[0].go();
        expect(await first).toBe('a');
    });

    it('forgets a query that was cut while it waited', async () => {
        make([1]);
        models[0].script = () => held;
        const first = run(place());
        await models[0].atPause();
        const cut = new AbortController();
        const second = run(place('b'), cut.signal);
        await until(() => view().waiting === 1);
        cut.abort();
        expect(await second).toBe('');
        expect(view()).toMatchObject({ running: 1, waiting: 0 });
        models[0].go();
        await first;
        expect(models[0].requests).toHaveLength(1);
    });
});

describe('a query that fails', () => {
    const fail: Step[] = [{ type: 'prompt', prompt: 3, cached: 0 }, { type: 'fail' }];

    it('before its first text is answered by another backend', async () => {
        make([1, 1]);
        models[0].script = () => fail;
        expect(await run(place())).toBe('one two');
        expect(models.map(({ requests }) => requests.length)).toEqual([1, 1]);
    });

    it('after its first text is not', async () => {
        make([1, 1]);
        models[0].script = () => [{ type: 'delta', content: 'a', tokens: 1 }, { type: 'fail' }];
        expect(await run(place())).toMatchObject({ reason: Reason.BackendDown });
        expect(models[1].requests).toHaveLength(0);
    });

    it('because it is wrong is not, and says nothing about its backend', async () => {
        make([1, 1]);
        models[0].script = () => [{ type: 'fail', status: 400 }];
        for (let times = 0; times < 4; times++) {
            expect(await run(place())).toMatchObject({ reason: Reason.BackendRefused });
        }
        expect(models[1].requests).toHaveLength(0);
        expect(backends.view().backends[0].outage).toBeUndefined();
    });

    it('with an error of the server about it is not, because the other backend would fail too', async () => {
        make([1, 1]);
        for (const status of [500, 400, 422, 200]) {
            models[0].script = () => [{ type: 'fail', status, reason: Reason.BackendDown }];
            expect(await run(place())).toMatchObject({ reason: Reason.BackendDown });
        }
        expect(models[1].requests).toHaveLength(0);
    });

    it.each([401, 403, 404, 429, 503])('because the server answers %i to anything is', async (status) => {
        make([1, 1]);
        models[0].script = () => [{ type: 'fail', status }];
        expect(await run(place())).toBe('one two');
    });

    it('at every backend fails with the error of the last', async () => {
        make([1, 1]);
        models[0].script = () => fail;
        models[1].script = () => [{ type: 'fail', status: 429 }];
        expect(await run(place())).toMatchObject({ reason: Reason.BackendBusy });
        expect(models.map(({ requests }) => requests.length)).toEqual([1, 1]);
    });
});

describe('the health of backends', () => {
    const fail: Step[] = [{ type: 'fail', status: 500 }];
    const asks = (status: number) => (models[0].script = () => [{ type: 'fail', status }]);

    it('two failed queries in a row leave a backend in use, three of two clients let it rest for a while', async () => {
        make([1], { health: { seconds: 0.02, retrySeconds: 0.2 } });
        void backends.start();
        models[0].script = () => fail;
        await run(place('a'));
        await run(place('b'));
        expect(models[0].requests).toHaveLength(2); // of the clients alone
        expect(backends.isAvailable(ECHO)).toBe(true);
        await run(place('a'));
        await until(() => !backends.isAvailable(ECHO)); // the worker's own query has failed, too
        expect(place()).toBe(Reason.BackendDown);
        await until(() => backends.isAvailable(ECHO));
        await run(place('b')); // after a rest the count begins again
        expect(backends.isAvailable(ECHO)).toBe(true);
    });

    it('clients that send what makes a server fail take it from nobody, because it answers the worker itself', async () => {
        make([1]);
        const { script } = models[0];
        const outage = () => backends.view().backends[0].outage;
        models[0].script = (one) => (one.maxTokens === request.maxTokens ? fail : script(one));
        for (let times = 0; times < 3; times++) {
            for (const client of ['evil', 'twin', 'evil']) {
                await run(place(client));
            }
            await until(() => outage() !== undefined || models[0].requests.length === 4 * (times + 1));
            expect(outage()).toBeUndefined();
        }
        models[0].script = script;
        expect(await run(place('honest'))).toBe('one two');
    });

    it('one client, whatever it sends, takes no backend from the others', async () => {
        make([1, 1]);
        for (let times = 0; times < 8; times++) {
            models[0].script = models[1].script = () => [{ type: 'fail', status: times < 4 ? 500 : undefined }];
            await run(place('evil'));
        }
        expect(backends.view().backends.map(({ outage }) => outage)).toEqual([undefined, undefined]);
    });

    it('an error with status 400 says nothing about a backend, whatever words are in it', async () => {
        make([1]);
        models[0].script = () => [{ type: 'fail', status: 400, reason: Reason.BackendDenied }];
        for (const client of ['a', 'b', 'c', 'd']) {
            await run(place(client));
        }
        expect(backends.isAvailable(ECHO)).toBe(true);
    });

    it('an answer between makes the count begin again', async () => {
        make([1]);
        const script = models[0].script;
        for (let times = 0; times < 5; times++) {
            models[0].script = times === 2 ? script : () => fail;
            await run(place(times % 2 ? 'a' : 'b'));
        }
        expect(backends.isAvailable(ECHO)).toBe(true);
    });

    it('a busy backend is not out', async () => {
        make([1]);
        asks(429);
        for (const client of ['a', 'b', 'c', 'd']) {
            expect(await run(place(client))).toMatchObject({ reason: Reason.BackendBusy });
        }
        expect(backends.isAvailable(ECHO)).toBe(true);
    });

    it('a backend that stops is out with the first query that fails, and back by itself', async () => {
        make([1]);
        void backends.start();
        models[0].listed = new BackendError('nothing listens: start the model server');
        models[0].script = () => fail;
        await run(place());
        await until(() => !backends.isAvailable(ECHO));
        expect(backends.view().backends[0]).toMatchObject({
            models: [],
            outage: { reason: 'BackendDown', message: 'nothing listens: start the model server' },
        });
        models[0].listed = [ECHO];
        await until(() => backends.isAvailable(ECHO));
        expect(backends.view().backends[0]).toMatchObject({ models: [ECHO], outage: undefined });
    });

    it('an idle backend that stops is found out by the next check', async () => {
        make([1]);
        void backends.start();
        models[0].listed = new BackendError('it refused the API key', 401);
        await until(() => !backends.isAvailable(ECHO));
        expect(place()).toBe(Reason.BackendDenied);
    });

    it('a model that a backend no longer lists is not available', async () => {
        make([1]);
        void backends.start();
        models[0].listed = ['another'];
        await until(() => !backends.isAvailable(ECHO));
        expect(place()).toBe(Reason.BackendModel);
    });

    it('queries that wait fail as soon as no backend is left', async () => {
        make([1]);
        void backends.start();
        models[0].script = () => held;
        const first = run(place());
        await models[0].atPause();
        const second = run(place('b'));
        await until(() => view().waiting === 1);
        models[0].listed = new BackendError('it is down');
        expect(await second).toMatchObject({ message: 'it is down', reason: Reason.BackendDown });
        models[0].go();
        expect(await first).toBe('a');
    });
});
