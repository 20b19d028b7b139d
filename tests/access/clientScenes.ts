/** Escrow, Channel and Library in each state of their tables. */
import {
    channelCode,
    claimBody,
    jobNumber,
    jobOrderCell,
    jobsCell,
    Library,
    openJobsCell,
    OrderHead,
    signedOrder,
    SigningKey,
} from '@cocoon-market/wrappers';
import { Cell, toNano } from '@ton/core';
import { createBlockchain } from '../support/chain';
import { DAY, DEPOSIT, HOUR, JOB_LIMIT, Market, NETWORK, OpenJob, otherKey, spendKey } from '../support/market';
import { bodyWith } from '../support/schema';
import { Accounts, Cast, castOf, withDisputes } from './cast';
import { Bodies, Scene, scene, Scenes } from './scene';

/** The names that wallets have in tests/support/market. */
const NAMES = { worker: 'payout', client: 'owner', owner: 'owner of a provider' };
const VALUE = toNano('10');
const OWED = toNano('0.3'); // by the voucher
const NO_CASE = Buffer.alloc(32, 1); // no message to these contracts is about a case
const FAR = 0xffffffff; // unix seconds

const accountsOf = (cast: Cast): Promise<Accounts> => withDisputes(cast, 'A3', NO_CASE);

// --- Escrow

async function escrowScene(market: Market, value = VALUE): Promise<Scene> {
    const { blockchain, escrow, code } = market;
    const cast = await castOf(blockchain, NAMES);
    const jobs = [market.newJob()];
    const seqno = await market.seqno();
    // The channel that the next order opens, which is also the one that the other messages name.
    const { channel: next, job } = await market.jobOf(jobs[0], jobNumber(seqno));
    const head: OrderHead = { network: NETWORK, escrow: escrow.address, seqno, validUntil: FAR };
    const signed = (cell: Cell) => {
        const by = (key: SigningKey) => signedOrder(cell, key);
        return { 'spend key': by(spendKey), 'another key': by(otherKey) };
    };
    const orders = {
        OpenJobs: signed(openJobsCell({ ...head, jobs })),
        JobOrder: signed(jobOrderCell({ ...head, job, action: 'leave' })),
    };
    const channel = BigInt(`0x${next.address.hash.toString('hex')}`);
    const bodies: Bodies = {
        Deposit: bodyWith('Deposit'),
        SetUp: bodyWith('SetUp', { spendKey: 0n, channelCode: code }),
        Open: bodyWith('Open', { seqno: BigInt(seqno), total: jobs[0].deposit, jobs: jobsCell(jobs) }),
        LeaveJob: bodyWith('LeaveJob', { channel }),
        Withdraw: bodyWith('Withdraw'),
        OpenJobs: orders.OpenJobs['spend key'],
        JobOrder: orders.JobOrder['spend key'],
        Leave: bodyWith('Leave'),
    };
    const accounts = { ...(await accountsOf(cast)), Channel: next.address };
    return scene({ blockchain, account: escrow.address, accounts, bodies, orders, value });
}

export const escrowScenes: Scenes = {
    waiting: async () => {
        const market = await Market.deploy({ setUp: false });
        await market.escrow.sendDeposit(market.stranger.getSender(), { value: DEPOSIT, opens: true });
        return escrowScene(market);
    },
    ready: async () => escrowScene(await Market.deploy()),
    'no key': async () => {
        const market = await Market.deploy();
        await market.setUp({ spendKey: Buffer.alloc(32) });
        return escrowScene(market);
    },
    'day spent': async () => {
        const market = await Market.deploy();
        const deposit = JOB_LIMIT;
        await market.setUp({ dayLimit: deposit + (await market.escrow.getOpenFeeOf(1n)) });
        await market.openJobs([market.newJob({ deposit })]);
        return escrowScene(market);
    },
    poor: async () => {
        const market = await Market.deploy();
        await market.escrow.sendWithdraw(market.owner.getSender(), { value: VALUE, amount: 0n });
        return escrowScene(market, toNano('0.1'));
    },
};

// --- Channel

async function channelScene(market: Market, { channel }: OpenJob, value = VALUE): Promise<Scene> {
    const cast = await castOf(market.blockchain, NAMES);
    const [voucher, another] = [market.voucher(channel, OWED), market.voucher(channel, OWED, { key: otherKey })];
    const bodies: Bodies = {
        Claim: claimBody(voucher),
        'Claim: signed by another key': claimBody(another),
        ClaimLast: claimBody(voucher, { last: true }),
        'ClaimLast: signed by another key': claimBody(another, { last: true }),
        'ClaimLast: without a voucher': claimBody(undefined, { last: true }),
        Leave: bodyWith('Leave'),
        Refund: bodyWith('Refund'),
        TopUp: bodyWith('TopUp', { signed: OWED }),
    };
    const accounts = await accountsOf(cast);
    return scene({ blockchain: market.blockchain, account: channel.address, accounts, bodies, value });
}

const opened = async (prepare: (market: Market, job: OpenJob) => Promise<void>, value?: bigint): Promise<Scene> => {
    const market = await Market.deploy();
    const job = await market.openJob();
    await prepare(market, job);
    return channelScene(market, job, value);
};

async function leave({ escrow, owner }: Market, { channel }: OpenJob): Promise<void> {
    await escrow.sendLeaveJob(owner.getSender(), { value: VALUE, channel: channel.address });
}

async function leaveAndWait(market: Market, job: OpenJob): Promise<void> {
    await leave(market, job);
    market.blockchain.now! += DAY;
}

export const channelScenes: Scenes = {
    open: () => opened(async () => {}),
    leaving: () =>
        opened(async (market, job) => {
            await leave(market, job);
            market.blockchain.now! += HOUR;
        }),
    refundable: () => opened(leaveAndWait),
    'low value': () => opened(leaveAndWait, toNano('0.0026')),
    empty: () =>
        opened(async (market, { channel }) => {
            const all = market.voucher(channel, toNano('2'));
            await channel.sendClaim(market.payout.getSender(), { value: VALUE, voucher: all });
        }),
    again: () =>
        opened(async (market, { channel }) => {
            const { init } = (await market.jobOf(market.newJob(), 0)).channel;
            await channel.sendClaim(market.payout.getSender(), { value: VALUE, last: true });
            await market.send(market.stranger, channel, { value: OWED / 3n, init, bounce: false });
        }),
};

// --- Library

async function libraryScene({ publish, value = VALUE }: { publish: boolean; value?: bigint }): Promise<Scene> {
    const blockchain = await createBlockchain({ prices: '2025' });
    const cast = await castOf(blockchain);
    const code = await channelCode();
    const library = blockchain.openContract(await Library.ofHash(code.hash()));
    const via = cast.wallets.stranger.getSender();
    await library.sendTopUp(via, { value: toNano('0.1'), opens: true });
    if (publish) {
        await library.sendPublish(via, { value: VALUE, code });
    }
    const bodies: Bodies = {
        Publish: bodyWith('Publish', { code }),
        TopUpLibrary: bodyWith('TopUpLibrary'),
    };
    const accounts = await accountsOf(cast);
    return scene({ blockchain, account: library.address, accounts, bodies, value });
}

export const libraryScenes: Scenes = {
    empty: () => libraryScene({ publish: false }),
    published: () => libraryScene({ publish: true }),
    poor: () => libraryScene({ publish: false, value: toNano('1') }),
};
