// Longer than 350 lines because its cases share one set-up.
/** What faults and cases cost: gas and sizes at the worst there is, and values at every price level. */
import { Address, beginCell, Cell, openContract, toNano } from '@ton/core';
import { BlockchainTransaction, SendMessageResult } from '@ton/sandbox';

import { Evidence, prepareReport } from '../../wrappers/actions/disputes';
import { SigningKey } from '../../wrappers/keys';
import { nodeChanges } from '../../wrappers/Node';
import { evidenceCell } from '../../wrappers/evidence';
import { computeFee, pricesOf, sizeOf, storageFee, YEAR } from '../../wrappers/prices';
import { gas } from '../../wrappers/protocol';
import { registryChanges } from '../../wrappers/Registry';
import { Accept } from '../../wrappers/signed/payloads';
import { answerRoot, contentHash, pieceCell } from '../../wrappers/signed/answer';
import { cellHash } from '../../wrappers/signed/layout';
import {
    CaseMarket,
    caseMarket,
    NETWORK,
    NodeJob,
    report,
    REQUEST,
    slashesIn,
    useCases,
    votes,
} from '../support/cases';
import { exitCodeOf, expectConserved, feesOf, gasOf, PriceLevel, transactionsOn } from '../support/chain';
import { rentOf } from '../support/market';
import {
    CHANGE_DELAY,
    changeNode,
    committeeOf,
    countVersions,
    DAY,
    expectSolvent,
    HOUR,
    keyOf,
    maxListing,
    pairOf,
    RATE,
} from '../support/stake';

const VALUE = toNano('3');
const REPORT_GAP = 300; // seconds, docs/contracts/dispute.md
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const answer = Buffer.alloc(4 * 16384, 3);
const content = contentHash(REQUEST, answerRoot(answer));

/** Ceiling of each message's gas, by its opcode. */
const ceilings: Record<number, [name: string, ceiling: number]> = {
    0xc0c00306: ['ReportTwice', gas.GasReportTwice],
    0xc0c00307: ['ReportExcess', gas.GasReportExcess],
    0xc0c00308: ['DemandAnswer', gas.GasDemandAnswer],
    0xc0c00309: ['ReportWrong', gas.GasReportWrong],
    0xc0c00331: ['SlashShare', gas.GasSlashShare],
    0xc0c00332: ['ReleaseShare', gas.GasSlashShare],
    0xc0c00222: ['FaultFound', gas.GasFaultFound],
    0xc0c00223: ['CaseClosed', gas.GasCaseClosed],
    0xc0c00224: ['ShareSlashed', gas.GasShareSlashed],
    0xc0c00225: ['ShareReleased', gas.GasShareSlashed],
    0xc0c00601: ['OpenCase', gas.GasOpenCase],
    0xc0c00602: ['PostPiece', gas.GasPostPiece],
    0xc0c00603: ['PostFail', gas.GasCloseCase],
    0xc0c00604: ['PostVoucher', gas.GasCloseCase],
    0xc0c00606: ['SubmitVerdict', gas.GasCloseCase],
    0xc0c00607: ['DecideCase', gas.GasCloseCase],
};

/** OpenCase of a case that exists, for which no account is deployed. */
const REPEATED: [name: string, ceiling: number] = ['OpenCase of a case that exists', gas.GasLargerLoss];

function ceilingOf(tx: BlockchainTransaction) {
    const ceiling = ceilings[opcodeOf(tx) ?? 0];
    return ceiling?.[0] === 'OpenCase' && tx.oldStatus === 'active' ? REPEATED : ceiling;
}

function opcodeOf({ inMessage }: BlockchainTransaction): number | undefined {
    const body = inMessage!.body.beginParse();
    return inMessage!.info.type === 'internal' && body.remainingBits >= 32 ? body.preloadUint(32) : undefined;
}

/**
 * All that there can be at once: nine members, eight node codes with shares, four slots, four ended keys, the largest
 * listing.
 */
async function worstMarket(prices?: PriceLevel): Promise<CaseMarket> {
    const market = await caseMarket({ ...(prices === undefined ? {} : { prices }), listing: maxListing });
    const { blockchain, registry, governor, provider, owner } = market;
    const change = async (what: Cell) => {
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change: what });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
    };
    await change(registryChanges.committee(committeeOf(9, 9)));
    for (let version = 1; version < 8; version++) {
        await change(registryChanges.code('node', beginCell().storeUint(version, 8).endCell()));
    }
    await provider.sendAdopt(owner.getSender(), { value: VALUE });
    await countVersions(market);
    for (const name of ['second', 'third', 'fourth']) {
        const keys = { receiptKey: keyOf(name), encryptionKey: 3n, oldEndsAt: blockchain.now! + 60 * DAY };
        await changeNode(market, nodeChanges.keys(keys));
    }
    for (let slot = 0; slot < 4; slot++) {
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('0.1') });
    }
    return { ...market, job: jobOf(market, pairOf('fourth')) };
}

/** A job that was agreed on with one of the node's keys. */
function jobOf(market: CaseMarket, receiptKey: SigningKey, step = toNano('0.1')): NodeJob {
    const job = new NodeJob(market, Buffer.alloc(32, 6), market.victim.address, {
        receiptKey: receiptKey.publicKey,
        step,
        maxAnswer: 0xffffffff,
    });
    return Object.assign(job, { receiptKey });
}

/** Ends the current key, so that it is in the last slot and none is current. */
async function endLast(market: CaseMarket): Promise<void> {
    await changeNode(market, nodeChanges.endKey(keyOf('fourth')));
    expect((await market.node.getEndedKey(3n)).key).toBe(keyOf('fourth'));
}

/** A current key whose end takes the last slot, so that a key with an open case is forgotten. */
async function forgetting(market: CaseMarket): Promise<CaseMarket> {
    const { blockchain, job, node } = market;
    await endLast(market);
    const { endsAt, freeAt } = await node.getEndedKey(3n);
    blockchain.now = Number(freeAt) - HOUR;
    await report(market, 'demand', job.report.demand(job.accept({ deadline: Number(endsAt) + DAY })));
    blockchain.now = Number(freeAt);
    const keys = { receiptKey: keyOf('fifth'), encryptionKey: 3n, oldEndsAt: blockchain.now };
    await changeNode(market, nodeChanges.keys(keys));
    return { ...market, job: jobOf(market, pairOf('fifth')) };
}

/** What runs from one report to its end, by the names of its ways; each returns the results of its messages. */
const ways: Record<string, (market: CaseMarket) => Promise<SendMessageResult[]>> = {
    ReportTwice: async (market) => [
        await report(market, 'twice', market.job.report.twice(market.job.result(), market.job.result({ number: 2 }))),
    ],
    ReportExcess: async (market) => [await report(market, 'excess', excessOf(market.job))],
    'ReportExcess of a fault that was shown before': async (market) => [
        await report(market, 'excess', excessOf(market.job)),
        await report(market, 'excess', excessOf(market.job)),
    ],
    'a larger loss of a fault that was shown before': async ({ blockchain, ...market }) => {
        const { job } = market;
        const finishedAt = blockchain.now!;
        const twice = (price: bigint) =>
            job.report.twice(job.result({ price, finishedAt }), job.result({ number: 2, price, finishedAt }));
        const first = await report({ blockchain, ...market }, 'twice', twice(300n));
        blockchain.now! += REPORT_GAP;
        return [first, await report({ blockchain, ...market }, 'twice', twice(toNano('1000')))];
    },
    'a demand answered with four pieces': async (market) => {
        const { asked, post } = await demanded(market);
        return [asked, ...(await inTurn([0, 1, 2, 3], post.piece))];
    },
    'a demand answered with a fail': async (market) => {
        const { asked, post } = await demanded(market);
        return [asked, await post.fail()];
    },
    'a demand answered with a voucher': async (market) => {
        const { asked, post } = await demanded(market);
        return [asked, await post.voucher()];
    },
    'a demand that nobody answers': async (market) => {
        const { asked, decide } = await demanded(market);
        market.blockchain.now! += 25 * HOUR;
        return [asked, await decide()];
    },
    'a demand of the whole share that nobody answers': async (market) => {
        const whole = jobOf(market, market.job.receiptKey, 2n * RATE);
        const { asked, decide } = await demanded({ ...market, job: whole }, { ceiling: 2n * RATE });
        market.blockchain.now! += 25 * HOUR;
        return [asked, await decide()];
    },
    'a verdict, and a second': async (market) => [...(await judged(market, 1)), ...(await judged(market, 2))],
    'a case without a verdict': async (market) => {
        const { job, blockchain } = market;
        const asked = await report(market, 'wrong', job.report.wrong(job.result()));
        const dispute = await job.dispute('B1');
        blockchain.now! += 97 * HOUR;
        const value = await dispute.getCloseValue();
        const decide = () => dispute.sendDecide(market.stranger.getSender(), { value });
        return [asked, await expectConserved(blockchain, decide)];
    },
};

/** A result that bills a TON too much, shown by the result before it. */
function excessOf(job: NodeJob): Cell {
    const before = job.result();
    return job.report.excess(job.result({ number: 2, index: 2, cumulative: toNano('1') }), before);
}

async function inTurn<T, R>(values: T[], act: (value: T) => Promise<R>): Promise<R[]> {
    const results: R[] = [];
    for (const value of values) {
        results.push(await act(value));
    }
    return results;
}

async function demanded(market: CaseMarket, overrides: Partial<Accept> = {}) {
    const { blockchain, job, stranger } = market;
    const asked = await report(market, 'demand', job.report.demand(job.accept(overrides)));
    const dispute = await job.dispute('A3');
    const value = await dispute.getCloseValue();
    const via = stranger.getSender();
    const conserved = (action: () => Promise<SendMessageResult>) => expectConserved(blockchain, action);
    const result = job.result({ content });
    return {
        asked,
        decide: () => conserved(() => dispute.sendDecide(via, { value })),
        post: {
            piece: (index: number) => conserved(() => dispute.sendPiece(via, { value, answer, index, result })),
            fail: () => conserved(() => dispute.sendFail(via, { value, fail: job.fail() })),
            voucher: () => conserved(() => dispute.sendVoucher(via, { value, result, voucher: job.voucher(1) })),
        },
    };
}

async function judged(market: CaseMarket, number: number): Promise<SendMessageResult[]> {
    const { blockchain, job, owner, stranger } = market;
    const asked = await report(market, 'wrong', job.report.wrong(job.result({ number, index: number })));
    const dispute = await job.dispute('B1', number);
    await dispute.sendStatement(owner.getSender(), { value: VALUE, statement: Buffer.alloc(32, 1) });
    const verdict = { basisPoints: 500, validUntil: blockchain.now! + HOUR };
    const signed = votes((await dispute.getFile())!, dispute.address, verdict, ALL);
    const value = await dispute.getCloseValue();
    const submit = () => dispute.sendVerdict(stranger.getSender(), { value, ...verdict, votes: signed });
    return [asked, await expectConserved(blockchain, submit)];
}

/** Every transaction of the suite's messages ran to its end; what is kept below a ceiling is returned by its name. */
function gasBelow(results: SendMessageResult[]): Map<string, number> {
    const used = new Map<string, number>();
    for (const tx of results.flatMap(({ transactions }) => transactions)) {
        const [name, ceiling] = ceilingOf(tx) ?? [];
        if (name !== undefined) {
            expect([name, exitCodeOf(tx)]).toEqual([name, 0]);
            const amount = Number(gasOf([tx]));
            expect([name, amount]).toEqual([name, Math.min(amount, ceiling)]);
            used.set(name, Math.max(amount, used.get(name) ?? 0));
        }
    }
    return used;
}

describe('Gas ceilings of faults and cases', () => {
    const market = useCases(() => worstMarket());
    const max = new Map<string, number>();
    const note = (results: SendMessageResult[]) => {
        gasBelow(results).forEach((used, name) => max.set(name, Math.max(used, max.get(name) ?? 0)));
    };

    it.each(Object.keys(ways))('hold for %s, by a key in the last slot', async (name) => {
        await endLast(market());

        note(await ways[name](market()));
    });

    it.each(['ReportTwice', 'a verdict, and a second', 'a demand of the whole share that nobody answers'])(
        'hold for %s, by the current key',
        async (name) => {
            note(await ways[name](market()));
        },
    );

    it.each(['ReportTwice', 'a demand of the whole share that nobody answers'])(
        'hold for %s, by a current key that ends in the slot of a key with an open case',
        async (name) => {
            const later = await forgetting(market());

            note(await ways[name](later));

            expect(await later.node.getEndedKey(3n)).toMatchObject({ key: keyOf('fifth') });
        },
    );

    it('hold for a piece of the largest answer', async () => {
        await endLast(market());
        const { job, stranger } = market();
        const piece = Buffer.alloc(16384, 5);
        const beside = Array.from({ length: 18 }, (_, level) => Buffer.alloc(32, level));
        const top = beside.reduce((hash, other) => branch(other, hash), pieceCell(piece).hash());
        const root = cellHash(Buffer.concat([Buffer.from('c0c0fe02ffffffff', 'hex'), top]));
        const result = job.result({ content: contentHash(REQUEST, root) });
        await report(market(), 'demand', job.report.demand(job.accept(), 2 ** 18 - 1));
        const dispute = await job.dispute('A3');

        const head = beginCell()
            .storeUint(0xc0c00602, 32)
            .storeUint(0, 64)
            .storeUint(0xffffffff, 32)
            .storeUint(2 ** 18 - 1, 32);
        const body = head.storeRef(evidenceCell(result)).storeMaybeRef(proofOf(beside)).storeMaybeRef(pieceCell(piece));

        note([
            await stranger.send({
                to: dispute.address,
                value: await dispute.getCloseValue(),
                body: body.endCell(),
            }),
        ]);
        expect((await dispute.getCaseState()).outcome).toBe(0n);
    });

    it('are no more than an eighth above what was measured', () => {
        const wide = [...Object.values(ceilings), REPEATED].filter(
            ([, ceiling]) => ![...max.values()].some((used) => used * 1.125 >= ceiling),
        );

        expect(wide).toEqual([]);
    });
});

function branch(left: Buffer, right: Buffer): Buffer {
    return cellHash(Buffer.concat([Buffer.from('c0c0fe01', 'hex'), left, right]));
}

function proofOf(beside: Buffer[]): Cell {
    const builder = beginCell().storeBuffer(Buffer.concat(beside.slice(0, 3)));
    return (beside.length > 3 ? builder.storeRef(proofOf(beside.slice(3))) : builder).endCell();
}

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s', (prices) => {
    const market = useCases(() => worstMarket(prices));

    it.each(Object.keys(ways))('what the getters name is enough for %s', async (name) => {
        gasBelow(await ways[name](market()));
        await expectSolvent(market());
        expect((await market().provider.getStanding()).frozen).toBe(0n);
    });

    it('a report of a case that exists takes less gas more than the rent that it need not leave', async () => {
        const { blockchain, job } = market();
        await ways.ReportExcess(market());
        const { balance: left } = await blockchain.getContract((await job.dispute('A2', 2)).address);

        const { basechain } = pricesOf(blockchain.config);
        const more = computeFee(basechain, gas.GasLargerLoss) - computeFee(basechain, gas.GasOpenCase);
        expect(more).toBeLessThan(left);
    });

    it('reserves are a year of the largest accounts, and no more than an eighth above', async () => {
        const { blockchain, provider, node } = market();
        const { basechain } = pricesOf(blockchain.config);
        const rentOf = async (address: Address) => {
            const { accountState } = await blockchain.getContract(address);
            const { code, data } = (accountState as { state: { code: Cell; data: Cell } }).state;
            return storageFee(basechain, sizeOf(beginCell().storeRef(code).storeRef(data).endCell()), YEAR);
        };
        await ways['a verdict, and a second'](market());

        for (const [address, reserve] of [
            [provider.address, (await provider.getProviderState()).reserve],
            [node.address, (await node.getNodeState()).reserve],
        ] as const) {
            const rent = await rentOf(address);
            expect(reserve).toBeGreaterThanOrEqual(rent);
            expect(reserve).toBeLessThanOrEqual((rent * 9n) / 8n);
        }
        const dispute = await market().job.dispute('B1', 1);
        const { balance } = await blockchain.getContract(dispute.address);
        const rent = ((await rentOf(dispute.address)) * 45n * 86_400n) / BigInt(YEAR);
        expect(balance).toBeGreaterThanOrEqual(rent);
        expect(balance).toBeLessThanOrEqual((rent * 9n) / 8n);
    });
});

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('With the wallets of people, at the prices of %s', (prices) => {
    const evidence: Record<string, (job: NodeJob, price: bigint) => Evidence> = {
        ReportTwice: (job, price) => {
            const [first, second] = [1, 2].map((number) => job.result({ number, price }));
            return { class: 'A1', ...job, first, second };
        },
        ReportExcess: (job, price) => ({ class: 'A2', ...job, result: job.result({ price }) }),
    };
    const names = Object.keys(evidence);
    const show = async ({ blockchain, job, node, stranger }: CaseMarket, name: string, price: bigint) => {
        const chain: Parameters<typeof prepareReport>[0] = {
            open: (contract) => openContract(contract, ({ address, init }) => blockchain.provider(address, init)),
        };
        const { value, body } = await prepareReport(chain, NETWORK, evidence[name](job, price));
        return expectConserved(blockchain, () => node.sendReport(stranger.getSender(), { value, report: body }));
    };
    const SMALL = 301n; // nanoTON billed; the victim's loss leaves the reporter his part
    const LARGE = toNano('1000'); // the victim takes the whole half

    const smallest = useCases(async () => {
        const { minSlash: least } = await (await caseMarket({ prices })).node.getReportValues(0n, 0n);
        await expect(caseMarket({ prices, rates: [least - 1n], gpus: 1 })).rejects.toThrow();
        const market = await caseMarket({ prices, wallets: 'v5', rates: [least], gpus: 1 });
        expect((await market.node.getNodeState()).share).toBe(least);
        return market;
    });

    it.each(names)('%s earns its reporter more than it costs at the smallest share', async (name) => {
        const { stranger } = smallest();
        const before = await stranger.getBalance();

        const sent = await show(smallest(), name, SMALL);

        expect(slashesIn(sent)).toHaveLength(1);
        expect(await stranger.getBalance()).toBeGreaterThan(before);
    });

    it.each(names)('%s does so where its reporter brings all the rent that the node lacks', async (name) => {
        const { blockchain, node, stranger } = smallest();
        blockchain.now! += 420 * DAY;
        const before = await stranger.getBalance();

        const sent = await show(smallest(), name, SMALL);

        expect(rentOf(transactionsOn(sent, node.address)[0])).toBeGreaterThan(0n);
        expect(slashesIn(sent)).toHaveLength(1);
        expect(await stranger.getBalance()).toBeGreaterThan(before);
    });

    it.each(names)('%s earns reporter and victim together three times its fees, whatever was lost', async (name) => {
        const { stranger, victim } = smallest();
        const both = async () => (await stranger.getBalance()) + (await victim.getBalance());
        const before = await both();

        const sent = await show(smallest(), name, LARGE);

        const [{ amounts }] = slashesIn(sent);
        expect(amounts).toMatchObject({ victim: amounts.amount / 2n, reward: 0n });
        expect(amounts.victim).toBeGreaterThanOrEqual(3n * feesOf(sent.transactions));
        expect((await both()) - before).toBeGreaterThanOrEqual(2n * feesOf(sent.transactions));
    });

    it('the bond of a demand pays for posting 64 KB in four pieces', async () => {
        const market = await caseMarket({ prices, wallets: 'v5' });
        const { job, payout } = market;
        await report(market, 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        const { bond } = await dispute.getCaseState();
        const before = await payout.getBalance();

        const value = await dispute.getCloseValue();
        await inTurn([0, 1, 2, 3], (index) =>
            dispute.sendPiece(payout.getSender(), { value, answer, index, result: job.result({ content }) }),
        );

        expect((await dispute.getCaseState()).outcome).toBe(0n);
        expect(await payout.getBalance()).toBeLessThanOrEqual(before);
        expect(await payout.getBalance()).toBeGreaterThan(before - bond / 20n);
    });
});
