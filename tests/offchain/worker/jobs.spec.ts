/**
 * What a worker asks of a job and of itself before it serves.
 *
 * Longer than 350 lines because all of it shares one worker and one way to offer it a job.
 */
import { channelCode, isWeakKey, libraryOf, signingKey, type Terms } from '@cocoon-market/wrappers';
import { beginCell } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { request } from 'undici';
import { type Chain, NodeClosed } from '../../../offchain/chain';
import { type ComparedNode, modelHash, paths, sessionHash } from '../../../offchain/link';
import { SqliteJobs } from '../../../offchain/store/sqliteJobs';
import { claimOnce, startWorker, statusOnce } from '../../../offchain/worker';
import { until } from '../support/until';
import { TestClient } from '../support/client';
import { ECHO, ScriptedBackend } from '../support/backend';
import { FakeChain, FakeWallet } from '../support/chain';
import { account, configFor, type Fixture, SEEDS, startFixture } from '../support/worker';
import { randomSigningKey } from '../../support/keys';

let fixture: Fixture;

beforeEach(async () => {
    fixture = await startFixture();
});

afterEach(() => fixture.stop());

async function drafted(terms: Partial<Terms> = {}): Promise<TestClient> {
    const client = new TestClient(fixture.worker.url, fixture.chain);
    await client.draft(terms);
    return client;
}

const refusal = (code: string, words = '') => ({
    body: { error: { code, message: expect.stringContaining(words) as string } },
});

describe('POST /v1/jobs', () => {
    it('registers a job whose channel is on chain', async () => {
        const client = await drafted();
        await client.open(500n);
        expect(await client.register()).toMatchObject({
            status: 200,
            body: { job: client.job.toString('hex'), balance: '500', highest: 0, voucher: null },
        });
    });

    it('is a new session of the same job the second time, and the old one is known no more', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const old = client.seal(1, 'one');
        await client.register();

        expect((await client.send(old)).refusal).toMatchObject({ code: 'unknown_session' });
        expect((await client.ask(1, 'one')).text).toBe('one');
    });

    it('keeps the job over a restart, and no session of it', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        client.url = (await fixture.restart()).url;
        expect((await client.ask(1, 'still here')).refusal!.code).toBe('unknown_session');
        expect((await client.register()).status).toBe(200);
        expect((await client.ask(1, 'still here')).text).toBe('still here');
    });

    it('is served again once the store, which could not read it, can', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        client.url = (await fixture.restart()).url;
        jest.spyOn(SqliteJobs.prototype, 'get').mockRejectedValueOnce(new Error('disk I/O error'));
        const path = `${client.url}${paths.job(client.job.toString('hex'))}`;
        expect((await request(path)).statusCode).toBe(500);

        expect((await request(path)).statusCode).toBe(200);
        expect((await fixture.worker.status()).running).toBe(0);
    });

    it.each<[string, Partial<Terms>]>([
        ['node is another', { node: Buffer.alloc(32, 7) }],
        ['provider is another', { provider: Buffer.alloc(32, 7) }],
        ['receipt key', { receiptKey: randomSigningKey().publicKey }],
        ['payout', { payout: Buffer.alloc(32, 7) }],
        ['model is not offered', { model: modelHash('other') }],
        ['rates', { rates: { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n } }],
        ['step', { step: 999n }],
        ['step', { step: 1n << 60n }],
        ['step is too small for the rates', { step: 100_000n }],
        ['maxParallel', { maxParallel: 0 }],
        ['maxParallel', { maxParallel: 17 }],
        ['largest answer', { maxAnswer: 10 }],
        ['largest answer', { maxAnswer: 1 << 30 }],
        ['notice', { notice: 3599 }],
    ])('refuses wrong terms: %s', async (words, terms) => {
        const client = await drafted(terms);
        await client.open();
        expect(await client.register()).toMatchObject({ status: 422, ...refusal('wrong_terms', words) });
    });

    it('refuses a voucher key with which anyone can sign', async () => {
        const weak = Buffer.alloc(32);
        expect(isWeakKey(weak)).toBe(true);
        const client = await drafted({ voucherKey: weak });
        await client.open();
        expect(await client.register()).toMatchObject(refusal('wrong_terms', 'weak'));
    });

    it('refuses a session that the voucher key did not sign', async () => {
        const client = await drafted();
        await client.open();
        const signature = signingKey(Buffer.alloc(32, 5)).sign(
            sessionHash(client.job, { enc: randomBytes(32), wire: client.info.wire[0] }),
        );
        expect(await client.register({ signature })).toMatchObject({ status: 403, ...refusal('bad_signature') });
        expect(fixture.chain.reads).toBe(0); // nobody unknown makes the worker ask the chain
    });

    it('refuses a job number of another channel', async () => {
        const client = await drafted();
        await client.open();
        expect(await client.register({ jobNumber: 5 })).toMatchObject(refusal('bad_signature'));
    });

    it('refuses a channel of a code it does not know', async () => {
        const client = await drafted();
        await client.open(1_000_000_000n, beginCell().storeUint(1, 8).endCell());
        expect(await client.register()).toMatchObject(refusal('bad_signature', 'code this node accepts'));
    });

    it('takes a channel that names its code as a library, and not one that names another code so', async () => {
        const [plain, other] = [await channelCode(), beginCell().storeUint(1, 8).endCell()];
        const client = await drafted();
        await client.open(1_000_000_000n, libraryOf(other).cell);
        expect(await client.register()).toMatchObject(refusal('bad_signature', 'code this node accepts'));

        await client.open(1_000_000_000n, libraryOf(plain).cell);
        expect((await client.register()).status).toBe(200);
        expect((await client.ask(1, 'one')).complete).toBe(true);
    });

    it('refuses a channel whose code on chain is another', async () => {
        const client = await drafted();
        await client.open();
        const there = fixture.chain.accounts.get(client.channel.toRawString())!;
        fixture.chain.set(client.channel, { code: beginCell().endCell(), data: there.data!, balance: there.balance });
        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'code'));
    });

    it('refuses a channel whose data is not what the terms say', async () => {
        const client = await drafted();
        await client.open();
        const code = await channelCode();
        fixture.chain.set(client.channel, { code, data: beginCell().storeUint(0, 96).endCell(), balance: 5n });
        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'data'));
    });

    it('refuses a channel that is not on chain, or empty', async () => {
        const client = await drafted();
        await client.open(0n);
        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'empty'));
        fixture.chain.remove(client.channel);
        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'not on chain'));
    });

    it('refuses a channel that is leaving within the margin', async () => {
        const client = await drafted();
        await client.open();
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1800 });
        expect(await client.register()).toMatchObject({ status: 409, ...refusal('leaving') });
    });

    it('says that it cannot see the chain rather than that the channel is wrong', async () => {
        const client = await drafted();
        await client.open();
        fixture.chain.down = true;
        expect(await client.register()).toMatchObject({ status: 503, ...refusal('chain_down') });
    });

    it('refuses other terms on a channel that is used, or both jobs would count on its money', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        client.terms = { ...client.terms, maxParallel: 2 };
        await client.open();
        expect(await client.register()).toMatchObject(refusal('wrong_terms', 'other terms'));
    });

    it('refuses for ever a job that it ended itself, also when somebody deploys its channel again', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.end();
        while (fixture.chain.accounts.has(client.channel.toRawString())) await new Promise(setImmediate);
        for (let look = 0; look < 3; look++) await fixture.worker.claimNow();

        await client.open();
        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'ended'));
        client.url = (await fixture.restart()).url;
        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'ended'));
    });

    it('takes up a job again that it thought ended, once its channel is there, also after a restart', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const account = fixture.chain.accounts.get(client.channel.toRawString())!;
        fixture.chain.remove(client.channel);
        expect((await client.ask(1, 'one')).refusal).toMatchObject({ code: 'internal' });
        await client.ask(1, 'one');
        expect((await client.ask(1, 'one')).refusal).toMatchObject({ code: 'wrong_channel' });
        client.url = (await fixture.restart()).url;

        expect(await client.register()).toMatchObject(refusal('wrong_channel', 'ended'));
        fixture.chain.accounts.set(client.channel.toRawString(), account);
        expect((await client.register()).status).toBe(200);
        expect((await client.ask(1, 'one')).text).toBe('one');
    });

    it('goes on by what it knew when the channel is said to last longer than its terms', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        fixture.chain.change(client.channel, { refundAt: client.terms.end + 1 });
        expect((await client.ask(1, 'one')).text).toBe('one');
        fixture.chain.change(client.channel, { refundAt: client.terms.end });
        expect((await client.ask(2, 'two')).text).toBe('two');
    });

    it('takes no job on a channel that holds less than the smallest deposit', async () => {
        await fixture.restart({ limits: { minDeposit: '50000000' } });
        const [small, enough] = [1, 2].map(() => new TestClient(fixture.worker.url, fixture.chain));
        await Promise.all([small, enough].map((client) => client.draft()));
        await small.open(49_999_999n);
        await enough.open(50_000_000n);

        expect(enough.info.limits.minDeposit).toBe(50_000_000n);
        expect(await small.register()).toMatchObject(refusal('wrong_channel', 'less than 50000000 nanoTON'));
        expect((await enough.register()).status).toBe(200);
    });

    it('reads the channel of a job in use beside its queries, not before them', async () => {
        await fixture.restart({ chain: { freshSeconds: 60, staleSeconds: 60 } });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const before = fixture.chain.reads;
        for (let number = 1; number <= 5; number++) {
            await client.ask(number, 'one');
        }
        expect(fixture.chain.reads).toBe(before);
    });

    it('goes on for a while when the chain cannot be seen', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        fixture.chain.down = true;
        expect((await client.ask(1, 'in the dark')).text).toBe('in the dark');
    });
});

describe('POST /v1/jobs/:job/end', () => {
    it('takes no more queries, and only the voucher key may ask for it', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const path = `/v1/jobs/${client.job.toString('hex')}/end`;
        expect(await client.post(path, { signature: '00'.repeat(64) })).toMatchObject(refusal('bad_signature'));

        fixture.wallet.failing = 99;
        expect((await client.end()).status).toBe(200);
        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: 4 });
    });
});

describe('startWorker', () => {
    const start = (change: object, parts: object = {}) =>
        startWorker(configFor(fixture.folder, { store: ':memory:', ...change }), {
            chain: fixture.chain,
            backend: new ScriptedBackend(),
            wallet: new FakeWallet(fixture.chain, account(1)),
            seeds: SEEDS,
            ...parts,
        });

    it('refuses a store that another worker uses', async () => {
        await expect(start({ store: `${fixture.folder}/worker.db` })).rejects.toThrow('in use by another process');
    });

    const rates = {
        prompt: 10_000_000_000n,
        cached: 1_000_000_000n,
        completion: 10_000_000_000n,
        reasoning: 20_000_000_000n,
    };
    const listed = () => {
        const { receiptKey, encryptionKey } = fixture.worker.nodeInfo;
        return { receiptKey, encryptionKey, offers: [{ model: modelHash(ECHO), rates }] };
    };

    it('refuses keys that the chain does not know', async () => {
        const of = (change: object) => start({}, { node: async () => ({ ...listed(), ...change }) });

        await expect(of({ receiptKey: randomBytes(32) })).rejects.toThrow('receipt key');
        await expect(of({ encryptionKey: randomBytes(32) })).rejects.toThrow('encryption key');
        await (await of({})).close();
    });

    it.each([
        { what: 'the model', offers: [] },
        { what: 'the rates', offers: [{ model: modelHash(ECHO), rates: { ...rates, cached: 1n } }] },
    ])(
        'starts without $what on chain, as amid a change of prices: it takes no new work until they agree',
        async (on) => {
            let node: ComparedNode = { ...listed(), offers: on.offers };
            const worker = await start({ alerts: { seconds: 0.02 } }, { node: async () => node });
            try {
                const reasons = ['the node on chain is closed, or is not that of this worker'];
                expect((await worker.status()).readiness).toEqual({ ready: false, reasons });
                expect(worker.nodeInfo.offers.map(({ available }) => available)).toEqual([false]);
                const client = new TestClient(worker.url, fixture.chain);
                await client.draft();
                await client.open();
                expect(await client.register()).toMatchObject(refusal('paused', reasons[0]));

                node = listed();
                await until(async () => (await worker.status()).readiness!.ready);
                expect((await client.register()).status).toBe(200);
            } finally {
                await worker.close();
            }
        },
    );

    it.each([
        ['shows other keys', async () => ({ ...listed(), receiptKey: randomBytes(32) })],
        ['shows no node', () => Promise.reject(new Error('There is no node'))],
    ])('starts although the first endpoint %s, and takes no new work until that one agrees', async (_, lie) => {
        const [chain, other] = [new FakeChain(), new FakeChain()];
        chain.others = [chain, other];
        let isLying = true;
        const node = (source: Chain) => (source === chain && isLying ? lie() : Promise.resolve(listed()));
        const worker = await start({ alerts: { seconds: 0.02 } }, { chain, node });
        try {
            expect((await worker.status()).readiness).toMatchObject({ ready: false });

            isLying = false;
            await until(async () => (await worker.status()).readiness!.ready);
        } finally {
            await worker.close();
        }
    });

    it.each([
        ['shows other keys', async () => ({ ...listed(), receiptKey: randomBytes(32) })],
        ['shows other offers', async () => ({ ...listed(), offers: [] })],
        ['shows no node', () => Promise.reject(new Error('There is no node'))],
    ])('takes new work at once although the first of three endpoints %s for ever', async (_, lie) => {
        const chain = new FakeChain();
        chain.others = [chain, new FakeChain(), new FakeChain()];
        const worker = await start(
            {},
            { chain, node: (source: Chain) => (source === chain ? lie() : Promise.resolve(listed())) },
        );
        try {
            expect((await worker.status()).readiness).toMatchObject({ ready: true });
        } finally {
            await worker.close();
        }
    });

    it('starts for a closed node, which may hold vouchers and owe answers', async () => {
        const node = async () => {
            throw new NodeClosed(account(0x11), { network: -239 });
        };
        const worker = await start({}, { node });
        expect((await worker.status()).running).toBe(0);
        await worker.close();
    });

    it('claims and says its status, and does not start, where the chain knows another node than the config', async () => {
        const node = async () => {
            throw new Error('There is no node');
        };
        const config = configFor(fixture.folder, { store: ':memory:' });
        const wallet = new FakeWallet(fixture.chain, account(1));
        const parts = { chain: fixture.chain, backend: new ScriptedBackend(), wallet, seeds: SEEDS, node };

        await expect(startWorker(config, parts)).rejects.toThrow('There is no node');
        expect((await statusOnce(config, parts)).earned).toBe(0n);
        await expect(claimOnce(config, parts)).resolves.toBeDefined();
    });

    it('refuses a margin of more than half the shortest notice', () => {
        expect(() => configFor(fixture.folder, { marginSeconds: 1801 })).toThrow('at most half');
    });
});
