/** What strangers send and deploy keeps no reading of a market from its end. */
import {
    Address,
    beginCell,
    Cell,
    ExternalAddress,
    internal,
    type MessageRelaxed,
    type SenderArguments,
    storeMessageRelaxed,
    toNano,
} from '@ton/core';
import { Channel, claimBody, opcodes, Provider, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { createShardAccount, internal as paid } from '@ton/sandbox';
import { ChainError } from '../../offchain/chain';
import { HttpSource, LargeTransaction, type MessageId, type RawTransaction } from '../../offchain/indexer/source';
import { voucherKey } from '../support/market';
import { type JoinedMarket, STAKE } from '../support/stake';
import { rebuilt, TestIndex } from './support';
import { ChangedSource } from './support/lying';
import { World } from './support/world';

let world: World;
let provider: JoinedMarket;
let goBack: () => Promise<void>;

beforeAll(async () => {
    world = await World.start();
    provider = await world.provider('alice');
}, 60_000);

beforeEach(async () => {
    goBack = await world.snapshot();
});

afterEach(() => goBack());

afterAll(() => world.close());

/**
 * A contract that takes anything, and sends the message that is the reference of a body; with `ends` everything that it
 * has, after which its account is gone.
 */
async function obedient({ ends = false } = {}): Promise<Address> {
    const address = new Address(0, Buffer.alloc(32, 77));
    const hex = ends ? 'ff003020d74a97d74c8100a0fb00de' : 'ff003020d74a95d74c70fb00de';
    const code = beginCell().storeBuffer(Buffer.from(hex, 'hex')).endCell();
    const account = createShardAccount({ address, code, data: Cell.EMPTY, balance: toNano('1'), workchain: 0 });
    await world.net.blockchain.setShardAccount(address, account);
    return address;
}

const claim = claimBody({ cumulative: 1n, count: 1, signature: Buffer.alloc(64) });

/** A claim for which the contract pays the payout. */
function paidClaim(): Cell {
    const payment = internal({ to: provider.payout.address, value: toNano('0.01'), bounce: false });
    const message = beginCell().store(storeMessageRelaxed(payment)).endCell();
    return beginCell().storeSlice(claim.beginParse()).storeRef(message).endCell();
}

it('an account that pays a payout for one claim, and nothing for another, keeps no pass from its end', async () => {
    const [stranger, to] = [await world.wallet('stranger'), await obedient()];
    await stranger.send({ to, value: toNano('0.1'), body: paidClaim() });
    await stranger.send({ to, value: toNano('0.1'), body: claim });
    const index = await TestIndex.open(world);
    await index.pass();

    expect(await index.store.mark('block')).toBeDefined();
    expect(await index.store.log(`channel/${to.toRawString()}`)).toMatchObject({ size: 2 });
    expect((await index.view()).totals).toMatchObject({ jobs: 0, claims: 0 });
    await index.close();
}, 30_000);

/** An endpoint for which what sent the last of several payments is too large to be read. */
class LargeSource extends ChangedSource {
    private newest = 0n; // lt

    override async senderOf(message: MessageId): Promise<RawTransaction | undefined> {
        const raw = await super.senderOf(message);
        const { lt, hash } = raw!;
        this.newest ||= lt;
        if (lt > this.newest) {
            throw new LargeTransaction({ lt, hash }, 'a transaction of 40000 cells');
        }
        return raw;
    }
}

it('an account that is gone, and whose last payment was sent by a transaction that is too large, is not missed', async () => {
    const stranger = await world.wallet('stranger');
    for (let life = 0; life < 2; life++) {
        await stranger.send({ to: await obedient({ ends: true }), value: toNano('0.1'), body: paidClaim() });
    }
    const index = await TestIndex.open(world, { source: new LargeSource(new HttpSource(world.settings)) });
    const { unresolved } = await index.pass();
    const { calls: others } = await index.pass();

    expect(unresolved).toBe(0);
    expect(others).toBeLessThan(8);
    await index.close();
}, 30_000);

it('an account that deployed a channel as its escrow, and is gone, is asked for once in a pass', async () => {
    const [eve, escrow] = [await world.wallet('eve'), await obedient()];
    const times = { end: world.net.now() + 86_400, notice: 3600 };
    const keys = { voucherKey: voucherKey.publicKey, payout: provider.payout.address.hash };
    const { address: to, init } = await Channel.ofJob(escrow, { job: 0, ...times, ...keys });
    const order = (message: MessageRelaxed) =>
        beginCell()
            .storeRef(beginCell().store(storeMessageRelaxed(message)).endCell())
            .endCell();
    const deployment = order(internal({ to, value: toNano('0.2'), bounce: false, init: init! }));
    await eve.send({ to: escrow, value: toNano('0.1'), body: deployment });
    const signature = voucherKey.sign(Voucher.hash(voucherFor(world.net.networkId, to, 1000n, 1)));
    await eve.send({ to, value: toNano('0.1'), body: claimBody({ cumulative: 1000n, count: 1, signature }) });
    await obedient({ ends: true });
    const end = order(internal({ to: eve.address, value: 0n, bounce: false }));
    await eve.send({ to: escrow, value: toNano('0.1'), body: end });
    const source = new HttpSource(world.settings);
    const index = await TestIndex.open(world, { source });
    await index.pass();
    const requested = jest.spyOn(source, 'state');
    await index.pass();

    expect(requested.mock.calls.map(([address]) => address.toRawString())).toEqual([escrow.toRawString()]);
    await index.close();
}, 30_000);

/** Two Joins in one order. The Registry refuses the stake of the first, whose bounce ends the account. */
async function joinTwice(): Promise<Address> {
    const owner = await world.wallet('eve');
    const twin = world.net.blockchain.openContract(await Provider.ofOwner(world.registry, owner.address));
    const value = await world.market.registry.getJoinValue();
    const joins: SenderArguments[] = [];
    const collector = { address: owner.address, send: async (join: SenderArguments) => void joins.push(join) };
    for (const stake of [1n, toNano('100')]) {
        await twin.sendJoin(collector, { value: value + stake, stake, payout: owner.address });
    }
    await owner.sendMessages(joins.map((join) => internal({ ...join, bounce: true })));
    return twin.address;
}

it('a provider whose account has ended, although the Registry announced it, keeps no pass from its end', async () => {
    const ended = await joinTwice();
    const { accountState } = await world.net.blockchain.getContract(ended);
    expect(accountState?.type).not.toBe('active');
    const index = await TestIndex.open(world);
    await index.pass();
    const { providers } = await index.view();

    expect(await index.store.mark('block')).toBeDefined();
    expect(providers.find((each) => each.provider === ended.toRawString())).toMatchObject({ account: null, jobs: 0 });
    await index.close();
}, 30_000);

it.each([
    ['nothing', null],
    ['an account outside of the network', new ExternalAddress(5n, 100)],
])('a provider that names %s as its payout keeps no pass from its end', async (_, payout) => {
    const { address } = provider.provider;
    const body = beginCell().storeUint(opcodes.SetPayout, 32).storeUint(0, 64).storeAddress(payout).endCell();
    await provider.owner.send({ to: address, value: toNano('1'), body, bounce: true });
    await expect(provider.provider.getMembershipNow()).rejects.toThrow('Invalid address');
    const index = await TestIndex.open(world);
    await index.pass();
    const { providers } = await index.view();

    expect(await index.store.mark('block')).toBeDefined();
    expect(providers).toMatchObject([{ provider: address.toRawString(), account: { stake: STAKE, rulesVersion: 1 } }]);
    await index.close();
});

it('an account of a provider that can be read no more leaves what it had been in no index', async () => {
    const index = await TestIndex.open(world);
    await index.pass();
    const { address } = provider.provider;
    const { account } = await world.net.blockchain.getContract(address);
    const storage = { ...account.account!.storage, state: { type: 'frozen' as const, stateHash: 1n } };
    const frozen = { ...account.account!, storage };
    await world.net.blockchain.setShardAccount(address, { ...account, account: frozen });
    await provider.owner.send({ to: address, value: toNano('0.1'), bounce: false });
    await index.pass();

    expect((await index.view()).providers[0].account).toBeNull();
    expect(await index.export()).toBe(await rebuilt(world));
    await index.close();
}, 30_000);

/** What a wallet of the masterchain sends to the payout. */
async function dustFromMasterchain(): Promise<void> {
    const from = new Address(-1, Buffer.alloc(32, 5));
    const dust = paid({ from, to: provider.payout.address, value: 1000n, bounce: false });
    const info = { ...dust.info, createdLt: 77n } as typeof dust.info;
    await world.net.blockchain.sendMessage({ ...dust, info });
}

it('a payment from the masterchain, where no channel is, is asked for by no pass', async () => {
    await dustFromMasterchain();
    const source = new ChangedSource(new HttpSource(world.settings));
    const requested = jest.spyOn(source, 'senderOf');
    const index = await TestIndex.open(world, { source });
    const { unresolved } = await index.pass();

    expect(requested).not.toHaveBeenCalled();
    expect(unresolved).toBe(0);
    await index.close();
}, 30_000);

it.each([
    ['does not find a payment if it refuses to say who sent it, in whatever words', false],
    ['is not taken for one that does not find a payment if it is silent', true],
])(
    'an endpoint %s',
    async (_, silent) => {
        const api = {
            names: ['x'],
            call: () => Promise.reject(new ChainError("x refuses (500): 'seqno'", undefined, { silent })),
        };
        const source = new HttpSource(world.settings, { api: api as never });
        const asked = source
            .senderOf({ from: world.registry, to: world.registry, createdLt: 1n })
            .catch(() => 'silent');

        expect(await asked).toBe(silent ? 'silent' : undefined);
    },
    30_000,
);

describe('escrows that are announced with demand and never used', () => {
    const announce = async (count: number) => {
        const clients = await Promise.all(Array.from({ length: count }, (_, n) => world.wallet(`client ${n}`)));
        for (const client of clients) {
            await world.demand(client, 'a', 1);
        }
    };

    it('are all asked for once, and then a few in each reading', async () => {
        await announce(5);
        const index = await TestIndex.open(world, { limits: { maxUnused: 2 } });
        const { logs } = await index.pass();
        const later = [await index.pass(), await index.pass(), await index.pass()];

        expect(later.map((report) => report.logs)).toEqual([logs - 3, logs - 3, logs - 3]);
        await index.close();
    }, 30_000);

    it('have their turn, after which the jobs that they opened are there', async () => {
        await announce(5);
        const index = await TestIndex.open(world, { limits: { maxUnused: 2 } });
        await index.pass();
        const clients = [await world.client('client 0'), await world.client('client 4')];
        for (const client of clients) {
            await world.open(client, [provider.payout]);
        }
        for (let pass = 0; pass < 3; pass++) {
            await index.pass();
        }

        expect(await index.export()).toBe(await rebuilt(world));
        await index.close();
    }, 30_000);
});
