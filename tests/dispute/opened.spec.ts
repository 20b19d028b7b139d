/** What a Provider says of the cases that it opens, for those who answer them. */
import { beginCell, Cell, toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';

import {
    CaseOpened,
    Dispute,
    faultClasses,
    libraryOf,
    opcodes,
    readCaseOpened,
    readReport,
    UNREADABLE,
} from '@cocoon-market/wrappers';
import { caseMarket, NETWORK, NodeJob, report, REQUEST, useCases } from '../support/cases';
import { DAY, HOUR } from '../support/stake';

const RESPONSE = 24 * HOUR;
const market = useCases(() => caseMarket());

/** The cases that an action opened, as the Provider says, and nothing unreadable. */
function openedIn(result: SendMessageResult): CaseOpened[] {
    return result.externals.flatMap(({ body, info: { src } }) => {
        const opened = readCaseOpened(body);
        expect(opened).not.toBe(UNREADABLE);
        expect(src.equals(market().provider.address)).toBe(true);
        return opened === undefined || opened === UNREADABLE ? [] : [opened];
    });
}

const standing = () => market().provider.getStanding();
const ceiling = toNano('0.05');
const demandOf = (job: NodeJob, number = 1) => job.report.demand(job.accept({ number, ceiling }));
const twiceOf = (job: NodeJob) => job.report.twice(job.result(), job.result({ price: 1n }));
const excessOf = (job: NodeJob) => job.report.excess(job.result({ price: toNano('1') }));

describe('A case that is opened', () => {
    it.each([
        ['A3', 'demand', demandOf],
        ['B1', 'wrong', (job: NodeJob) => job.report.wrong(job.result())],
    ] as const)('of %s is told with all that finds and answers it', async (faultClass, kind, body) => {
        const { job, blockchain } = market();

        const [opened, ...more] = openedIn(await report(market(), kind, body(job)));

        const dispute = await job.dispute(faultClass);
        const [{ bond, answerBy, query }, file] = [await dispute.getCaseState(), (await dispute.getFile())!];
        expect(more).toEqual([]);
        expect(opened).toEqual({
            ...{ serial: 1, class: faultClass, node: 0, job: job.hash, query: Number(query), bond },
            ...{ dispute: expect.anything(), answerBy: Number(answerBy), date: file.date, amount: file.amount },
        });
        expect(opened.dispute.equals(dispute.address)).toBe(true);
        expect(opened.answerBy).toBe(blockchain.now! + RESPONSE);
    });

    it.each([
        ['A1', 'twice', twiceOf],
        ['A2', 'excess', excessOf],
    ] as const)(
        'of %s is told without a time to answer, and counts as open no longer',
        async (faultClass, kind, body) => {
            const { job } = market();

            const [opened] = openedIn(await report(market(), kind, body(job)));

            expect(opened).toMatchObject({ serial: 1, class: faultClass, answerBy: 0, bond: 0n });
            const { address } = await Dispute.ofFault(market().provider.address, { ...opened });
            expect(opened.dispute.equals(address)).toBe(true);
            expect(await standing()).toMatchObject({ cases: 0n, opened: 1n });
        },
    );

    it('shows its provider, class and job, and no outcome before one is decided', async () => {
        const { job, provider } = market();
        await report(market(), 'demand', demandOf(job));

        const shown = await (await job.dispute('A3')).getCaseState();
        expect(shown.provider.equals(provider.address)).toBe(true);
        expect(shown).toMatchObject({
            ...{ faultClass: BigInt(faultClasses.A3.number), job: BigInt(`0x${job.hash.toString('hex')}`) },
            ...{ outcome: -1n, slash: 0n, result: 0n },
        });
    });

    it('is told again with the next serial when a second report finds it, and counts as one', async () => {
        const { job } = market();
        const [first] = openedIn(await report(market(), 'demand', demandOf(job)));

        const [second] = openedIn(await report(market(), 'demand', demandOf(job)));

        expect(second.serial).toBe(first.serial + 1);
        expect(second.dispute.equals(first.dispute)).toBe(true);
        expect(await standing()).toMatchObject({ cases: 1n, opened: 2n });
    });

    it('counts until it ends, whichever way, and its serial is never used again', async () => {
        const { job, blockchain, stranger } = market();
        const serials: number[] = [];
        const open: Awaited<ReturnType<NodeJob['dispute']>>[] = [];
        for (const number of [1, 2, 3]) {
            serials.push(openedIn(await report(market(), 'demand', demandOf(job, number)))[0].serial);
            open.push(await job.dispute('A3', number));
        }
        expect(serials).toEqual([1, 2, 3]);
        expect(await standing()).toMatchObject({ cases: 3n, opened: 3n });
        const value = await open[0].getCloseValue();

        await open[0].sendFail(stranger.getSender(), { value, fail: job.fail({ request: REQUEST }) });
        expect(await standing()).toMatchObject({ cases: 2n, opened: 3n });
        blockchain.now! += DAY + 1;
        await open[1].sendDecide(stranger.getSender(), { value });
        await open[2].sendDecide(stranger.getSender(), { value });

        expect(await standing()).toMatchObject({ cases: 0n, opened: 3n, frozen: 0n });
    });

    it('is not told where the provider opens none: for another code', async () => {
        const { job, codes } = market();
        const other = new NodeJob({ ...market(), codes: { ...codes, dispute: codes.node } }, job.channel, job.escrow);

        expect(openedIn(await report(market(), 'demand', demandOf(other)))).toEqual([]);
        expect(await standing()).toMatchObject({ cases: 0n, opened: 0n });
    });
});

describe('What strangers wrote', () => {
    const bodies: [string, Cell][] = [
        ['is cut short', beginCell().storeUint(1, 7).endCell()],
        ['is a library cell', libraryOf(beginCell().storeUint(opcodes.CaseOpened, 32).endCell()).cell],
    ];

    it.each(bodies)('that %s is of no concern, and never throws', (_, body) => {
        expect(readCaseOpened(body)).toBeUndefined();
        expect(readReport(body, NETWORK)).toBeUndefined();
    });

    it('under the name of a case is unreadable unless it is one, and never throws', () => {
        const named = beginCell().storeUint(opcodes.CaseOpened, 32);

        expect(readCaseOpened(named.endCell())).toBe(UNREADABLE);
        expect(readCaseOpened(named.storeUint(1, 32).storeUint(9, 8).storeUint(0, 768).endCell())).toBe(UNREADABLE);
    });

    it.each(['DemandAnswer', 'ReportWrong'] as const)(
        'as %s is unreadable with any cell cut or swapped, and never throws',
        (name) => {
            const { job } = market();
            const whole = name === 'DemandAnswer' ? demandOf(job) : job.report.wrong(job.result());
            expect(readReport(whole, NETWORK)).toMatchObject({ query: 1 });
            const head = beginCell().storeBits(whole.bits);
            const swaps = [Cell.EMPTY, libraryOf(whole).cell, beginCell().storeUint(0, 512).endCell()];

            expect(readReport(beginCell().storeUint(opcodes[name], 32).endCell(), NETWORK)).toBe(UNREADABLE);
            expect(readReport(head.endCell(), NETWORK)).toBe(UNREADABLE);
            for (const at of [0, 1]) {
                for (const swap of swaps) {
                    const refs = whole.refs.map((ref, place) => (place === at ? swap : ref));
                    const body = refs.reduce(
                        (builder, ref) => builder.storeRef(ref),
                        beginCell().storeBits(whole.bits),
                    );
                    expect(readReport(body.endCell(), NETWORK)).toBe(UNREADABLE);
                }
            }
        },
    );
});
