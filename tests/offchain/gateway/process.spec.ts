import { toNano } from '@ton/core';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { Localnet, startLocalnet } from '@cocoon-market/localnet';
import { signingKey, channelCode, Escrow } from '@cocoon-market/wrappers';
import { NETWORK } from '../../support/market';
import { ask, FakeWorker, MODEL, until } from './support';
import { GatewayProcess, runCommand, startProcess } from './support/process';

jest.setTimeout(300_000); // each test starts processes, however busy the machine

describe('The gateway as a process', () => {
    let network: Localnet;
    let worker: FakeWorker;
    let folder: string;
    let gateway: GatewayProcess | undefined;
    let seqno: () => Promise<number>;

    const up = async () =>
        (gateway = await startProcess([
            'up',
            '--config',
            join(folder, 'gateway.json'),
            '--allow-open',
            '--log-level',
            'silent',
        ]));
    const isUp = () => gateway?.child.exitCode === null && gateway.child.signalCode === null;
    const kill = () => gateway!.child.kill('SIGKILL');
    const post = async () => {
        const response = await request(`${gateway!.url}/v1/chat/completions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(ask),
        });
        return { status: response.statusCode, body: (await response.body.json()) as object };
    };
    const dead = () => until(() => !isUp());

    beforeAll(async () => {
        folder = mkdtempSync(join(tmpdir(), 'gateway-'));
        network = await startLocalnet({ networkId: NETWORK });
        const owner = await network.blockchain.treasury('owner');
        const payout = await network.blockchain.treasury('payout');
        worker = await new FakeWorker(payout.address, () => network.now()).start();

        const keyFile = join(folder, 'spend.key');
        const made = await runCommand(['keygen', '--out', keyFile]);
        const escrow = network.blockchain.openContract(await Escrow.ofOwner(owner.address));
        await escrow.sendSetUp(owner.getSender(), {
            value: toNano('21'),
            deposit: toNano('20'),
            spendKey: Buffer.from(made.out.trim(), 'hex'),
            jobLimit: toNano('5'),
            dayLimit: toNano('15'),
            channelCode: await channelCode(),
        });
        seqno = async () => Number((await escrow.getEscrowState()).seqno);
        const rate = '1000000000';
        const config = {
            network: NETWORK,
            endpoint: network.url,
            pollMs: 20,
            owner: owner.address.toString(),
            keyFile: 'spend.key',
            store: 'gateway.sqlite',
            listen: { port: 0 },
            workers: [worker.url],
            models: { [MODEL]: { maxPrice: { prompt: rate, cached: rate, completion: rate, reasoning: rate } } },
            job: { deposit: '1000000000', step: '40000' },
        };
        writeFileSync(join(folder, 'gateway.json'), JSON.stringify(config));
    });
    afterAll(async () => {
        gateway?.child.kill('SIGKILL');
        await worker.stop();
        await network.close();
        rmSync(folder, { recursive: true });
    });

    it('keygen writes a seed that only its owner can read, and never over another', async () => {
        const file = join(folder, 'spend.key');
        expect(statSync(file).mode & 0o777).toBe(0o600);
        const before = readFileSync(file, 'utf8');
        expect(signingKey(Buffer.from(before.trim(), 'hex')).publicKey).toHaveLength(32);
        const again = await runCommand(['keygen', '--out', file]);
        expect(again.code).toBe(1);
        expect(readFileSync(file, 'utf8')).toBe(before);
    });

    it('killed at any moment: no second job for one need, no number twice, no voucher below another', async () => {
        await up();
        const stop = network.onTransaction(() => {
            kill();
            stop();
        });
        await post().catch(() => undefined); // killed when the escrow takes the order
        await dead();

        await up();
        worker.scripts.push({ wait: async () => void kill() });
        await post().catch(() => undefined); // killed after the accept
        await dead();
        expect(await seqno()).toBe(1);

        await up();
        const frames = Array.from({ length: 12 }, (_, i) => `word ${i} `);
        const before = worker.posted.length;
        worker.scripts.push({
            frames,
            tokensPerFrame: 3, // all frames together cost less than a step, as an honest worker is ahead at most
            wait: (frame) => (frame < 8 ? tick() : until(() => worker.posted.length > before).then(kill)),
        });
        await post().catch(() => undefined); // killed after a voucher for a running answer
        await dead();

        await up();
        const { status } = await post();
        expect(status).toBe(200);
        expect(await seqno()).toBe(1);
        expect(worker.jobs.size).toBe(1);
        await until(() => worker.only.vouchers.at(-1)?.count === worker.only.index);

        const numbers = worker.wire
            .filter(({ path }) => path === '/v1/query')
            .map(({ body }) => numberOf(body as Buffer));
        expect(new Set(numbers).size).toBe(numbers.length);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        worker.posted.reduce((last, next) => {
            expect(next.cumulative).toBeGreaterThanOrEqual(last.cumulative);
            expect(next.count).toBeGreaterThanOrEqual(last.count);
            return next;
        });
        expect(worker.only.vouchers.at(-1)!.cumulative).toBe(worker.only.cumulative);
    });

    it('lists its jobs, leaves one, and ends when it is told to', async () => {
        const at = ['--url', gateway!.url];
        const listed = await runCommand(['jobs', '--json', ...at]);
        expect(JSON.parse(listed.out)).toMatchObject([{ job: 0, phase: 'open', model: MODEL }]);
        const left = await runCommand(['leave', '0', ...at]);
        expect(left.out).toContain('leaving');
        const early = await runCommand(['refund', '0', ...at]);
        expect(early).toMatchObject({ code: 1, error: expect.stringContaining('can be refunded from') });

        expect(await gateway!.end('SIGTERM')).toBe(0);
        const away = await runCommand(['status', ...at]);
        expect(away.error).toContain('start "cocoon gateway up"');
    });
});

function numberOf(body: Buffer): number {
    const head = JSON.parse(body.toString('utf8', 4, 4 + body.readUInt32BE(0))) as { number: number };
    return head.number;
}

function tick(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 5));
}
