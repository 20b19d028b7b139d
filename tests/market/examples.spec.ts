/** The programs in examples/ do what they say, on a local network. */
import { toNano } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { TonClient, WalletContractV4 } from '@ton/ton';
import {
    bytesToNumber,
    Channel,
    Finish,
    leaveJob,
    modelKey,
    priceOf,
    Result,
    setUpEscrow,
    signingKey,
    walletActor,
} from '@cocoon-market/wrappers';
import { type JobHandle, Market, type SpendKey } from '@cocoon-market/wrappers/market';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bot } from '../../examples/bot';
import { buy } from '../../examples/buy';
import { watchtower } from '../../examples/watchtower';
import { World } from '../indexer/support/world';

const MODEL = 'Qwen/Qwen3-32B';
const rates = { prompt: 100_000_000n, cached: 50_000_000n, completion: 400_000_000n, reasoning: 400_000_000n };
const node = signingKey(Buffer.alloc(32, 9));
const spendKey = signingKey(Buffer.alloc(32, 4));
const { publicKey, secretKey } = keyPairFromSeed(Buffer.alloc(32, 3));
const wallet = WalletContractV4.create({ workchain: 0, publicKey });

describe('The example', () => {
    let world: World;
    let client: TonClient;
    let market: Market;
    let payer: SpendKey;
    const owner = () => walletActor(client, wallet, secretKey, { pollMs: 20, seconds: 20 });

    beforeAll(async () => {
        world = await World.start();
        client = new TonClient({ endpoint: world.net.url });
        const listing = { offers: [{ model: modelKey(MODEL), ...rates }], receiptKey: bytesToNumber(node.publicKey) };
        await world.node(await world.provider('seller'), listing);
        await world.net.faucet(wallet.address, toNano('200'));
        const settings = { jobLimit: toNano('20'), dayLimit: toNano('100'), spendKey: spendKey.publicKey };
        const { address: escrow } = await setUpEscrow(owner(), { ...settings, deposit: toNano('100') });
        payer = { escrow, key: spendKey };
        const place = { globalId: world.net.networkId, registry: world.registry.toRawString() };
        market = await Market.open(place, client, { now: () => world.net.now() });
    });
    afterAll(() => world.net.close());

    /** A worker that answers with a receipt of these counts, whose price is `extra` too high. */
    const worker =
        (extra = 0n) =>
        async ({ hash: job }: JobHandle) => {
            const counts = { prompt: 900, cached: 0, completion: 400, reasoning: 0 };
            const price = priceOf(counts, rates) + extra;
            const ending = { finishedAt: world.net.now(), finish: Finish.Stop };
            const result = { job, number: 1, index: 1, content: Buffer.alloc(32), ...counts, price, ...ending };
            const signed = { ...result, cumulative: price };
            return Buffer.concat([Result.encode(signed), node.sign(Result.hash(signed))]);
        };

    it('of a backend that buys has less than 30 lines, and pays what the right receipt says', async () => {
        expect(readFileSync(join(__dirname, '../../examples/buy.ts'), 'utf8').split('\n').length).toBeLessThan(30);

        const { cumulative, count } = await buy(market, payer, worker(), Buffer.alloc(32, 20));

        expect([cumulative, count]).toEqual([250_000n, 1]);
        await expect(buy(market, payer, worker(1n), Buffer.alloc(32, 21))).rejects.toThrow('price');
    });

    it('of a watcher claims the newest voucher when a client leaves, for a provider that sleeps', async () => {
        const key = signingKey(Buffer.alloc(32, 22));
        const request = { node: (await market.nodes())[0].address, model: MODEL, voucherKey: key.publicKey };
        const job = await market.openJob(payer, { ...request, deposit: toNano('1') });
        const voucher = market.voucher(job, key, { cumulative: 5_000_000n, count: 3 });
        const onError = jest.fn();
        const newest = async (channel: JobHandle['channel']) => (channel.equals(job.channel) ? voucher : undefined);
        await leaveJob(owner(), job);

        const stop = watchtower(market, owner(), { escrow: job.escrow, newest }, onError);
        const paid = async () => (await client.open(Channel.fromAddress(job.channel)).getChannelState()).paid;
        while ((await paid()) === 0n) {
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await stop();

        expect(await paid()).toBe(5_000_000n);
        expect(onError).not.toHaveBeenCalled();
    });

    it('of a bot buys for users at once with one escrow, each with an own key and within an own deposit', async () => {
        const bot = new Bot(market, payer, { seed: Buffer.alloc(32, 23), model: MODEL, deposit: toNano('1') });

        const jobs = await Promise.all(['ann', 'bob', 'ann'].map((user) => bot.job(user)));
        await bot.pay('ann', toNano('0.6'));

        expect(jobs[0].channel.equals(jobs[2].channel)).toBe(true);
        expect(jobs[0].channel.equals(jobs[1].channel)).toBe(false);
        expect(jobs[0].terms.voucherKey).not.toEqual(jobs[1].terms.voucherKey);
        await expect(bot.pay('ann', toNano('0.5'))).rejects.toMatchObject({ code: 'wrong-voucher' });
        expect(await bot.pay('ann', toNano('0.4'))).toMatchObject({ cumulative: toNano('1'), count: 2 });
        expect(await bot.pay('bob', 1n)).toMatchObject({ cumulative: 1n, count: 1 });
    });
});
