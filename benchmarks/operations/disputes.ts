/**
 * What reporters, nodes and the committee do about faults: reports, answers to demands, verdicts, and what ends a case.
 */
import { Cell, toNano } from '@ton/core';
import { SandboxContract, SendMessageResult } from '@ton/sandbox';
import { Escrow } from '@cocoon-market/wrappers';
import { Dispute } from '../../wrappers/Dispute';
import { caseOutcomes } from '../../wrappers/faults';
import { registryChanges } from '../../wrappers/Registry';
import { answerRoot, contentHash } from '../../wrappers/signed/answer';
import { CaseMarket, caseMarket, NodeJob, report, REQUEST, slashesIn, votes } from '../../tests/support/cases';
import { PriceLevel } from '../../tests/support/chain';
import { CHANGE_DELAY, committeeOf, DAY, HOUR } from '../../tests/support/stake';
import { Floor } from '../floors';
import { Cast, Move } from '../meter';
import { Operation, Operations } from './operation';

export interface CaseStage {
    market: CaseMarket;
    cast: Cast;
    escrow: SandboxContract<Escrow>; // named in the terms: what a slash pays first goes there
}

const VALUE = toNano('1'); // where no getter names less; what is not used comes back
const RESPONSE = 24 * HOUR; // windows and jail of the rules that the market launches with
const VERDICT = 72 * HOUR;
const JAIL = 7 * DAY;
const TOMBSTONE = 31 * DAY;
const STRIKES = 3;
const PIECES = 4;
const answer = Buffer.alloc(PIECES * 16384, 3); // 64 KB
const PRICE = toNano('0.05'); // what receipts bill, far above what their counts allow
const content = contentHash(REQUEST, answerRoot(answer));

/** A node that has sold to an escrow, and a wallet that shows its faults; the payout answers for the node. */
export async function caseStage(prices: PriceLevel): Promise<CaseStage> {
    const made = await caseMarket({ prices, wallets: 'v5' });
    const { blockchain, registry, provider, node } = made;
    const { governor, owner, operator, payout, stranger, insurance } = made;
    const escrow = blockchain.openContract(await Escrow.ofOwner(operator.address));
    await escrow.sendDeposit(operator.getSender(), { value: VALUE, opens: true });
    const market = { ...made, job: new NodeJob(made, Buffer.alloc(32, 5), escrow.address) };
    const wallets = Object.entries({ governor, owner, operator, payout, reporter: stranger, insurance });
    const contracts = Object.entries({ registry, provider, node, escrow });
    const cast = {
        blockchain,
        wallets: new Map(wallets.map(([name, { address }]) => [address.toRawString(), name])),
        contracts: new Map(contracts.map(([name, { address }]) => [address.toRawString(), name])),
        others: 'dispute',
    };
    return { market, cast, escrow };
}

/** What the slashes of a result paid, and to whom. */
function slashMoves(
    { market: { provider, stranger, insurance }, escrow }: CaseStage,
    result: SendMessageResult,
): Move[] {
    const from = provider.address;
    return slashesIn(result).flatMap(({ amounts }) => [
        { from, to: escrow.address, amount: amounts.victim },
        { from, to: stranger.address, amount: amounts.reward },
        { from, to: insurance.address, amount: amounts.insurance },
    ]);
}

type Case = SandboxContract<Dispute>;
type CaseKind = 'demand' | 'wrong';

const openings: Record<CaseKind, (job: NodeJob, number: number) => Cell> = {
    demand: (job, number) => job.report.demand(job.accept({ number })),
    wrong: (job, number) => job.report.wrong(job.result({ number, index: number, price: PRICE })),
};

const caseOf = ({ market: { job } }: CaseStage, kind: CaseKind, number = 1): Promise<Case> =>
    job.dispute(kind === 'demand' ? 'A3' : 'B1', number);

/** A case that a report of this kind opens, so many seconds ago. */
const opened =
    (kind: CaseKind, wait = 0) =>
    async (stage: CaseStage, number = 1): Promise<Case> => {
        const { market } = stage;
        await report(market, kind, openings[kind](market.job, number));
        market.blockchain.now! += wait;
        return caseOf(stage, kind, number);
    };

/** A report that is decided at once. */
function slashing(
    title: string,
    floor: Floor[],
    kind: 'twice' | 'excess',
    bodyOf: (job: NodeJob) => Cell,
): Operation<CaseStage> {
    return {
        title,
        floor,
        prepare: async (stage) => {
            const body = bodyOf(stage.market.job);
            return async () => {
                const result = await report(stage.market, kind, body);
                return { results: [result], moves: slashMoves(stage, result) };
            };
        },
    };
}

/** A report that opens a case; its bond is no fee. */
function opening(title: string, kind: CaseKind): Operation<CaseStage> {
    return {
        title,
        floor: OPENING,
        prepare: async (stage) => {
            const { market } = stage;
            const [body, dispute] = [openings[kind](market.job, 1), await caseOf(stage, kind)];
            return async () => {
                const results = [await report(market, kind, body)];
                const { bond } = await dispute.getCaseState();
                return { results, moves: [{ from: market.stranger.address, to: dispute.address, amount: bond }] };
            };
        },
    };
}

type Send = (dispute: Case, value: bigint, market: CaseMarket) => Promise<SendMessageResult>;

/** A step of an open case, or several; `value` is what its getter names. */
function step(
    title: string,
    floor: Floor[],
    open: (stage: CaseStage) => Promise<Case>,
    ...sends: Send[]
): Operation<CaseStage> {
    return {
        title,
        floor,
        prepare: async (stage) => {
            const dispute = await open(stage);
            const [value, { bond }] = [await dispute.getCloseValue(), await dispute.getCaseState()];
            return async () => {
                const results: SendMessageResult[] = [];
                for (const send of sends) {
                    results.push(await send(dispute, value, stage.market));
                }
                const moves = results.flatMap((result) => slashMoves(stage, result));
                return { results, moves: bond === 0n ? moves : [...moves, ...(await bondMoves(stage, dispute, bond))] };
            };
        },
    };
}

/** Where the bond went, if it did. */
async function bondMoves({ market }: CaseStage, dispute: Case, bond: bigint): Promise<Move[]> {
    const { bond: remainingBond, outcome } = await dispute.getCaseState();
    const { address: to } = outcome === caseOutcomes.innocent ? market.payout : market.stranger;
    return remainingBond === bond ? [] : [{ from: dispute.address, to, amount: bond }];
}

const piece =
    (index: number): Send =>
    (dispute, value, { job, payout }) =>
        dispute.sendPiece(payout.getSender(), { value, result: job.result({ content }), answer, index });

const decide: Send = (dispute, value, { stranger }) => dispute.sendDecide(stranger.getSender(), { value });

/** A verdict by as many members as it takes, submitted by the reporter. */
const verdict =
    (basisPoints: number): Send =>
    async (dispute, value, { blockchain, stranger }) => {
        const verdict = { basisPoints, validUntil: blockchain.now! + HOUR };
        const file = (await dispute.getFile())!;
        const members = Array.from({ length: file.committee.threshold }, (_, member) => member);
        const signed = votes(file, dispute.address, verdict, members);
        return dispute.sendVerdict(stranger.getSender(), { value, ...verdict, votes: signed });
    };

/** The same under the largest committee, which the provider follows. */
async function openedForNine(stage: CaseStage): Promise<Case> {
    const { registry, provider, governor, owner, blockchain } = stage.market;
    const change = registryChanges.committee(committeeOf(9, 6));
    await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
    blockchain.now! += CHANGE_DELAY;
    await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
    await provider.sendAdopt(owner.getSender(), { value: VALUE });
    return opened('wrong', RESPONSE + 1)(stage);
}

async function closedLongAgo(stage: CaseStage): Promise<Case> {
    const dispute = await opened('demand')(stage);
    const { market } = stage;
    const fail = market.job.fail();
    await dispute.sendFail(market.payout.getSender(), { value: await dispute.getCloseValue(), fail });
    market.blockchain.now! += TOMBSTONE;
    return dispute;
}

/** As many demands as lead to jail, none answered; the last second in jail is over. */
async function jailed(stage: CaseStage): Promise<void> {
    const { market } = stage;
    const cases: Case[] = [];
    for (let number = 1; number <= STRIKES; number++) {
        cases.push(await opened('demand')(stage, number));
    }
    market.blockchain.now! += RESPONSE + 1;
    for (const dispute of cases) {
        await decide(dispute, await dispute.getCloseValue(), market);
    }
    market.blockchain.now! += JAIL;
}

const OPENING: Floor[] = ['Claim', 'Deploy', 'Save']; // Node, Provider, Dispute
const SLASHING: Floor[] = ['Send', 'Save', 'Tell', 'Take']; // Provider, Node, Provider, escrow
const RELEASING: Floor[] = ['Send', 'Save', 'Save']; // Provider, Node, Provider
const ANSWERING: Floor[] = ['Claim', ...RELEASING]; // from the Dispute

export const disputes: Operations<CaseStage> = {
    reportTwice: slashing('A1: two receipts, slash', [...OPENING, ...SLASHING], 'twice', (job) =>
        job.report.twice(job.result({ price: PRICE }), job.result({ price: PRICE, number: 2 })),
    ),
    reportExcess: slashing('A2: an excess, slash', [...OPENING, ...SLASHING], 'excess', (job) =>
        job.report.excess(job.result({ price: PRICE })),
    ),
    demandAnswer: opening('A3: demand an answer', 'demand'),
    postPiece: step('A3: post the first piece of 16 KB', ['Claim'], opened('demand'), piece(0)),
    postPieces: step(
        'A3: post 64 KB in four pieces, answered',
        ['Claim', 'Claim', 'Claim', ...ANSWERING],
        opened('demand'),
        ...[0, 1, 2, 3].map(piece),
    ),
    postFail: step('A3: post a fail, answered', ANSWERING, opened('demand'), (dispute, value, { job, payout }) =>
        dispute.sendFail(payout.getSender(), { value, fail: job.fail() }),
    ),
    postVoucher: step('A3: post a voucher, answered', ANSWERING, opened('demand'), (dispute, value, { job, payout }) =>
        dispute.sendVoucher(payout.getSender(), { value, result: job.result(), voucher: job.voucher(1) }),
    ),
    decideDemand: step('A3: no answer, slash', ['Save', ...SLASHING], opened('demand', RESPONSE + 1), decide),
    reportWrong: opening('B1: ask the committee', 'wrong'),
    stateCase: step("B1: name the owner's statement", ['Save'], opened('wrong'), (dispute, value, { owner }) =>
        dispute.sendStatement(owner.getSender(), { value, statement: Buffer.alloc(32, 1) }),
    ),
    convict: step('B1: verdict of 2 of 3, slash', ['Claim', ...SLASHING], opened('wrong', RESPONSE + 1), verdict(500)),
    convictBySix: step('B1: verdict of 6 of 9, slash', ['Claim', ...SLASHING], openedForNine, verdict(500)),
    acquit: step('B1: verdict of 2 of 3, acquitted', ANSWERING, opened('wrong', RESPONSE + 1), verdict(0)),
    decideDraw: step('B1: no verdict, a draw', ['Save', ...RELEASING], opened('wrong', RESPONSE + VERDICT + 1), decide),
    clearCase: step('end the account of a case', ['Send'], closedLongAgo, (dispute, value, { stranger }) =>
        dispute.sendClear(stranger.getSender(), { value }),
    ),
    unjail: {
        floor: ['Save'],
        title: 'leave jail',
        prepare: async (stage) => {
            await jailed(stage);
            const { provider, owner } = stage.market;
            return async () => ({ results: [await provider.sendUnjail(owner.getSender(), { value: VALUE })] });
        },
    },
};
