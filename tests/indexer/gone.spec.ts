/** Accounts that are gone: an ended channel leaves none, and an endpoint lists nothing of it any more. */
import { Address, beginCell, Cell, internal, storeMessageRelaxed, toNano } from '@ton/core';
import { createShardAccount } from '@ton/sandbox';
import { HttpSource } from '../../offchain/indexer/source';
import type { JoinedMarket } from '../support/stake';
import type { Wallet } from '../support/wallet';
import { rebuilt, TestIndex } from './support';
import { ChangedSource } from './support/lying';
import { World, type WorldClient, type WorldJob } from './support/world';

const HOUR = 3600;

let world: World;
let provider: JoinedMarket;
let client: WorldClient;
let job: WorldJob;
let goBack: () => Promise<void>;

beforeAll(async () => {
    world = await World.start();
    provider = await world.provider('alice');
    client = await world.client('bob');
    await world.demand(client.owner, 'a', 100);
    [job] = await world.open(client, [provider.payout]);
    await world.claim(job, toNano('0.2'));
}, 60_000);

beforeEach(async () => {
    goBack = await world.snapshot();
});

afterEach(() => goBack());

afterAll(() => world.close());

const jobsIn = (text: string) =>
    text
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ type }) => type === 'job');

const ended = { claimed: `${toNano('0.2')}`, how: 'claimed' };
const refunded = { claimed: `${toNano('0.2')}`, how: 'refunded' };

const newest = (address: Address) => new HttpSource(world.settings).page(address);

/** Somebody deploys the channel again, and what it gets is theirs. */
async function deployAgain({ channel }: WorldJob, value = toNano('1')): Promise<void> {
    const eve = await world.wallet('eve');
    await eve.send({ to: channel.address, value, init: channel.init!, bounce: false });
}

/** The client leaves, and after the notice anybody has the rest sent home. */
async function endByRefund(by: Wallet): Promise<void> {
    await world.leave(job);
    world.net.advance(HOUR + 1);
    await world.refund(job, by);
}

describe('of a job that has ended, an index that is made from nothing', () => {
    it('has all, although the endpoint lists nothing of its channel', async () => {
        await world.end(job);
        expect(await newest(job.channel.address)).toEqual([]);

        expect(jobsIn(await rebuilt(world))).toMatchObject([ended]);
    }, 30_000);

    it('has the refund, which only the escrow got', async () => {
        await endByRefund(await world.wallet('helper'));

        expect(jobsIn(await rebuilt(world))).toMatchObject([refunded]);
    }, 30_000);

    it('has the refund of a client whom nothing but the claim names', async () => {
        const silent = await world.client('silent');
        const [other] = await world.open(silent, [provider.payout]);
        await world.claim(other, toNano('0.3'));
        await world.leave(other);
        world.net.advance(HOUR + 1);
        await world.refund(other, await world.wallet('helper'));
        const jobs = jobsIn(await rebuilt(world));

        expect(jobs.find(({ id }) => id === other.channel.address.toRawString())).toMatchObject({
            ...{ claimed: `${toNano('0.3')}`, how: 'refunded' },
        });
    }, 30_000);

    it('has all, although somebody deployed the channel again, and it paid again', async () => {
        await world.end(job);
        await deployAgain(job);
        await world.claim(job, 1n); // pays 0.2 TON and a nanoTON more
        expect(await newest(job.channel.address)).toHaveLength(2);

        expect(jobsIn(await rebuilt(world))).toMatchObject([ended]);
    }, 30_000);
});

describe('of a job that has ended, and whose channel somebody deploys again, an index that is made from nothing', () => {
    it('has all, although it was refunded a dozen times more', async () => {
        await world.end(job);
        world.net.advance(31 * 24 * HOUR);
        for (let life = 0; life < 12; life++) {
            await deployAgain(job, toNano('0.02'));
            await world.refund(job, await world.wallet('eve'));
        }

        expect(jobsIn(await rebuilt(world))).toMatchObject([ended]);
    }, 30_000);

    it('has all, although only the payout got what it held, and is read after the escrow', async () => {
        await world.claim(job, toNano('7'), { last: true }); // the channel holds less
        const jobs = jobsIn(await rebuilt(world));
        world.net.advance(31 * 24 * HOUR);
        await deployAgain(job, toNano('0.02'));
        await world.refund(job, await world.wallet('eve'));

        expect(jobsIn(await rebuilt(world))).toEqual(jobs);
        expect(jobs).toMatchObject([{ how: 'claimed', rest: '0' }]);
    }, 30_000);

    it('has all with the next reading, although the endpoint did not find once what its channel paid', async () => {
        const silent = await world.client('silent');
        const [other] = await world.open(silent, [provider.payout]);
        await world.claim(other, toNano('0.3'), { last: true });
        await deployAgain(other);
        const source = new ChangedSource(new HttpSource(world.settings));
        const index = await TestIndex.open(world, { source });
        const senderOf = source.senderOf.bind(source);
        let requests = 0;
        source.senderOf = async (message) =>
            message.from.equals(other.channel.address) && ++requests === 2 ? undefined : senderOf(message);
        const { unresolved } = await index.pass();
        await index.pass();
        const jobs = jobsIn(await index.export());

        expect(unresolved).toBe(1);
        expect(jobs.find(({ id }) => id === other.channel.address.toRawString())).toMatchObject({ how: 'claimed' });
        await index.close();
    }, 30_000);

    it('has all, although its client was silent and never claimed from, and only another life paid the payout', async () => {
        const silent = await world.client('silent');
        const [other, last] = await world.open(silent, [provider.payout, provider.payout]);
        world.net.advance(31 * 24 * HOUR);
        await world.refund(other, await world.wallet('helper'));
        await deployAgain(other);
        await world.claim(other, toNano('0.1')); // with a voucher that was never shown
        await world.claim(last, toNano('0.2')); // which names the client
        const jobs = jobsIn(await rebuilt(world));

        expect(jobs.find(({ id }) => id === other.channel.address.toRawString())).toMatchObject({
            ...{ claimed: '0', how: 'refunded' },
        });
    }, 30_000);

    it('has all, although it got dust before, was claimed from later, and ended later still', async () => {
        const [other] = await world.open(client, [provider.payout]); // to learn the address
        await goBack();
        await (await world.wallet('eve')).send({ to: other.channel.address, value: 1000n, bounce: false });
        await world.open(client, [provider.payout]);
        await world.claim(other, toNano('0.4'));
        await world.claim(other, toNano('0.1'));
        await world.end(other);
        await deployAgain(other);
        await world.claim(other, 1n); // pays 0.5 TON and a nanoTON more
        const jobs = jobsIn(await rebuilt(world));

        expect(jobs.find(({ id }) => id === other.channel.address.toRawString())).toMatchObject({
            ...{ claimed: `${toNano('0.5')}`, how: 'claimed' },
        });
    }, 30_000);
});

describe('an index that follows', () => {
    it('keeps a job that ended long after its channel was deployed, with one endpoint and with several', async () => {
        const [one, several] = [
            await TestIndex.open(world),
            await TestIndex.open(world, { witnesses: [new HttpSource(world.settings)] }),
        ];
        await one.pass();
        await several.pass();
        world.net.advance(2 * HOUR);
        await world.end(job);
        for (const index of [one, several]) {
            const { undone, behind } = await index.pass();
            await index.pass();

            expect([undone, behind]).toEqual([0, 0]);
            expect(jobsIn(await index.export())).toMatchObject([ended]);
            expect(await index.export()).toBe(await rebuilt(world));
            await index.close();
        }
    }, 30_000);

    it('takes no endpoint for one that is behind because somebody deploys an ended channel again', async () => {
        const index = await TestIndex.open(world, { witnesses: [new HttpSource(world.settings)] });
        await world.end(job);
        await index.pass();
        await deployAgain(job);
        const { undone, behind } = await index.pass();

        expect([undone, behind]).toEqual([0, 0]);
        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 30_000);

    it('keeps what came before when somebody deploys an ended channel again', async () => {
        const index = await TestIndex.open(world);
        await world.end(job);
        await index.pass();
        await deployAgain(job);
        world.net.advance(2 * HOUR);
        await world.demand(client.owner, 'b', 1);
        const { undone } = await index.pass();

        expect(undone).toBe(0);
        expect(jobsIn(await index.export())).toMatchObject([ended]);
        await index.close();
    }, 30_000);

    it('takes what somebody has an ended channel refund for no end of a job that ended without a payment', async () => {
        const index = await TestIndex.open(world);
        await world.claim(job, toNano('7')); // the channel holds less
        await (await world.wallet('eve')).send({ to: job.channel.address, value: 1n, bounce: false });
        await index.pass();
        world.net.advance(31 * 24 * HOUR);
        await world.refund(job, await world.wallet('helper'));
        await index.pass();
        const jobs = jobsIn(await index.export());
        await deployAgain(job);
        await world.refund(job, await world.wallet('eve'));
        await index.pass();
        await index.pass();

        expect(jobsIn(await index.export())).toEqual(jobs);
        expect(jobs).toMatchObject([{ endedAt: null }]);
        await index.close();
    }, 30_000);

    it('finds the end that it had not read before somebody deployed the channel again', async () => {
        const index = await TestIndex.open(world);
        await index.pass();
        await world.end(job);
        await deployAgain(job);
        await world.claim(job, 1n);
        await index.pass();

        expect(jobsIn(await index.export())).toMatchObject([ended]);
        await index.close();
    }, 30_000);

    it('is not kept from its end by a payout that is gone after two hours', async () => {
        const address = new Address(0, Buffer.alloc(32, 77));
        // Sends the message that is the reference of a body, with mode 160: everything, and the account ends.
        const code = beginCell().storeBuffer(Buffer.from('ff003020d74a97d74c8100a0fb00de', 'hex')).endCell();
        const account = createShardAccount({ address, code, data: Cell.EMPTY, balance: toNano('1'), workchain: 0 });
        await world.net.blockchain.setShardAccount(address, account);
        const eve = await world.provider('eve', { address } as Wallet);
        await eve.owner.send({ to: address, value: toNano('0.1') });
        const index = await TestIndex.open(world);
        await index.pass();
        world.net.advance(2 * HOUR);
        await world.claim(job, 1n);
        const message = internal({ to: eve.owner.address, value: 0n, bounce: false });
        const body = beginCell()
            .storeRef(beginCell().store(storeMessageRelaxed(message)).endCell())
            .endCell();
        await eve.owner.send({ to: address, value: toNano('0.1'), body });
        expect((await world.net.blockchain.getContract(address)).accountState).toBeUndefined();
        const { undone, block } = await index.pass();
        const mark = JSON.parse((await index.store.mark('block'))!) as { seqno: number };

        expect([undone, mark.seqno]).toEqual([0, block]);
        await index.close();
    }, 30_000);
});

it('an endpoint that lists nothing of a payout of which another one lists something is behind, and undoes nothing', async () => {
    const source = new ChangedSource(new HttpSource(world.settings));
    const index = await TestIndex.open(world, { source, witnesses: [new HttpSource(world.settings)] });
    await index.pass();
    const page = source.page.bind(source);
    source.page = async (account, from) =>
        account.equals(provider.payout.address) && from === undefined ? [] : page(account, from);
    const { undone, behind } = await index.pass();

    expect([undone, behind]).toEqual([0, 1]);
    await index.close();
}, 30_000);

it('a channel that got dust before it was deployed is a job, also once it has ended', async () => {
    const [other] = await world.open(client, [provider.payout]); // to learn the address
    await goBack();
    const eve = await world.wallet('eve');
    await eve.send({ to: other.channel.address, value: 1000n, bounce: false });
    await world.open(client, [provider.payout]);
    await world.claim(other, toNano('0.4'));
    await world.end(other);
    const jobs = jobsIn(await rebuilt(world));

    expect(jobs.find(({ id }) => id === other.channel.address.toRawString())).toMatchObject({
        ...{ claimed: `${toNano('0.4')}`, how: 'claimed' },
    });
}, 30_000);
