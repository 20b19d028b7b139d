/** What open cases freeze: per key no more than its share still bears, however many there are and however they end. */
import { Cell, toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';

import { nodeChanges } from '../../wrappers/Node';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn, useCases } from '../support/cases';
import { expectConserved } from '../support/chain';
import { valueSent } from '../support/market';
import { changeNode, DAY, expectSolvent, HOUR, keyOf, pairOf, RATE } from '../support/stake';

const SHARE = 2n * RATE;
const VALUE = toNano('10');
const market = useCases(() => caseMarket());

/** A job by the current key whose demands may ask for the whole share. */
const jobOf = (byte: number, name = 'receipt', on: CaseMarket = market()) => {
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey, step: SHARE };
    return Object.assign(new NodeJob(on, Buffer.alloc(32, byte), on.victim.address, terms), { receiptKey });
};

const frozen = async () => (await market().provider.getStanding()).frozen;

/** Asks for 201/100 of `loss`, as far as the share goes. */
const demand = (job: NodeJob, loss: bigint, number = 1) =>
    report(market(), 'demand', job.report.demand(job.accept({ number, ceiling: loss, deadline: job.now - 1 })));

const wrong = (job: NodeJob, number = 1) =>
    report(market(), 'wrong', job.report.wrong(job.result({ number, index: number })));

async function answer(job: NodeJob, number = 1): Promise<SendMessageResult> {
    const dispute = await job.dispute('A3', number);
    const value = await dispute.getCloseValue();
    return expectConserved(market().blockchain, () =>
        dispute.sendFail(market().stranger.getSender(), { value, fail: job.fail({ number }) }),
    );
}

async function decide(job: NodeJob, of: 'A3' | 'B1' = 'A3', number = 1): Promise<SendMessageResult> {
    const dispute = await job.dispute(of, number);
    const value = await dispute.getCloseValue();
    return expectConserved(market().blockchain, () => dispute.sendDecide(market().stranger.getSender(), { value }));
}

/** Nothing is frozen, at the Provider or at the node, and a new case freezes all that it asks. */
async function expectThawed(taken: bigint, name = 'receipt'): Promise<void> {
    expect(await market().provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    const { slashable: left } = await market().node.getKeyLiability(keyOf(name));
    expect(left).toBe(SHARE - taken);
    await demand(jobOf(0xee, name), SHARE);
    expect(await frozen()).toBe(SHARE - taken);
    await expectSolvent(market());
}

describe('Cases against one key', () => {
    it('freeze what they ask until the share is reached, and the next nothing', async () => {
        const job = jobOf(1);
        for (let number = 1; number <= 20; number++) {
            await wrong(job, number);
            expect(await frozen()).toBe((BigInt(number) * SHARE) / 20n);
        }

        await wrong(job, 21);

        expect(await frozen()).toBe(SHARE);
        expect((await market().provider.getStanding()).cases).toBe(21n);
    });

    it('freeze only what is left of the share where they ask for more', async () => {
        const loss = toNano('1');
        await demand(jobOf(1), loss);
        expect(await frozen()).toBe((201n * loss) / 100n);

        await demand(jobOf(2), SHARE);

        expect(await frozen()).toBe(SHARE);
    });

    it('that the provider has opened against itself shield no victim: what its case asks stays frozen when they end', async () => {
        const [dummy, victim] = [jobOf(1), jobOf(2)];
        const loss = toNano('1');
        const asked = (201n * loss) / 100n;
        await demand(dummy, SHARE);
        await demand(victim, loss);
        expect(await frozen()).toBe(SHARE);

        await answer(dummy);
        expect(await frozen()).toBe(asked);
        market().blockchain.now! += DAY + 1;
        const decided = await decide(victim);

        expect(slashesIn(decided).map(({ amounts }) => amounts.amount)).toEqual([asked]);
        await expectThawed(asked);
    });

    it('freeze less once the key has cost a part of its share for signing twice, and take the rest', async () => {
        const [open, job] = [jobOf(1), jobOf(2)];
        await demand(open, SHARE);

        const twice = await report(market(), 'twice', job.report.twice(job.result(), job.result({ number: 2 })));

        expect(slashesIn(twice).map(({ amounts }) => amounts.amount)).toEqual([SHARE / 5n]);
        expect(await frozen()).toBe((SHARE * 4n) / 5n);
        market().blockchain.now! += DAY + 1;
        const decided = await decide(open);
        expect(slashesIn(decided).map(({ amounts }) => amounts.amount)).toEqual([(SHARE * 4n) / 5n]);
        expect(await market().provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    });

    it('that ask for what another has taken freeze and take what is left', async () => {
        const [first, second] = [jobOf(1), jobOf(2)];
        const loss = toNano('5');
        await demand(first, loss);
        await demand(second, SHARE);
        market().blockchain.now! += DAY + 1;

        await decide(first);
        const taken = (201n * loss) / 100n;
        expect(await frozen()).toBe(SHARE - taken);
        const decided = await decide(second);

        expect(slashesIn(decided).map(({ amounts }) => amounts.amount)).toEqual([SHARE - taken]);
        expect(await market().provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    });
});

describe('Of what a case has frozen nothing stays', () => {
    it('when it is answered', async () => {
        await demand(jobOf(1), SHARE);

        await answer(jobOf(1));

        await expectThawed(0n);
    });

    it('when it is answered after its key has ended', async () => {
        await demand(jobOf(1), SHARE);
        await changeNode(market(), nodeChanges.endKey(keyOf('receipt')));
        await demand(jobOf(2), toNano('1'));

        await answer(jobOf(1));

        expect(await frozen()).toBe((201n * toNano('1')) / 100n);
        await answer(jobOf(2));
        await expectThawed(0n);
    });

    it('when the committee is silent', async () => {
        const job = jobOf(1);
        await wrong(job);
        market().blockchain.now! += 4 * DAY + 1;

        await decide(job, 'B1');

        await expectThawed(0n);
    });

    it('when there is a case about the fault already', async () => {
        await demand(jobOf(1), SHARE);
        await demand(jobOf(1), SHARE);
        expect(await frozen()).toBe(SHARE);

        await answer(jobOf(1));

        await expectThawed(0n);
    });

    it('when the report names a code that the provider does not follow', async () => {
        const job = jobOf(1);
        const other = Object.assign(Object.create(market()) as CaseMarket, { codes: { dispute: Cell.EMPTY } });
        const lost = jobOf(1, 'receipt', other);

        await report(market(), 'demand', lost.report.demand(job.accept({ ceiling: SHARE })), { value: VALUE });

        await expectThawed(0n);
    });

    it('when its Dispute does not run, since a stranger has let it owe years of rent', async () => {
        const { blockchain, stranger, node, provider } = market();
        const job = jobOf(1);
        const early = await job.dispute('A3');
        await stranger.send({ to: early.address, value: toNano('0.01'), init: early.init!, bounce: false });
        await node.sendRent(stranger.getSender(), { value: toNano('300') });
        await stranger.send({ to: provider.address, value: toNano('300') });
        blockchain.now! += 40 * 365 * DAY;

        const shown = await demand(job, SHARE);

        const bounced = shown.transactions.filter(
            ({ inMessage }) => inMessage?.info.type === 'internal' && inMessage.info.bounced,
        );
        expect(bounced.map(({ inMessage }) => String(inMessage!.info.dest))).toEqual([String(provider.address)]);
        expect((await provider.getStanding()).opened).toBe(1n);
        await expectThawed(0n);
    });

    it('when its key was forgotten meanwhile', async () => {
        const { blockchain } = market();
        const rotate = (name: string) =>
            changeNode(
                market(),
                nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! }),
            );
        const job = jobOf(1);
        const accept = job.accept({ ceiling: SHARE, deadline: blockchain.now! });
        await rotate('second');
        blockchain.now! += 119 * HOUR;
        await report(market(), 'demand', job.report.demand(accept));
        blockchain.now! += 26 * HOUR;
        for (const name of ['third', 'fourth', 'fifth', 'sixth']) {
            await rotate(name);
            if ((await market().node.getKeyEndsAt(keyOf('receipt'))) === 0n) {
                break;
            }
        }
        expect(await market().node.getKeyEndsAt(keyOf('receipt'))).toBe(0n);
        expect(await frozen()).toBe(SHARE);

        const decided = await decide(job);

        expect(slashesIn(decided).map(({ amounts }) => amounts.amount)).toEqual([SHARE]);
        expect(await market().provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    });

    it('when its node is gone', async () => {
        const { blockchain, provider, node, owner, stranger } = market();
        const job = jobOf(1);
        await demand(job, SHARE);
        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0, codeVersion: 0 });
        blockchain.now! += 400 * DAY;
        await node.sendClear(stranger.getSender(), { value: VALUE });

        await decide(job);

        expect(await provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    });
});

describe('A key whose start is that of another', () => {
    it('has a ledger of its own: cases name it by its serial', async () => {
        const { node } = market();
        const key = ((keyOf('receipt') >> 8n) << 8n) | 1n;
        const keys = { receiptKey: key, encryptionKey: 7n, oldEndsAt: market().blockchain.now! };
        await changeNode(market(), nodeChanges.keys(keys));
        expect((await node.getNodeState()).receiptKey).toBe(key);

        await demand(jobOf(1), SHARE);

        expect(await node.getEndedKey(0n)).toMatchObject({ key: keyOf('receipt'), disputed: SHARE });
        expect(await frozen()).toBe(SHARE);
        await answer(jobOf(1));
        expect(await node.getEndedKey(0n)).toMatchObject({ key: keyOf('receipt'), disputed: 0n });
        expect(await frozen()).toBe(0n);
    });
});

describe('A draw', () => {
    async function drawn(stated: boolean) {
        const { blockchain, owner, stranger, job } = market();
        await wrong(job);
        const dispute = await job.dispute('B1');
        const { bond } = await dispute.getCaseState();
        if (stated) {
            await dispute.sendStatement(owner.getSender(), { value: toNano('0.1'), statement: Buffer.alloc(32, 4) });
        }
        blockchain.now! += 4 * DAY + 1;
        const sent = await decide(job, 'B1');
        return { bond, toOwner: valueSent(sent, dispute, owner), toReporter: valueSent(sent, dispute, stranger) };
    }

    it('costs the reporter what the statement cost the owner', async () => {
        const { bond, toOwner, toReporter } = await drawn(true);

        expect(toOwner).toBeGreaterThan(0n);
        expect(toOwner + toReporter).toBe(bond);
    });

    it('costs the reporter nothing where the owner has not stated his side', async () => {
        expect(await drawn(false)).toMatchObject({ toOwner: 0n, toReporter: toNano('5') });
    });
});
