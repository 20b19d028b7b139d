/** What clients and payees do with escrows and channels. */
import { Address, internal, toNano } from '@ton/core';
import { SandboxContract, SendMessageResult } from '@ton/sandbox';
import { claimBody, jobOrderCell, JobParameters, NewJob, opcodes, signedOrder } from '@cocoon-market/wrappers';
import { PriceLevel } from '../../tests/support/chain';
import { bodyOf, Market, OpenJob, spendKey } from '../../tests/support/market';
import { RealWallet, realWallet } from '../../tests/support/wallet';
import { Floor } from '../floors';
import { Cast, Move, Ran } from '../meter';
import { Operation, Operations, rentOfYear } from './operation';

export interface PaymentStage {
    market: Market;
    cast: Cast;
    payee: SandboxContract<RealWallet>; // v5, the payout of the stage's jobs
    payeeV4: SandboxContract<RealWallet>;
}

export const DEPOSIT = toNano('1');
export const OWED = toNano('0.4');
const TOP_UP = toNano('0.5');

/** An escrow whose first order has been carried; wallets are v5 unless they say otherwise. */
export async function paymentStage(prices: PriceLevel, { library }: { library: boolean }): Promise<PaymentStage> {
    const market = await Market.deploy({ prices, library, wallets: 'v5' });
    const payee = await realWallet(market.blockchain, 'v5', 'payout');
    const payeeV4 = await realWallet(market.blockchain, 'v4', 'payout');
    const raw = ({ address }: { address: Address }) => address.toRawString();
    const { blockchain, owner, stranger, escrow } = market;
    const cast = {
        blockchain,
        wallets: new Map([
            [raw(owner), 'owner'],
            [raw(stranger), 'stranger'],
            [raw(payee), 'payee'],
            [raw(payeeV4), 'payee'],
        ]),
        contracts: new Map([[raw(escrow), 'escrow']]),
        others: 'channel',
    };
    await market.openJob();
    return { market, cast, payee, payeeV4 };
}

/** So many open jobs of the stage's escrow. */
export async function openJobs({ market }: PaymentStage, count: number, overrides: Partial<NewJob> = {}) {
    const jobs: OpenJob[] = [];
    for (let i = 0; i < count; i++) {
        jobs.push(await market.openJob({ deposit: DEPOSIT, ...overrides }));
    }
    return jobs;
}

/** One wallet order that claims from each of the jobs; `last` ends them. */
export async function claimAll(
    { market }: PaymentStage,
    wallet: SandboxContract<RealWallet>,
    jobs: OpenJob[],
    { owed = OWED, last = false }: { owed?: bigint; last?: boolean } = {},
): Promise<SendMessageResult> {
    const value = await jobs[0].channel.getClaimValue();
    return wallet.sendMessages(
        jobs.map(({ channel }) =>
            internal({
                to: channel.address,
                value,
                bounce: true,
                body: claimBody(owed === 0n ? undefined : market.voucher(channel, owed), { last }),
            }),
        ),
    );
}

/** An order of the spend key about a running job. */
export async function orderJob(
    { market }: PaymentStage,
    job: JobParameters,
    action: 'leave' | 'refund',
): Promise<SendMessageResult> {
    return market.carry(signedOrder(jobOrderCell({ ...(await market.head()), job, action }), spendKey));
}

const opening = (jobs: 1 | 2 | 3 | 4): Operation<PaymentStage> => ({
    floor: [`Open${jobs}`, ...times(jobs, 'Take')],
    title: jobs === 1 ? 'open a job, hot key only' : `open ${jobs} jobs in one order`,
    prepare: async (stage: PaymentStage) => {
        const { market } = stage;
        const order = await market.openOrder(Array<NewJob>(jobs).fill(market.newJob({ deposit: DEPOSIT })));
        const seqno = await market.seqno();
        const { channel } = await market.jobOf(market.newJob(), seqno * 4);
        const moves = [{ from: market.escrow.address, to: channel.address, amount: DEPOSIT * BigInt(jobs) }];
        return async () => ({ results: [await market.carry(order)], moves });
    },
});

const times = (count: number, ...floor: Floor[]): Floor[] => Array<Floor[]>(count).fill(floor).flat();

const claiming = (
    title: string,
    count: number,
    how: { floor?: Floor[]; v4?: boolean; last?: boolean; owed?: bigint; stranger?: boolean } = {},
): Operation<PaymentStage> => ({
    title,
    floor: times(count, ...(how.floor ?? ['Claim'])),
    prepare: async (stage: PaymentStage) => {
        const payee = how.v4 ? stage.payeeV4 : stage.payee;
        const jobs = await openJobs(stage, count, { payout: payee.address.hash });
        return async (): Promise<Ran> => ({
            results: [await claimAll(stage, how.stranger ? await strangerOf(stage) : payee, jobs, how)],
            moves: jobs.flatMap(({ channel }) => endsOf(stage, channel, payee, how)),
        });
    },
});

const strangerOf = ({ market }: PaymentStage) => realWallet(market.blockchain, 'v5', 'stranger');

/** Where a job's money goes when it is claimed. */
function endsOf(
    { market }: PaymentStage,
    channel: { address: Address },
    payee: { address: Address },
    { owed = OWED, last = false }: { owed?: bigint; last?: boolean },
): Move[] {
    const claimed = { from: channel.address, to: payee.address, amount: owed };
    const rest = { from: channel.address, to: market.escrow.address, amount: DEPOSIT - owed };
    return last ? [claimed, rest] : [claimed];
}

/** Payments, each as a chain of transactions. */
export const payments: Operations<PaymentStage> = {
    job: {
        floor: ['Open1', 'Take', 'End', 'Take'],
        title: 'one job: open, claim last, rest home',
        prepare: async (stage) => {
            const { market, payee } = stage;
            const job = market.newJob({ deposit: DEPOSIT, payout: payee.address.hash });
            const order = await market.openOrder([job]);
            const open = await market.jobOf(job, (await market.seqno()) * 4);
            return async () => {
                const opened = await market.carry(order);
                const ended = await claimAll(stage, payee, [{ ...open, result: opened }], { last: true });
                const paid = { from: market.escrow.address, to: payee.address, amount: OWED };
                return { results: [opened, ended], moves: [paid] };
            };
        },
    },
    open: opening(1),
    claim: claiming('part payout by the payee alone', 1),
    claimInBatchOf10: claiming('ten part payouts in one message', 10),
    payerGone: claiming('payer gone, payee takes all', 1, { floor: ['End'], last: true, owed: DEPOSIT }),
    payeeGone: {
        floor: ['Order', 'Leave', 'Order', 'Refund', 'Take'],
        title: 'payee gone, payer takes all: leave, notice, refund',
        prepare: async (stage) => {
            const [{ job, channel }] = await openJobs(stage, 1);
            return async () => {
                const leaving = await orderJob(stage, job, 'leave');
                stage.market.blockchain.now! += job.notice;
                const results = [leaving, await orderJob(stage, job, 'refund')];
                const home = { from: channel.address, to: stage.market.escrow.address, amount: DEPOSIT };
                return { results, moves: [home] };
            };
        },
    },
    openTwo: opening(2),
    openThree: opening(3),
    openFour: opening(4),
    claimByAnyone: claiming('part payout, claimed by a third party', 1, { floor: ['ClaimFor'], stranger: true }),
    claimFromV4: claiming('part payout, wallet v4', 1, { v4: true }),
    claimFourFromV4: claiming('four part payouts in one message, wallet v4', 4, { v4: true }),
    closeOne: claiming('last claim, rest home', 1, { floor: ['End', 'Take'], last: true }),
    closeTen: claiming('ten last claims in one message', 10, { floor: ['End', 'Take'], last: true }),
    closeUnused: claiming('close a job in which nothing is owed', 1, {
        floor: ['Refund', 'Take'],
        last: true,
        owed: 0n,
    }),
    refundAtEnd: {
        floor: ['Order', 'Refund', 'Take'],
        title: 'rest home at the end of the job, spend key',
        prepare: async (stage) => {
            const [{ job, channel }] = await openJobs(stage, 1);
            stage.market.blockchain.now = job.end;
            const moves = [{ from: channel.address, to: stage.market.escrow.address, amount: DEPOSIT }];
            return async () => ({ results: [await orderJob(stage, job, 'refund')], moves });
        },
    },
    refundByAnyone: {
        floor: ['Refund', 'Take'],
        title: 'rest home at the end of the job, anyone',
        prepare: async (stage) => {
            const { market } = stage;
            const [{ job, channel }] = await openJobs(stage, 1);
            market.blockchain.now = job.end;
            const body = bodyOf(opcodes.Refund);
            const value = await channel.getRefundValue();
            const moves = [{ from: channel.address, to: market.escrow.address, amount: DEPOSIT }];
            return async () => ({
                results: [await market.stranger.send({ to: channel.address, value, body })],
                moves,
            });
        },
    },
    leaveByOwner: {
        floor: ['Pass', 'Leave'],
        title: 'leave by the owner',
        prepare: async ({ market }) => {
            const { channel } = await market.openJob();
            const value = await market.escrow.getLeaveJobValue();
            const by = market.owner.getSender();
            return async () => ({
                results: [await market.escrow.sendLeaveJob(by, { value, channel: channel.address })],
            });
        },
    },
    leaveBySpendKey: {
        floor: ['Order', 'Leave'],
        title: 'leave by the spend key',
        prepare: async (stage) => {
            const [{ job }] = await openJobs(stage, 1);
            return async () => ({ results: [await orderJob(stage, job, 'leave')] });
        },
    },
    topUp: {
        floor: ['Take'],
        title: 'give more to a running job',
        prepare: async ({ market }) => {
            const { channel } = await market.openJob();
            const { owner } = market;
            const moves = [{ from: owner.address, to: channel.address, amount: TOP_UP }];
            const topUp = { value: TOP_UP, signed: DEPOSIT };
            return async () => ({ results: [await channel.sendTopUp(owner.getSender(), topUp)], moves });
        },
    },
    deposit: {
        floor: ['Take'],
        title: 'deposit into an escrow',
        prepare: async ({ market: { owner, escrow } }) => {
            const moves = [{ from: owner.address, to: escrow.address, amount: TOP_UP }];
            return async () => ({ results: [await owner.send({ to: escrow.address, value: TOP_UP })], moves });
        },
    },
    withdraw: {
        floor: ['Send'],
        title: 'withdraw from an escrow',
        prepare: async ({ market: { owner, escrow } }) => {
            const value = await escrow.getWithdrawValue();
            const moves = [{ from: escrow.address, to: owner.address, amount: TOP_UP }];
            return async () => ({
                results: [await escrow.sendWithdraw(owner.getSender(), { value, amount: TOP_UP })],
                moves,
            });
        },
    },
    setUp: {
        floor: ['Save'],
        title: 'change spend key and limits',
        prepare: async ({ market }) => {
            const value = await market.escrow.getSetUpValue();
            return async () => ({ results: [await market.setUp({ value, channelCode: null })] });
        },
    },
    openByOwner: {
        floor: ['Deploy', 'Take'],
        title: "open a job from the owner's wallet",
        prepare: async ({ market }) => {
            const { owner, escrow } = market;
            const args = { value: toNano('0.1'), seqno: await market.seqno(), jobs: [market.newJob()] };
            const { channel } = await market.jobOf(args.jobs[0], args.seqno * 4);
            const moves = [
                { from: owner.address, to: escrow.address, amount: args.value },
                { from: escrow.address, to: channel.address, amount: DEPOSIT },
            ];
            return async () => ({ results: [await escrow.sendOpen(owner.getSender(), args)], moves });
        },
    },
};

/** nanoTON in a job's account after its last claim; throws when the account is still there. */
export async function leftAfterJob(stage: PaymentStage): Promise<bigint> {
    const jobs = await openJobs(stage, 1, { payout: stage.payee.address.hash });
    await claimAll(stage, stage.payee, jobs, { last: true });
    const { balance, accountState } = await stage.market.blockchain.getContract(jobs[0].channel.address);
    if (accountState?.type === 'active') {
        throw new Error('The account of an ended job is still there');
    }
    return balance;
}

/** nanoTON of rent that an open job comes to in a year. */
export async function rentOfJob({ market, cast }: PaymentStage): Promise<bigint> {
    const { channel } = await market.openJob();
    return rentOfYear(cast, market.owner, channel);
}
