import { beginCell, toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';

import { nodeChanges } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { parseRules, registryChanges } from '../../wrappers/Registry';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn, votes } from '../support/cases';
import { exitCodeOf, expectConserved, expectRefused, PriceLevel } from '../support/chain';
import { valueSent } from '../support/market';
import {
    changeNode,
    CHANGE_DELAY,
    committeeOf,
    DAY,
    HOUR,
    keyOf,
    pairOf,
    RATE,
    rulesWith,
    STAKE,
} from '../support/stake';

const VALUE = toNano('30');
const HOLD = 336 * HOUR;
const SHARE = 2n * RATE;

type Change = Parameters<CaseMarket['registry']['sendProposeChange']>[1]['change'];

async function adopt(market: CaseMarket, change: Change): Promise<void> {
    const { blockchain, registry, governor, provider, owner } = market;
    await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
    blockchain.now! += CHANGE_DELAY;
    await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
    await provider.sendAdopt(owner.getSender(), { value: VALUE });
}

/** The exit codes that are not 0. */
const failuresIn = (result: SendMessageResult) =>
    result.transactions.map(exitCodeOf).filter((code) => code !== undefined && code !== 0);

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s, a slash of all stake', (prices) => {
    /** A provider that has nothing but its node's share and a nanoTON, and was silent for so long. */
    async function silent(days: number, before?: (market: CaseMarket) => Promise<void>): Promise<CaseMarket> {
        const market = await caseMarket({ prices });
        const { blockchain, provider, owner, node, stranger, insurance } = market;
        await adopt(market, registryChanges.rules(rulesWith(insurance.address, { baseStake: 1n })));
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: STAKE - SHARE - 1n });
        blockchain.now! += HOLD;
        await provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0 });
        await provider.sendWithdrawSurplus(owner.getSender(), { value: VALUE });
        await node.sendRent(stranger.getSender(), { value: VALUE });
        await before?.(market);
        blockchain.now! += days * DAY;
        return market;
    }

    it.each([500, 1826])(
        'takes what the account still holds after %i days of silence, by its own word',
        async (days) => {
            const market = await silent(days);
            const job = new NodeJob(market, Buffer.alloc(32, 6), market.victim.address);

            const shown = await report(market, 'excess', job.report.excess(job.result({ cumulative: toNano('1000') })));

            const [{ amounts }] = slashesIn(shown);
            expect(amounts.amount).toBeGreaterThan(toNano('15'));
            expect(amounts.amount).toBeLessThan(SHARE);
            expect(failuresIn(shown)).toEqual([]);
            expect(valueSent(shown, market.provider, market.victim)).toBe(amounts.amount / 2n);
            expect((await market.provider.getStanding()).frozen).toBe(0n);
        },
    );

    it.each([500, 1826])('does so after %i days when nobody answered a demand', async (days) => {
        const market = await silent(days);
        const { blockchain, stranger } = market;
        const job = new NodeJob(market, Buffer.alloc(32, 6), market.victim.address, { step: SHARE });
        await report(market, 'demand', job.report.demand(job.accept({ ceiling: SHARE })));
        const dispute = await job.dispute('A3');
        blockchain.now! += DAY + 1;

        const value = await dispute.getCloseValue();
        const decided = await expectConserved(blockchain, () => dispute.sendDecide(stranger.getSender(), { value }));

        expect(slashesIn(decided)[0].amounts.amount).toBeGreaterThan(toNano('15'));
        expect(failuresIn(decided)).toEqual([]);
        expect((await market.provider.getStanding()).frozen).toBe(0n);
    });

    it.each([500, 1826])('does so after %i days when a second key signed twice', async (days) => {
        const twice = (market: CaseMarket, name: string) => {
            const receiptKey = pairOf(name);
            const terms = { receiptKey: receiptKey.publicKey };
            const job = new NodeJob(market, Buffer.alloc(32, 6), market.victim.address, terms);
            Object.assign(job, { receiptKey });
            return report(market, 'twice', job.report.twice(job.result(), job.result({ number: 2 })));
        };
        const market = await silent(days, async (before) => {
            await twice(before, 'receipt');
            const keys = { receiptKey: keyOf('second'), encryptionKey: 3n, oldEndsAt: before.blockchain.now! };
            await changeNode(before, nodeChanges.keys(keys));
        });
        const { stake } = await market.provider.getProviderState();

        const shown = await twice(market, 'second');

        const [{ amounts }] = slashesIn(shown);
        expect(amounts.amount).toBeGreaterThan(stake / 4n);
        expect(amounts.amount).toBeLessThan(stake);
        expect(failuresIn(shown)).toEqual([]);
    });

    it.each([500, 1826])('does so after %i days of silence by a verdict', async (days) => {
        const market = await silent(days);
        const { blockchain, stranger } = market;
        const job = new NodeJob(market, Buffer.alloc(32, 6), market.victim.address);
        await report(market, 'wrong', job.report.wrong(job.result()));
        const dispute = await job.dispute('B1');
        blockchain.now! += DAY + 1;
        const verdict = { basisPoints: 500, validUntil: blockchain.now! + HOUR };
        const signed = votes((await dispute.getFile())!, dispute.address, verdict, [0, 1]);

        const value = await dispute.getCloseValue();
        const judged = await expectConserved(blockchain, () =>
            dispute.sendVerdict(stranger.getSender(), { value, ...verdict, votes: signed }),
        );

        expect(slashesIn(judged)).toHaveLength(1);
        expect(failuresIn(judged)).toEqual([]);
        expect((await market.provider.getStanding()).frozen).toBe(0n);
    });
});

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s, a case that nobody ended', (prices) => {
    it.each(['demand', 'wrong'] as const)(
        'by %s ends after ten years: of the bond goes home what rent has left of it',
        async (kind) => {
            const market = await caseMarket({ prices });
            const { blockchain, stranger, node, job, provider } = market;
            await node.sendRent(stranger.getSender(), { value: toNano('300') });
            const body = kind === 'demand' ? job.report.demand(job.accept()) : job.report.wrong(job.result());
            await report(market, kind, body);
            const dispute = await job.dispute(kind === 'demand' ? 'A3' : 'B1');
            const { bond } = await dispute.getCaseState();
            blockchain.now! += 3653 * DAY;

            const value = await dispute.getCloseValue();
            const decided = await expectConserved(blockchain, () =>
                dispute.sendDecide(stranger.getSender(), { value }),
            );

            expect(failuresIn(decided)).toEqual([]);
            expect(valueSent(decided, dispute, stranger)).toBeLessThan(bond);
            expect((await dispute.getCaseState()).state).toBe(2n);
            expect((await provider.getStanding()).frozen).toBe(0n);
        },
    );
});

describe('A due slot, while a case is open', () => {
    async function due(): Promise<CaseMarket & { free: bigint; unbonded: bigint }> {
        const market = await caseMarket();
        const { blockchain, provider, owner } = market;
        const unbonded = await provider.getUnbondable();
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: unbonded });
        blockchain.now! += HOLD;
        const job = new NodeJob(market, Buffer.alloc(32, 6), market.victim.address);
        await report(market, 'demand', job.report.demand(job.accept()));
        const { frozen } = await provider.getStanding();
        return { ...market, job, free: unbonded - frozen, unbonded };
    }

    const withdraw = ({ provider, owner }: CaseMarket, amount?: bigint) =>
        provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0, ...(amount && { amount }) });

    it('goes home in part: all that the case cannot take, as the getter says, and not a nanoTON more', async () => {
        const market = await due();
        const { provider, free, unbonded } = market;
        expect(await provider.getWithdrawable(0n)).toBe(free);

        expectRefused(await withdraw(market, free + 1n), { to: provider.address, exitCode: errors.ErrLowStake });
        expectRefused(await withdraw(market), { to: provider.address, exitCode: errors.ErrLowStake });
        await withdraw(market, free);

        const { amount, unlockAt } = await provider.getStakeSlot(0n);
        expect([amount, await provider.getWithdrawable(0n)]).toEqual([unbonded - free, 0n]);
        expect(unlockAt).toBeLessThanOrEqual(BigInt(market.blockchain.now!));
    });

    it('gives no more than it holds', async () => {
        const market = await due();

        const result = await withdraw(market, market.unbonded + 1n);

        expectRefused(result, { to: market.provider.address, exitCode: errors.ErrWrongAmount });
    });
});

describe('The getters of a Provider', () => {
    it('name what Unbond and WithdrawStake do now, to the nanoTON and to the second', async () => {
        const market = await caseMarket();
        const { blockchain, provider, owner } = market;
        const unbond = (amount: bigint) => provider.sendUnbond(owner.getSender(), { value: VALUE, amount });
        const spare = await provider.getUnbondable();

        expectRefused(await unbond(spare + 1n), { to: provider.address, exitCode: errors.ErrLowStake });
        await unbond(spare);
        expect([await provider.getUnbondable(), await provider.getWithdrawable(0n)]).toEqual([0n, 0n]);
        blockchain.now! += HOLD - 1;
        expect(await provider.getWithdrawable(0n)).toBe(0n);
        blockchain.now! += 1;
        expect(await provider.getWithdrawable(0n)).toBe(spare);
    });
});

describe('A committee that changes within 90 days of two codes of Disputes', () => {
    it('is followed at once, although the second code has to wait', async () => {
        const market = await caseMarket();
        const { provider } = market;
        const codeOf = (byte: number) => registryChanges.code('dispute', beginCell().storeUint(byte, 8).endCell());
        const followed = async () => parseRules((await provider.getMembershipNow()).rules!);
        await adopt(market, codeOf(1));
        const { dispute } = await followed();
        await adopt(market, codeOf(2));

        await adopt(market, registryChanges.committee(committeeOf(5, 4)));

        expect((await followed()).committee.keys).toHaveLength(5);
        expect((await followed()).dispute).toEqual(dispute);
    });
});
