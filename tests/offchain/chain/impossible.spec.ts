/** What one endpoint may say of an account or of its transactions that cannot be, and no store takes. */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address } from '@ton/core';
import { json } from 'node:stream/consumers';
import { HotWallet, TonHttpChain } from '../../../offchain/chain';
import { answerOf, serverOf } from '../support/server';

const COIN = 1_000_000_000n;
const ACCOUNT = new Address(0, Buffer.alloc(32, 1));

type Result = Record<string, unknown>;

describe('An endpoint that says what cannot be', () => {
    let network: Localnet;
    let liar: Awaited<ReturnType<typeof serverOf>>;
    let lie: (method: string, result: Result | Result[]) => unknown;

    beforeAll(async () => {
        network = await startLocalnet({});
        await network.faucet(ACCOUNT, COIN);
        liar = await serverOf(async (request, response) => {
            const call = (await json(request)) as { method: string };
            const { result, ...rest } = await answerOf<Result>(network.url, call);
            response.end(JSON.stringify({ ...rest, result: lie(call.method, result) }));
        });
    });

    afterAll(async () => {
        liar.close();
        await network.close();
    });

    const chainAt = (...endpoint: string[]) => new TonHttpChain({ network: -239, endpoint });

    /** The endpoint shows accounts otherwise than they are. */
    const showsAccounts = (change: Result) => {
        lie = (method, result) => (method === 'getAddressInformation' ? { ...result, ...change } : result);
    };

    /** The endpoint names something else beside each transaction. */
    const namesBeside = (change: Result) => {
        lie = (method, result) =>
            method === 'getTransactions' ? (result as Result[]).map((one) => ({ ...one, ...change })) : result;
    };

    async function timesOf(chain: TonHttpChain, account = ACCOUNT): Promise<number[]> {
        const times: number[] = [];
        for await (const { at } of chain.accepted(account)) times.push(at);
        return times;
    }

    it.each([
        ['a part of a second', { sync_utime: 1_800_000_000.5 }],
        ['a time that no database has', { sync_utime: 1e17 }],
        ['a time before all others', { sync_utime: -1 }],
        ['no time', { sync_utime: null }],
        ['less than nothing', { balance: '-2' }],
        ['more than all coins there are', { balance: (1n << 64n).toString() }],
        ['a part of a nanoTON', { balance: 0.5 }],
        ['no balance', { balance: 'much' }],
        ['no state that there is', { state: 'lost' }],
        ['code that is no text', { code: null }],
        ['data that is no text', { data: 1 }],
        ['other coins that are none', { extra_currencies: [1] }],
        ['no last transaction', { last_transaction_id: {} }],
        ['no block', { block_id: null }],
    ])('of an account, as %s, has the next one asked', async (_, change) => {
        const { at } = await chainAt(network.url).account(ACCOUNT);
        showsAccounts(change);

        const shown = await chainAt(liar.url, network.url).account(ACCOUNT);
        expect(shown.balance).toBe(COIN);
        expect(Math.abs(shown.at - at)).toBeLessThan(3600);
    });

    it('of the data of an account shows one without data', async () => {
        showsAccounts({ state: 'active', data: 'AAAAAAAA' });

        const { state, data } = await chainAt(liar.url).account(ACCOUNT);
        expect({ state, data }).toEqual({ state: 'active', data: undefined });
    });

    it('is told from one that says -1 of an account that is none', async () => {
        showsAccounts({ balance: '-1' });

        expect(await chainAt(liar.url, network.url).account(ACCOUNT)).toMatchObject({ balance: 0n });
    });

    it('of the time beside a transaction is not heard, for the transaction has its own', async () => {
        const wallet = new HotWallet(chainAt(network.url), Buffer.alloc(32, 3), 20);
        await network.faucet(wallet.address, COIN);
        await wallet.send([{ to: ACCOUNT, value: 1n, bounce: false }]);
        const times = await timesOf(chainAt(network.url), wallet.address);
        namesBeside({ utime: 1e17 });

        expect(times).toHaveLength(1);
        expect(await timesOf(chainAt(liar.url), wallet.address)).toEqual(times);
    });

    it('of the messages beside a transaction is not heard, for the transaction has its own', async () => {
        const wallet = new HotWallet(chainAt(network.url), Buffer.alloc(32, 4), 20);
        await network.faucet(wallet.address, COIN);
        await wallet.send([{ to: ACCOUNT, value: 1n, bounce: false }]);
        const times = await timesOf(chainAt(network.url), wallet.address);
        namesBeside({ in_msg: 'none', out_msgs: Array(255).fill({}) });

        expect(times).toHaveLength(1);
        expect(await timesOf(chainAt(liar.url), wallet.address)).toEqual(times);
    });

    it.each(['-1', (1n << 64n).toString(), 'first'])(
        'of a logical time, as %s, lists no transaction that is read',
        async (lt) => {
            namesBeside({ data: 'AAAA', transaction_id: { '@type': 'internal.transactionId', lt, hash: '' } });

            await expect(timesOf(chainAt(liar.url))).rejects.toThrow(`of the logical time ${lt}`);
        },
    );
});
