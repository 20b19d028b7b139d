/** The alert `stopped`: it is with the operator before the process has ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { forgetFailedStart, tellFailedStart, tellStopped, writeKeys } from '../../../offchain/worker';
import { program } from '../../../tooling/programs';
import { account, configFor, RATES } from '../support/worker';

let folder: string;
let out: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-stopped-'));
    out = join(folder, 'out');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A command that adds a line to `out` and ends with a code. */
function commandOf(code = 0): string[] {
    const script = join(folder, 'alert.sh');
    const text = `#!/bin/sh\ncat > ${out}.body\necho "$COCOON_ALERT: $COCOON_MESSAGE" >> ${out}\nexit ${code}\n`;
    writeFileSync(script, text, { mode: 0o755 });
    return [script];
}

const told = () => (existsSync(out) ? readFileSync(out, 'utf8').trimEnd().split('\n') : []);
const configOf = (alerts: object) => configFor(folder, { alerts, store: join(folder, 'worker.db') });

describe('The end of a worker', () => {
    it('is told to the command before the call returns, with the notice on its input', () => {
        tellStopped(configOf({ command: commandOf() }), 'the disk is full');
        expect(told()).toEqual(['stopped: the worker stopped: the disk is full']);
        expect(JSON.parse(readFileSync(`${out}.body`, 'utf8'))).toMatchObject({
            event: 'raised',
            severity: 'critical',
        });
    });

    it('is told to the webhook although this thread waits, and although the command hangs', async () => {
        // The server has a thread of its own.
        const code = `
            const { workerData, parentPort } = require('node:worker_threads');
            const server = require('node:http').createServer((incoming, response) => {
                incoming.on('data', (bytes) => require('node:fs').appendFileSync(workerData, bytes));
                incoming.on('end', () => response.end());
            });
            server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;
        const server = new Worker(code, { eval: true, workerData: out });
        const [port] = (await once(server, 'message')) as [number];
        const started = performance.now();
        tellStopped(configOf({ webhook: `http://127.0.0.1:${port}/`, command: ['sleep', '60'] }), 'the disk is full');
        expect(performance.now() - started).toBeLessThan(10_000); // three seconds, however busy the machine
        expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({
            ...{ alert: 'stopped', message: 'the worker stopped: the disk is full' },
        });
        await server.terminate();
    });
});

describe('A start that fails', () => {
    const REPEAT = 600;
    const past = (seconds: number) => {
        const at = Math.floor(Date.now() / 1000) - seconds;
        utimesSync(join(folder, 'worker.db.failed-start'), at, at);
    };

    it.each([
        { seconds: REPEAT - 10, times: 1 },
        { seconds: REPEAT, times: 2 },
    ])('is told $times times when the next one fails after $seconds of 600 seconds', ({ seconds, times }) => {
        const config = configOf({ command: commandOf(), repeatSeconds: REPEAT });
        tellFailedStart(config, 'the port is taken');
        past(seconds);
        tellFailedStart(config, 'the port is taken');
        expect(told()).toEqual(Array(times).fill('stopped: the worker did not start: the port is taken'));
    });

    it('is told again at once if nobody got it, or if the worker has started in between', () => {
        tellFailedStart(configOf({ command: commandOf(1) }), 'one');
        const config = configOf({ command: commandOf() });
        tellFailedStart(config, 'two');
        forgetFailedStart(config);
        tellFailedStart(config, 'three');
        tellFailedStart(config, 'four');
        expect(told().map((line) => line.split(' ').at(-1))).toEqual(['one', 'two', 'three']);
    });
});

describe('"cocoon worker run"', () => {
    const bodies: string[] = [];
    const server = createServer((incoming, response) => {
        incoming.on('data', (bytes: Buffer) => bodies.push(bytes.toString()));
        incoming.on('end', () => response.end());
    });
    let hookPort: number;

    beforeAll(async () => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        hookPort = (server.address() as AddressInfo).port;
    });

    beforeEach(() => bodies.splice(0));

    afterAll(() => void server.close());

    function spawnWorker(port: number, env: object = {}) {
        const config = join(folder, 'worker.json');
        const [node, provider] = [account(1).toRawString(), account(2).toRawString()];
        const rest = {
            ...{ network: -239, endpoint: 'http://127.0.0.1:1/', backends: [{ kind: 'embedded' }] },
            ...{ listen: { port }, alerts: { webhook: `http://127.0.0.1:${hookPort}/` } },
        };
        const offers = [{ model: 'cocoon-tiny', rates: RATES }];
        writeFileSync(
            config,
            JSON.stringify({ node, provider, offers, keyFile: 'keys.json', store: 'worker.db', ...rest }),
        );
        return spawn(process.execPath, [program('cocoon'), 'worker', 'run', '--config', config], {
            env: { ...process.env, ...env },
        });
    }

    it('that does not start is with the webhook when the process ends, and is told once', async () => {
        writeKeys(join(folder, 'keys.json'));
        for (const _ of ['first', 'second']) {
            const [code] = (await once(spawnWorker(hookPort), 'exit')) as [number]; // the port is taken
            expect(code).toBe(1);
            expect(bodies).toHaveLength(1);
        }
        const { alert, message } = JSON.parse(bodies[0]) as { alert: string; message: string };
        expect(alert).toBe('stopped');
        expect(message).toContain(`${hookPort}`);
    }, 60_000);

    it('that a fault of its program ends is with the webhook, too', async () => {
        writeKeys(join(folder, 'keys.json'));
        const fault = join(folder, 'fault.js');
        writeFileSync(fault, "process.on('SIGUSR2', () => { throw new Error('a fault'); });");
        const worker = spawnWorker(0, { NODE_OPTIONS: `--require ${fault}` });
        await once(worker.stdout, 'data');
        worker.kill('SIGUSR2');
        await once(worker, 'exit');
        expect(bodies.map((body) => (JSON.parse(body) as { message: string }).message)).toContainEqual(
            'the worker stopped: a fault',
        );
    }, 60_000);
});
