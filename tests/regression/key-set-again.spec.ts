/** A receipt key that is set again once its slot was used again: its earlier cases have nothing to do with it. */
import { parseMessage } from '@cocoon-market/wrappers';
import { beginCell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';

import { nodeChanges } from '../../wrappers/Node';
import { registryChanges } from '../../wrappers/Registry';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn, useCases } from '../support/cases';
import {
    CHANGE_DELAY,
    changeNode,
    DAY,
    expectSolvent,
    HOUR,
    keyOf,
    listingWith,
    pairOf,
    RATE,
    rulesWith,
    Wallet,
} from '../support/stake';

const VALUE = toNano('10');
const SHARE = 3n * RATE; // once the key is set again
const UNBONDING = 14 * DAY;
const RESPONSE = 20 * DAY; // of the longer rules
const market = useCases(() => caseMarket({ gpus: 1 }));

/** A job by this key whose demands may ask for any share. */
function jobOf(byte: number, escrow: Wallet, name = 'receipt'): NodeJob {
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey, step: toNano('1000') };
    return Object.assign(new NodeJob(market(), Buffer.alloc(32, byte), escrow.address, terms), { receiptKey });
}

function setKey(name: string): Promise<SendMessageResult> {
    const oldEndsAt = market().blockchain.now!;
    return changeNode(market(), nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 3n, oldEndsAt }));
}

interface Demand {
    job: NodeJob;
    sent: SendMessageResult;
}

/**
 * The provider demands three answers of its own, each for the whole share, shortly before the slot of the key is used
 * again. Then it sets the key again and lists three times as many GPUs. Returns its demands.
 */
async function setAgain(): Promise<Demand[]> {
    const { blockchain, provider, node, owner } = market();
    await setKey('second');
    const { endsAt, freeAt } = await node.getEndedKey(0n);
    blockchain.now = Number(freeAt) - HOUR;
    const own: Demand[] = [];
    for (const byte of [1, 2, 3]) {
        const job = jobOf(byte, owner);
        const accept = job.accept({ ceiling: RATE / 2n, deadline: Number(endsAt) + DAY });
        own.push({ job, sent: await report(market(), 'demand', job.report.demand(accept), { by: owner }) });
    }
    blockchain.now = Number(freeAt);
    await setKey('third');
    expect(await node.getKeyEndsAt(keyOf('receipt'))).toBe(0n);
    await setKey('receipt');
    const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 3 });
    const old = { number: 0, share: RATE, gpus: 1 };
    await provider.sendReplaceHardware(owner.getSender(), { value: VALUE, ...old, change });
    expect((await node.getNodeState()).share).toBe(SHARE);
    return own;
}

/** The victim demands an answer that the key of now promised. The case may take the whole share. */
async function demanded(): Promise<Demand> {
    const job = jobOf(9, market().victim);
    const body = job.report.demand(job.accept({ ceiling: SHARE / 2n }));
    return { job, sent: await report(market(), 'demand', body) };
}

async function answer({ job }: Demand): Promise<SendMessageResult> {
    const dispute = await job.dispute('A3');
    return dispute.sendFail(market().owner.getSender(), { value: VALUE, fail: job.fail() });
}

async function decide({ job }: Demand): Promise<SendMessageResult> {
    const dispute = await job.dispute('A3');
    return dispute.sendDecide(market().stranger.getSender(), { value: await dispute.getCloseValue() });
}

const slashOf = (sent: SendMessageResult) => slashesIn(sent).map(({ amounts }) => amounts.amount);

/** The provider closes its node and moves all its stake into a slot. */
async function leave({ provider, owner, blockchain }: CaseMarket): Promise<number> {
    await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
    const { stake } = await provider.getProviderState();
    await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: stake });
    const { unlockAt } = await provider.getStakeSlot(0n);
    expect(Number(unlockAt)).toBe(blockchain.now! + UNBONDING);
    return Number(unlockAt);
}

/** The provider takes home all of its slot that it may. */
async function takeHome({ provider, owner }: CaseMarket): Promise<void> {
    const amount = await provider.getWithdrawable(0n);
    expect(amount).toBeGreaterThan(0n);
    await provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0, amount });
}

/** The bodies of the messages of this name. */
const bodiesIn = ({ transactions }: SendMessageResult, name: 'OpenCase' | 'ReleaseShare') =>
    transactions.map(({ inMessage }) => inMessage!.body).filter((body) => parseMessage(body)?.name === name);

/** The serials that messages of this name give of a receipt key. */
const serialsIn = (sent: SendMessageResult, name: 'OpenCase' | 'ReleaseShare') =>
    bodiesIn(sent, name).map((body) => (parseMessage(body)!.fields as { keySerial: bigint }).keySerial);

/** Delivers the bounce of the OpenCase of a demand, late. It carries the first 256 bits, as a real one does. */
async function bounceOf({ job, sent }: Demand): Promise<SendMessageResult> {
    const { address: from } = await job.dispute('A3');
    const [opened] = bodiesIn(sent, 'OpenCase');
    const body = beginCell().storeUint(0xffffffff, 32).storeBits(opened.bits.substring(0, 256)).endCell();
    const to = market().provider.address;
    return market().blockchain.sendMessage(internal({ from, to, value: VALUE, bounce: false, bounced: true, body }));
}

describe('A key that is set again while cases of before are open', () => {
    it('keeps frozen what its new case may take when they end, and nobody has it decided in time', async () => {
        const { blockchain, provider } = market();
        const own = await setAgain();
        const unlockAt = await leave(market());
        const later = await demanded();
        for (const each of own) {
            await answer(each);
        }

        expect((await provider.getStanding()).frozen).toBe(SHARE);
        blockchain.now = unlockAt;
        await takeHome(market());
        expect(slashOf(await decide(later))).toEqual([SHARE]);
        expect(await provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
        await expectSolvent(market());
    });

    it('keeps frozen what its new case may take when they end, and its provider follows longer windows', async () => {
        const { blockchain, provider, registry, governor, insurance, owner } = market();
        const change = registryChanges.rules(
            rulesWith(insurance.address, { response: RESPONSE, unbonding: RESPONSE + 20 * DAY }),
        );
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        blockchain.now! += CHANGE_DELAY - 5 * DAY;
        const own = await setAgain();
        const unlockAt = await leave(market());
        await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
        await provider.sendAdopt(owner.getSender(), { value: VALUE });
        const later = await demanded();
        const { answerBy } = await (await later.job.dispute('A3')).getCaseState();
        expect(Number(answerBy)).toBe(blockchain.now! + RESPONSE);
        for (const each of own) {
            await answer(each);
        }

        blockchain.now = unlockAt;
        await takeHome(market());
        blockchain.now = Number(answerBy) + 1;
        expect(slashOf(await decide(later))).toEqual([SHARE]);
        await expectSolvent(market());
    });

    it('bears its whole share, whatever they have cost', async () => {
        const { blockchain, node } = market();
        const own = await setAgain();
        const later = await demanded();
        blockchain.now! += DAY + 1;

        const before = await decide(own[0]);

        expect(slashOf(before)).toEqual([RATE]);
        expect(await node.getNodeRecord()).toMatchObject({ slashed: 0n, forgottenSlashed: RATE });
        expect((await node.getKeyLiability(keyOf('receipt'))).slashable).toBe(SHARE);
        expect(slashOf(await decide(later))).toEqual([SHARE]);
    });

    it('keeps frozen what its new case may take when a Dispute of before did not run', async () => {
        const { provider } = market();
        const own = await setAgain();
        await demanded();

        for (const each of own) {
            await bounceOf(each);
        }

        expect(await provider.getStanding()).toMatchObject({ frozen: SHARE, cases: 1n });
    });

    it('has a serial of its own, by which its cases name it', async () => {
        const own = await setAgain();
        const later = await demanded();

        expect(serialsIn(later.sent, 'OpenCase')).toEqual([4n]);
        expect(serialsIn(await answer(later), 'ReleaseShare')).toEqual([4n]);
        expect(serialsIn(await answer(own[0]), 'ReleaseShare')).toEqual([1n]);
    });
});
