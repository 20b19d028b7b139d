// Longer than 350 lines because its cases share one set-up.
/** B1: cases for the committee. */
import { beginCell, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { errors } from '@cocoon-market/wrappers';
import { Vote, votesCell } from '../../wrappers/evidence';
import { registryChanges } from '../../wrappers/Registry';
import {
    aside,
    caseMarket,
    expectRejected,
    expectSlashed,
    expectNoSlash,
    partsOf,
    report,
    slashesIn,
    useCases,
    votes,
} from '../support/cases';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { valueSent } from '../support/market';
import { CHANGE_DELAY, committeeOf, DAY, expectSolvent, HOUR, RATE, STAKE } from '../support/stake';

const SHARE = 2n * RATE;
const RESPONSE = 24 * HOUR;
const VERDICT = 72 * HOUR;
const market = useCases(() => caseMarket());
const via = () => market().stranger.getSender();
const { ErrWrongState, ErrNotOwner, ErrExpired, ErrTooEarly, ErrWrongVerdict, ErrBadSignature, ErrLowValue } = errors;

async function openCase(number = 1, overrides: { price?: bigint; finishedAt?: number } = {}) {
    const { job } = market();
    await report(market(), 'wrong', job.report.wrong(job.result({ number, index: number, ...overrides })));
    const dispute = await job.dispute('B1', number);
    const state = await dispute.getCaseState();
    expect(state.state).toBe(1n);
    return { dispute, bond: state.bond, file: (await dispute.getFile())!, value: await dispute.getCloseValue() };
}

type Open = Awaited<ReturnType<typeof openCase>>;

const state = (open: Open) =>
    open.dispute.sendStatement(market().owner.getSender(), { value: toNano('0.1'), statement: Buffer.alloc(32, 4) });

async function judge(
    open: Open,
    basisPoints: number,
    {
        members = [0, 1],
        validUntil = market().blockchain.now! + HOUR,
        votes: given,
    }: Partial<{ members: number[]; validUntil: number; votes: Vote[] }> = {},
) {
    const verdict = { basisPoints, validUntil };
    const signed = given ?? votes(open.file, open.dispute.address, verdict, members);
    return expectConserved(market().blockchain, () =>
        open.dispute.sendVerdict(via(), { value: open.value, ...verdict, votes: signed }),
    );
}

describe('ReportWrong', () => {
    it('freezes a twentieth of the share, and keeps the bond', async () => {
        const { provider, blockchain } = market();
        const open = await openCase();

        expect(open.bond).toBe(toNano('5'));
        expect((await provider.getStanding()).frozen).toBe(SHARE / 20n);
        expect(open.file).toMatchObject({ class: 'B1', maxBasisPoints: 500, amount: SHARE / 20n, rulesVersion: 1 });
        expect(await open.dispute.getCaseState()).toMatchObject({
            answerBy: BigInt(blockchain.now! + RESPONSE),
            decideFrom: BigInt(blockchain.now! + RESPONSE + VERDICT),
        });
        await expectSolvent(market());
    });

    it('refuses a value without the bond, an old result, and one dated ahead', async () => {
        const { job, blockchain } = market();
        const now = blockchain.now!;
        const wrong = (finishedAt: number) => job.report.wrong(job.result({ finishedAt }));

        await expectRejected(market(), 'wrong', wrong(now), ErrLowValue, { value: toNano('5') });
        await expectRejected(market(), 'wrong', wrong(now - 120 * HOUR - 1), ErrExpired);
        await expectRejected(market(), 'wrong', wrong(now + 1), ErrTooEarly);
        await report(market(), 'wrong', wrong(now - 120 * HOUR));
        expect((await (await job.dispute('B1')).getCaseState()).state).toBe(1n);
    });

    it('counts once per query: a second report comes back with its bond', async () => {
        const { job, stranger, provider } = market();
        await openCase();
        const before = await stranger.getBalance();

        await report(market(), 'wrong', job.report.wrong(job.result({ finishedAt: market().blockchain.now! - 1 })));

        expect(before - (await stranger.getBalance())).toBeLessThan(toNano('0.2'));
        expect((await provider.getStanding()).frozen).toBe(SHARE / 20n);
    });
});

describe('StateCase', () => {
    it('comes from the owner until the last second of the response window', async () => {
        const { blockchain, stranger } = market();
        const open = await openCase();
        const statement = Buffer.alloc(32, 4);
        const by = (who: typeof stranger) =>
            open.dispute.sendStatement(who.getSender(), { value: toNano('0.1'), statement });

        expectRefused(await by(stranger), { to: open.dispute.address, exitCode: ErrNotOwner });
        expectRefused(await by(market().operator), { to: open.dispute.address, exitCode: ErrNotOwner });
        const late = await aside(market(), blockchain.now! + RESPONSE + 1, () => state(open));
        expectRefused(late, { to: open.dispute.address, exitCode: ErrExpired });
        blockchain.now! += RESPONSE;
        await state(open);
        const said = await open.dispute.getCaseState();
        expect(said).toMatchObject({ stated: true, result: BigInt(`0x${statement.toString('hex')}`), bond: open.bond });
    });

    it('has no place in a demand', async () => {
        const { job, owner } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');

        const args = { value: toNano('0.1'), statement: Buffer.alloc(32, 4) };
        const sent = await dispute.sendStatement(owner.getSender(), args);

        expectRefused(sent, { to: dispute.address, exitCode: ErrWrongState });
    });
});

describe('SubmitVerdict', () => {
    it('slashes what it says: victim up to the price, reporter, insurance, the bond back', async () => {
        const { stranger, provider, node, blockchain } = market();
        const price = toNano('0.3');
        const open = await openCase(1, { price });
        await state(open);
        const { cost } = await node.getReportValues(0n, 0n);

        const result = await expectSlashed(market(), () => judge(open, 500), partsOf(SHARE / 20n, price, cost));

        expect(valueSent(result, open.dispute, stranger)).toBe(open.bond);
        expect(await open.dispute.getCaseState()).toMatchObject({ state: 2n, outcome: 1n });
        expect((await provider.getStanding()).frozen).toBe(0n);
        expect((await provider.getStanding()).strikes).toBe(0n);
        expect(await node.getNodeRecord()).toMatchObject({ wrongAt: BigInt(blockchain.now!), slashed: SHARE / 20n });
        await expectSolvent(market());
    });

    it('of one basis point takes that', async () => {
        const open = await openCase();
        await state(open);

        expect(slashesIn(await judge(open, 1))[0].amounts.amount).toBe(SHARE / 10_000n);
    });

    it('of nothing acquits: the bond goes to the insurance, and nobody gains by having asked or been asked', async () => {
        const { insurance, payout, provider } = market();
        const open = await openCase();
        await state(open);

        const result = await expectNoSlash(market(), () => judge(open, 0));

        expect(valueSent(result, open.dispute, insurance)).toBe(open.bond);
        expect(valueSent(result, open.dispute, payout)).toBe(0n);
        expect((await open.dispute.getCaseState()).outcome).toBe(0n);
        expect((await provider.getStanding()).frozen).toBe(0n);
    });

    it('goes no further than the class allows, at first and for repeats', async () => {
        const { blockchain } = market();
        const first = await openCase();
        await state(first);

        expectRefused(await judge(first, 501), { to: first.dispute.address, exitCode: ErrWrongVerdict });
        await judge(first, 500);
        blockchain.now! += DAY;
        const repeat = await openCase(2);
        await state(repeat);
        expect(repeat.file).toMatchObject({ maxBasisPoints: 2000, amount: SHARE / 5n });
        expectRefused(await judge(repeat, 2001), { to: repeat.dispute.address, exitCode: ErrWrongVerdict });
        expect(slashesIn(await judge(repeat, 2000))[0].amounts.amount).toBe(SHARE / 5n);
    });

    it('waits for the owner’s statement or the end of his time', async () => {
        const { blockchain } = market();
        const open = await openCase();

        blockchain.now! += RESPONSE;
        expectRefused(await judge(open, 500), { to: open.dispute.address, exitCode: ErrTooEarly });
        blockchain.now! += 1;
        expect(slashesIn(await judge(open, 500))).toHaveLength(1);
    });

    it('counts until the last second of its window', async () => {
        const { blockchain } = market();
        const open = await openCase();

        blockchain.now! += RESPONSE + VERDICT;
        const late = await aside(market(), blockchain.now! + 1, () => judge(open, 500));
        expectRefused(late, { to: open.dispute.address, exitCode: ErrExpired });
        expect(slashesIn(await judge(open, 500))).toHaveLength(1);
    });

    it('counts in the last second for which it was signed, not in the one after', async () => {
        const { blockchain } = market();
        const open = await openCase();
        await state(open);
        const validUntil = blockchain.now! + HOUR;

        const late = await aside(market(), validUntil + 1, () => judge(open, 500, { validUntil }));
        expectRefused(late, { to: open.dispute.address, exitCode: ErrExpired });
        blockchain.now = validUntil;
        expect(slashesIn(await judge(open, 500, { validUntil }))).toHaveLength(1);
    });

    it.each([
        ['one member alone', [0], ErrWrongVerdict],
        ['one member twice', [1, 1], ErrWrongVerdict],
    ])('refuses %s of a threshold of two', async (_, members, exitCode) => {
        const open = await openCase();
        await state(open);

        expectRefused(await judge(open, 500, { members }), { to: open.dispute.address, exitCode });
    });

    it.each([[[0, 1]], [[0, 2]], [[1, 2]], [[0, 1, 2]]])('takes members %j', async (members) => {
        const open = await openCase();
        await state(open);

        expect(slashesIn(await judge(open, 500, { members }))).toHaveLength(1);
    });

    it.each([[[0, 1, 2, 3, 4, 5]], [[0, 2, 3, 5, 6, 8]], [[3, 4, 5, 6, 7, 8]]])(
        'takes members %j of nine',
        async (members) => {
            const { blockchain, registry, governor, owner, provider } = market();
            const value = toNano('3');
            const change = registryChanges.committee(committeeOf(9, 6));
            await registry.sendProposeChange(governor.getSender(), { value, change });
            blockchain.now! += CHANGE_DELAY;
            await registry.sendExecuteChange(governor.getSender(), { value });
            await provider.sendAdopt(owner.getSender(), { value });
            const open = await openCase();
            await state(open);

            expect(slashesIn(await judge(open, 500, { members }))).toHaveLength(1);
        },
    );

    it('refuses members out of order, unknown ones, and votes of another length', async () => {
        const open = await openCase();
        await state(open);
        const { stranger, blockchain } = market();
        const validUntil = blockchain.now! + HOUR;
        const [a, b] = votes(open.file, open.dispute.address, { basisPoints: 500, validUntil }, [0, 1]);
        const chain = (...cells: { member: number; signature: Buffer }[]) =>
            cells.reduceRight(
                (next, vote) => {
                    const cell = beginCell().storeUint(vote.member, 8).storeBuffer(vote.signature);
                    return next === undefined ? cell.endCell() : cell.storeRef(next).endCell();
                },
                undefined as ReturnType<typeof votesCell> | undefined,
            )!;
        const longer = beginCell().storeUint(0, 8).storeBuffer(a.signature).storeBit(true).storeRef(chain(b)).endCell();
        const send = (cell: ReturnType<typeof votesCell>) => {
            const head = beginCell().storeUint(0xc0c00606, 32).storeUint(0, 64).storeUint(500, 16);
            const body = head.storeUint(validUntil, 32).storeRef(cell).endCell();
            return stranger.send({ to: open.dispute.address, value: open.value, body });
        };

        for (const cell of [chain(b, a), chain(a, { ...b, member: 3 }), chain(a, { ...b, member: 255 }), longer]) {
            expectRefused(await send(cell), { to: open.dispute.address, exitCode: ErrWrongVerdict });
        }
        expectRefused(await send(chain(a, { ...b, member: 2 })), {
            to: open.dispute.address,
            exitCode: ErrBadSignature,
        });
        expect(slashesIn(await send(chain(a, b)))).toHaveLength(1);
    });

    it('signed for another case, extent or time is refused', async () => {
        const open = await openCase();
        const other = await openCase(2);
        await state(open);
        const validUntil = market().blockchain.now! + HOUR;
        const signed = (dispute: Open, basisPoints: number, until: number) =>
            votes(open.file, dispute.dispute.address, { basisPoints, validUntil: until }, [0, 1]);

        for (const given of [
            signed(other, 500, validUntil),
            signed(open, 499, validUntil),
            signed(open, 500, validUntil - 1),
        ]) {
            const sent = await judge(open, 500, { validUntil, votes: given });
            expectRefused(sent, { to: open.dispute.address, exitCode: ErrBadSignature });
        }
        const versioned = votes(
            { ...open.file, rulesVersion: 2 },
            open.dispute.address,
            { basisPoints: 500, validUntil },
            [0, 1],
        );
        const sent = await judge(open, 500, { validUntil, votes: versioned });
        expectRefused(sent, { to: open.dispute.address, exitCode: ErrBadSignature });
    });

    it('asks for its value to the nanoTON, and counts once', async () => {
        const open = await openCase();
        await state(open);

        const low = await judge({ ...open, value: open.value - 1n }, 500);
        expectRefused(low, { to: open.dispute.address, exitCode: ErrLowValue });
        await judge(open, 500);
        expectRefused(await judge(open, 500), { to: open.dispute.address, exitCode: ErrWrongState });
    });
});

describe('The committee', () => {
    it('that stays silent leaves a draw: nothing slashed, the bond back, the freeze lifted', async () => {
        const { blockchain, stranger, provider } = market();
        const open = await openCase();
        const decide = () => open.dispute.sendDecide(via(), { value: open.value });

        blockchain.now! += RESPONSE + VERDICT;
        expectRefused(await decide(), { to: open.dispute.address, exitCode: ErrTooEarly });
        blockchain.now! += 1;
        const result = await expectNoSlash(market(), decide);

        expect(valueSent(result, open.dispute, stranger)).toBe(open.bond);
        expect((await open.dispute.getCaseState()).outcome).toBe(2n);
        expect((await provider.getStanding()).frozen).toBe(0n);
    });

    it('that is split, one for each of two verdicts, decides nothing', async () => {
        const { blockchain } = market();
        const open = await openCase();
        await state(open);
        const validUntil = blockchain.now! + HOUR;
        const [guilty] = votes(open.file, open.dispute.address, { basisPoints: 500, validUntil }, [0]);
        const [innocent] = votes(open.file, open.dispute.address, { basisPoints: 0, validUntil }, [1]);

        for (const basisPoints of [0, 500]) {
            const sent = await judge(open, basisPoints, { validUntil, votes: [guilty, innocent] });
            expectRefused(sent, { to: open.dispute.address, exitCode: ErrBadSignature });
        }
    });

    it('that was replaced while the case is open still judges it, and the new one does not', async () => {
        const { blockchain, registry, governor, provider, owner, job } = market();
        const change = registryChanges.committee(committeeOf(1, 1));
        await registry.sendProposeChange(governor.getSender(), { value: toNano('1'), change });
        blockchain.now! += CHANGE_DELAY;
        const old = await openCase();
        await registry.sendExecuteChange(governor.getSender(), { value: toNano('1') });
        await provider.sendAdopt(owner.getSender(), { value: toNano('1') });
        await state(old);

        expectRefused(await judge(old, 500, { members: [0] }), { to: old.dispute.address, exitCode: ErrWrongVerdict });
        expect(slashesIn(await judge(old, 500))).toHaveLength(1);
        await report(market(), 'wrong', job.report.wrong(job.result({ number: 2, index: 2 })));
        const next = await (await job.dispute('B1', 2)).getFile();
        expect(next).toMatchObject({ rulesVersion: 2, committee: { threshold: 1 } });
    });

    it('takes what it may from stake that unbonds, too', async () => {
        const { provider, owner } = market();
        const open = await openCase();
        await state(open);
        await provider.sendCloseNode(owner.getSender(), { value: toNano('1'), number: 0 });
        await provider.sendUnbond(owner.getSender(), { value: toNano('1'), amount: STAKE });

        expect((await provider.getStanding()).slashableByVerdict).toBe(STAKE / 10n);
        expect(slashesIn(await judge(open, 500))[0].amounts.amount).toBe(SHARE / 20n);
        expect((await provider.getStakeSlot(0n)).amount).toBe(STAKE - SHARE / 20n);
    });

    it('that convicts twice at the same moment takes each loss once', async () => {
        const { blockchain, provider, stranger } = market();
        const opened = [await openCase(1), await openCase(2)];
        for (const open of opened) {
            await state(open);
        }
        const before = blockchain.snapshot();
        const bodies: Cell[] = [];
        for (const open of opened) {
            const [judged] = transactionsOn(await judge(open, 500), open.dispute.address);
            bodies.push(judged.inMessage!.body);
            await blockchain.loadFrom(before);
        }

        const [first, second] = await Promise.all(
            opened.map(async ({ dispute, value }, i) => {
                const message = internal({ from: stranger.address, to: dispute.address, value, body: bodies[i] });
                return blockchain.sendMessageIter(message, { allowParallel: true });
            }),
        );
        for (const each of [first, second]) {
            await each.next(); // Dispute
            await each.next(); // reporter, who gets the bond
            await each.next(); // Provider, which asks the node
        }
        expect((await provider.getVersionShares(0n)).pendingVerdicts).toBe(2n);
        for await (const _ of first);
        expect((await provider.getProviderState()).stake).toBe(STAKE - SHARE / 20n);
        for await (const _ of second);

        expect((await provider.getProviderState()).stake).toBe(STAKE - SHARE / 10n);
        await expectSolvent(market());
    });

    it('has what it took counted for a day and for two weeks, to the second', async () => {
        const { blockchain, provider } = market();
        const open = await openCase();
        await state(open);
        const [{ amounts }] = slashesIn(await judge(open, 500));
        const at = blockchain.now!;
        const slashable = async (time: number) => {
            blockchain.now = time;
            return (await provider.getStanding()).slashableByVerdict;
        };

        expect(await slashable(at + DAY - 1)).toBe(STAKE / 10n - amounts.amount);
        expect(await slashable(at + DAY)).toBe(STAKE / 10n);
        expect(await slashable(at + 14 * DAY - 1)).toBe(STAKE / 10n);
        expect(await slashable(at + 14 * DAY)).toBe((STAKE - amounts.amount) / 10n);
    });

    it('that is bribed takes a tenth of the stake a day and a fifth in two weeks, and no member earns', async () => {
        const { blockchain, provider } = market();
        let number = 0;
        const convict = async () => {
            number += 1;
            const open = await openCase(number);
            await state(open);
            return slashesIn(await judge(open, open.file.maxBasisPoints))[0].amounts.amount;
        };
        const there = async () => (await provider.getProviderState()).stake;
        const before = await there();

        let sum = await convict();
        blockchain.now! += 1;
        while ((await provider.getStanding()).slashableByVerdict > 0n) {
            sum += await convict();
            blockchain.now! += 1;
        }
        expect(sum).toBe(before / 10n);
        blockchain.now! += DAY;
        const left = (await provider.getStanding()).slashableByVerdict;
        expect(left).toBe(before / 10n);
        while ((await provider.getStanding()).slashableByVerdict > 0n) {
            sum += await convict();
            blockchain.now! += 1;
        }
        expect(sum).toBe(before / 5n);
        blockchain.now! += DAY;
        expect((await provider.getStanding()).slashableByVerdict).toBe(0n);
        blockchain.now! += 12 * DAY + HOUR;
        expect((await provider.getStanding()).slashableByVerdict).toBeGreaterThan(0n);
        await expectSolvent(market());
    });
});
