/**
 * The index of a market with real contracts: sums, requests, endpoints that lie, texts that deceive.
 *
 * Longer than 350 lines because all of it reads one market, which takes seconds to make.
 */
import {
    Address,
    beginCell,
    Cell,
    internal,
    loadTransaction,
    storeMessageRelaxed,
    storeTransaction,
    toNano,
} from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { plainJson } from '../../offchain/indexer/export';
import { matchDemands, matchNodes, modelHash } from '../../offchain/indexer/match';
import { HttpSource, LargeTransaction, type RawTransaction } from '../../offchain/indexer/source';
import { sizeOf, Channel, claimBody, opcodes, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { voucherKey } from '../support/market';
import { type JoinedMarket, modelOf, STAKE } from '../support/stake';
import type { Wallet } from '../support/wallet';
import { createShardAccount } from '@ton/sandbox';
import { PostgresServer } from '../offchain/support/postgres';
import { rebuilt, TestIndex } from './support';
import { ChangedSource, forgedAfter, ForgingSource, ListingSource } from './support/lying';
import { World, type WorldClient } from './support/world';

let world: World;
let provider: JoinedMarket;
let client: WorldClient;

const HOSTILE = 'eu\u202e\u0007"</script>';

beforeAll(async () => {
    world = await World.start();
    provider = await world.provider('alice');
    await world.node(provider, { hardware: { gpuClass: 0, gpus: 2, vram: 80, model: 'NVIDIA H100' } });
    const max = 2n ** 64n - 1n;
    const rates = { prompt: max, cached: 0n, completion: max, reasoning: 0n };
    await world.node(provider, {
        service: { region: 'us-east', uptime: 9900, endpoint: `https://evil.example/${HOSTILE}` },
        hardware: { gpuClass: 0, gpus: 1, vram: 24, model: '<b>GPU</b>' },
        offers: Array.from({ length: 8 }, (_, i) => ({ model: modelOf(`m${i}`), ...rates })),
    });
    client = await world.client('bob');
    const jobs = await world.open(client, [provider.payout, provider.payout, provider.payout]);
    await world.open(client, [provider.payout], { byOwner: true, deposit: toNano('2') });
    await world.claim(jobs[0], toNano('0.2'));
    await world.claim(jobs[0], toNano('0.3'), { by: await world.wallet('helper') });
    await world.claim(jobs[0], toNano('0.1'), { last: true });
    await world.leave(jobs[1]);
    await world.claim(jobs[1], toNano('0.05'));
    await world.claim(jobs[2], toNano('2')); // the channel holds less
    world.net.advance(3601);
    await world.refund(jobs[1], await world.wallet('helper'));
    await world.fault(provider, 0, 9);
    await world.demand(client.owner, 'a', 100);
}, 120_000);

afterAll(() => world.close());

const view = async () => {
    const index = await TestIndex.open(world);
    await index.pass();
    const read = await index.view();
    await index.close();
    return read;
};

it('sums equal a recount from the raw transactions', async () => {
    const channels = new Set(world.jobs.map(({ channel }) => channel.address.toRawString()));
    let [claimed, deposits, ends] = [0n, 0n, 0];
    for (const { account, inMessage, outMessages, aborted, totalFees } of world.net.transactions) {
        if (channels.has(account) && !aborted && inMessage !== null) {
            const isLast = inMessage.opcode === opcodes.ClaimLast;
            ends += isLast || inMessage.opcode === opcodes.Refund ? 1 : 0;
            if (isLast || inMessage.opcode === opcodes.Claim) {
                const paid = outMessages.find(
                    ({ destination }) => destination === provider.payout.address.toRawString(),
                )!;
                const isOwn = inMessage.source === paid.destination;
                // What a payout gets of its own claim includes what remained of its value.
                const forward = outMessages.reduce((sum, { forwardFee }) => sum + forwardFee, 0n);
                claimed += paid.value - (isOwn ? inMessage.value - totalFees - forward : 0n);
            }
        }
    }
    world.jobs.forEach(({ deposit }) => (deposits += deposit));
    const { totals, days, today, providers } = await view();
    expect(totals).toMatchObject({ jobs: 4, openJobs: 4 - ends, settled: ends, claims: 5, slashed: toNano('6.8') });
    expect(days.reduce((sum, day) => sum + day.deposits, 0n)).toBe(deposits);
    // Rent that fell due comes out of the channel's balance and is among the fees of its transaction.
    expect(Number(totals.claimed - claimed)).toBeLessThanOrEqual(0);
    expect(Number(claimed - totals.claimed)).toBeLessThan(10_000);
    expect(totals.claimed).toBe(days.reduce((sum, day) => sum + day.claimed, 0n));
    expect(today).toMatchObject({ openings: 4, refunds: 1, faults: 1, slashes: 1 });
    expect(providers[0]).toMatchObject({ claimed: totals.claimed, claimed7Days: totals.claimed, slashes: 1 });
}, 60_000);

it('claims equal what channels and vouchers say', async () => {
    const index = await TestIndex.open(world);
    await index.pass();
    const jobs = (await index.export()).split('\n').filter((line) => line.startsWith('{"type":"job"'));
    const byChannel = new Map(jobs.map((line) => JSON.parse(line) as never).map((job: never) => [job['channel'], job]));
    const [first, left, capped, untouched] = world.jobs.map(
        ({ channel }) => byChannel.get(channel.address.toRawString() as never) as unknown as Record<string, unknown>,
    );
    expect(first).toMatchObject({ claimed: `${toNano('0.6')}`, how: 'claimed', deposit: `${toNano('1')}` });
    expect(first.claims).toHaveLength(3);
    expect(left).toMatchObject({ claimed: `${toNano('0.05')}`, how: 'refunded' });
    expect(left.leftAt).not.toBeNull();
    const { paid } = await world.jobs[2].channel.getChannelState();
    expect(capped).toMatchObject({ claimed: `${paid}`, endedAt: null });
    expect(untouched).toMatchObject({ claimed: '0', claims: [], deposit: `${toNano('2')}` });
    await index.close();
}, 60_000);

it('the stake is that of the account, and the registry is another one for an unknown code', async () => {
    const { providers, codes } = await view();
    const { stake, requiredStake } = await provider.provider.getProviderState();
    expect(providers[0].account).toMatchObject({ stake, requiredStake, nodes: 2, gpus: 3, opened: 1 });
    expect(stake).toBe(STAKE - toNano('6.8'));
    expect(codes.provider).toEqual([provider.codes.provider.hash().toString('hex')]);
    const other = await TestIndex.open({ registry: provider.provider.address, settings: world.settings });
    await expect(other.pass()).rejects.toThrow('and a registry has');
    await other.close();
}, 60_000);

it('a second pass asks once for each account and adds nothing', async () => {
    const index = await TestIndex.open(world);
    const first = await index.pass();
    const second = await index.pass();
    expect(second).toMatchObject({ added: 0, undone: 0 });
    // The block, the registry, the provider, the payout, the escrow, and the channels that have not ended an hour ago.
    // Of one that has ended since nothing is listed, so it is asked for once more.
    expect(second.calls).toBe(1 + 4 + world.jobs.length - 1 + 1);
    expect(second.calls).toBeLessThan(first.calls);
    await index.close();
}, 60_000);

it('SQLite and PostgreSQL give the same export', async () => {
    const server = await PostgresServer.start();
    try {
        expect(await rebuilt(world, await server.database())).toBe(await rebuilt(world));
    } finally {
        await server.remove();
    }
}, 90_000);

describe('an endpoint', () => {
    const withPages = async (change: ConstructorParameters<typeof ChangedSource>[1]) => {
        const source = new ChangedSource(new HttpSource(world.settings), change);
        return TestIndex.open(world, { source });
    };

    it('that lists a page twice changes nothing, and it is noticed', async () => {
        const index = await withPages((page) => [...page, ...page]);
        await index.pass();
        expect(await index.export()).toBe(await rebuilt(world));
        expect(index.notices.join()).toContain('twice');
        await index.close();
    }, 60_000);

    it('that does the same wrong with every account has one line said of it in a pass', async () => {
        const index = await withPages((page) => [...page, ...page]);
        const { logs } = await index.pass();

        expect(index.notices).toEqual([
            expect.stringMatching(/^\w+\/0:\w{64}: the endpoint listed \d+ .* more accounts$/),
        ]);
        expect(index.notices[0]).toContain(`and so with ${logs - 1} more accounts`);
        await index.close();
    }, 60_000);

    it('that leaves a transaction out is refused with both names', async () => {
        const index = await withPages((page) => page.filter((_, i) => i !== 1));
        await expect(index.pass()).rejects.toThrow(
            /leaves out or reorders .* it lists lt \d+, \w{64} where lt \d+, \w{64}/,
        );
        await index.close();
    }, 60_000);

    it('that reorders a page is refused', async () => {
        const index = await withPages((page) => [...page].reverse());
        await expect(index.pass()).rejects.toThrow('leaves out or reorders');
        await index.close();
    }, 60_000);

    it('that names a transaction by another hash is refused', async () => {
        const index = await withPages((page) => page.map((raw) => ({ ...raw, hash: Buffer.alloc(32, 1) })));
        await expect(index.pass()).rejects.toThrow('and its content has');
        await index.close();
    }, 60_000);

    it('that changes a bit of a transaction is refused', async () => {
        const index = await withPages((page) =>
            page.map((raw) => {
                const boc = raw.cell.toBoc({ crc32: false, idx: false });
                boc[boc.length - 1] ^= 1;
                return { ...raw, cell: Cell.fromBoc(boc)[0] };
            }),
        );
        await expect(index.pass()).rejects.toThrow('and its content has');
        await index.close();
    }, 60_000);

    it('that lists transactions of another account is refused', async () => {
        const inner = new HttpSource(world.settings);
        const foreign = await inner.page(provider.provider.address);
        const index = await withPages(() => foreign);
        await expect(index.pass()).rejects.toThrow('of another account');
        await index.close();
    }, 60_000);

    it('that another one contradicts is refused', async () => {
        const witness = new ChangedSource(new HttpSource(world.settings), () => []);
        const index = await TestIndex.open(world, { witnesses: [witness] });
        await expect(index.pass()).rejects.toThrow('does not have the transaction');
        await index.close();
    }, 60_000);

    it('that another one contradicts is not read to the end of what it lists, and nothing of it is kept', async () => {
        const witness = new ChangedSource(new HttpSource(world.settings), () => []);
        let pages = 0;
        const counted = (page: RawTransaction[]) => (pages++, page);
        const source = new ChangedSource(new HttpSource(world.settings), counted, 2);
        const index = await TestIndex.open(world, { source, witnesses: [witness], limits: { confirmAfter: 4 } });

        await expect(index.pass()).rejects.toThrow('does not have the transaction');

        expect(pages).toBe(2);
        expect(await index.store.log(`registry/${world.registry.toRawString()}`)).toMatchObject({ size: 0 });
        await index.close();
    }, 60_000);

    it('that another one contradicts leaves nothing in the index, however old it says that its transactions are', async () => {
        const witnesses = [new ListingSource(new HttpSource(world.settings))];
        const source = new ForgingSource(new HttpSource(world.settings), world.registry, 50);
        const index = await TestIndex.open(world, { source, witnesses });
        const sizes: number[] = [];
        for (let pass = 0; pass < 3; pass++) {
            await expect(index.pass()).rejects.toThrow('does not have the transaction of registry/');
            sizes.push((await index.store.log(`registry/${world.registry.toRawString()}`))!.size);
        }
        source.isHonest = true;
        await index.pass();

        expect(new Set(sizes.map((size, pass) => size - 50 * (pass + 1))).size).toBe(1); // not the sum of all passes
        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 60_000);

    it('that another one contradicts undoes nothing that both have had', async () => {
        const witnesses = [new ListingSource(new HttpSource(world.settings))];
        const source = new ForgingSource(new HttpSource(world.settings), world.registry, 3);
        source.isHonest = true;
        const index = await TestIndex.open(world, { source, witnesses });
        await index.pass();
        const before = await index.export();
        source.isHonest = false;
        await expect(index.pass()).rejects.toThrow('does not have the transaction of registry/');
        source.isHonest = true;
        const { undone, added } = await index.pass();

        expect([undone, added]).toEqual([3, 0]);
        expect(await index.export()).toBe(before);
        await index.close();
    }, 60_000);

    it('that lists no more what another one has undoes nothing, and is behind', async () => {
        const source = new ChangedSource(new HttpSource(world.settings));
        const limits = { maxUndoSeconds: 1_000_000 };
        const index = await TestIndex.open(world, { source, witnesses: [new ListingSource(source.inner)], limits });
        await index.pass();
        const before = await index.export();
        source.change = (page) => page.slice(1);
        const { undone, behind, logs } = await index.pass();

        expect([undone, behind]).toEqual([0, logs]);
        expect(await index.export()).toBe(before);
        await index.close();
    }, 60_000);

    it('that makes up the end of a job long ago leaves the job open once another one contradicts it', async () => {
        const [, refunded, , open] = world.jobs.map(({ channel }) => channel.address);
        const inner = new HttpSource(world.settings);
        const { boc } = world.net.transactions.filter(({ account }) => account === refunded.toRawString()).at(-1)!;
        const [last, ...earlier] = await inner.page(open);
        const cell = beginCell()
            .store(
                storeTransaction({
                    ...loadTransaction(Cell.fromBase64(boc).beginParse()),
                    ...{ address: BigInt(`0x${open.hash.toString('hex')}`), lt: last.lt + 1n, now: 1 },
                    ...{ prevTransactionHash: BigInt(`0x${last.hash.toString('hex')}`), prevTransactionLt: last.lt },
                }),
            )
            .endCell();
        const forged = { lt: last.lt + 1n, hash: cell.hash(), cell };
        const source = new ListingSource(inner);
        const page = source.page.bind(source);
        source.page = (account, from) =>
            account.equals(open) && from === undefined
                ? Promise.resolve([forged, last, ...earlier])
                : page(account, from);
        const index = await TestIndex.open(world, { source, witnesses: [new ListingSource(inner)] });
        await expect(index.pass()).rejects.toThrow('does not have the transaction of channel/');
        source.page = page;
        await index.pass();

        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 60_000);

    it('that makes up short histories of many accounts ends a pass at the bound, and nobody waits for others', async () => {
        const inner = new HttpSource(world.settings);
        const channels = new Set(world.jobs.map(({ channel }) => channel.address.toRawString()));
        const witness = new ListingSource(inner);
        const page = witness.page.bind(witness);
        witness.page = (account, from) =>
            channels.has(account.toRawString()) ? Promise.resolve([]) : page(account, from);
        const limits = { confirmAfter: 5, lagSeconds: 600 }; // the channels have eleven transactions
        const index = await TestIndex.open(world, { witnesses: [witness], limits });

        await expect(index.pass()).rejects.toThrow('does not have the transaction of channel/');
        await index.close();
    }, 30_000);

    it('that dates back another history undoes nothing that is old', async () => {
        const source = new ListingSource(new HttpSource(world.settings));
        const witnesses = [new ListingSource(new HttpSource(world.settings))];
        const index = await TestIndex.open(world, { source, witnesses, limits: { maxUndoSeconds: 100 } });
        await index.pass();
        const before = await index.export();
        const page = source.page.bind(source);
        source.page = async (account, from) => {
            const listed = await page(account, from);
            const isNewest = account.equals(world.registry) && from === undefined;
            return isNewest ? [forgedAfter(account, listed.at(-1)!), listed.at(-1)!] : listed;
        };
        await expect(index.pass()).rejects.toThrow('it is too old to be replaced');

        expect(await index.export()).toBe(before);
        await index.close();
    }, 60_000);

    it('that names a block which no other has keeps the blocks of the others out no longer than it does so', async () => {
        const inner = new HttpSource(world.settings);
        const witness = new ChangedSource(inner);
        const source = new ChangedSource(inner);
        source.tip = async () => ({ seqno: 2 ** 31, hash: 'none' });
        const index = await TestIndex.open(world, { source, witnesses: [witness] });
        await index.pass();
        const { seqno } = await inner.tip();

        expect(JSON.parse((await index.store.mark('block'))!)).toMatchObject({ seqno });
        expect(index.notices).toEqual([]);
        await index.close();
    }, 60_000);

    it.each([
        ['whose number is none', { seqno: {}, hash: 'a' }],
        ['whose number is below zero', { seqno: -1, hash: 'a' }],
        ['whose hash is none', { seqno: 7, hash: {} }],
        ['whose hash would fill the index', { seqno: 7, hash: 'a'.repeat(65) }],
    ])(
        'that names a block %s is refused, and no page shows it',
        async (_, tip) => {
            const source = new ChangedSource(new HttpSource(world.settings));
            const index = await TestIndex.open(world, { source });
            await index.pass();
            const mark = await index.store.mark('block');
            source.tip = async () => tip as never;

            await expect(index.pass()).rejects.toThrow('names no block by its number and its hash');
            expect(await index.store.mark('block')).toBe(mark);
            await index.close();
        },
        60_000,
    );

    it('that makes up who paid a payout leaves no job out', async () => {
        const goBack = await world.snapshot();
        const silent = await world.client('silent');
        const [job] = await world.open(silent, [provider.payout]);
        await world.claim(job, toNano('0.1'));
        const source = new ChangedSource(new HttpSource(world.settings));
        const witnesses = [new ListingSource(new HttpSource(world.settings))];
        const index = await TestIndex.open(world, { source, witnesses });
        source.senderOf = async ({ from }) => forgedAfter(from, { lt: 1n, hash: Buffer.alloc(32) });
        await expect(index.pass()).rejects.toThrow('does not have the transaction of');
        source.senderOf = (message) => witnesses[0].senderOf(message);
        await index.pass();

        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
        await goBack();
    }, 60_000);

    it('that finds none of the transactions that paid payouts has one line said of it in a pass', async () => {
        const goBack = await world.snapshot();
        for (const name of ['dust 1', 'dust 2', 'dust 3']) {
            const dust = await world.wallet(name);
            await dust.send({ to: provider.payout.address, value: 1000n, bounce: false });
        }
        const source = new ChangedSource(new HttpSource(world.settings));
        source.senderOf = async () => undefined;
        const index = await TestIndex.open(world, { source });
        const { unresolved } = await index.pass();

        expect(unresolved).toBe(3 + 2); // and the two jobs that have ended
        expect(index.notices).toEqual([
            expect.stringContaining('does not find 3 payments, such as what 0:'),
            expect.stringContaining('does not find what 2 accounts that are gone did, such as channel/'),
        ]);
        await index.close();
        await goBack();
    }, 60_000);

    it('that is a moment behind another one keeps no pass from its end', async () => {
        const witness = new ListingSource(new HttpSource(world.settings));
        const page = witness.page.bind(witness);
        let denials = 0;
        witness.page = async (account, from) => {
            const isNews = account.equals(world.registry) && denials < 3;
            denials += isNews ? 1 : 0;
            return isNews ? [] : page(account, from);
        };
        const index = await TestIndex.open(world, { witnesses: [witness], limits: { lagSeconds: 60 } });
        await index.pass();

        expect(denials).toBe(3);
        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 60_000);

    it('that lost an old transaction is not followed', async () => {
        const index = await TestIndex.open(world, { limits: { maxUndoSeconds: 100 } });
        const goBack = await world.snapshot();
        await world.demand(client.owner, 'b', 5);
        await index.pass();
        const text = await index.export();
        await goBack();
        world.net.advance(1000);
        await world.demand(client.owner, 'b', 6);
        await world.demand(client.owner, 'b', 7);
        await expect(index.pass()).rejects.toThrow('it is too old to be replaced');
        await expect(index.pass()).rejects.toThrow('it is too old to be replaced');
        expect(text).toContain('"queriesPerDay":5');
        expect(await index.export()).toContain('"queriesPerDay":5');
        await index.close();
        await goBack();
    }, 60_000);

    it('that is behind its blocks replaces nothing', async () => {
        const index = await TestIndex.open(world);
        const goBack = await world.snapshot();
        await world.demand(client.owner, 'b', 5);
        await index.pass();
        const text = await index.export();
        await goBack();
        expect((await index.pass()).behind).toBeGreaterThan(0);
        expect(await index.export()).toBe(text);
        await index.close();
    }, 60_000);

    it('that forgets the only claim of a client whom nothing else names makes the index forget the client', async () => {
        const goBack = await world.snapshot();
        const silent = await world.client('silent');
        const [job] = await world.open(silent, [provider.payout]);
        const beforeClaim = await world.snapshot();
        const index = await TestIndex.open(world);
        await world.claim(job, toNano('0.1'));
        await index.pass();
        expect((await index.view()).clients).toHaveLength(2);
        await beforeClaim();
        await world.demand(client.owner, 'b', 6);
        await world.demand(client.owner, 'b', 7);
        await world.demand(client.owner, 'b', 8);
        await index.pass();
        expect((await index.view()).clients).toHaveLength(1);
        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
        await goBack();
    }, 60_000);
});

it('texts and prices of a hostile node are stored as they are and shown harmlessly', async () => {
    const { nodes } = await view();
    const hostile = nodes.find(({ number }) => number === 1)!;
    expect(hostile.offers).toHaveLength(8);
    expect(hostile.offers[0]).toMatchObject({ prompt: 2n ** 64n - 1n, cached: 0n });
    expect(hostile.service!.endpoint).toBe(`https://evil.example/${HOSTILE}`);
    expect(hostile.service!.endpointHex).toBe(Buffer.from(hostile.service!.endpoint).toString('hex'));
    const shown = plainJson(hostile);
    expect(shown).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(shown)).toMatchObject({ service: { endpoint: hostile.service!.endpoint } });
    expect(plainJson('\u202e'.repeat(10_000))).toHaveLength(60_002);
}, 60_000);

describe('an account that a provider names as its payout, and that has nothing to do with it,', () => {
    /** An index of an endpoint that lists two transactions at a time, and how many pages of the payout it asks for. */
    async function indexWith(slowSeconds: number) {
        let pages = 0;
        const source = new ChangedSource(new HttpSource(world.settings), (page) => page, 2);
        const page = source.page.bind(source);
        source.page = (account, from) => {
            pages += account.equals(provider.payout.address) ? 1 : 0;
            return page(account, from);
        };
        const index = await TestIndex.open(world, { source, limits: { slowSeconds } });
        return { index, pages: () => pages };
    }

    it('keeps no pass from its end, however many transactions it has', async () => {
        const { index, pages } = await indexWith(0);
        const { unfinished } = await index.pass();
        const first = pages();

        expect(unfinished).toBeGreaterThan(0);
        expect(first).toBe(1);
        expect(await index.store.mark('block')).toBeDefined();
        await index.close();
    }, 60_000);

    it('has the dust of strangers looked at for as long as all accounts took to read', async () => {
        const goBack = await world.snapshot();
        for (let n = 0; n < 25; n++) {
            const dust = await world.wallet(`dust ${n}`);
            await dust.send({ to: provider.payout.address, value: 1000n, bounce: false });
        }
        const source = new ChangedSource(new HttpSource(world.settings));
        const page = source.page.bind(source);
        source.page = async (account, from) => {
            await (account.equals(world.registry) && sleep(1500));
            return page(account, from);
        };
        const index = await TestIndex.open(world, { source, limits: { slowSeconds: 0 } });
        await index.pass();

        expect(await index.store.db.selectFrom('senders').selectAll().where('channel', '=', 0).execute()).toHaveLength(
            25,
        );
        await index.close();
        await goBack();
    }, 60_000);

    it('is read to its end by the passes that follow', async () => {
        const { index } = await indexWith(0);
        let unfinished = 1;
        for (let pass = 0; unfinished > 0 && pass < 100; pass++) {
            ({ unfinished } = await index.pass());
        }

        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 60_000);
});

it('a channel that a stranger deploys has no account followed as its escrow, and is no job of it', async () => {
    const goBack = await world.snapshot();
    const [stranger, busy] = [await world.wallet('stranger'), await world.wallet('busy')];
    const terms = { job: 5, end: world.net.now() + 86_400, notice: 3600, voucherKey: voucherKey.publicKey };
    const parameters = { ...terms, payout: provider.payout.address.hash };
    const channel = world.net.blockchain.openContract(await Channel.ofJob(busy.address, parameters));
    await stranger.send({ to: channel.address, value: toNano('1'), init: channel.init!, bounce: false });
    const hash = Voucher.hash(voucherFor(world.net.networkId, channel.address, 1000n, 1));
    const voucher = { cumulative: 1000n, count: 1, signature: voucherKey.sign(hash) };
    await stranger.send({ to: channel.address, value: toNano('0.1'), body: claimBody(voucher) });
    expect((await channel.getChannelState()).paid).toBe(1000n);
    const index = await TestIndex.open(world);
    await index.pass();

    expect(await index.store.log(`channel/${channel.address.toRawString()}`)).toBeDefined();
    expect(await index.store.log(`escrow/${busy.address.toRawString()}`)).toBeUndefined();
    expect(await index.export()).not.toContain(busy.address.toRawString());
    await index.close();
    await goBack();
}, 60_000);

describe('an account that a stranger has looked at as a channel', () => {
    /** A channel of the project's code whose escrow is the stranger's own wallet, and which pays a payout. */
    async function channelOf(stranger: Wallet, escrow: Wallet, job: number) {
        const terms = { job, end: world.net.now() + 86_400, notice: 3600, voucherKey: voucherKey.publicKey };
        const parameters = { ...terms, payout: provider.payout.address.hash };
        const channel = world.net.blockchain.openContract(await Channel.ofJob(escrow.address, parameters));
        return { channel, deploy: { to: channel.address, init: channel.init!, bounce: false }, by: stranger };
    }

    async function claimed({ channel, deploy, by }: Awaited<ReturnType<typeof channelOf>>) {
        await by.send({ ...deploy, value: toNano('1') });
        const hash = Voucher.hash(voucherFor(world.net.networkId, channel.address, 1000n, 1));
        const voucher = { cumulative: 1000n, count: 1, signature: voucherKey.sign(hash) };
        await by.send({ to: channel.address, value: toNano('0.1'), body: claimBody(voucher) });
    }

    it('is asked for by no second pass if its escrow did not deploy it', async () => {
        const goBack = await world.snapshot();
        const index = await TestIndex.open(world);
        await index.pass();
        const { calls } = await index.pass();
        const [stranger, busy] = [await world.wallet('stranger'), await world.wallet('busy')];
        await claimed(await channelOf(stranger, busy, 5));
        await index.pass();

        expect((await index.pass()).calls).toBe(calls);
        await index.close();
        await goBack();
    }, 60_000);

    it('is not looked at if it is named by a wallet that is no escrow', async () => {
        const goBack = await world.snapshot();
        const hub = await world.wallet('hub');
        await claimed(await channelOf(hub, hub, 0));
        const named = await channelOf(hub, hub, 1);
        await hub.send({ ...named.deploy, value: 1000n });
        const index = await TestIndex.open(world);
        await index.pass();

        expect(await index.store.log(`channel/${named.channel.address.toRawString()}`)).toBeUndefined();
        await index.close();
        await goBack();
    }, 60_000);
});

it('of the payouts that a provider names one after another the first twenty are followed, and others are listed', async () => {
    const goBack = await world.snapshot();
    for (let n = 1; n <= 21; n++) {
        const payout = new Address(0, Buffer.alloc(32, n));
        await provider.provider.sendSetPayout(provider.owner.getSender(), { value: toNano('1'), payout });
    }
    const index = await TestIndex.open(world);
    await index.pass();
    const unfollowed = [20, 21].map((n) => new Address(0, Buffer.alloc(32, n)).toRawString());
    const { providers } = await index.view();

    expect(await index.store.log(`payout/${new Address(0, Buffer.alloc(32, 19)).toRawString()}`)).toBeDefined();
    expect(await index.store.log(`payout/${unfollowed[0]}`)).toBeUndefined();
    expect(providers[0].payouts).toHaveLength(22);
    expect(providers[0].busyPayouts).toEqual(unfollowed);
    await index.close();
    await goBack();
}, 60_000);

describe('a stranger whose transaction has more cells than are read', () => {
    const address = new Address(0, Buffer.alloc(32, 77));
    let goBack: () => Promise<void>;

    /** 7,000 cells that no other has. */
    function large(seed: number): Cell {
        let cell = Cell.EMPTY;
        for (let i = 0; i < 70; i++) {
            let row = beginCell()
                .storeUint(seed * 100 + i, 32)
                .endCell();
            for (let n = 0; n < 100; n++) {
                row = beginCell().storeUint(n, 8).storeRef(row).endCell();
            }
            cell = beginCell().storeRef(cell).storeRef(row).endCell();
        }
        return cell;
    }

    /** A contract that sends the messages of its data: five large ones, and one that pays a payout of the market. */
    beforeAll(async () => {
        goBack = await world.snapshot();
        const to = (await world.wallet('anyone')).address;
        const [first, second, third, fourth, fifth, payment] = [1, 2, 3, 4, 5, 0].map((seed) => {
            const isLarge = seed > 0;
            const receiver = isLarge ? to : provider.payout.address;
            const body = isLarge ? large(seed) : Cell.EMPTY;
            const message = internal({ to: receiver, value: toNano('1'), bounce: false, body });
            return beginCell().store(storeMessageRelaxed(message)).endCell();
        });
        const rest = beginCell().storeRef(fourth).storeRef(fifth).storeRef(payment).endCell();
        const data = beginCell().storeRef(first).storeRef(second).storeRef(third).storeRef(rest).endCell();
        // Each message is a reference of the data, loaded and sent with mode 0. The last three have their own cell.
        const three = 'd40170fb00'.repeat(3);
        const code = beginCell()
            .storeBuffer(Buffer.from(`ff00ed44d0${three}d430d0${three}`, 'hex'))
            .endCell();
        const account = createShardAccount({ address, code, data, balance: toNano('100'), workchain: 0 });
        await world.net.blockchain.setShardAccount(address, account);
        const eve = await world.provider('eve', { address } as Wallet);
        const { transactions } = await eve.owner.send({ to: address, value: toNano('1'), bounce: false });
        const cells = transactions.map((one) => sizeOf(beginCell().store(storeTransaction(one)).endCell()).cells);
        expect(cells.some((each) => each > 32_768n)).toBe(true);
    }, 60_000);

    afterAll(() => goBack());

    it('keeps no pass from its end: it is not followed, and a payout of it is named', async () => {
        const index = await TestIndex.open(world, { witnesses: [new HttpSource(world.settings)] });
        const { unresolved, unfinished } = await index.pass();
        const { providers } = await index.view();

        expect([unresolved, unfinished]).toEqual([0, 0]);
        expect(await index.store.mark('block')).toBeDefined();
        expect(providers.map(({ busyPayouts }) => busyPayouts).flat()).toEqual([address.toRawString()]);
        await index.close();
    }, 60_000);

    it('is not made up of another account by one endpoint of several', async () => {
        const witnesses = [new ListingSource(new HttpSource(world.settings))];
        const source = new ListingSource(new HttpSource(world.settings));
        const page = source.page.bind(source);
        source.page = async (account, from) => {
            const listed = await page(account, from);
            if (account.equals(provider.payout.address)) {
                throw new LargeTransaction(listed[0], 'many cells');
            }
            return listed;
        };
        const index = await TestIndex.open(world, { source, witnesses });
        await expect(index.pass()).rejects.toThrow('does not say that the transaction of payout/');
        source.page = page;
        await index.pass();

        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 60_000);
});

describe('matching', () => {
    it('lists the nodes that fit an app, and why others do not', async () => {
        const [fits, other] = matchNodes(await view(), { model: 'a', queriesPerDay: 100, region: 'eu-north' });
        expect(fits).toMatchObject({ price: 500n, reasons: [], candidate: { number: 0 } });
        expect(other.reasons).toEqual([
            'It does not offer the model',
            'Its region is "us-east", and "eu-north" is required',
        ]);
    }, 60_000);

    it('compares price, tier and volume', async () => {
        const read = await view();
        const tokens = { prompt: 1000, completion: 500 };
        const limits = { model: modelHash('a'), tokens, maxPrice: 0n, tier: 'tdx' as const };
        const [node] = matchNodes(read, { ...limits, queriesPerDay: 100, queriesPerGpu: 49 });
        expect(node.reasons).toEqual([
            'It asks 1 nanoTON a query, and the limit is 0',
            'Its tier is open, and tdx is required',
            'Its 2 GPUs answer 98 queries a day at the assumed rate, and 100 are required',
        ]);
        const enough = { ...limits, maxPrice: 1n, tier: 'open' as const, queriesPerDay: 98, queriesPerGpu: 49 };
        expect(matchNodes(read, enough)[0].reasons).toEqual([]);
    }, 60_000);

    it('lists the demand that fits a node', async () => {
        const read = await view();
        const [fitting, strange] = [read.nodes[0], read.nodes[1]].map(({ key }) => matchDemands(read, key)[0]);
        expect(fitting).toMatchObject({ reasons: [], candidate: { queriesPerDay: 100 } });
        expect(strange.reasons).toEqual(['It does not offer the model']);
        const later = { ...read, asOf: read.demands[0].endsAt };
        expect(matchDemands(later, read.nodes[0].key)[0].reasons[0]).toContain('The demand ended at');
    }, 60_000);
});
