/** What stands before the answers of a gateway: pages in browsers, certificates, and whether it is ready. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import pino from 'pino';
import { askGateway } from '../../../offchain/cli/gatewayClient';
import { addCors } from '../../../offchain/gateway/cors';
import { gatewayConfig } from '../../../offchain/gateway/config';
import { addKeyCheck } from '../../../offchain/gateway/doorkeeper';
import { People } from '../../../offchain/gateway/people';
import { Readiness } from '../../../offchain/gateway/readiness';
import { CertificateWatch, readCertificate } from '../../../offchain/gateway/tls';
import { createDoor } from '../../../offchain/process/doors';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { bits, der, integer, name, oid, sequence, time } from '../support/der';

const silent = pino({ level: 'silent' });

const settings = {
    ...{ network: -3, endpoint: 'http://127.0.0.1:1/', escrow: `0:${'00'.repeat(32)}`, keyFile: 'k', store: 's' },
    ...{ workers: ['http://127.0.0.1:2'], models: {} },
};

describe('A page in a browser', () => {
    const door = async (cors: object, { withKey = false } = {}) => {
        const store = await openGatewayStore(':memory:');
        const people = await People.load(store, () => 1000);
        if (withKey) {
            await people.apiKeys.create({ name: 'bob' });
        }
        const server = createDoor();
        addCors(server, gatewayConfig.parse({ ...settings, cors }), people);
        addKeyCheck(server, people);
        server.get('/v1/models', async () => ({}));
        server.get('/admin/jobs', async () => ({}));
        await store.close();
        return {
            get: (origin: string, url = '/v1/models') => server.inject({ url, headers: { origin } }),
            preflight: (origin: string, headers: object = {}) =>
                server.inject({
                    ...{ method: 'OPTIONS', url: '/v1/models' },
                    headers: { origin, 'access-control-request-method': 'POST', ...headers },
                }),
        };
    };
    const app = 'https://app.example';
    const allowed = 'access-control-allow-origin';

    it('may not ask unless its origin is listed', async () => {
        const off = await door({});
        expect((await off.get(app)).headers[allowed]).toBeUndefined();
        expect((await off.preflight(app)).statusCode).toBe(404);

        const listed = await door({ origins: [app] });
        expect((await listed.get(app)).headers).toMatchObject({ [allowed]: app, vary: 'Origin' });
        expect((await listed.get('https://app.example.evil')).headers[allowed]).toBeUndefined();
        expect((await listed.get(app, '/admin/jobs')).headers[allowed]).toBeUndefined();
    });

    it('gets a preflight without a key, and may send the headers that it names', async () => {
        const { preflight, get } = await door({ origins: [app] }, { withKey: true });
        const headers = { 'access-control-request-headers': 'authorization, x-stainless-lang' };

        expect(await preflight(app, headers)).toMatchObject({
            statusCode: 204,
            headers: {
                [allowed]: app,
                'access-control-allow-methods': 'GET, POST, OPTIONS',
                'access-control-allow-headers': 'authorization, x-stainless-lang',
            },
        });
        expect((await preflight(app, { 'access-control-request-headers': 'a:b' })).headers).not.toHaveProperty(
            'access-control-allow-headers',
        );
        expect(await get(app)).toMatchObject({ statusCode: 401, headers: { [allowed]: app } }); // which it can read
    });

    it('of any origin may ask only where a key is needed, and only if the settings say so', async () => {
        expect((await (await door({ anyOrigin: true })).get(app)).headers[allowed]).toBeUndefined();
        expect((await (await door({}, { withKey: true })).get(app)).headers[allowed]).toBeUndefined();
        expect((await (await door({ anyOrigin: true }, { withKey: true })).get(app)).headers[allowed]).toBe(app);
    });

    it('is named by its whole origin in the settings', () => {
        for (const origin of ['*', 'app.example', 'https://app.example/', 'https://app.example/x']) {
            expect(gatewayConfig.safeParse({ ...settings, cors: { origins: [origin] } }).success).toBe(false);
        }
    });
});

describe('A certificate', () => {
    let folder: string;
    let files: { cert: string; key: string };

    /** A certificate that signs itself, in the files; `at` is their time. */
    const write = (common: string, at = 1000) => {
        const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
        const signed = sequence(
            ...[der(0xa0, integer(2)), integer(1), algorithm, name(common)],
            ...[sequence(time(1_700_000_000), time(4_000_000_000)), name(common)],
            publicKey.export({ type: 'spki', format: 'der' }),
        );
        const whole = sequence(signed, algorithm, bits(sign('sha256', signed, privateKey)));
        const body = whole.toString('base64').replace(/.{1,64}/g, '$&\n');
        writeFileSync(files.cert, `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`);
        writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
        utimesSync(files.cert, at, at);
    };
    /** The name in the certificate that a server shows. */
    const shownBy = (port: number) =>
        new Promise<string>((resolve, reject) => {
            const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
                resolve(String(socket.getPeerCertificate().subject.CN));
                socket.destroy();
            });
            socket.on('error', reject);
        });

    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), 'tls-'));
        files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('is served, and followed when its files change; one that cannot be used changes nothing', async () => {
        write('one');
        const server = createDoor({ tls: readCertificate(files) });
        server.get('/admin/jobs', async () => ['answered']);
        const url = await server.listen({ port: 0 });
        const port = Number(new URL(url).port);
        const watch = new CertificateWatch(files, server.server as unknown as Server, silent);

        expect(await askGateway(`https://127.0.0.1:${port}`, 'GET', '/admin/jobs')).toEqual(['answered']);
        expect(await shownBy(port)).toBe('one');
        write('two', 2000);
        await watch.check();
        expect(await shownBy(port)).toBe('two');
        writeFileSync(files.cert, 'nothing');
        await watch.check();
        expect(await shownBy(port)).toBe('two');
        await server.close();
    });

    it('is refused if its key is of another one, or if everybody may read the key', () => {
        write('one');
        expect(() => readCertificate({ ...files, cert: files.key })).toThrow('no certificate and its key');

        rmSync(files.key);
        writeFileSync(files.key, 'x', { mode: 0o644 });
        expect(() => readCertificate(files)).toThrow('chmod 640');
    });
});

describe('Readiness', () => {
    const context = (state: string, chain: () => Promise<void> = async () => undefined) =>
        ({
            ...{ config: { models: { m: {} } }, now: () => 1000, escrow: { compareClocks: chain } },
            nodes: { states: async () => [{ worker: 'http://w', state }] },
        }) as never;
    const recovered = { recovered: Promise.resolve() } as never;
    const book = (open: object[] = []) => ({ open: () => open }) as never;

    it('needs a finished recovery, a chain that answers, and a job or a node', async () => {
        const ready = new Readiness(context('ok'), book(), recovered);
        await Promise.resolve();
        expect(await ready.view()).toEqual({ ready: true, reasons: [] });

        const job = { isConnected: () => true, money: { paused: undefined } };
        const withJob = new Readiness(context('banned'), book([job]), recovered);
        await Promise.resolve();
        expect(await withJob.view()).toEqual({ ready: true, reasons: [] });

        const never = { recovered: new Promise(() => undefined) } as never;
        const down = () => Promise.reject(new Error('down'));
        expect(await new Readiness(context('banned', down), book(), never).view()).toEqual({
            ready: false,
            reasons: [
                'jobs of an earlier run are still taken up',
                'the chain cannot be reached: look at "endpoint"',
                'no model has an open job or a usable node: "cocoon gateway status" says why',
            ],
        });
    });

    it('asks chain and nodes again after 15 seconds, and not before', async () => {
        let seconds = 0;
        let calls = 0;
        const count = async () => void calls++;
        const readiness = new Readiness(context('ok', count), book(), recovered, () => seconds);
        await Promise.all([readiness.view(), readiness.view()]);
        seconds = 14.9;
        await readiness.view();
        expect(calls).toBe(1);
        seconds = 15;
        await readiness.view();
        expect(calls).toBe(2);
    });
});
