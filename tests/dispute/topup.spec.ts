/**
 * A fault that was shown before, with a larger loss: it counts once the end of the one before cannot come back any
 * more.
 */
import { beginCell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { caseStates, minSlash, opcodes, pricesOf } from '@cocoon-market/wrappers';
import { registryChanges } from '../../wrappers/Registry';
import { caseMarket, expectNoSlash, report, slashesIn, useCases } from '../support/cases';
import { transactionsOn } from '../support/chain';
import { valueSent } from '../support/market';
import { CHANGE_DELAY, expectSolvent, rulesWith } from '../support/stake';

const WAIT = 300;
const GUILTY = 1;
const market = useCases(() => caseMarket());

/** A2 of index 1 by so much. */
const excessOf = (excess: bigint) => {
    const { job } = market();
    const fair = job.result().readBigUInt64BE(4 + 32 + 4 + 4 + 32 + 16);
    return job.report.excess(job.result({ price: fair + excess }));
};

const shown = async (excess: bigint) => slashesIn(await report(market(), 'excess', excessOf(excess)));

afterEach(() => expectSolvent(market()));

describe('A larger loss of the same fault', () => {
    it('is not taken in the last second in which the end before may come back, and is in the next', async () => {
        const { blockchain } = market();
        await shown(1n);
        const told = blockchain.now!;

        blockchain.now = told + WAIT - 1;
        await expectNoSlash(market(), () => report(market(), 'excess', excessOf(toNano('1'))));
        blockchain.now = told + WAIT;

        expect(await shown(toNano('1'))).toHaveLength(1);
    });

    it('waits as long after the larger one before it', async () => {
        const { blockchain } = market();
        await shown(1n);
        blockchain.now! += WAIT;
        await shown(2n);
        const told = blockchain.now!;

        blockchain.now = told + WAIT - 1;
        await expectNoSlash(market(), () => report(market(), 'excess', excessOf(3n)));
        blockchain.now = told + WAIT;

        expect(await shown(3n)).toHaveLength(1);
    });

    it('costs no less than a fault does, so that small steps shield nothing for long', async () => {
        const { blockchain } = market();
        const [{ amounts: first }] = await shown(toNano('1'));
        blockchain.now! += WAIT;

        const [{ amounts: second }] = await shown(toNano('1') + 1n);

        expect(first.amount).toBe(toNano('3'));
        expect(second).toMatchObject({ victim: 1n });
        expect(second.amount).toBe(minSlash(pricesOf(market().blockchain.config)));
    });

    it('counts once, as the smaller one before it', async () => {
        const { blockchain } = market();
        await shown(1n);
        blockchain.now! += WAIT;
        await shown(toNano('1'));
        blockchain.now! += WAIT;

        await expectNoSlash(market(), () => report(market(), 'excess', excessOf(toNano('1'))));
    });

    it('costs what the whole loss costs, less all that was slashed before', async () => {
        const { blockchain } = market();
        const amounts: bigint[] = [];
        for (const excess of ['1', '2', '3']) {
            const [slash] = await shown(toNano(excess));
            amounts.push(slash.amounts.amount);
            blockchain.now! += WAIT;
        }

        expect(amounts).toEqual([toNano('3'), toNano('3'), toNano('3')]);
    });

    it('pays the insurance of the rules under which it is reported', async () => {
        const { blockchain, registry, governor, owner, operator, provider } = market();
        const value = toNano('3');
        await shown(1n);
        const change = registryChanges.rules(rulesWith(operator.address));
        await registry.sendProposeChange(governor.getSender(), { value, change });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(governor.getSender(), { value });
        await provider.sendAdopt(owner.getSender(), { value });

        const result = await report(market(), 'excess', excessOf(toNano('1')));

        expect(valueSent(result, provider, operator)).toBe(slashesIn(result)[0].amounts.insurance);
    });

    it('takes nothing of what the case holds but its rent', async () => {
        const { blockchain, job, provider } = market();
        await shown(1n);
        const { address } = await job.dispute('A2');
        const { balance } = await blockchain.getContract(address);
        blockchain.now! += WAIT;

        const result = await report(market(), 'excess', excessOf(toNano('1')));

        const [{ description }] = transactionsOn(result, address, provider.address);
        const rent = description.type === 'generic' ? description.storagePhase!.storageFeesCollected : 0n;
        expect(rent).toBeGreaterThan(0n);
        expect((await blockchain.getContract(address)).balance).toBe(balance - rent);
    });

    it('is not taken while the end before waits to be sent again; sent again it counts once, and then the larger', async () => {
        const { blockchain, job, provider, stranger } = market();
        await shown(1n);
        const dispute = await job.dispute('A2');
        const back = { from: provider.address, to: dispute.address, value: toNano('1'), bounced: true, bounce: false };
        const end = beginCell().storeUint(0xffffffff, 32).storeUint(opcodes.CaseClosed, 32).storeUint(0, 64);
        await blockchain.sendMessage(internal({ ...back, body: end.storeUint(GUILTY, 2).storeUint(0, 64).endCell() }));
        expect((await dispute.getCaseState()).state).toBe(caseStates.stuck);
        blockchain.now! += WAIT;

        await expectNoSlash(market(), () => report(market(), 'excess', excessOf(toNano('1'))));
        await dispute.sendDecide(stranger.getSender(), { value: await dispute.getCloseValue() });
        const told = blockchain.now!;
        blockchain.now = told + WAIT - 1;
        await expectNoSlash(market(), () => report(market(), 'excess', excessOf(toNano('1'))));
        blockchain.now = told + WAIT;

        expect(await shown(toNano('1'))).toHaveLength(1);
        expect(await provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    });
});
