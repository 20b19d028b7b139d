/**
 * What docs/contracts/common.md says of every contract: of values, of bits that nobody asked for, of foreign money, of
 * time.
 */
import { Address, beginCell, Cell, CommonMessageInfoInternal, toNano } from '@ton/core';
import { Blockchain, BlockchainSnapshot, internal, SandboxContract, SendMessageResult } from '@ton/sandbox';
import { Channel, channelCode, claimBody, errors, Escrow, Library, opcodes } from '@cocoon-market/wrappers';
import { caseMarket, report } from './support/cases';
import { createBlockchain, exitCodeOf, START, transactionsOn } from './support/chain';
import { bodyOf, Market, spendKey, useMarket } from './support/market';
import { DAY, HOUR, launchMarket } from './support/stake';

const VALUE = toNano('3');
const YEAR = 31_557_600; // seconds
const FOREIGN: [number, bigint] = [239, 1_000n]; // an extra currency, and units of it

type Account = { address: Address };

/** A message that its contract takes, as it arrives there. */
class Scene {
    private constructor(
        readonly blockchain: Blockchain,
        readonly to: Account,
        private readonly before: BlockchainSnapshot,
        private readonly message: { from: Address; value: bigint; body: Cell },
        readonly data: Promise<string>, // of the account, once it has run
    ) {}

    static async of(blockchain: Blockchain, to: Account, send: () => Promise<SendMessageResult>): Promise<Scene> {
        const before = blockchain.snapshot();
        const [{ inMessage }] = transactionsOn(await send(), to.address);
        const { src, value } = inMessage!.info as CommonMessageInfoInternal;
        const message = { from: src, value: value.coins, body: inMessage!.body };
        const scene = new Scene(blockchain, to, before, message, dataOf(blockchain, to));
        await scene.data;
        return scene;
    }

    /** Sends it again from the same beginning, a little changed. */
    async again(change: { value?: bigint; ec?: [number, bigint][]; more?: boolean }): Promise<SendMessageResult> {
        await this.blockchain.loadFrom(this.before);
        const { more = false, ...rest } = change;
        const body = beginCell().storeSlice(this.message.body.beginParse());
        const sent = { ...this.message, body: (more ? body.storeBit(1) : body).endCell(), ...rest };
        return this.blockchain.sendMessage(internal({ ...sent, to: this.to.address, bounce: true }));
    }
}

async function dataOf(blockchain: Blockchain, { address }: Account): Promise<string> {
    const { accountState } = await blockchain.getContract(address);
    return accountState?.type === 'active' ? accountState.state.data!.hash().toString('hex') : 'no code';
}

const makers: Record<string, () => Promise<Scene>> = {
    'an Escrow': async () => {
        const market = await Market.deploy();
        return Scene.of(market.blockchain, market.escrow, () => market.setUp({ value: VALUE, dayLimit: 1n }));
    },
    'a Channel': async () => {
        const market = await Market.deploy();
        const { channel } = await market.openJob();
        const body = claimBody(market.voucher(channel, toNano('0.3')));
        return Scene.of(market.blockchain, channel, () =>
            market.send(market.stranger, channel, { value: VALUE, body }),
        );
    },
    'a Channel that ends': async () => {
        const market = await Market.deploy();
        const { channel } = await market.openJob();
        const body = claimBody(market.voucher(channel, toNano('0.3')), { last: true });
        return Scene.of(market.blockchain, channel, () => market.send(market.payout, channel, { value: VALUE, body }));
    },
    'a Registry': async () => {
        const { blockchain, registry, governor } = await launchMarket();
        return Scene.of(blockchain, registry, () =>
            registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true }),
        );
    },
    'a Provider': async () => {
        const { blockchain, provider, owner } = await caseMarket();
        return Scene.of(blockchain, provider, () =>
            provider.sendUnbond(owner.getSender(), { value: VALUE, amount: 1n }),
        );
    },
    'a Node': async () => {
        const { blockchain, provider, node, owner } = await caseMarket();
        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
        blockchain.now! += 15 * DAY;
        return Scene.of(blockchain, node, () => node.sendClear(owner.getSender(), { value: VALUE }));
    },
    'a Dispute': async () => {
        const market = await caseMarket();
        const { blockchain, job, stranger } = market;
        await report(market, 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        blockchain.now! += 25 * HOUR;
        return Scene.of(blockchain, dispute, () => dispute.sendDecide(stranger.getSender(), { value: VALUE }));
    },
    'a Library': async () => {
        const blockchain = await createBlockchain({ prices: '2025' });
        const anyone = await blockchain.treasury('anyone');
        const code = await channelCode();
        const library = blockchain.openContract(await Library.ofHash(code.hash()));
        const publish = () => library.sendPublish(anyone.getSender(), { value: toNano('20'), code });
        await publish();
        blockchain.now! += DAY;
        return Scene.of(blockchain, library, publish);
    },
};

describe.each(Object.entries(makers))('%s', (name, make) => {
    let scene: Scene;
    beforeAll(async () => {
        scene = await make();
    });

    it('does nothing for a value below the gas, and keeps it', async () => {
        const result = await scene.again({ value: 1n });

        expect(result.transactions).toHaveLength(1);
        expect(result.transactions[0].outMessages.size).toBe(0);
        expect(exitCodeOf(result.transactions[0])).toBeUndefined();
        expect(await dataOf(scene.blockchain, scene.to)).not.toBe(await scene.data);
    });

    it(`${name === 'an Escrow' ? 'refuses' : 'does not read'} what follows the fields of a message`, async () => {
        const [tx] = transactionsOn(await scene.again({ more: true }), scene.to.address);

        expect(exitCodeOf(tx)).toBe(name === 'an Escrow' ? 9 : 0);
        expect((await dataOf(scene.blockchain, scene.to)) === (await scene.data)).toBe(name !== 'an Escrow');
    });

    it('counts an extra currency for nothing: it sends none on and keeps it', async () => {
        const result = await scene.again({ ec: [FOREIGN] });

        const { ec } = await scene.blockchain.getContract(scene.to.address);
        expect(await dataOf(scene.blockchain, scene.to)).toBe(await scene.data);
        expect(ec).toEqual({ [FOREIGN[0]]: FOREIGN[1] });
        for (const { outMessages } of result.transactions) {
            expect(outMessages.values().filter(({ info }) => info.type === 'internal' && info.value.other)).toEqual([]);
        }
    });
});

describe('From the masterchain', () => {
    const market = useMarket({ prices: '2025' });
    let escrow: SandboxContract<Escrow>;
    let owner: Awaited<ReturnType<Blockchain['treasury']>>;

    beforeEach(async () => {
        const { blockchain, code } = market();
        owner = await blockchain.treasury('owner', { workchain: -1 });
        escrow = blockchain.openContract(await Escrow.ofOwner(owner.address));
        const settings = { spendKey: spendKey.publicKey, jobLimit: 1n, dayLimit: 1n, channelCode: code };
        await escrow.sendSetUp(owner.getSender(), { value: toNano('6'), deposit: toNano('5'), ...settings });
    });

    /** At this value all is done and the rest comes back; a nanoTON below, it is refused before anything is. */
    const expectPair = async (to: Account, value: bigint, send: (value: bigint) => Promise<SendMessageResult>) => {
        const before = market().blockchain.snapshot();
        const [short] = transactionsOn(await send(value - 1n), to.address);
        await market().blockchain.loadFrom(before);
        const done = await send(value);

        expect(exitCodeOf(short)).toBe(Number(errors.ErrLowValue));
        const back = transactionsOn(done, owner.address, to.address); // what it does there is its own
        const codes = done.transactions.filter((tx) => !back.includes(tx)).map(exitCodeOf);
        expect(codes.filter((code) => code !== undefined && code !== 0)).toEqual([]);
        expect(back).toHaveLength(1);
    };

    it('SetUp is taken at the value that its getter names to such an owner, not a nanoTON below', async () => {
        const settings = { spendKey: spendKey.publicKey, jobLimit: 2n, dayLimit: 2n, channelCode: market().code };

        await expectPair(escrow, await escrow.getSetUpValue(), (value) =>
            escrow.sendSetUp(owner.getSender(), { value, deposit: 0n, ...settings }),
        );
    });

    it('Withdraw is taken at the value that its getter names to such an owner, not a nanoTON below', async () => {
        await expectPair(escrow, await escrow.getWithdrawValue(), (value) =>
            escrow.sendWithdraw(owner.getSender(), { value, amount: 5n }),
        );
    });

    it('LeaveJob is taken at the value that its getter names to such an owner, not a nanoTON below', async () => {
        const seqno = Number((await escrow.getEscrowState()).seqno);
        const jobs = [market().newJob()];
        await escrow.sendOpen(owner.getSender(), { value: toNano('1'), seqno, jobs });
        const { deposit: _, ...job } = { ...jobs[0], job: seqno * 4 };
        const { address } = await Channel.ofJob(escrow.address, job, market().code);

        await expectPair(escrow, await escrow.getLeaveJobValue(), (value) =>
            escrow.sendLeaveJob(owner.getSender(), { value, channel: address }),
        );
    });

    it('AnnounceDemand is taken at the value that its getter names for it, not a nanoTON below', async () => {
        const { blockchain, registry } = await launchMarket({ prices: '2025' });
        const from = await blockchain.treasury('buyer', { workchain: -1 });
        const demand = { model: 1n, queriesPerDay: 1, endsAt: START + DAY };
        const send = (value: bigint) => registry.sendAnnounceDemand(from.getSender(), { value, ...demand });
        const value = await registry.getAnnounceDemandValue(true);

        const [short] = transactionsOn(await send(value - 1n), registry.address);
        const done = await send(value);

        expect(exitCodeOf(short)).toBe(Number(errors.ErrLowValue));
        expect(done.externals).toHaveLength(1);
        expect(transactionsOn(done, from.address, registry.address)).toHaveLength(1);
    });
});

describe('What an escrow says that can be withdrawn', () => {
    const market = useMarket({ prices: '2025' });
    const withdraw = (amount: bigint) =>
        market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('1'), amount });

    it.each([
        ['at once', 0],
        ['87 seconds later', 87],
        ['10 minutes later', 600],
        ['100 days later', 100 * DAY],
    ])('can be, %s, and not a nanoTON more', async (_, seconds) => {
        const { blockchain, escrow } = market();
        const named = await escrow.getWithdrawable();
        blockchain.now! += seconds;
        const before = blockchain.snapshot();

        const more = await withdraw(named + 1n);
        await blockchain.loadFrom(before);
        const exact = await withdraw(named);

        expect(exitCodeOf(transactionsOn(more, escrow.address)[0])).toBe(Number(errors.ErrLowBalance));
        expect(exitCodeOf(transactionsOn(exact, escrow.address)[0])).toBe(0);
        expect(await market().balanceOf(escrow)).toBeGreaterThan((await escrow.getReserve()) / 2n);
        expect(await escrow.getWithdrawable()).toBe(0n);
    });

    it('leaves half the reserve at the least, however long nobody came', async () => {
        const { blockchain, escrow } = market();
        const named = await escrow.getWithdrawable();
        blockchain.now! += 14 * YEAR;

        const late = await withdraw(named);
        await withdraw(0n);

        expect(exitCodeOf(transactionsOn(late, escrow.address)[0])).toBe(Number(errors.ErrLowBalance));
        expect(await market().balanceOf(escrow)).toBeGreaterThanOrEqual((await escrow.getReserve()) / 2n);
    });
});

describe('An escrow that is left alone for 14 years', () => {
    const market = useMarket({ prices: '2025' });
    const state = async () => (await market().blockchain.getContract(market().escrow.address)).accountState;

    it('has paid its rent of what it held, and goes on', async () => {
        const { blockchain, escrow, owner } = market();
        const before = await market().balanceOf(escrow);
        blockchain.now! += 14 * YEAR;

        const fall = await market().fallOf(escrow, () => escrow.sendDeposit(owner.getSender(), { value: 1_000_000n }));

        expect(fall).toBeLessThan(14n * (await escrow.getReserve()));
        expect(before - fall).toBe(await market().balanceOf(escrow));
        await market().setUp();
        expect((await state())?.type).toBe('active');
    });

    it('with its reserve alone is frozen, refuses what is sent, and is itself again once its state is brought and its debt paid', async () => {
        const { blockchain, escrow, owner, stranger } = market();
        await escrow.sendWithdraw(owner.getSender(), { value: toNano('1'), amount: 0n });
        const last = await state();
        const { code, data } = last?.type === 'active' ? last.state : {};
        blockchain.now! += 14 * YEAR;

        const returned = await escrow.sendDeposit(stranger.getSender(), { value: toNano('1') });
        expect((await state())?.type).toBe('frozen');
        expect(transactionsOn(returned, stranger.address, escrow.address)).toHaveLength(1);
        await market().send(stranger, escrow, {
            value: toNano('2'),
            body: bodyOf(opcodes.Deposit, beginCell().storeUint(0, 64).endCell()),
            init: { code, data },
        });

        const there = await market().balanceOf(escrow);
        expect(there).toBeGreaterThan(toNano('2') - 15n * (await escrow.getReserve()));
        expect(await dataOf(blockchain, escrow)).toBe(data!.hash().toString('hex'));
        const home = await escrow.sendWithdraw(owner.getSender(), { value: toNano('1'), amount: toNano('1') });
        expect(exitCodeOf(transactionsOn(home, escrow.address)[0])).toBe(0);
    });
});
