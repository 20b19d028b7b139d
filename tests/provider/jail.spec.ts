/** Strikes, jail and the way out. */
import { toNano } from '@ton/core';

import { errors } from '@cocoon-market/wrappers';
import { listingCell } from '../../wrappers/Node';
import { caseMarket, report, useCases } from '../support/cases';
import { expectRefused } from '../support/chain';
import { valueSent } from '../support/market';
import { DAY, exactValue, listingWith } from '../support/stake';

const VALUE = toNano('1');
const market = useCases(() => caseMarket());
const standing = () => market().provider.getStanding();
const { ErrJailed, ErrTooEarly, ErrWrongState, ErrNotOwner, ErrLowStake, ErrLowValue } = errors;
let number = 0;

/** One demand that nobody answers, decided a day later. */
async function strike(ceiling = toNano('0.05')) {
    const { job, blockchain, stranger } = market();
    number += 1;
    await report(market(), 'demand', job.report.demand(job.accept({ number, ceiling, deadline: blockchain.now! - 1 })));
    const dispute = await job.dispute('A3', number);
    blockchain.now! += DAY + 1;
    await dispute.sendDecide(stranger.getSender(), { value: await dispute.getCloseValue() });
}

const unjail = (by = market().owner, value = VALUE) => market().provider.sendUnjail(by.getSender(), { value });

describe('Strikes', () => {
    it('put a provider in jail at the third, for a week', async () => {
        const { blockchain } = market();
        await strike();
        await strike();
        expect(await standing()).toMatchObject({ strikes: 2n, jailed: false, jailedUntil: 0n });

        await strike();

        const until = BigInt(blockchain.now! + 7 * DAY);
        expect(await standing()).toMatchObject({ strikes: 3n, jailed: true, jailedUntil: until });
    });

    it('are forgotten one by one, every 30 days without, to the second', async () => {
        const { blockchain } = market();
        await strike();
        await strike();
        const fresh = blockchain.snapshot();
        const at = blockchain.now!;

        blockchain.now = at + 30 * DAY - DAY - 2;
        await strike();
        expect((await standing()).strikes).toBe(3n);
        await blockchain.loadFrom(fresh);
        blockchain.now = at + 30 * DAY - DAY - 1;
        await strike();
        expect((await standing()).strikes).toBe(2n);
    });

    it('are never more than three, so that none can be one too many to count', async () => {
        for (let more = 0; more < 4; more++) {
            await strike();
        }

        expect(await standing()).toMatchObject({ strikes: 3n, jailed: true });
    });

    it('come from demands alone', async () => {
        const { job } = market();

        await report(market(), 'excess', job.report.excess(job.result({ price: toNano('1') })));
        await report(market(), 'twice', job.report.twice(job.result(), job.fail()));

        expect(await standing()).toMatchObject({ strikes: 0n, jailedUntil: 0n });
    });
});

describe('Jail', () => {
    async function jailed() {
        await strike();
        await strike();
        await strike();
    }

    it('takes no new nodes, and holds no money', async () => {
        const { provider, owner, codes, blockchain } = market();
        await jailed();
        const listing = listingCell(listingWith());

        const register = await provider.sendRegisterNode(owner.getSender(), {
            value: VALUE,
            code: codes.node,
            listing,
        });

        expectRefused(register, { to: provider.address, exitCode: ErrJailed });
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('1') });
        blockchain.now! += 14 * DAY;
        await provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0 });
        expect((await provider.getProviderState()).unbonding).toBe(0n);
    });

    it('is left by the owner from the last second on, and clears the strikes', async () => {
        const { blockchain, provider, stranger, operator } = market();
        await jailed();

        expectRefused(await unjail(stranger), { to: provider.address, exitCode: ErrNotOwner });
        expectRefused(await unjail(operator), { to: provider.address, exitCode: ErrNotOwner });
        blockchain.now! += 7 * DAY - 1;
        expectRefused(await unjail(), { to: provider.address, exitCode: ErrTooEarly });
        blockchain.now! += 1;
        await unjail();
        expect(await standing()).toMatchObject({ strikes: 0n, jailedUntil: 0n, jailed: false });
        expectRefused(await unjail(), { to: provider.address, exitCode: ErrWrongState });
    });

    it('is not left by one who never was in it', async () => {
        expectRefused(await unjail(), { to: market().provider.address, exitCode: ErrWrongState });
    });

    it('is left only with the stake that is required, to the nanoTON', async () => {
        const { blockchain, provider, owner, stranger, job } = market();
        await jailed();
        const { requiredStake } = await provider.getProviderState();
        const spare = (await provider.getProviderState()).stake - requiredStake;
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: spare });
        blockchain.now! += 14 * DAY;
        await provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0 });
        const at = blockchain.now!;
        const bad = job.result({ price: toNano('1'), finishedAt: at });
        await report(market(), 'excess', job.report.excess(bad));
        const missing = requiredStake - (await provider.getProviderState()).stake;
        expect((await standing()).jailed).toBe(true);

        await provider.sendAddStake(stranger.getSender(), { value: missing + VALUE, amount: missing - 1n });
        expectRefused(await unjail(), { to: provider.address, exitCode: ErrLowStake });
        await provider.sendAddStake(stranger.getSender(), { value: VALUE, amount: 1n });
        await unjail();
        expect((await standing()).jailed).toBe(false);
    });

    it('is left at no cost but fees: the rest of the value goes to the owner', async () => {
        const { blockchain, provider, owner } = market();
        await jailed();
        blockchain.now! += 7 * DAY;
        const before = await provider.getProviderState();

        const result = await unjail();

        expect(result.transactions).toHaveTransaction({ from: provider.address, to: owner.address, success: true });
        expect(valueSent(result, provider, owner)).toBeGreaterThan(VALUE - toNano('0.02'));
        expect((await provider.getProviderState()).surplus).toBeLessThanOrEqual(before.surplus);
    });

    it('is left for its value to the nanoTON', async () => {
        const { blockchain, provider } = market();
        await jailed();
        blockchain.now! += 7 * DAY;
        const min = await exactValue(market(), 'stakeStep');

        const refused = await unjail(market().owner, min - 1n);

        expectRefused(refused, { to: provider.address, exitCode: ErrLowValue });
    });
});
