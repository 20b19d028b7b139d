/** The Dispute in each state of its table. */
import { Dispute, evidenceCell, pieceCell, pieceOf, proofCell, votesCell } from '@cocoon-market/wrappers';
import { Address, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { cellOf } from '@cocoon-market/wrappers/signed/layout';
import { report, votes } from '../support/cases';
import { bodyWith } from '../support/schema';
import { DAY, HOUR } from '../support/stake';
import { withDisputes } from './cast';
import { demand, messages, Play, play, RESPONSE, VALUE } from './play';
import { Bodies, bouncedBody, Scene, scene, Scenes } from './scene';

const VERDICT = 72 * HOUR;
const ANSWER = Buffer.from('answer'); // of the results of NodeJob
const FAR = 0xffffffff; // unix seconds

async function disputeScene(played: Play, faultClass: 'A3' | 'B1', value = VALUE): Promise<Scene> {
    const { market, cast, job } = played;
    const accounts = await withDisputes(cast, faultClass, job.hash);
    const [result, signed] = [job.result(), job.voucher(1)];
    const ofCase = await messages();
    const closed = (outcome: bigint) => bodyWith('CaseClosed', { outcome, excessTo: accounts.reporter! });
    const bodies: Bodies = {
        OpenCase: ofCase.OpenCase,
        PostPiece: bodyWith('PostPiece', {
            length: BigInt(ANSWER.length),
            result: evidenceCell(result),
            proof: proofCell(ANSWER, 0),
            piece: pieceCell(pieceOf(ANSWER, 0)),
        }),
        PostFail: bodyWith('PostFail', { fail: evidenceCell(job.fail()) }),
        PostVoucher: bodyWith('PostVoucher', {
            ...{ cumulative: signed.cumulative, count: BigInt(signed.count) },
            ...{ signature: cellOf(signed.signature), result: evidenceCell(result) },
        }),
        StateCase: bodyWith('StateCase', { statement: 1n }),
        SubmitVerdict: await acquittal(played, accounts.Dispute!, faultClass),
        DecideCase: bodyWith('DecideCase'),
        ClearCase: bodyWith('ClearCase'),
        'CaseClosed: the end': closed(0n),
        'CaseClosed: duplicate': closed(3n),
    };
    return scene({ blockchain: market.blockchain, account: accounts.Dispute!, accounts, bodies, value });
}

/** The committee's acquittal; of a case that is no B1 nobody needs the right signatures. */
async function acquittal({ market }: Play, address: Address, faultClass: 'A3' | 'B1'): Promise<Cell> {
    const verdict = { basisPoints: 0, validUntil: FAR };
    const file = faultClass === 'B1' ? await market.blockchain.openContract(new Dispute(address)).getFile() : undefined;
    const signed =
        file === undefined ? [{ member: 0, signature: Buffer.alloc(64) }] : votes(file, address, verdict, [0, 1]);
    return bodyWith('SubmitVerdict', { validUntil: BigInt(FAR), votes: votesCell(signed) });
}

const demanded = async (prepare: (played: Play) => Promise<void>, value?: bigint): Promise<Scene> => {
    const played = await play();
    await demand(played);
    const before = await disputeScene(played, 'A3', value); // receipts of the moment of the demand
    await prepare(played);
    return before;
};

const judged = async (prepare: (played: Play) => Promise<void>): Promise<Scene> => {
    const played = await play();
    const { market, cast, job } = played;
    await report(market, 'wrong', job.report.wrong(job.result()), { by: cast.wallets.reporter });
    const before = await disputeScene(played, 'B1');
    await prepare(played);
    return before;
};

const wait =
    (seconds: number) =>
    async ({ market }: Play) => {
        market.blockchain.now! += seconds;
    };

async function answer({ cast, job }: Play): Promise<void> {
    const dispute = await job.dispute('A3');
    const via = cast.wallets.reporter.getSender();
    await dispute.sendVoucher(via, { value: VALUE, result: job.result(), voucher: job.voucher(1) });
}

export const disputeScenes: Scenes = {
    new: async () => {
        const played = await play();
        const { init, address } = await Dispute.ofFault(played.market.provider.address, {
            ...{ class: 'A3', job: played.job.hash, query: 1 },
        });
        await played.market.stranger.send({ to: address, value: toNano('1'), init, bounce: false });
        return disputeScene(played, 'A3');
    },
    demand: () => demanded(async () => {}),
    'low value': () => demanded(async () => {}, toNano('0.05')),
    unanswered: () => demanded(wait(RESPONSE + 1)),
    asked: () => judged(async () => {}),
    stated: () =>
        judged(async ({ market, job }) => {
            const dispute = await job.dispute('B1');
            const statement = { value: VALUE, statement: Buffer.alloc(32, 1) };
            await dispute.sendStatement(market.owner.getSender(), statement);
        }),
    judging: () => judged(wait(RESPONSE + 1)),
    late: () => judged(wait(RESPONSE + VERDICT + 1)),
    closed: () => demanded(answer),
    stuck: () =>
        demanded(async (played) => {
            await answer(played);
            const { address } = await played.job.dispute('A3');
            const body = bouncedBody(bodyWith('CaseClosed', { excessTo: played.cast.accounts.reporter! }));
            const { market } = played;
            const message = { from: market.provider.address, to: address, value: VALUE, body, bounced: true };
            await market.blockchain.sendMessage(internal({ ...message, bounce: false }));
        }),
    clearable: () =>
        demanded(async (played) => {
            await answer(played);
            await wait(31 * DAY)(played);
        }),
};
