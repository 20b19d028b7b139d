import { Address, toNano } from '@ton/core';
import { SandboxContract } from '@ton/sandbox';

import { caseStates, Dispute } from '../../wrappers/Dispute';
import { nodeChanges } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { registryChanges } from '../../wrappers/Registry';
import { Terms } from '../../wrappers/signed/terms';
import { caseMarket, CaseMarket, NodeJob, report, votes } from '../support/cases';
import { expectRefused } from '../support/chain';
import { BASE_STAKE, changeNode, DAY, HOUR, keyOf, launchMarket, RATE, rulesWith, STAKE } from '../support/stake';

const VALUE = toNano('1');
const SHARE = 2n * RATE; // of the market's one node
const LOSS = toNano('0.05'); // of who demands in vain: the ceiling of an accept, below the step

/** Lets years pass in which nothing happens but that a stranger pays the rent of the node. */
async function idle({ blockchain, node, stranger }: CaseMarket, years: number): Promise<void> {
    for (let year = 0; year < years; year++) {
        blockchain.now! += 365 * DAY;
        await node.sendRent(stranger.getSender(), { value: VALUE });
    }
}

/** A job that begins now. */
function jobOf(market: CaseMarket, byte = 6, overrides: Partial<Terms> = {}): NodeJob {
    return new NodeJob(market, Buffer.alloc(32, byte), market.victim.address, overrides);
}

/** Ends a case for the committee with the highest verdict there is, at once. */
async function convicted(market: CaseMarket, dispute: SandboxContract<Dispute>): Promise<void> {
    const { owner, stranger, blockchain } = market;
    await dispute.sendStatement(owner.getSender(), { value: VALUE, statement: Buffer.alloc(32, 1) });
    const file = (await dispute.getFile())!;
    const verdict = { basisPoints: file.maxBasisPoints, validUntil: blockchain.now! };
    const signed = votes(file, dispute.address, verdict, [0, 1]);
    await dispute.sendVerdict(stranger.getSender(), { value: VALUE, ...verdict, votes: signed });
}

async function stakeOf({ provider }: CaseMarket): Promise<bigint> {
    return (await provider.getProviderState()).stake;
}

/** Ends an open case at exactly the value that its getter names. */
async function decided({ stranger }: CaseMarket, dispute: SandboxContract<Dispute>): Promise<void> {
    await dispute.sendDecide(stranger.getSender(), { value: await dispute.getCloseValue() });
}

describe('A provider who lets its rent fall due', () => {
    it('pays for a key that signed twice, at the value that the node asks for', async () => {
        const market = await caseMarket();
        await idle(market, 3);
        const job = jobOf(market);

        await report(market, 'twice', job.report.twice(job.result(), job.result({ index: 2 })));

        expect(await stakeOf(market)).toBe(STAKE - SHARE / 5n);
    });

    it('pays for a demand without an answer, at the least value', async () => {
        const market = await caseMarket();
        await idle(market, 3);
        const job = jobOf(market);
        await report(market, 'demand', job.report.demand(job.accept()));
        market.blockchain.now! += DAY + 1;

        await decided(market, await job.dispute('A3'));

        expect(await stakeOf(market)).toBe(STAKE - 2n * LOSS - LOSS / 100n);
        expect((await market.provider.getStanding()).frozen).toBe(0n);
    });

    it('keeps a week of rent from each message of a case, also while its stake unbonds', async () => {
        const market = await caseMarket();
        const { blockchain, provider, owner, stranger } = market;
        const job = jobOf(market);
        const [value, amount] = [VALUE, STAKE - BASE_STAKE - SHARE];
        await provider.sendUnbond(owner.getSender(), { value, amount });
        const week = (await provider.getProviderState()).reserve / 52n;
        const account = await blockchain.getContract(provider.address);
        account.balance = STAKE; // rent has eaten the rest

        await report(market, 'demand', job.report.demand(job.accept()));
        expect(account.balance).toBe(STAKE + week);
        const dispute = await job.dispute('A3');
        await dispute.sendFail(stranger.getSender(), { value: await dispute.getCloseValue(), fail: job.fail() });
        expect(account.balance).toBe(STAKE + 3n * week);
        await report(market, 'twice', job.report.twice(job.result(), job.fail()));
        expect(account.balance).toBe(STAKE - SHARE / 5n + 6n * week);
    });

    it('is slashed by nothing, and its case ends, when rent has eaten the whole account', async () => {
        const market = await caseMarket();
        const { blockchain, provider, node, stranger } = market;
        blockchain.now! += 150 * DAY;
        await node.sendRent(stranger.getSender(), { value: VALUE });
        const account = await blockchain.getContract(provider.address);
        account.balance = 0n; // and 150 days are due
        const job = jobOf(market);

        await report(market, 'twice', job.report.twice(job.result(), job.result({ index: 2 })));

        expect(await stakeOf(market)).toBe(STAKE);
        expect(await provider.getStanding()).toMatchObject({ cases: 0n, frozen: 0n });
        expect(account.balance).toBe((await provider.getProviderState()).reserve / 52n); // of the last message
    });

    it('pays for it although nobody had it decided for three months', async () => {
        const market = await caseMarket();
        const job = jobOf(market);
        market.blockchain.now! += 1;
        await report(market, 'demand', job.report.demand(job.accept()));
        market.blockchain.now! += 90 * DAY;

        await decided(market, await job.dispute('A3'));

        expect(await stakeOf(market)).toBe(STAKE - 2n * LOSS - LOSS / 100n);
    });
});

describe('A node that owes rent', () => {
    it('takes no report that would not see its case ended, until someone pays', async () => {
        const market = await caseMarket();
        const { blockchain, node, stranger } = market;
        blockchain.now! += 300 * DAY;
        await node.sendRent(stranger.getSender(), { value: 1n });
        const job = jobOf(market);
        const accept = job.accept({ deadline: blockchain.now! + 60 * DAY });
        const value = (await node.getValuesFor(job.report.demand(accept))).demand;

        blockchain.now! += 61 * DAY;
        const poor = await report(market, 'demand', job.report.demand(accept), { value });
        await node.sendRent(stranger.getSender(), { value: VALUE });
        await report(market, 'demand', job.report.demand(accept), { value });

        expectRefused(poor, { to: node.address, exitCode: errors.ErrLowValue });
        expect((await (await job.dispute('A3')).getCaseState()).state).toBe(caseStates.open);
    });
});

describe('A result dated ahead', () => {
    it('is evidence for a Dispute only once its date has come', async () => {
        const market = await caseMarket();
        const { blockchain, node, job } = market;
        const ahead = job.result({ finishedAt: blockchain.now! + 30 });
        const excess = job.result({ finishedAt: blockchain.now! + 30, price: toNano('1'), cumulative: toNano('1') });

        const wrong = await report(market, 'wrong', job.report.wrong(ahead));
        const above = await report(market, 'excess', job.report.excess(excess));
        expectRefused(wrong, { to: node.address, exitCode: errors.ErrTooEarly });
        expectRefused(above, { to: node.address, exitCode: errors.ErrTooEarly });

        blockchain.now! += 30;
        await report(market, 'wrong', job.report.wrong(ahead));
        await report(market, 'excess', job.report.excess(excess));
        expect((await (await job.dispute('B1')).getCaseState()).state).toBe(caseStates.open);
        expect((await (await job.dispute('A2', 1)).getCaseState()).state).toBe(caseStates.closed);
    });
});

describe('A verdict above what verdicts may take', () => {
    it('counts against the key only as far as it took something', async () => {
        const market = await caseMarket();
        const { blockchain, provider, owner, node } = market;
        const change = nodeChanges.hardware({ gpuClass: 0, gpus: 5, vram: 80, model: 'NVIDIA H100' });
        await provider.sendReplaceHardware(owner.getSender(), {
            value: VALUE,
            number: 0,
            share: SHARE,
            gpus: 2,
            change,
        });

        for (const byte of [1, 2]) {
            const job = jobOf(market, byte);
            blockchain.now! += 1;
            await report(market, 'wrong', job.report.wrong(job.result({ finishedAt: blockchain.now! })));
            await convicted(market, await job.dispute('B1'));
        }

        const slashed = STAKE - (await stakeOf(market));
        expect(slashed).toBe(STAKE / 10n);
        expect((await node.getNodeRecord()).slashed).toBe(slashed);
    });
});

describe('A stolen key that was rotated out', () => {
    it('costs one share, although its slot is used again while cases are open', async () => {
        const market = await caseMarket();
        const { blockchain } = market;
        const rotated = (name: string) =>
            nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! });
        await changeNode(market, rotated('second'));
        const jobs = [1, 2, 3].map((byte) => jobOf(market, byte, { step: SHARE }));
        const accepts = jobs.map((job) => job.accept({ ceiling: SHARE, deadline: blockchain.now! }));
        blockchain.now! += 120 * HOUR;
        for (const [index, job] of jobs.entries()) {
            await report(market, 'demand', job.report.demand(accepts[index]));
        }
        await changeNode(market, rotated('third'));
        blockchain.now! += 24 * HOUR + 1;

        for (const job of jobs) {
            await decided(market, await job.dispute('A3'));
        }

        expect(await stakeOf(market)).toBe(STAKE - SHARE);
    });
});

describe('A key that has cost its share', () => {
    it('costs no more when its slot is used again before an older case is decided', async () => {
        const market = await caseMarket();
        const { blockchain } = market;
        const job = jobOf(market, 1, { step: SHARE });
        blockchain.now! += 1;
        await report(market, 'demand', job.report.demand(job.accept()));
        const excess = job.result({ price: 2n * SHARE, cumulative: 2n * SHARE });
        await report(market, 'excess', job.report.excess(excess));
        for (const name of ['second', 'third']) {
            const oldEndsAt = blockchain.now!;
            const change = nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt });
            await changeNode(market, change);
            blockchain.now! += 120 * HOUR;
        }
        expect(await stakeOf(market)).toBe(STAKE - SHARE);

        await decided(market, await job.dispute('A3'));

        expect(await stakeOf(market)).toBe(STAKE - SHARE);
        expect((await market.provider.getStanding()).frozen).toBe(0n);
    });
});

describe('Rules whose insurance no message from a Provider reaches', () => {
    it.each([-1, 5])('are refused: workchain %i', async (workchain) => {
        const { registry, governor, insurance } = await launchMarket();
        const rules = rulesWith(new Address(workchain, insurance.address.hash));

        const change = { value: VALUE, change: registryChanges.rules(rules) };
        const result = await registry.sendProposeChange(governor.getSender(), change);

        expectRefused(result, { to: registry.address, exitCode: errors.ErrWrongInsurance });
    });
});
