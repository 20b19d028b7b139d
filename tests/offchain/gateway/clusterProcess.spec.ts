/** Two `cocoon gateway` processes of one escrow with one PostgreSQL database, one of which is killed. */
import { type Address, toNano } from '@ton/core';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { adminHeaders } from '../../../offchain/gateway/adminToken';
import { decodeQuery, voucherRequest } from '../../../offchain/link';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Channel, channelCode, Escrow, type SignedVoucher } from '@cocoon-market/wrappers';
import { NETWORK } from '../../support/market';
import { PostgresServer } from '../support/postgres';
import { type Answer, ask, FakeWorker, MODEL, until } from './support';
import { type GatewayProcess, runCommand, startProcess } from './support/process';

jest.setTimeout(300_000); // each test starts processes, however busy the machine

const TAKEOVER_MS = 10_000;

let server: PostgresServer;
let network: Localnet;
let worker: FakeWorker;
let folder: string;
let url: string;
let gateways: GatewayProcess[] = [];

const up = async () => {
    const gateway = await startProcess(['up', '--config', join(folder, 'gateway.json'), '--log-level', 'silent']);
    gateways.push(gateway);
    return gateway;
};

async function call(at: GatewayProcess, path: string, body?: object, headers = {}): Promise<Answer> {
    const response = await request(`${at.url}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', ...adminHeaders(at.url), ...headers },
        ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.statusCode, ...((await response.body.json()) as object) };
}

beforeAll(async () => {
    server = await PostgresServer.start();
    url = await server.database();
    folder = mkdtempSync(join(tmpdir(), 'gateways-'));
    network = await startLocalnet({ networkId: NETWORK });
    const owner = await network.blockchain.treasury('owner');
    const payout = await network.blockchain.treasury('payout');
    worker = await new FakeWorker(payout.address, () => network.now()).start();
    worker.onEnd = async ({ channel, vouchers }) => {
        const contract = network.blockchain.openContract(Channel.fromAddress(channel));
        await contract.sendClaim(payout.getSender(), { value: toNano('0.1'), last: true, voucher: vouchers.at(-1)! });
    };

    const keyFile = join(folder, 'spend.key');
    const made = await runCommand(['keygen', '--out', keyFile]);
    const escrow = network.blockchain.openContract(await Escrow.ofOwner(owner.address));
    await escrow.sendSetUp(owner.getSender(), {
        ...{ value: toNano('21'), deposit: toNano('20'), spendKey: Buffer.from(made.out.trim(), 'hex') },
        ...{ jobLimit: toNano('5'), dayLimit: toNano('15'), channelCode: await channelCode() },
    });
    const rate = '1000000000';
    const config = {
        ...{ network: NETWORK, endpoint: network.url, pollMs: 20, owner: owner.address.toString() },
        ...{ keyFile: 'spend.key', store: url, cluster: {}, listen: { port: 0 }, workers: [worker.url] },
        models: { [MODEL]: { maxPrice: { prompt: rate, cached: rate, completion: rate, reasoning: rate } } },
        ...{ attestation: { allowOpen: true }, job: { deposit: '1000000000', step: '40000' }, confirmSeconds: 1 },
    };
    writeFileSync(join(folder, 'gateway.json'), JSON.stringify(config));
}, 120_000);

afterAll(async () => {
    gateways.forEach(({ child }) => child.kill('SIGKILL'));
    await worker.stop();
    await network.close();
    await server.remove();
    rmSync(folder, { recursive: true });
});

/** Every voucher that reached the worker, in order, by the job's hash. */
function vouchersByJob(): Map<string, SignedVoucher[]> {
    const all = new Map<string, SignedVoucher[]>();
    const add = (job: Buffer, voucher: SignedVoucher | null) =>
        voucher && all.set(job.toString('hex'), [...(all.get(job.toString('hex')) ?? []), voucher]);
    for (const { path, body } of worker.wire) {
        if (path === '/v1/voucher') {
            const { job, voucher } = voucherRequest.parse(JSON.parse(String(body)));
            add(job, voucher);
        } else if (path === '/v1/query') {
            const { head } = decodeQuery(body as Buffer);
            add(head.job, head.voucher);
        }
    }
    return all;
}

it('both serve and pay; when one is killed in an answer, the other takes its jobs and nothing is paid twice', async () => {
    const [first, second] = [await up(), await up()];
    const { secret } = await call(first, '/admin/keys', { name: 'bob', daily: String(toNano('5')) });
    const key = { authorization: `Bearer ${secret}` };
    const post = (gateway: GatewayProcess) => call(gateway, '/v1/chat/completions', ask, key);
    await until(async () => (await call(second, '/v1/models')).status === 401, 20_000);
    const answers = await Promise.all([first, second, first, second].map(post));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(worker.jobs.size).toBe(2);

    const [own] = (await Promise.all([first, second].map((gateway) => jobsOf(gateway)))).map(([{ job }]) => job);
    const before = worker.posted.length;
    worker.scripts.push({
        frames: Array.from({ length: 12 }, (_, i) => `word ${i} `),
        tokensPerFrame: 3, // all frames together cost less than a step, as an honest worker is ahead at most
        wait: async (frame) => {
            await new Promise((resolve) => setTimeout(resolve, 5));
            if (frame === 8) {
                await until(() => worker.posted.length > before, 20_000);
                first.child.kill('SIGKILL');
            }
        },
    });
    await post(first).catch(() => undefined);
    const killedAt = Date.now();
    const taken = async () => (await jobsOf(second)).find(({ job, connected }: Answer) => job === own && connected);
    await until(async () => (await taken()) !== undefined, TAKEOVER_MS);
    expect(Date.now() - killedAt).toBeLessThan(TAKEOVER_MS);
    await until(async () => (await taken()).unfinished.length === 0, 20_000);

    expect((await post(second)).status).toBe(200);
    const third = await up();
    expect((await post(third)).status).toBe(200);
    await until(
        () => [...worker.jobs.values()].every(({ vouchers, cumulative }) => vouchers.at(-1)?.cumulative === cumulative),
        20_000,
    );

    for (const vouchers of vouchersByJob().values()) {
        vouchers.reduce((last, next) => {
            expect(next.cumulative).toBeGreaterThanOrEqual(last.cumulative);
            expect(next.count).toBeGreaterThanOrEqual(last.count);
            return next;
        });
        const signed = new Map(
            vouchers.map(({ cumulative, count, signature }) => [`${cumulative} ${count}`, signature]),
        );
        for (const { cumulative, count, signature } of vouchers) {
            expect(signature).toEqual(signed.get(`${cumulative} ${count}`));
        }
    }
    const earned = [...worker.jobs.values()].reduce((sum, { cumulative }) => sum + cumulative, 0n);
    const [bob] = await keysOf(second);
    expect([bob.daily.spent, bob.daily.reserved]).toEqual([earned.toString(), '0']);

    for (const gateway of [second, third]) {
        for (const { job } of await jobsOf(gateway)) {
            expect(await call(gateway, `/admin/jobs/${job}/settle`, {})).toMatchObject({ status: 200 });
        }
    }
    const channels = [...worker.jobs.values()].map(({ channel }) => channel);
    expect(await Promise.all(channels.map(isGone))).toEqual(channels.map(() => true));
    expect(await Promise.all([second, third].map((gateway) => gateway.end('SIGTERM')))).toEqual([0, 0]);
    gateways = [];
});

async function jobsOf(gateway: GatewayProcess): Promise<Answer[]> {
    return Object.values(await call(gateway, '/admin/jobs')).filter((job) => typeof job === 'object');
}

async function keysOf(gateway: GatewayProcess): Promise<Answer[]> {
    return Object.values(await call(gateway, '/admin/keys')).filter((key) => typeof key === 'object');
}

async function isGone(channel: Address): Promise<boolean> {
    return (await network.blockchain.getContract(channel)).accountState?.type !== 'active';
}
