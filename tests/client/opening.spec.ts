/** A client that opens jobs while it is asked for them, and while it closes, on a chain that the test stands in for. */
import { Client, memoryStore, type Store } from '@cocoon-market/client';
import {
    bytesToNumber,
    Channel,
    channelCode,
    channelData,
    Escrow,
    jobNumber,
    Node,
    signingKey,
} from '@cocoon-market/wrappers';
import { Address, type Cell, type Contract } from '@ton/core';
import { ActiveJob } from '../../client/activeJob';
import { modelHash, toWire, wireVersions } from '../../offchain/link';
import { account, SEEDS } from '../offchain/support/worker';

const MODEL = 'Qwen/Qwen3-32B';
const KEY = signingKey(Buffer.alloc(32, 9));
const [OWNER, NODE, PROVIDER] = [account(1), account(2), account(3)];
const RATES = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
const DEPOSIT = 10n ** 9n;
const receiptKey = signingKey(SEEDS.receiptKey).publicKey;
const encryptionKey = Buffer.alloc(32, 5);

/** What a worker says of itself. It takes no job yet. */
async function answerOf(url: string): Promise<Response> {
    if (!url.endsWith('/v1/node')) {
        return Response.json({ error: { code: 'paused', message: '' } }, { status: 503 });
    }
    const features: string[] = [];
    const limits = {
        minStep: 0n,
        maxStep: DEPOSIT,
        maxParallel: 4,
        maxAnswer: 1 << 20,
        minNotice: 600,
        minDeposit: 0n,
    };
    const info = {
        ...{ network: -3, node: NODE.toRawString(), provider: PROVIDER.toRawString(), payout: PROVIDER.toRawString() },
        ...{ receiptKey, encryptionKey, attestation: { tier: 'open' }, wire: wireVersions, limits, processes: [] },
        ...{ offers: [{ model: MODEL, rates: RATES, features }], channelCodes: [(await channelCode()).hash()] },
    };
    return Response.json(toWire(info));
}

/** An escrow that takes one order after the other, and the channels that it opened. */
class StandInChain {
    seqno = 0;
    readonly channels = new Map<string, Cell>(); // data by account
    taken: Promise<void> = Promise.resolve(); // when orders are taken

    readonly open = <T extends Contract>(contract: T): never => {
        const { address } = contract;
        const getReading = async () => this.account(address);
        const getKeyLiability = async () => ({ slashable: 1n });
        const codeHash = channelCode().then((code) => bytesToNumber(code.hash()));
        const getEscrowState = async () => ({
            ...{ spendKey: bytesToNumber(KEY.publicKey), codeHash: await codeHash, seqno: BigInt(this.seqno) },
        });
        const methods =
            contract instanceof Escrow
                ? { getEscrowState, sendOpenJobs: (order: never) => this.take(address, order) }
                : contract instanceof Node
                  ? { getKeyLiability }
                  : { getReading };
        return methods as never;
    };

    private async account(address: Address) {
        const data = this.channels.get(address.toRawString());
        const isActive = data !== undefined || address.equals((await Escrow.ofOwner(OWNER)).address);
        return { isActive, balance: DEPOSIT, code: data && (await channelCode()), data };
    }

    private async take(escrow: Address, order: { seqno: number; jobs: { deposit: bigint }[] }): Promise<void> {
        await this.taken;
        if (order.seqno !== this.seqno) {
            throw new Error('the escrow takes another order next');
        }
        const { deposit: _, ...rest } = order.jobs[0] as never as Parameters<typeof channelData>[1] &
            (typeof order.jobs)[0];
        const parameters = { ...rest, job: jobNumber(this.seqno++) };
        const { address } = await Channel.ofJob(escrow, parameters, await channelCode());
        this.channels.set(address.toRawString(), channelData(escrow, parameters));
    }
}

describe('A client that is asked for several things at once', () => {
    const readNode = async () => ({
        ...{ address: NODE, provider: PROVIDER, number: 0, endpoint: 'https://worker.example', receiptKey },
        ...{ encryptionKey, payout: PROVIDER, isJailed: false },
        offers: [{ model: bytesToNumber(modelHash(MODEL)), ...RATES }],
    });
    const ask = jest.fn(answerOf);
    const openClient = (chain: StandInChain, store: Store = memoryStore()) =>
        Client.open({
            ...{ market: { network: -3, readNode }, chain, spendKey: KEY, owner: OWNER, store, fetch: ask },
            ...{ limits: { job: DEPOSIT, query: DEPOSIT }, pollMs: 1 },
        });
    const openJob = (client: Client) => client.openJob({ node: NODE, model: MODEL, deposit: DEPOSIT });

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

    it('has one ledger for a job, however often its jobs are asked for while it opens', async () => {
        const load = jest.spyOn(ActiveJob, 'load');
        const chain = new StandInChain();
        const store = memoryStore();
        const client = await openClient(chain, store);
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
        const again = await openClient(chain, store);
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
        const client = await openClient(chain, { ...inner, put });
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
        expect(await (await openClient(chain, inner)).jobs()).toHaveLength(1);
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
                ...{ market: { network: -3, readNode }, chain, wallet, owner: OWNER, store: memoryStore() },
                limits: { job: DEPOSIT, query: DEPOSIT },
            }),
        ).rejects.toThrow('another wallet');
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
        const market = { network: -239, readNode: async () => ({ ...(await readNode()), endpoint }) };
        const options = { market, chain: new StandInChain(), spendKey: KEY, owner: OWNER, fetch: ask };
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
        const market = {
            network: -3,
            readNode: async () => {
                const node = await readNode();
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
        const options = { market, chain: new StandInChain(), spendKey: KEY, owner: OWNER, store: memoryStore(), fetch };
        const client = await Client.open({ ...options, limits: { job: DEPOSIT, query: DEPOSIT }, pollMs: 1 });

        await client.openJob({ node: NODE, model: hash, deposit: DEPOSIT }).catch(() => undefined);
        const [job] = await client.jobs();
        expect([job.model, job.terms.model.toString('hex')]).toEqual([MODEL, hash]);
    });
});
