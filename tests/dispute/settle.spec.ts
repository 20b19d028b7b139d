// Longer than 350 lines because its cases share one set-up.
/** What a slash takes, from where, and who can escape or gain by it. */
import { beginCell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { errors } from '@cocoon-market/wrappers';
import { nodeChanges } from '../../wrappers/Node';
import { parseRules, registryChanges } from '../../wrappers/Registry';
import {
    CaseMarket,
    caseMarket,
    expectNoSlash,
    expectRejected,
    NodeJob,
    partsOf,
    report,
    slashesIn,
    useCases,
    votes,
} from '../support/cases';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { valueSent } from '../support/market';
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
    registerNode,
    rulesWith,
    STAKE,
} from '../support/stake';

const SHARE = 2n * RATE;
const VALUE = toNano('1');
const UNBONDING = 336 * HOUR;
const market = useCases(() => caseMarket());
const via = () => market().stranger.getSender();
const mine = () => market().owner.getSender();
const { ErrLowStake, ErrUnknownKey, ErrWrongJob, ErrNotDispute } = errors;

const slot = (number: number) => market().provider.getStakeSlot(BigInt(number));
const unbond = (amount: bigint) => market().provider.sendUnbond(mine(), { value: VALUE, amount });
const withdraw = (number: number) => market().provider.sendWithdrawStake(mine(), { value: VALUE, slot: number });

/** A job with a node under one of its keys; `byte` tells it from others. */
function jobOf(byte: number, name = 'receipt', node = market().node): NodeJob {
    const { victim } = market();
    const channel = Buffer.alloc(32, byte);
    const job = new NodeJob({ ...market(), node }, channel, victim.address, { receiptKey: pairOf(name).publicKey });
    return Object.assign(job, { receiptKey: pairOf(name) });
}

const twice = (job = market().job) =>
    report(market(), 'twice', job.report.twice(job.result(), job.fail()), { node: job.market.node });
const excess = (job: NodeJob, amount: bigint, number = 1) =>
    report(market(), 'excess', job.report.excess(job.result({ number, price: amount })), { node: job.market.node });
const sumOf = (results: Awaited<ReturnType<typeof twice>>[]) =>
    results.flatMap(slashesIn).reduce((sum, { amounts }) => sum + amounts.amount, 0n);

async function demand(number: number, ceiling = toNano('0.05')) {
    const { job } = market();
    await report(market(), 'demand', job.report.demand(job.accept({ number, ceiling })));
    return job.dispute('A3', number);
}

async function decide(dispute: Awaited<ReturnType<typeof demand>>) {
    const value = await dispute.getCloseValue();
    return expectConserved(market().blockchain, () => dispute.sendDecide(via(), { value }));
}

async function setKey(bare: CaseMarket, name: string): Promise<void> {
    const keys = { receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: bare.blockchain.now! };
    await changeNode(bare, nodeChanges.keys(keys));
}

/** Shows an excess without bounds of a key, and lets the key's time pass. Returns nanoTON that it takes. */
async function wholeShareOf(bare: CaseMarket, name: string): Promise<bigint> {
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey };
    const job = Object.assign(new NodeJob(bare, Buffer.alloc(32, 5), bare.victim.address, terms), { receiptKey });
    const taken = sumOf([await report(bare, 'excess', job.report.excess(job.result({ price: 1n << 60n })))]);
    bare.blockchain.now! += 120 * HOUR;
    return taken;
}

/** A provider whose stake three faults have taken. `taken`: nanoTON of each. */
async function withoutStake(): Promise<{ bare: CaseMarket; taken: bigint[] }> {
    const bare = await caseMarket({ rates: [toNano('45')], gpus: 1 });
    const taken = [await wholeShareOf(bare, 'receipt')];
    for (const name of ['second', 'third']) {
        await setKey(bare, name);
        taken.push(await wholeShareOf(bare, name));
    }
    return { bare, taken };
}

describe('A slash', () => {
    it('takes slots first, the oldest first wherever it lies, then the stake', async () => {
        const { blockchain, provider } = market();
        for (const amount of ['1', '2', '6']) {
            await unbond(toNano(amount));
            blockchain.now! += HOUR;
        }
        await provider.sendCancelUnbonding(mine(), { value: VALUE, slot: 0 });
        await unbond(toNano('0.5'));

        const taken = sumOf([await twice()]);

        expect(taken).toBe(SHARE / 5n);
        expect((await slot(1)).amount).toBe(0n);
        expect((await slot(2)).amount).toBe(toNano('8') - taken);
        expect((await slot(0)).amount).toBe(toNano('0.5'));
        expect((await provider.getProviderState()).stake).toBe(STAKE - toNano('8.5'));
        await expectSolvent(market());
    });

    it('takes the stake once the slots are gone', async () => {
        const { provider } = market();
        await unbond(toNano('1'));

        const taken = sumOf([await twice()]);

        expect(await provider.getProviderState()).toMatchObject({ stake: STAKE - taken, unbonding: 0n });
    });

    it('beyond the stake takes what there is, and the next nothing, and none fails', async () => {
        const { bare, taken } = await withoutStake();
        const { provider } = bare;
        await setKey(bare, 'fourth');
        taken.push(await wholeShareOf(bare, 'fourth'));

        expect(taken).toEqual([toNano('45'), toNano('45'), STAKE - toNano('90'), 0n]);
        expect(await provider.getProviderState()).toMatchObject({ stake: 0n, unbonding: 0n });
        expect((await provider.getStanding()).jailed).toBe(true);
        await expectSolvent(bare);
    });

    it('of a provider that has nothing left keeps a week of its rent from each of three messages', async () => {
        const { bare } = await withoutStake();
        await setKey(bare, 'fourth');
        const account = await bare.blockchain.getContract(bare.provider.address);
        account.balance = 0n; // rent has eaten what a Provider keeps besides its stake

        expect(await wholeShareOf(bare, 'fourth')).toBe(0n);
        expect(account.balance).toBe(3n * ((await bare.provider.getProviderState()).reserve / 52n));
    });

    it('takes the same with whatever query id its way is begun, and each message has that', async () => {
        const dispute = await demand(1);
        market().blockchain.now! += DAY + 1;
        const value = await dispute.getCloseValue();

        const result = await dispute.sendDecide(via(), { value, queryId: 7n });

        const ids = transactionsOn(result, market().provider.address).map(({ inMessage }) => {
            return inMessage!.body.beginParse().skip(32).loadUint(64);
        });
        expect(ids).toEqual([7, 7]); // of CaseClosed and of ShareSlashed
        expect(sumOf([result])).toBeGreaterThan(0n);
        expect((await market().provider.getStanding()).frozen).toBe(0n);
    });

    it('in ten cases at once takes no more than the key’s share, and leaves nothing frozen', async () => {
        const { blockchain, provider } = market();
        const cases = [];
        for (let number = 1; number <= 10; number++) {
            const job = jobOf(5);
            Object.assign(job.terms, { step: toNano('2') });
            const accept = job.accept({ number, ceiling: toNano('2') });
            await report(market(), 'demand', job.report.demand(accept));
            cases.push(await job.dispute('A3', number));
        }
        expect((await provider.getStanding()).frozen).toBe(SHARE);
        blockchain.now! += DAY + 1;

        const results = [];
        for (const each of cases) {
            results.push(await decide(each));
        }

        expect(sumOf(results)).toBe(SHARE);
        expect((await provider.getStanding()).frozen).toBe(0n);
        await expectSolvent(market());
    });
});

describe('Stake that leaves', () => {
    it('waits while a case is open: what it may take stays besides what is required, to the nanoTON', async () => {
        const { blockchain, provider } = market();
        const spare = STAKE - (await provider.getProviderState()).requiredStake;
        await unbond(spare - toNano('1'));
        blockchain.now! += UNBONDING - DAY;
        const { job } = market();
        Object.assign(job.terms, { step: toNano('5') });
        const loss = toNano('5');
        await report(
            market(),
            'demand',
            job.report.demand(job.accept({ ceiling: loss, deadline: blockchain.now! - 1 })),
        );
        const { frozen } = await provider.getStanding();
        expect(frozen).toBe(2n * loss + loss / 100n);
        blockchain.now! += DAY;

        expectRefused(await withdraw(0), { to: provider.address, exitCode: ErrLowStake });
        await provider.sendAddStake(via(), { value: frozen + VALUE, amount: frozen - toNano('1') - 1n });
        expectRefused(await withdraw(0), { to: provider.address, exitCode: ErrLowStake });
        await provider.sendAddStake(via(), { value: VALUE, amount: 1n });
        await withdraw(0);
        expect((await slot(0)).amount).toBe(0n);
    });

    it('goes once the case is answered', async () => {
        const { blockchain, provider, job } = market();
        const spare = STAKE - (await provider.getProviderState()).requiredStake;
        await unbond(spare);
        blockchain.now! += UNBONDING;
        await report(market(), 'demand', job.report.demand(job.accept({ deadline: blockchain.now! - 1 })));
        expectRefused(await withdraw(0), { to: provider.address, exitCode: ErrLowStake });
        const dispute = await job.dispute('A3');

        await dispute.sendFail(via(), { value: await dispute.getCloseValue(), fail: job.fail() });

        await withdraw(0);
        expect((await slot(0)).amount).toBe(0n);
    });

    it.each(['before', 'after'])('by unbonding all %s the fault is slashed all the same', async (when) => {
        const { provider, job } = market();
        const receipts = when === 'after' ? [job.result(), job.fail()] : [];
        await provider.sendCloseNode(mine(), { value: VALUE, number: 0 });
        await unbond(STAKE);
        const [first, second] = when === 'after' ? receipts : [job.result(), job.fail()];

        expect(sumOf([await report(market(), 'twice', job.report.twice(first, second))])).toBe(SHARE / 5n);
        expect((await slot(0)).amount).toBe(STAKE - SHARE / 5n);
    });

    it('by lowering the share with other hardware first is slashed for the share it had', async () => {
        const { provider, operator, node, blockchain } = market();
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const args = { value: VALUE, number: 0, share: SHARE, gpus: 2, change };
        await provider.sendReplaceHardware(operator.getSender(), args);
        expect((await node.getNodeState()).share).toBe(RATE);
        blockchain.now! += 119 * HOUR;

        expect(sumOf([await twice()])).toBe(SHARE / 5n);
    });

    it('counts the share of before for one unbonding time, to the second', async () => {
        const { provider, operator, node, blockchain } = market();
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const args = { value: VALUE, number: 0, share: SHARE, gpus: 2, change };
        await provider.sendReplaceHardware(operator.getSender(), args);

        blockchain.now! += UNBONDING;
        expect((await node.getNodeRecord()).basis).toBe(SHARE);
        blockchain.now! += 1;
        expect((await node.getNodeRecord()).basis).toBe(RATE);
    });
});

describe('A key', () => {
    it('that was rotated out twice within the window is slashed for what it signed', async () => {
        const { blockchain } = market();
        const { job } = market();
        const [first, second] = [job.result(), job.fail()];
        for (const name of ['second', 'third']) {
            blockchain.now! += HOUR;
            const keys = { receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! };
            await changeNode(market(), nodeChanges.keys(keys));
        }
        blockchain.now! += 100 * HOUR;

        expect(sumOf([await report(market(), 'twice', job.report.twice(first, second))])).toBe(SHARE / 5n);
    });

    it('whose slot was used again while its cases were open costs one share together, not one each', async () => {
        const { blockchain, node } = market();
        const { job } = market();
        const end = blockchain.now!;
        await changeNode(
            market(),
            nodeChanges.keys({ receiptKey: keyOf('second'), encryptionKey: 7n, oldEndsAt: end }),
        );
        blockchain.now! += 144 * HOUR - 1;
        Object.assign(job.terms, { step: toNano('20') });
        const open = [];
        for (const number of [1, 2, 3]) {
            const accept = job.accept({ number, ceiling: toNano('20'), deadline: end + DAY });
            await report(market(), 'demand', job.report.demand(accept));
            open.push(await job.dispute('A3', number));
        }
        blockchain.now! += HOUR;
        await changeNode(
            market(),
            nodeChanges.keys({ receiptKey: keyOf('third'), encryptionKey: 7n, oldEndsAt: end + DAY * 7 }),
        );
        expect((await node.getEndedKey(0n)).key).toBe(keyOf('second'));
        blockchain.now! += DAY;

        const results = [];
        for (const each of open) {
            results.push(await decide(each));
        }

        expect(sumOf(results)).toBe(SHARE);
        expect((await node.getNodeRecord()).forgottenSlashed).toBe(SHARE);
    });

    it('that was stolen in a fleet of ten costs its node’s share, whatever the thief forges', async () => {
        const { provider, owner } = market();
        await provider.sendAddStake(owner.getSender(), { value: 12n * SHARE, amount: 10n * SHARE });
        const nodes = [market().node];
        for (let number = 1; number < 10; number++) {
            nodes.push(
                (await registerNode(market(), { listing: listingWith({ receiptKey: keyOf(`of ${number}`) }) })).node,
            );
        }
        const before = await provider.getProviderState();

        const results = [];
        for (let forged = 0; forged < 100; forged++) {
            const job = new NodeJob(market(), Buffer.alloc(32, forged), market().stranger.address);
            const body = job.report.excess(job.result({ price: toNano('0.5') + BigInt(forged) }));
            results.push(await nodes[0].sendReport(via(), { value: VALUE, report: body }));
        }
        results.push(await report(market(), 'twice', jobOf(200).report.twice(jobOf(200).result(), jobOf(200).fail())));

        expect(sumOf(results)).toBe(SHARE);
        const after = await provider.getProviderState();
        expect(before.stake - after.stake).toBe(SHARE);
        expect(after).toMatchObject({ shares: before.shares, nodes: 10n });
        for (const other of nodes.slice(1)) {
            expect(await other.getNodeRecord()).toMatchObject({ slashed: 0n, basis: SHARE });
            const job = jobOf(9, 'receipt', other);
            await expectRejected(market(), 'twice', job.report.twice(job.result(), job.fail()), ErrUnknownKey, {
                node: other,
            });
        }
        await expectSolvent(market());
    }, 120_000);

    it('of one node proves nothing against another node with the same key', async () => {
        const { provider, owner } = market();
        await provider.sendAddStake(owner.getSender(), { value: 2n * SHARE, amount: SHARE });
        const { node } = await registerNode(market());
        const { job } = market();

        await expectRejected(market(), 'twice', job.report.twice(job.result(), job.fail()), ErrWrongJob, { node });
    });
});

describe('Nobody gains by slashing himself', () => {
    const ways: Record<string, () => Promise<unknown>> = {
        A1: () => twice(),
        A2: () => excess(market().job, toNano('3')),
        A3: async () => {
            Object.assign(market().job.terms, { step: toNano('3') });
            const dispute = await demand(1, toNano('3'));
            market().blockchain.now! += DAY + 1;
            return decide(dispute);
        },
        B1: async () => {
            const { job, owner, blockchain } = market();
            await report(market(), 'wrong', job.report.wrong(job.result({ price: toNano('3') })));
            const dispute = await job.dispute('B1');
            await dispute.sendStatement(owner.getSender(), { value: VALUE, statement: Buffer.alloc(32) });
            const verdict = { basisPoints: 500, validUntil: blockchain.now! + HOUR };
            const signed = votes((await dispute.getFile())!, dispute.address, verdict, [0, 1]);
            const value = await dispute.getCloseValue();
            return dispute.sendVerdict(via(), { value, ...verdict, votes: signed });
        },
    };

    it.each(Object.keys(ways))(
        'by %s: owner, escrow, payout and reporter together lose half of it at least',
        async (name) => {
            const { blockchain, provider, owner, victim, payout, stranger } = market();
            const sum = async () => {
                const all = await Promise.all(
                    [provider, owner, victim, payout, stranger].map(
                        async ({ address }) => (await blockchain.getContract(address)).balance,
                    ),
                );
                return all.reduce((a, b) => a + b, 0n);
            };
            const before = await sum();
            const { stake } = await provider.getProviderState();

            await ways[name]();

            const slash = stake - (await provider.getProviderState()).stake;
            expect(slash).toBeGreaterThan(0n);
            expect(before - (await sum())).toBeGreaterThanOrEqual(slash / 2n);
        },
    );

    it('by any amount and loss: the insurance gets half or more', () => {
        for (const amount of [0n, 1n, 2n, 3n, 999n, toNano('1'), toNano('1000') + 1n]) {
            for (const loss of [0n, 1n, amount / 2n, amount, 1n << 64n]) {
                const parts = partsOf(amount, loss, toNano('0.2'));
                expect(2n * parts.insurance).toBeGreaterThanOrEqual(amount);
                expect(parts.victim + parts.reward + parts.insurance).toBe(amount);
            }
        }
    });
});

describe('Rules that change', () => {
    async function adopt(change: ReturnType<typeof registryChanges.rules>) {
        const { blockchain, registry, governor, provider } = market();
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
        await provider.sendAdopt(mine(), { value: VALUE });
    }

    it('find no second address for a fault: one from before still goes to a Dispute of the code of before', async () => {
        const { blockchain, provider, job } = market();
        blockchain.now! += CHANGE_DELAY;
        const date = BigInt(blockchain.now!);
        const hash = BigInt(`0x${job.hash.toString('hex')}`);
        const disputeAt = (at: bigint) => provider.getDisputeAddress(2n, hash, 0n, 0n, at);
        const bad = job.result({ price: toNano('1') });
        await report(market(), 'excess', job.report.excess(bad));
        const before = await disputeAt(date);
        await adopt(registryChanges.code('dispute', beginCell().storeUint(1, 8).endCell()));
        const since = (await provider.getStanding()).disputeSince;

        expect((await disputeAt(date)).equals(before)).toBe(true);
        expect((await disputeAt(since)).equals(before)).toBe(true);
        expect((await disputeAt(since + 1n)).equals(before)).toBe(false);
    });

    it('with a third code of Disputes are followed but for that code until the first can be needed no more', async () => {
        const { blockchain, provider } = market();
        const code = async () => parseRules((await provider.getMembershipNow()).rules!).dispute.hash;
        await adopt(registryChanges.code('dispute', beginCell().storeUint(1, 8).endCell()));
        const since = Number((await provider.getStanding()).disputeSince);
        const second = await code();
        const third = beginCell().storeUint(2, 8).endCell();
        await adopt(registryChanges.code('dispute', third));
        expect((await provider.getProviderState()).rulesVersion).toBe(3n);

        blockchain.now = since + 90 * DAY - 1;
        await provider.sendAdopt(mine(), { value: VALUE });
        expect(await code()).toEqual(second);
        blockchain.now = since + 90 * DAY;
        await provider.sendAdopt(mine(), { value: VALUE });
        expect(await code()).not.toEqual(second);
        expect((await provider.getStanding()).disputeSince).toBe(BigInt(since + 90 * DAY));
    });

    it('do not move a case that is open: it ends by the code, windows and insurance it began under', async () => {
        const { blockchain, registry, governor, provider, job, insurance, stranger } = market();
        const rules = rulesWith(stranger.address, { response: 48 * HOUR });
        const change = registryChanges.rules(rules);
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        blockchain.now! += CHANGE_DELAY;
        await report(market(), 'demand', job.report.demand(job.accept({ deadline: blockchain.now! - 1 })));
        const dispute = await job.dispute('A3');
        const { answerBy } = await dispute.getCaseState();
        await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
        await provider.sendAdopt(mine(), { value: VALUE });
        blockchain.now = Number(answerBy) + 1;

        const result = await decide(dispute);

        expect(answerBy).toBe((await dispute.getCaseState()).answerBy);
        expect(valueSent(result, provider, insurance)).toBe(slashesIn(result)[0].amounts.insurance);
    });
});

describe('The end of a case that its Provider did not take', () => {
    async function bounce(dispute: Awaited<ReturnType<typeof demand>>, outcome: number) {
        const { blockchain, provider } = market();
        const body = beginCell()
            .storeUint(0xffffffff, 32)
            .storeUint(0xc0c00223, 32)
            .storeUint(0, 64)
            .storeUint(outcome, 2);
        const back = { from: provider.address, to: dispute.address, value: VALUE, bounced: true, bounce: false };
        await blockchain.sendMessage(internal({ ...back, body: body.storeUint(0, 64).endCell() }));
    }

    it('is sent again by anyone; a second report’s answer that comes back reopens nothing', async () => {
        const { blockchain } = market();
        const dispute = await demand(1);
        blockchain.now! += DAY + 1;
        await decide(dispute);

        await bounce(dispute, 3);
        expect((await dispute.getCaseState()).state).toBe(2n);
        await bounce(dispute, 1);
        expect((await dispute.getCaseState()).state).toBe(3n);
        await decide(dispute);
        expect((await dispute.getCaseState()).state).toBe(2n);
    });

    it('is taken from nobody but the Dispute', async () => {
        const { provider, blockchain } = market();
        const dispute = await demand(1);
        blockchain.now! += DAY + 1;
        const result = await decide(dispute);
        const closed = result.transactions.find(
            ({ inMessage }) =>
                inMessage?.info.type === 'internal' &&
                inMessage.info.src.equals(dispute.address) &&
                inMessage.info.dest.equals(provider.address),
        )!;

        const again = await expectNoSlash(market(), () =>
            market().stranger.send({ to: provider.address, value: VALUE, body: closed.inMessage!.body }),
        );

        expectRefused(again, { to: provider.address, exitCode: ErrNotDispute });
    });
});
