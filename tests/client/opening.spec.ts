/** A client that opens jobs while it is asked for them, and while it closes, on a chain that the test stands in for. */
import { Client, memoryStore } from '@cocoon-market/client';
import { bytesToNumber, Channel, jobHash } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { createHash } from 'node:crypto';
import { ActiveJob } from '../../client/activeJob';
import { decodeQuery, jobRequest, modelHash, RENT, toWire } from '../../offchain/link';
import { account } from '../offchain/support/worker';
import {
    answerOf,
    DEPOSIT,
    KEY,
    market,
    MODEL,
    NODE,
    openClient,
    openJob,
    OWNER,
    RATES,
    StandInChain,
} from './support/standIn';

/** The answer of a worker that takes the job of a registration. */
async function takenJob({ body }: RequestInit, tokenizer: string): Promise<Response> {
    const { terms, jobNumber } = jobRequest.parse(JSON.parse(body as string));
    const { end, notice, voucherKey, payout } = terms;
    const parameters = { job: jobNumber, end, notice, voucherKey, payout };
    const { address } = await Channel.ofJob(new Address(0, terms.escrow), parameters);
    const state = {
        ...{ job: jobHash(market.network, address.hash, terms), channel: address.toRawString(), tokenizer },
        ...{ balance: DEPOSIT, highest: 0, results: { index: 0, cumulative: 0n }, voucher: null },
        ...{ boot: Buffer.alloc(16), processes: [] },
    };
    return Response.json(toWire(state));
}

describe('A client that is asked for several things at once', () => {
    const ask = jest.fn(answerOf);

    it('opens two jobs with two orders, and forgets neither', async () => {
        const chain = new StandInChain();
        const client = await openClient(chain);

        const opened = await Promise.allSettled([openJob(client), openJob(client)]);

        const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'worker_refused' }) as Error };
        expect(opened).toMatchObject([refused, refused]);
        const jobs = await client.jobs();
        expect(jobs.map(({ address }) => address.toRawString())).toEqual([...chain.channels.keys()]);
        expect(jobs).toHaveLength(2);
    });

    it('waits for the deposit of a job whose channel a stranger deploys before with less', async () => {
        const chain = new StandInChain();
        const client = await openClient(chain);
        chain.balance = 20_000_000n;
        const opening = openJob(client).catch(() => undefined);
        setTimeout(() => (chain.balance = DEPOSIT), 50);
        await opening;

        expect((await client.jobs()).map(({ available }) => available)).toEqual([DEPOSIT - RENT]);
    });

    it('has one ledger for a job, however often its jobs are asked for while it opens', async () => {
        const load = jest.spyOn(ActiveJob, 'load');
        const chain = new StandInChain();
        const store = memoryStore();
        const client = await openClient(chain, { store });
        let take = () => {};
        chain.taken = new Promise((resolve) => (take = resolve));

        const opening = openJob(client).catch(() => undefined);
        const listings = [client.jobs(), client.jobs()];
        setTimeout(() => {
            listings.push(client.jobs(), client.jobs());
            take();
        }, 20);
        await opening;
        listings.push(client.jobs(), client.jobs());
        await Promise.all(listings);

        expect([(await client.jobs()).length, load.mock.calls.length]).toEqual([1, 1]);
        await client.close();
        load.mockClear();
        const again = await openClient(chain, { store });
        await Promise.all([again.jobs(), again.jobs()]);
        expect(load).toHaveBeenCalledTimes(1);
        load.mockRestore();
    });

    it('writes nothing into its store once it is closed, though an order is under way', async () => {
        const inner = memoryStore();
        let puts = 0;
        const put = async (key: string, value: string) => {
            puts++;
            await inner.put(key, value);
        };
        const chain = new StandInChain();
        let take = () => {};
        chain.taken = new Promise((resolve) => (take = resolve));
        const client = await openClient(chain, { store: { ...inner, put } });
        const opening = openJob(client);
        while (puts < 2) {
            await new Promise((resolve) => setTimeout(resolve, 5));
        }

        await client.close();
        const before = puts;
        take();
        await expect(opening).rejects.toMatchObject({ code: 'wrong_phase' });

        expect(puts).toBe(before);
        await expect(client.jobs()).rejects.toMatchObject({ code: 'wrong_phase' });
        expect(await (await openClient(chain, { store: inner })).jobs()).toHaveLength(1);
    });

    it('opens no job with a shorter notice than its node takes, and none of another wallet', async () => {
        const chain = new StandInChain();
        const client = await openClient(chain);
        const request = { node: NODE, model: MODEL, deposit: DEPOSIT, notice: 599 };

        await expect(client.openJob(request)).rejects.toMatchObject({ code: 'wrong_node' });
        expect(chain.channels.size).toBe(0);
        const wallet = { address: account(8), sender: {} as never };
        await expect(
            Client.open({
                ...{ market, chain, wallet, owner: OWNER, store: memoryStore() },
                limits: { job: DEPOSIT, query: DEPOSIT },
            }),
        ).rejects.toThrow('another wallet');
    });

    it('asks nothing of a worker that counts a job by another tokenizer than it listed', async () => {
        const chain = new StandInChain();
        const asked: string[] = [];
        const countsBy = (tokenizer: string) => async (url: string, init: RequestInit) => {
            asked.push(new URL(url).pathname);
            return url.endsWith('/v1/jobs') ? takenJob(init, tokenizer) : answerOf(url);
        };
        const liar = await openClient(chain, { fetch: countsBy('qwen') });
        await expect(openJob(liar)).rejects.toMatchObject({ code: 'wrong_node' });
        const [job] = await liar.jobs();
        await expect(job.ask({ messages: [{ role: 'user', content: 'Hi' }], maxTokens: 9 }).text()).rejects.toThrow(
            'another tokenizer',
        );
        expect(asked).not.toContain('/v1/query');

        const honest = await openClient(chain, { fetch: countsBy('bytes') });
        expect((await openJob(honest)).phase).toBe('open');
    });

    it('asks nothing of a worker that counts a job by another tokenizer once the client was opened again', async () => {
        const chain = new StandInChain();
        const store = memoryStore();
        const asked: string[] = [];
        let tokenizer = 'bytes';
        const fetch = async (url: string, init: RequestInit) => {
            asked.push(new URL(url).pathname);
            return url.endsWith('/v1/jobs') ? takenJob(init, tokenizer) : answerOf(url);
        };
        const first = await openClient(chain, { store, fetch });
        await openJob(first);
        await first.close();
        tokenizer = 'qwen';

        const [job] = await (await openClient(chain, { store, fetch })).jobs();
        await expect(job.ask({ messages: [{ role: 'user', content: 'Hi' }], maxTokens: 9 }).text()).rejects.toThrow(
            'another tokenizer',
        );
        expect(asked).not.toContain('/v1/query');
    });

    it.each([
        'http://127.0.0.1:8080',
        'http://10.0.0.1/admin',
        'http://169.254.169.254',
        'http://[::1]:80',
        'http://localhost.',
        'http://intranet',
        'http://2130706433',
    ])('asks no worker at %s on mainnet, wherever its node leads', async (endpoint) => {
        const mainnet = { network: -239, readNode: async () => ({ ...(await market.readNode()), endpoint }) };
        const options = { market: mainnet, chain: new StandInChain(), spendKey: KEY, owner: OWNER, fetch: ask };
        const limits = { job: DEPOSIT, query: DEPOSIT };
        const client = await Client.open({ ...options, store: memoryStore(), limits });
        ask.mockClear();

        await expect(openJob(client)).rejects.toThrow('private address');
        expect(ask).not.toHaveBeenCalled();
        const open = await Client.open({ ...options, store: memoryStore(), limits, allowPrivate: true });
        await openJob(open).catch(() => undefined);
        expect(ask).toHaveBeenCalled();
    });

    it('opens a job for the model of a hash, and not for one whose name looks like that hash', async () => {
        const hash = modelHash(MODEL).toString('hex');
        const confusing = {
            network: -3,
            readNode: async () => {
                const node = await market.readNode();
                return { ...node, offers: [{ model: bytesToNumber(modelHash(hash)), ...RATES }, ...node.offers] };
            },
        };
        const fetch = async (url: string) => {
            const response = await answerOf(url);
            const info = (await response.clone().json()) as { offers?: { model: string }[] };
            return info.offers === undefined
                ? response
                : Response.json({ ...info, offers: [{ ...info.offers[0], model: hash }, ...info.offers] });
        };
        const chain = new StandInChain();
        const options = { market: confusing, chain, spendKey: KEY, owner: OWNER, store: memoryStore(), fetch };
        const client = await Client.open({ ...options, limits: { job: DEPOSIT, query: DEPOSIT }, pollMs: 1 });

        await client.openJob({ node: NODE, model: hash, deposit: DEPOSIT }).catch(() => undefined);
        const [job] = await client.jobs();
        expect([job.model, job.terms.model.toString('hex')]).toEqual([MODEL, hash]);
    });
});

describe('A client whose worker begins again', () => {
    it('shows the job once for all questions that run, and asks each again', async () => {
        const sessions: string[] = []; // that the worker knew, the newest last
        const asked: string[] = []; // sessions of queries
        const refuse = (code: string, status: number) => Response.json({ error: { code, message: '' } }, { status });
        const fetch = async (url: string, init: RequestInit): Promise<Response> => {
            if (url.endsWith('/v1/jobs')) {
                const { enc } = jobRequest.parse(JSON.parse(init.body as string));
                sessions.push(createHash('sha256').update(enc).update(Buffer.alloc(16)).digest('hex'));
                return takenJob(init, 'bytes');
            }
            if (!url.endsWith('/v1/query')) {
                return answerOf(url);
            }
            const session = decodeQuery(Buffer.from(init.body as unknown as Uint8Array)).head.session.toString('hex');
            asked.push(session);
            return session === sessions.at(-1) ? refuse('paused', 503) : refuse('unknown_session', 404);
        };
        const client = await openClient(new StandInChain(), { fetch });
        const job = await openJob(client);
        const question = { messages: [{ role: 'user' as const, content: 'one' }], maxTokens: 1 };
        sessions.push('that of a process which began again');
        const answers = await Promise.allSettled(Array.from({ length: 3 }, () => job.ask(question).text()));

        const paused = { status: 'rejected', reason: { message: 'The worker refused: paused' } };
        expect(answers).toMatchObject([paused, paused, paused]);
        expect(sessions).toHaveLength(3);
        expect(asked.filter((session) => session === sessions[2])).toHaveLength(3);
    });
});
