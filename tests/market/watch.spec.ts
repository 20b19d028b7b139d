/** Watchers lose no event and double none, whatever the endpoint lists. */
import { claimBody } from '@cocoon-market/wrappers';
import { type Address, type Contract, toNano, type Transaction } from '@ton/core';
import { TonClient } from '@ton/ton';
import { type ClaimEvent, type JobEvent, Market, type MarketClient } from '@cocoon-market/wrappers/market';
import { readAccount } from '@cocoon-market/wrappers/market/chain';
import { forgetOldest, MAX_REMEMBERED } from '@cocoon-market/wrappers/market/watch';
import { World, type WorldClient } from '../indexer/support/world';
import { until } from '../offchain/support/until';

const POLL = { pollMs: 10 };

describe('A watcher', () => {
    let world: World;
    let client: TonClient;
    let buyer: WorldClient;
    let back: () => Promise<void>;
    beforeAll(async () => {
        world = await World.start();
        client = new TonClient({ endpoint: world.net.url });
        buyer = await world.client('buyer');
        back = await world.snapshot();
    });
    afterEach(() => back());
    afterAll(() => world.net.close());

    const open = (from: MarketClient = client) =>
        Market.open({ globalId: world.net.networkId, registry: world.registry.toRawString() }, from);

    /** A client whose lists of transactions are spoiled on every second call. */
    function unsteady(change: (page: Transaction[]) => Transaction[]): MarketClient {
        let calls = 0;
        return {
            open: (contract) => client.open(contract),
            getTransactions: async (address, from) => {
                const page = await client.getTransactions(address, from);
                return calls++ % 2 === 0 ? change(page) : page;
            },
        };
    }

    it('of jobs hands over each opening, leaving and return once, in order', async () => {
        const events: JobEvent[] = [];
        const stop = (await open()).onJob(buyer.escrow.address, (event) => events.push(event), {
            ...POLL,
            from: 'start',
        });
        const [payout] = [await world.wallet('payout')];
        const [job] = await world.open(buyer, [payout], { deposit: toNano('2') });
        await until(() => events.length === 1);
        await world.leave(job);
        await world.end(job);
        await until(() => events.length === 3);
        await stop();

        expect(events.map(({ type }) => type)).toEqual(['opened', 'leaving', 'returned']);
        expect(events.every(({ channel }) => channel.equals(job.channel.address))).toBe(true);
        expect(events[0].amount >= toNano('2') && events[2].amount > toNano('1.9')).toBe(true);
    });

    it('begins with what comes after now, and with what comes after a transaction that it is told', async () => {
        const market = await open();
        const payout = await world.wallet('payout');
        const [first] = await world.open(buyer, [payout]);
        const seen: JobEvent[] = [];
        const stopFirst = market.onJob(buyer.escrow.address, (event) => seen.push(event), { ...POLL, from: 'start' });
        await until(() => seen.length === 1);
        await stopFirst();

        const later: JobEvent[] = [];
        const { lt, hash } = seen[0];
        const stop = market.onJob(buyer.escrow.address, (event) => later.push(event), { ...POLL, from: { lt, hash } });
        const [second] = await world.open(buyer, [payout]);
        await until(() => later.length === 1);
        await stop();

        expect(later[0].channel.equals(second.channel.address)).toBe(true);
        expect(later[0].channel.equals(first.channel.address)).toBe(false);
    });

    it('of claims hands over each claim once, also the last, and nothing after it was stopped', async () => {
        const [job] = await world.open(buyer, [await world.wallet('payout')]);
        const events: ClaimEvent[] = [];
        const stop = (await open()).onClaim({ channel: job.channel.address }, (event) => events.push(event), {
            ...POLL,
            from: 'start',
        });
        await world.claim(job, 1_000n, { by: await world.wallet('stranger') });
        await world.claim(job, 500n);
        await until(() => events.length === 2);
        await stop();
        await world.claim(job, 500n, { last: true });
        await new Promise((resolve) => setTimeout(resolve, 50));

        expect(events.map(({ cumulative, last }) => [cumulative, last])).toEqual([
            [1_000n, false],
            [1_500n, false],
        ]);
    });

    it('of claims hands over the last one of a channel that is deleted with it', async () => {
        const [job] = await world.open(buyer, [await world.wallet('payout')]);
        const events: ClaimEvent[] = [];
        const stop = (await open()).onClaim({ channel: job.channel.address }, (event) => events.push(event), {
            ...POLL,
            from: 'start',
        });
        await world.claim(job, 500n);
        await until(() => events.length === 1);
        await world.claim(job, 1_000n, { last: true });
        await until(() => events.length === 2);
        await stop();

        expect(events.map(({ cumulative, last }) => [cumulative, last])).toEqual([
            [500n, false],
            [1_500n, true],
        ]);
    });

    /** An endpoint that shows of an account what it was when `stop` was called, until `goOn`. */
    function laggard(address: Address) {
        let old: unknown;
        return {
            stop: async () => void (old = await readAccount(client, address)),
            goOn: () => void (old = undefined),
            client: {
                open: ((contract: Contract) =>
                    old !== undefined && contract.address.equals(address)
                        ? { getAccount: async () => old }
                        : client.open(contract)) as MarketClient['open'],
                getTransactions: client.getTransactions.bind(client),
                tryLocateSourceTx: client.tryLocateSourceTx.bind(client),
            },
        };
    }

    it('of claims hands over the last one, although the channel is deleted some blocks before its payout is paid', async () => {
        const payout = await world.wallet('payout');
        const [job] = await world.open(buyer, [payout]);
        const late = laggard(payout.address);
        const located = jest.spyOn(late.client, 'tryLocateSourceTx');
        const events: ClaimEvent[] = [];
        const stop = (await open(late.client)).onClaim(
            { channel: job.channel.address },
            (event) => events.push(event),
            {
                ...POLL,
                from: 'start',
            },
        );
        await world.claim(job, 500n);
        await until(() => events.length === 1);
        await late.stop();
        await world.claim(job, 1_000n, { last: true });
        await until(() => located.mock.calls.length > 0);
        late.goOn();
        await until(() => events.length === 2);
        await stop();

        expect(events.map(({ cumulative }) => cumulative)).toEqual([500n, 1_500n]);
    });

    it('of claims hands over the last one, although somebody deployed the channel again before it was seen', async () => {
        const [job] = await world.open(buyer, [await world.wallet('payout')]);
        const market = await open();
        const events: ClaimEvent[] = [];
        const watch = (from: 'start' | ClaimEvent) =>
            market.onClaim({ channel: job.channel.address }, (event) => events.push(event), { ...POLL, from });
        const stop = watch('start');
        await world.claim(job, 500n);
        await until(() => events.length === 1);
        await stop();
        await world.claim(job, 1_000n, { last: true });
        const stranger = await world.wallet('stranger');
        const { address: to, init } = job.channel;
        await stranger.send({ to, value: toNano('0.1'), init: init!, bounce: false });
        await world.claim(job, 1n, { by: stranger });
        const stopAgain = watch(events[0]);
        await until(() => events.length === 3);
        await stopAgain();

        expect(events.map(({ cumulative, last }) => [cumulative, last])).toEqual([
            [500n, false],
            [1_500n, true],
            [1_501n, false],
        ]);
    });

    it('of claims takes no message for one that ran no code, for want of gas or of an account', async () => {
        const [job] = await world.open(buyer, [await world.wallet('payout')]);
        const stranger = await world.wallet('stranger');
        const forge = async () => {
            const voucher = { cumulative: 10n ** 15n, count: 999, signature: Buffer.alloc(64, 1) };
            const body = claimBody(voucher, { last: true });
            await stranger.send({ to: job.channel.address, value: 1n, body, bounce: false });
        };
        const events: ClaimEvent[] = [];
        const stop = (await open()).onClaim({ channel: job.channel.address }, (event) => events.push(event), {
            ...POLL,
            from: 'start',
        });
        await world.claim(job, 500n);
        await until(() => events.length > 0); // whom the channel pays is known from now on
        await forge();
        await world.claim(job, 1_000n, { last: true });
        await forge();
        await until(() => events.length > 1);
        await new Promise((resolve) => setTimeout(resolve, 60));
        await stop();

        expect(events.map(({ cumulative }) => cumulative)).toEqual([500n, 1_500n]);
    });

    it.each<[string, (page: Transaction[]) => Transaction[]]>([
        ['pages twice', (page) => [...page, ...page]],
        ['skips', (page) => page.filter((_, i) => i !== 1)],
        ['lists the wrong order', (page) => [...page].reverse()],
        ['lists nothing', () => []],
        ['changes a transaction', (page) => page.map((each, i) => (i === 1 ? { ...each, lt: each.lt + 1n } : each))],
        [
            'fails',
            () => {
                throw new Error('502');
            },
        ],
    ])('at an endpoint that %s now and then loses and doubles nothing', async (_, change) => {
        const payouts = [await world.wallet('payout'), await world.wallet('another')];
        const events: JobEvent[] = [];
        const market = await open(unsteady(change));
        const onError = jest.fn();
        const stop = market.onJob(buyer.escrow.address, (event) => events.push(event), {
            ...POLL,
            onError,
            from: 'start',
        });
        const opened = [...(await world.open(buyer, payouts)), ...(await world.open(buyer, payouts))];
        await until(() => events.length >= 4);
        await new Promise((resolve) => setTimeout(resolve, 60));
        await stop();

        const channels = events.map(({ channel }) => channel.toRawString());
        expect(channels.sort()).toEqual(opened.map(({ channel }) => channel.address.toRawString()).sort());
    });

    it('tells what the handler throws, and gives it the same event again', async () => {
        const errors: unknown[] = [];
        const handled: JobEvent[] = [];
        let failures = 2;
        const handler = (event: JobEvent) => {
            if (failures-- > 0) {
                throw new Error('the disk is full');
            }
            handled.push(event);
        };
        const onError = (error: unknown) => errors.push(error);
        const stop = (await open()).onJob(buyer.escrow.address, handler, { ...POLL, onError, from: 'start' });
        await world.open(buyer, [await world.wallet('payout')]);
        await until(() => handled.length === 1);
        await stop();

        expect(errors).toEqual([new Error('the disk is full'), new Error('the disk is full')]);
    });

    it('remembers the newest 10,000 events, and hands over nothing that is as old as one that it forgot', () => {
        const delivered = new Map(Array.from({ length: MAX_REMEMBERED }, (_, i) => [`event ${i}`, BigInt(i)]));
        expect(forgetOldest(delivered, 0n)).toBe(0n);

        delivered.set('of another history', 1n);
        delivered.set('newest', 20_000n);

        expect(forgetOldest(delivered, 0n)).toBe(1n);
        expect([delivered.size, delivered.has('event 0'), delivered.has('newest')]).toEqual([
            MAX_REMEMBERED,
            false,
            true,
        ]);
        expect(forgetOldest(delivered, 5n)).toBe(5n);
    });

    it('hands over what another history has, and nothing again that both have', async () => {
        const events: JobEvent[] = [];
        const payout = await world.wallet('payout');
        const [first] = await world.open(buyer, [payout]);
        const fork = await world.snapshot();
        await world.open(buyer, [payout], { deposit: toNano('3') });
        const stop = (await open()).onJob(buyer.escrow.address, (event) => events.push(event), {
            ...POLL,
            from: 'start',
        });
        await until(() => events.length === 2);
        await fork();
        await world.open(buyer, [payout], { deposit: toNano('4') });
        await world.open(buyer, [payout], { deposit: toNano('5') });
        await until(() => events.length === 4);
        await stop();

        const tons = events.map(({ amount }) => Number(amount / toNano('1')));
        expect(tons).toEqual([1, 3, 4, 5]);
        expect(events[0].channel.equals(first.channel.address)).toBe(true);
    });
});
