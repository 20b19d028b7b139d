/** Jobs are opened by a wallet, by a spend key, and as messages for other wallets; and cost what was quoted. */
import { Address, beginCell, Cell, ExternalAddress, toNano } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { TonClient, WalletContractV4 } from '@ton/ton';
import {
    type Actor,
    bytesToNumber,
    Channel,
    channelCode,
    claimJob,
    codesOfThisCheckout,
    Escrow,
    InvalidField,
    modelKey,
    Node,
    nodeChanges,
    numberToBytes,
    opcodes,
    openJob,
    parseMessage,
    priceOf,
    pricesOf,
    type Rates,
    RefusedMessage,
    setUpEscrow,
    setUpValue,
    signingKey,
    walletActor,
} from '@cocoon-market/wrappers';
import { Market, type JobRequest, MarketError, type SpendKey } from '@cocoon-market/wrappers/market';
import { chainFees } from '@cocoon-market/wrappers/market/quote';
import { createShardAccount } from '@ton/sandbox';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { networkConfig } from '../../localnet/config';
import { World } from '../indexer/support/world';
import { type PriceLevel, START } from '../support/chain';
import { type JoinedMarket, keyOf, STAKE } from '../support/stake';

const MODEL = 'Qwen/Qwen3-32B';
const rates: Rates = { prompt: 100_000_000n, cached: 50_000_000n, completion: 400_000_000n, reasoning: 400_000_000n };
const { publicKey, secretKey } = keyPairFromSeed(Buffer.alloc(32, 3));
const wallet = WalletContractV4.create({ workchain: 0, publicKey });
const spendKey = signingKey(Buffer.alloc(32, 4));
const voucherKey = signingKey(Buffer.alloc(32, 5));
const STRANGER = new Address(0, Buffer.alloc(32, 9));
const [ADDRESS_BITS, NODE_BITS] = [267, 660]; // of an address, and of a node's data after it
const FAST = { pollMs: 20, seconds: 20 };

describe('A job', () => {
    let world: World;
    let client: TonClient;
    let market: Market;
    let seller: JoinedMarket;
    let owner: Actor;
    let payer: SpendKey;
    let request: JobRequest;

    beforeAll(async () => {
        world = await World.start();
        client = new TonClient({ endpoint: world.net.url });
        seller = await world.provider('seller', undefined, 3n * STAKE);
        await world.node(seller, { offers: [{ model: modelKey(MODEL), ...rates }], receiptKey: keyOf('receipt') });
        await world.net.faucet(wallet.address, toNano('200'));
        owner = walletActor(client, wallet, secretKey, FAST);
        const limits = { jobLimit: toNano('20'), dayLimit: toNano('100') };
        const { address: escrow } = await setUpEscrow(owner, {
            ...{ ...limits, deposit: toNano('100'), spendKey: spendKey.publicKey },
        });
        payer = { escrow, key: spendKey };
        const place = { globalId: world.net.networkId, registry: world.registry.toRawString() };
        market = await Market.open(place, client, { now: () => world.net.now() });
        const [{ address: node }] = await market.nodes({ model: MODEL });
        request = { node, model: MODEL, deposit: toNano('2'), voucherKey: voucherKey.publicKey };
    });
    afterAll(() => world.net.close());

    const deploy = (address: Address, init: { code: Cell; data: Cell }) =>
        world.net.blockchain.setShardAccount(address, createShardAccount({ address, ...init, balance: toNano('1') }));

    /** Code and data of an account, with another address as the first of its data. */
    const changed = async (of: Address, first: Address | null) => {
        const { account } = await world.net.blockchain.getContract(of);
        const { code, data } = (account.account!.storage.state as { state: { code: Cell; data: Cell } }).state;
        const rest = data.beginParse().skip(ADDRESS_BITS);
        return { code, data: beginCell().storeAddress(first).storeSlice(rest).endCell() };
    };

    it('is opened by the wallet of the escrow, and its channel has the terms', async () => {
        const job = await market.openJob(owner, request);

        const state = await client.open(Channel.fromAddress(job.channel)).getChannelState();
        expect(state.refundAt).toBe(BigInt(job.terms.end));
        expect(state.payout.hash).toEqual(job.terms.payout);
        expect(job.terms).toMatchObject({ rates, escrow: job.escrow.hash, notice: 3_600 });
    });

    it('is opened by a spend key without a wallet, and a voucher of it is paid', async () => {
        const job = await market.openJob(payer, request);
        const voucher = market.voucher(job, voucherKey, { cumulative: 1_000_000n, count: 1 });

        await claimJob(owner, { channel: job.channel, voucher });

        expect((await client.open(Channel.fromAddress(job.channel)).getChannelState()).paid).toBe(1_000_000n);
    });

    it('is prepared for TonConnect and as a link, bit for bit as the wallet would send it', async () => {
        const { result, messages, tonConnect, links } = await market.prepare(wallet.address, (actor) =>
            market.openJob(actor, request),
        );
        const { seqno } = await client.open(Escrow.fromAddress(payer.escrow)).getEscrowState();
        const { end, notice, payout } = result.terms;
        const newJob = { end, notice, payout, deposit: request.deposit, voucherKey: voucherKey.publicKey };
        const { messages: expected } = await market.prepare(wallet.address, (actor) =>
            openJob(actor, { seqno: Number(seqno), job: newJob }),
        );

        const body = Cell.fromBase64(tonConnect[0].payload!);
        expect(messages).toHaveLength(1);
        expect(body.equals(expected[0].body!)).toBe(true);
        expect(tonConnect[0].amount).toBe(expected[0].value.toString());
        expect(parseMessage(body)?.name).toBe('Open');
        expect(links[0]).toMatch(/^ton:\/\/transfer\/\S+\?amount=\d+&bin=/);
        const link = await market.depositLink(wallet.address, toNano('5'));
        expect(link).toContain(payer.escrow.toString({ testOnly: world.net.networkId !== -239 }));
    });

    it.each<[string, string, (all: { request: JobRequest; payer: SpendKey }) => [SpendKey, JobRequest]]>([
        [
            'at an account that is nothing',
            'unfit-node',
            (all) => [all.payer, { ...all.request, node: new Address(0, Buffer.alloc(32, 1)) }],
        ],
        [
            'at a contract that is no node',
            'foreign-code',
            (all) => [all.payer, { ...all.request, node: all.payer.escrow }],
        ],
        ['of a model that the node does not sell', 'unfit-node', (all) => [all.payer, { ...all.request, model: 'x' }]],
        [
            'at rates above those that were agreed',
            'unfit-node',
            (all) => [all.payer, { ...all.request, rates: { ...rates, completion: rates.completion - 1n } }],
        ],
        [
            'without an escrow',
            'unfit-escrow',
            (all) => [{ ...all.payer, escrow: new Address(0, Buffer.alloc(32, 1)) }, all.request],
        ],
        ['by another key', 'ErrBadSignature', (all) => [{ ...all.payer, key: voucherKey }, all.request]],
        [
            'above the limit of a job',
            'ErrOverJobLimit',
            (all) => [all.payer, { ...all.request, deposit: toNano('21') }],
        ],
        ['below the smallest deposit', 'ErrLowDeposit', (all) => [all.payer, { ...all.request, deposit: 1n }]],
    ])('%s is refused before anything is sent, and the error says what to do', async (_, code, change) => {
        const before = await client.getBalance(payer.escrow);

        const error = await market.openJob(...change({ request, payer })).catch((reason: unknown) => reason);

        expect(error instanceof MarketError || error instanceof RefusedMessage).toBe(true);
        expect(error).toMatchObject({ code, remedy: expect.stringMatching(/\.$/) });
        expect(await client.getBalance(payer.escrow)).toBe(before);
    });

    it('is refused at a node whose receipt key has ended: nobody could sign for its answers', async () => {
        const { terms } = await market.openJob(payer, request);
        await world.change(seller, 0, nodeChanges.endKey(bytesToNumber(terms.receiptKey)));
        const before = await client.getBalance(payer.escrow);

        const error = await market.openJob(payer, request).catch((reason: unknown) => reason);

        expect(error).toMatchObject({ code: 'unfit-node', message: expect.stringContaining('no receipt key') });
        expect(await client.getBalance(payer.escrow)).toBe(before);
        const keys = { receiptKey: keyOf('receipt 2'), encryptionKey: 3n, oldEndsAt: world.net.now() + 60 };
        await world.change(seller, 0, nodeChanges.keys(keys));
        expect((await market.openJob(payer, request)).terms.receiptKey).toEqual(numberToBytes(keys.receiptKey));
    });

    it.each([
        ['nothing', null],
        ['an account outside of the network', new ExternalAddress(5n, 100)],
        ['an account of the masterchain', new Address(-1, Buffer.alloc(32, 1))],
    ])('is refused at a node whose provider names %s as its payout', async (_, payout) => {
        const goBack = await world.snapshot();
        const body = beginCell().storeUint(opcodes.SetPayout, 32).storeUint(0, 64).storeAddress(payout).endCell();
        await seller.owner.send({ to: seller.provider.address, value: toNano('1'), body, bounce: true });
        world.net.advance(86_400);

        const error = await market.openJob(payer, request).catch((reason: unknown) => reason);

        expect(error).toMatchObject({ code: 'unfit-node', message: expect.stringContaining('payout') });
        expect(error).toBeInstanceOf(MarketError);
        await goBack();
    });

    it.each([
        ['names nothing as its provider', beginCell().storeAddress(null).storeUint(0, NODE_BITS).endCell()],
        ['names a provider of other nodes', beginCell().storeAddress(STRANGER).storeUint(0, NODE_BITS).endCell()],
        ['has no data', Cell.EMPTY],
    ])('is refused at an account with the code of nodes that %s', async (_, data) => {
        const goBack = await world.snapshot();
        await deploy(STRANGER, { code: (await codesOfThisCheckout()).node, data });

        const error = await market.openJob(payer, { ...request, node: STRANGER }).catch((reason: unknown) => reason);

        expect(error).toMatchObject({
            code: 'unfit-node',
            message: expect.stringContaining('no node of the provider'),
        });
        await goBack();
    });

    it('is refused at a node whose provider names no market', async () => {
        const goBack = await world.snapshot();
        const { address } = await Node.ofProvider(STRANGER, 0);
        await deploy(STRANGER, await changed(seller.provider.address, null));
        await deploy(address, await changed(request.node, STRANGER));

        const error = await market.openJob(payer, { ...request, node: address }).catch((reason: unknown) => reason);

        expect(error).toMatchObject({ code: 'unfit-node', message: expect.stringContaining('no provider of this') });
        await goBack();
    });

    it('has vouchers by its own key only, within its deposit', async () => {
        const job = await market.openJob(payer, request);
        const owed = { cumulative: request.deposit, count: 1 };

        expect(market.voucher(job, voucherKey, owed).signature).toHaveLength(64);
        expect(() => market.voucher(job, spendKey, owed)).toThrow(MarketError);
        expect(() => market.voucher(job, voucherKey, { ...owed, cumulative: request.deposit + 1n })).toThrow(
            'more than the job',
        );
        expect(() => market.voucher(job, voucherKey, { ...owed, count: -1 })).toThrow(InvalidField);
    });

    it('of a day of 1,000 random queries costs what was quoted for them, fees included, and at most 5 % less', async () => {
        const random = (max: number) => Math.floor(Math.random() * max);
        const queries = Array.from({ length: 1_000 }, () => ({
            ...{ prompt: 500 + random(1_000), cached: random(200) },
            ...{ completion: 200 + random(600), reasoning: random(300) },
        }));
        const quotes = await Promise.all(queries.map((tokens) => market.quote({ model: MODEL, tokens })));
        const bill = queries.reduce((sum, counts) => sum + priceOf(counts, rates), 0n);
        const { fees } = quotes[0];
        const quoted = quotes.reduce((sum, { query }) => sum + query, 0n) + fees.opening;
        const balanceBefore = await client.getBalance(payer.escrow);

        const tokens = { prompt: 1_500, cached: 200, completion: 800, reasoning: 300 }; // no query has more
        const { job: deposit } = (await market.quote({ model: MODEL, tokens, queriesADay: 1_000 })).deposit;
        const job = await market.openJob(payer, { ...request, deposit });
        const cost = balanceBefore - (await client.getBalance(payer.escrow)) - deposit + bill;
        const voucher = market.voucher(job, voucherKey, { cumulative: bill, count: 1_000 });
        await claimJob(owner, { channel: job.channel, voucher });

        expect((await client.open(Channel.fromAddress(job.channel)).getChannelState()).paid).toBe(bill);
        expect(quoted >= cost && quoted * 100n <= cost * 105n).toBe(true);
    });
});

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s', (prices) => {
    let net: Localnet;
    let client: TonClient;
    beforeAll(async () => {
        net = await startLocalnet({ clock: 'manual', now: START, prices });
        client = new TonClient({ endpoint: net.url });
    });
    afterAll(() => net.close());

    it.each([0, -1])('a wallet in workchain %i sets up an escrow and opens its first job', async (workchain) => {
        const own = WalletContractV4.create({ workchain, publicKey });
        await net.faucet(own.address, toNano('50'));
        const actor = walletActor(client, own, secretKey, FAST);
        const settings = { spendKey: spendKey.publicKey, jobLimit: 1n, dayLimit: 1n };

        const escrow = await setUpEscrow(actor, { ...settings, deposit: 0n });
        const newJob = {
            deposit: toNano('1'),
            end: net.now() + 7_200,
            notice: 3_600,
            voucherKey: voucherKey.publicKey,
        };
        await openJob(actor, { seqno: 0, job: { ...newJob, payout: Buffer.alloc(32, 9) } });

        const network = pricesOf(networkConfig(prices));
        expect(setUpValue(network, own.address)).toBe(await escrow.getSetUpValue());
        expect((await escrow.getEscrowState()).seqno).toBe(1n);
        expect(chainFees(network.basechain, await channelCode())).toEqual({
            opening: await escrow.getOpenFeeOf(1n),
            ending: await escrow.getJobOrderFeeOf(),
        });
    });
});
