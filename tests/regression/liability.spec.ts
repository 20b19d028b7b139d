import { toNano } from '@ton/core';

import { Node, nodeChanges, nodeStates } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { registryChanges, Rules } from '../../wrappers/Registry';
import { aside, CaseMarket, caseMarket, expectRejected, NodeJob, report, slashesIn, votes } from '../support/cases';
import { expectRefused } from '../support/chain';
import {
    CHANGE_DELAY,
    changeNode,
    DAY,
    HOUR,
    joinedMarket,
    keyOf,
    RATE,
    registerNode,
    rulesWith,
} from '../support/stake';

const VALUE = toNano('3');
const SHARE = 2n * RATE;
const HOLD = 336 * HOUR; // of the rules of the beginning
const EVIDENCE = 120 * HOUR;
const SKEW = 60; // seconds by which a receipt may be dated ahead
const NOTICE = 120; // seconds for which a key goes on that its provider ends
const SHORT = { evidence: 24 * HOUR, response: HOUR, verdict: 12 * HOUR, buffer: 12 * HOUR, unbonding: 61 * HOUR };
const SHORTEST = { evidence: HOUR, response: HOUR, verdict: HOUR, buffer: HOUR, unbonding: 4 * HOUR };
const LONG = { response: 10 * DAY, verdict: 20 * DAY, buffer: 10 * DAY, unbonding: 60 * DAY };

type Joined = Omit<CaseMarket, 'node' | 'job' | 'victim'>;

async function propose({ registry, governor, insurance }: Joined, windows: Partial<Rules>): Promise<void> {
    const change = registryChanges.rules(rulesWith(insurance.address, windows));
    await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
}

async function execute({ registry, stranger, provider, owner }: Joined): Promise<void> {
    await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });
    await provider.sendAdopt(owner.getSender(), { value: VALUE });
}

async function adopt(market: Joined, windows: Partial<Rules>): Promise<void> {
    await propose(market, windows);
    market.blockchain.now! += CHANGE_DELAY;
    await execute(market);
}

const close = ({ provider, owner }: Joined) => provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });

async function unbondAll({ provider, owner }: Joined): Promise<number> {
    const { stake } = await provider.getProviderState();
    await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: stake });
    return Number((await provider.getStakeSlot(0n)).unlockAt);
}

const withdraw = ({ provider, owner }: Joined) =>
    provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0 });

/** The job of a client of now, with the node's key. */
const newJob = (market: Omit<CaseMarket, 'job'>) => new NodeJob(market, Buffer.alloc(32, 6), market.victim.address);

describe('Rules with shorter windows that a provider adopts', () => {
    it('leave a node that closes afterwards liable with its share for what it signed before, to the last second', async () => {
        const market = await caseMarket();
        await adopt(market, SHORT);
        const job = newJob(market);
        const body = job.report.twice(job.result(), job.result({ index: 2 }));
        await close(market);
        await unbondAll(market);

        market.blockchain.now! += EVIDENCE;
        const shown = await report(market, 'twice', body, { value: VALUE });

        expect(slashesIn(shown)).toMatchObject([{ amounts: { amount: SHARE / 5n } }]);
    });

    it('let no stake go before what was signed under the longer ones has been judged', async () => {
        const market = await caseMarket();
        const { blockchain, provider } = market;
        await adopt(market, SHORT);
        await close(market);

        const unlockAt = await unbondAll(market);

        expect(unlockAt).toBe(blockchain.now! + HOLD);
        expectRefused(await aside(market, unlockAt - 1, () => withdraw(market)), {
            to: provider.address,
            exitCode: errors.ErrTooEarly,
        });
        await aside(market, unlockAt, () => withdraw(market));
    });

    it('leave the longest of all windows in force that were followed since a node is open, however often rules change', async () => {
        const market = await caseMarket();
        await adopt(market, SHORT);
        await adopt(market, SHORTEST);
        await close(market);

        const unlockAt = await unbondAll(market);

        expect(unlockAt).toBe(market.blockchain.now! + HOLD);
    });

    it('count alone once they were adopted without an open node and the hold of before is over', async () => {
        const market = await caseMarket();
        const { blockchain, provider, owner } = market;
        await close(market);
        await adopt(market, SHORT);
        const adopted = blockchain.now!;
        const unbond = async (slot: bigint) => {
            await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: 1n });
            return Number((await provider.getStakeSlot(slot)).unlockAt);
        };

        expect(await unbond(0n)).toBe(adopted + HOLD);
        blockchain.now = adopted + HOLD - SHORT.unbonding - SKEW - NOTICE;
        expect(await unbond(1n)).toBe(adopted + HOLD);
        blockchain.now += 1;
        expect(await unbond(2n)).toBe(adopted + HOLD + 1);
    });

    it('do not end the share of before sooner that a node had when it fell under the longer ones', async () => {
        const market = await caseMarket();
        const { blockchain, provider, owner, node } = market;
        const change = nodeChanges.hardware({ gpuClass: 0, gpus: 1, vram: 80, model: 'GPU' });
        const args = { value: VALUE, number: 0, share: SHARE, gpus: 2, change };
        await provider.sendReplaceHardware(owner.getSender(), args);
        const fell = blockchain.now!;
        await adopt(market, SHORT);

        await close(market);

        expect((await node.getNodeRecord()).pastUntil).toBeGreaterThanOrEqual(BigInt(fell + HOLD));
        expect((await node.getNodeRecord()).pastShare).toBe(SHARE);
    });
});

describe('Rules with longer windows that a provider adopts after a node has closed', () => {
    async function shownLate(): Promise<CaseMarket> {
        const market = await caseMarket();
        const { blockchain } = market;
        await propose(market, LONG);
        blockchain.now! += CHANGE_DELAY - EVIDENCE;
        const job = newJob(market);
        const body = job.report.wrong(job.result());
        await close(market);
        blockchain.now! += EVIDENCE;
        await execute(market);
        await report(market, 'wrong', body, { value: toNano('10') });
        return { ...market, job };
    }

    it('leave a case against it its node: what the committee takes is taken', async () => {
        const market = await shownLate();
        const { blockchain, job, node, stranger } = market;
        const dispute = await job.dispute('B1');
        blockchain.now! += LONG.response + LONG.verdict;
        await node.sendClear(stranger.getSender(), { value: VALUE });

        const verdict = { basisPoints: 500, validUntil: blockchain.now! };
        const signed = votes((await dispute.getFile())!, dispute.address, verdict, [0, 1]);
        const judged = await dispute.sendVerdict(stranger.getSender(), { value: VALUE, ...verdict, votes: signed });

        expect(slashesIn(judged)).toMatchObject([{ class: 4, amounts: { amount: SHARE / 20n } }]);
    });

    it('keep it for 90 days from the opening of the case, to the second', async () => {
        const market = await shownLate();
        const { blockchain, node, stranger } = market;
        const clear = () => node.sendClear(stranger.getSender(), { value: VALUE });
        const clearAt = blockchain.now! + 90 * DAY;

        expectRefused(await aside(market, clearAt - 1, clear), { to: node.address, exitCode: errors.ErrTooEarly });
        blockchain.now = clearAt;
        await clear();

        expect((await blockchain.getContract(node.address)).accountState).toBeUndefined();
    });
});

describe('A demand about the last accept that a closed node can have signed', () => {
    it('finds its stake under windows that are together shorter than a day', async () => {
        const joined = await joinedMarket();
        const { blockchain } = joined;
        await adopt(joined, SHORTEST);
        blockchain.now! += HOLD;
        const { node } = await registerNode(joined);
        const victim = await blockchain.treasury('victim');
        const opened = { ...joined, node, victim };
        const job = newJob(opened);
        const market: CaseMarket = { ...opened, job };
        await close(market);
        const accept = job.accept({ deadline: blockchain.now! + NOTICE + DAY });
        const body = job.report.demand(accept);
        const unlockAt = await unbondAll(market);

        expect(unlockAt).toBe(blockchain.now! + NOTICE + DAY + 3 * HOUR + SKEW);
        blockchain.now! += NOTICE + DAY + HOUR;
        await report(market, 'demand', body, { value: VALUE });
        blockchain.now! += HOUR + 1;
        await withdraw(market);
        const dispute = await job.dispute('A3');
        const decided = await dispute.sendDecide(market.stranger.getSender(), { value: VALUE });

        expect(slashesIn(decided)).toHaveLength(1);
    });
});

describe('A key that its provider ends', () => {
    const ways = {
        'by EndKey': (market: CaseMarket) => changeNode(market, nodeChanges.endKey(keyOf('receipt'))),
        'by CloseNode': close,
        'by SetKeys': (market: CaseMarket) => {
            const keys = { receiptKey: keyOf('next'), encryptionKey: 7n, oldEndsAt: market.blockchain.now! };
            return changeNode(market, nodeChanges.keys(keys));
        },
    };

    it.each(Object.entries(ways))(
        '%s bears what it signs for two minutes more, within which a gateway looks at it, and nothing later',
        async (_, end) => {
            const market = await caseMarket();
            const { blockchain } = market;
            const last = blockchain.now! + NOTICE + SKEW;
            await end(market);

            blockchain.now = last + 1;
            const { job } = market;
            const excess = (finishedAt: number) => job.report.excess(job.result({ finishedAt, cumulative: 1_000n }));
            await expectRejected(market, 'excess', excess(last + 1), errors.ErrUnknownKey);

            expect(slashesIn(await report(market, 'excess', excess(last)))).toHaveLength(1);
        },
    );

    it('holds its node and the stake for those two minutes longer than all windows together', async () => {
        const market = await caseMarket();
        const { blockchain, provider } = market;
        await close(market);
        const windows = { evidence: 24 * HOUR, response: HOUR, verdict: 25 * HOUR, buffer: 12 * HOUR };
        const together = 62 * HOUR;
        await adopt(market, { ...windows, unbonding: together });
        blockchain.now! += HOLD;
        await registerNode(market);
        await provider.sendCloseNode(market.owner.getSender(), { value: VALUE, number: 1 });
        const second = blockchain.openContract(await Node.ofProvider(provider.address, 1));
        const unlockAt = await unbondAll(market);

        expect((await second.getNodeState()).clearAt).toBe(BigInt(unlockAt));
        expect(unlockAt).toBe(blockchain.now! + NOTICE + together);
    });
});

describe('A key', () => {
    const excess = ({ job }: CaseMarket, cost: bigint) => {
        const price = 300n;
        return job.report.excess(job.result({ price, cumulative: price + (cost + 2n) / 3n })); // rounded up
    };

    it.each([
        ['the whole share ends with it, and a top-up brings no impunity', SHARE, false],
        ['a nanoTON less signs on', SHARE - 1n, true],
    ])('whose receipts have cost %s', async (_, cost, signsOn) => {
        const market = await caseMarket();
        const { blockchain, provider, owner, node, job } = market;
        const key = BigInt(`0x${job.receiptKey.publicKey.toString('hex')}`);
        await report(market, 'excess', excess(market, cost));
        await provider.sendAddStake(owner.getSender(), { value: toNano('101'), amount: toNano('100') });

        const { state, endsAt, slashable: left } = await node.getKeyLiability(key);

        expect([state, left]).toEqual([nodeStates.open, SHARE - cost]);
        expect(endsAt).toBe(signsOn ? 0xffffffffn : BigInt(blockchain.now!));
        blockchain.now! += 61; // the first second after its end whose receipts count no more
        const later = newJob(market);
        const body = later.report.excess(later.result({ cumulative: toNano('1') }));
        if (signsOn) {
            expect(slashesIn(await report(market, 'excess', body))[0].amounts.amount).toBe(left);
        } else {
            await expectRejected(market, 'excess', body, errors.ErrUnknownKey);
        }
    });

    it.each([
        ['the share of these, ends with the change', RATE, false],
        ['two nanoTON less than that, signs on', RATE - 2n, true],
    ])('of a node that gets fewer GPUs, whose receipts have cost %s', async (_, cost, signsOn) => {
        const market = await caseMarket();
        const { blockchain, provider, owner, node, job } = market;
        const key = BigInt(`0x${job.receiptKey.publicKey.toString('hex')}`);
        await report(market, 'excess', excess(market, cost));

        const change = nodeChanges.hardware({ gpuClass: 0, gpus: 1, vram: 80, model: 'GPU' });
        const args = { value: VALUE, number: 0, share: SHARE, gpus: 2, change };
        await provider.sendReplaceHardware(owner.getSender(), args);

        expect(await node.getKeyEndsAt(key)).toBe(signsOn ? 0xffffffffn : BigInt(blockchain.now!));
        expect((await node.getNodeState()).share).toBe(RATE);
    });

    it('that was rotated and would still sign ends, too, when its receipts have cost the share', async () => {
        const market = await caseMarket();
        const { blockchain, node, job } = market;
        const key = BigInt(`0x${job.receiptKey.publicKey.toString('hex')}`);
        const next = key ^ (1n << 200n);
        const keys = { receiptKey: next, encryptionKey: 7n, oldEndsAt: blockchain.now! + 30 * DAY };
        await changeNode(market, nodeChanges.keys(keys));

        await report(market, 'excess', excess(market, SHARE));

        expect(await node.getKeyEndsAt(key)).toBe(BigInt(blockchain.now!));
        expect((await node.getNodeState()).receiptKey).toBe(next);
    });
});
