// Longer than 350 lines because the contracts of a slash are compared on one market, with one way to write their data.
/** A slash on random inputs: Node, Dispute and Provider compute what tests/smt/translation.ts says. */
import { Address, beginCell, Cell, toNano } from '@ton/core';
import { BlockchainTransaction, createShardAccount, internal } from '@ton/sandbox';
import {
    Dispute,
    errors,
    forwardFee,
    Node,
    opcodes,
    priceOf,
    pricesOf,
    Verdict,
    votesCell,
} from '@cocoon-market/wrappers';
import fc from 'fast-check';
import { caseMarket, NodeJob, slashesIn } from '../support/cases';
import { exitCodeOf, START } from '../support/chain';
import { NETWORK } from '../support/market';
import { bodyWith, cellsByKey } from '../support/schema';
import { DAY, keyOf, NodeMarket, pairOf } from '../support/stake';
import { compare, eventFee, gasOf, MAX, nanos, numberOf, sentIn } from './compare';
import { bigints } from './numbers';
import { accuse, ClassName, largerLoss, shareSlashed, slashShare, slotNames, verdict } from './translation';

describe('A slash is computed as its translation', () => {
    const [victim, insurance, reporter, owner] = [4, 5, 6, 7].map((byte) => new Address(0, Buffer.alloc(32, byte)));
    const key = keyOf('receipt');
    let market: NodeMarket;
    let cost: bigint;
    let reserve: bigint;
    let fee: bigint;
    let rules: Cell;

    beforeAll(async () => {
        market = await caseMarket();
        cost = (await market.node.getReportValues(0n, 0n)).cost;
        reserve = (await market.provider.getProviderState()).reserve;
        rules = await market.registry.getRules();
        fee = forwardFee(pricesOf(market.blockchain.config).basechain, { cells: 0n, bits: 0n });
    });

    const faultOf = (fields: Record<string, bigint>, claim: Cell | null = null) =>
        bodyWith('Fault', {
            ...{ faultClass: 2n, reporter, claim, ...fields },
            parties: bodyWith('FaultParties', { victim: numberOf(victim.hash), key }),
        });
    const caseRules = bodyWith('CaseRules', { insurance, owner });

    /** Gives an account these data and this balance, and sends it one message. */
    async function send(
        account: Address,
        { data, balance, from, value, body }: { data: Cell; balance: bigint; from: Address; value: bigint; body: Cell },
        newCode?: Cell,
    ) {
        const { accountState } = await market.blockchain.getContract(account);
        const code = newCode ?? (accountState?.type === 'active' ? accountState.state.code! : Cell.EMPTY);
        const state = createShardAccount({ address: account, code, data, balance });
        await market.blockchain.setShardAccount(account, state);
        const contract = await market.blockchain.getContract(account);
        return (await contract.receiveMessage(internal({ from, to: account, value, body }))) as BlockchainTransaction;
    }

    const ledgers = fc
        .record({
            ...{ basis: nanos(MAX), slashed: nanos(MAX), asked: nanos(MAX), amount: nanos(MAX) },
            ...{ disputed: nanos(MAX), frozen: nanos(MAX) },
        })
        .map((v) => ({ ...v, frozen: v.frozen > v.disputed ? v.disputed : v.frozen }));

    it('by the Node, which says what the share of the key still bears', async () => {
        await compare(ledgers, async (v) => {
            const current = {
                'current.slashed': v.slashed,
                'current.disputed': v.disputed,
                'current.frozen': v.frozen,
            };
            const record = bodyWith('NodeRecord', current);
            const data = bodyWith('Node', {
                ...{ provider: market.provider.address, state: 1n, share: v.basis, receiptKey: key },
                info: bodyWith('NodeInfo', { more: bodyWith('NodeInfoMore', { record }) }),
            });
            const fault = faultOf({ amount: v.amount });
            const body = bodyWith('SlashShare', { slash: v.asked, excessTo: reporter, fault, rules: caseRules });
            const from = market.provider.address;
            const tx = await send(market.node.address, { data, balance: toNano('1'), from, value: toNano('1'), body });
            const is = slashShare(bigints, v);

            expect(exitCodeOf(tx)).toBe(0);
            const answer = tx.outMessages
                .get(0)!
                .body.beginParse()
                .skip(32 + 64 + 32 + 8);
            expect({ lifted: answer.loadUintBig(64), amount: answer.loadUintBig(64) }).toEqual({
                lifted: v.frozen - is.frozen,
                amount: is.charged,
            });
            const node = market.blockchain.openContract(Node.fromAddress(market.node.address));
            const ended = await node.getEndedKey(0n);
            if (ended.key === 0n) {
                expect((await node.getNodeRecord()).slashed).toBe(is.slashed);
            } else {
                const { slashed, disputed, frozen } = is;
                expect(ended).toMatchObject({ slashed, disputed, frozen });
            }
        });
    });

    /** A Node with this share and this ledger of its current key. */
    const nodeData = (v: Record<string, bigint>) =>
        bodyWith('Node', {
            ...{ provider: market.provider.address, state: 1n, share: v.basis, receiptKey: key },
            info: bodyWith('NodeInfo', {
                more: bodyWith('NodeInfoMore', {
                    record: bodyWith('NodeRecord', {
                        ...{ evidence: BigInt(DAY), twiceAt: v.twiceAt ?? 0n, excessAt: v.twiceAt ?? 0n },
                        ...{ silentAt: v.twiceAt ?? 0n, wrongAt: v.twiceAt ?? 0n },
                        ...{ 'current.slashed': v.slashed, 'current.disputed': v.disputed, 'current.frozen': v.frozen },
                    }),
                }),
            }),
        });

    const reports = fc
        .record({
            ...{ basis: nanos(2n ** 58n), slashed: nanos(2n ** 57n), loss: nanos(2n ** 50n, 1n) },
            ...{ disputed: nanos(2n ** 58n), frozen: nanos(2n ** 58n), repeat: fc.boolean() },
        })
        .map((v) => ({ ...v, frozen: v.frozen > v.disputed ? v.disputed : v.frozen }));

    it.each(['A1', 'A2', 'A3', 'B1'] as const)('by a Node to which an %s is reported', async (faultClass) => {
        const { minSlash } = await market.node.getReportValues(0n, 0n);
        await compare(reports, async ({ repeat, ...v }) => {
            const body = reportOf(faultClass, v.loss);
            const data = nodeData({ ...v, twiceAt: repeat ? BigInt(START - 100) : 0n });
            const value = toNano('100') + v.basis; // a bond, too
            const from = reporter;
            const tx = await send(market.node.address, { data, balance: toNano('1'), from, value, body });
            const is = accuse(bigints, { ...v, minSlash }, { faultClass, isRepeat: repeat });

            expect(exitCodeOf(tx)).toBe(is.accepted ? 0 : Number(errors.ErrNoShare));
            if (is.accepted) {
                const found = tx.outMessages.get(0)!.body;
                const frozen = found
                    .beginParse()
                    .skip(32 + 64 + 32 + 8)
                    .loadUintBig(64);
                const fault = found.refs[0].beginParse().skip(8 + 256 + 32 + 32);
                const [amount, loss] = [fault.loadUintBig(64), fault.loadUintBig(64)];
                expect({ amount, loss, frozen }).toEqual({
                    ...{ amount: is.amount, loss: v.loss, frozen: is.frozen - v.frozen },
                });
            }
        });
    });

    /** A report with receipts of now, for a loss of this amount. */
    function reportOf(faultClass: ClassName, loss: bigint): Cell {
        const job = new NodeJob(market, Buffer.alloc(32, 5), victim, { step: loss });
        const fair = priceOf({ prompt: 1000, cached: 0, completion: 500, reasoning: 0 }, job.terms.rates);
        const bodies = {
            A1: () => job.report.twice(job.result({ price: loss }), job.fail()),
            A2: () => job.report.excess(job.result({ price: fair + loss })),
            A3: () => job.report.demand(job.accept({ ceiling: loss + 1n })),
            B1: () => job.report.wrong(job.result({ price: loss })),
        };
        return bodies[faultClass]();
    }

    const caseOf = (faultClass: 'A2' | 'B1') =>
        Dispute.ofFault(market.provider.address, { class: faultClass, job: Buffer.alloc(32), query: 0 });

    const verdicts = fc.record({ amount: nanos(MAX), points: nanos(2000n), repeat: fc.boolean() });

    it('by a Dispute for which the committee signs a verdict', async () => {
        const { address, init } = await caseOf('B1');
        const member = pairOf('committee 0');
        const committee = bodyWith('Committee', {
            ...{ threshold: 1n, count: 1n },
            keys: beginCell().storeUint(keyOf('committee 0'), 256).endCell(),
        });
        const rulesOfCase = bodyWith('CaseRules', { insurance, owner, committee });
        await compare(verdicts, async ({ amount, points, repeat }) => {
            const maxBasisPoints = repeat ? 2000n : 500n;
            const claim = bodyWith('FaultClaim', { maxBasisPoints });
            const fault = faultOf({ faultClass: 4n, amount }, claim);
            const until = BigInt(START + DAY);
            const data = bodyWith('Dispute', {
                ...{ provider: market.provider.address, faultClass: 4n, state: 1n },
                ...{ stated: true, answerBy: until, decideFrom: until },
                file: bodyWith('CaseFile', { fault, rules: rulesOfCase }),
            });
            const signed = { network: NETWORK, dispute: address.hash, class: 4, rulesVersion: 0 };
            const verdictBody = { basisPoints: Number(points), validUntil: START + DAY };
            const signature = member.sign(Verdict.hash({ ...signed, ...verdictBody }));
            const body = bodyWith('SubmitVerdict', {
                ...{ basisPoints: points, validUntil: until },
                votes: votesCell([{ member: 0, signature }]),
            });
            const code = init!.code;
            const message = { data, balance: toNano('1'), from: reporter, value: toNano('1'), body };
            const tx = await send(address, message, code);

            expect(exitCodeOf(tx)).toBe(points <= maxBasisPoints ? 0 : Number(errors.ErrWrongVerdict));
            if (points <= maxBasisPoints) {
                const is = verdict(bigints, { amount, points, isRepeat: repeat ? 1n : 0n });
                expect(slashIn(tx)).toBe(is.slash);
            }
        });
    });

    const largerLosses = fc.record({
        ...{
            amount: nanos(2n ** 60n, 1n),
            slashed: nanos(2n ** 60n),
            loss: nanos(2n ** 59n),
            lossBefore: nanos(2n ** 59n),
        },
    });

    it('by a Dispute to which a larger loss is reported', async () => {
        const { address, init } = await caseOf('A2');
        const { minSlash } = await market.node.getReportValues(0n, 0n);
        await compare(largerLosses, async (v) => {
            const fault = faultOf({ amount: v.amount, loss: v.loss });
            const file = { slashed: v.slashed, loss: v.lossBefore };
            const data = bodyWith('Dispute', {
                ...{ provider: market.provider.address, faultClass: 2n, state: 2n },
                file: bodyWith('CaseFile', { fault, rules: caseRules, ...file }),
            });
            const body = bodyWith('OpenCase', { amount: v.amount, fault, rules: caseRules });
            const from = market.provider.address;
            const message = { data, balance: toNano('1'), from, value: toNano('1'), body };
            const tx = await send(address, message, init!.code);
            const is = largerLoss(bigints, { ...v, minSlash });

            expect(exitCodeOf(tx)).toBe(0);
            expect(slashIn(tx)).toBe(is.accepted ? is.slash : 0n);
        });
    });

    const slashes = fc.record({
        ...{ amount: nanos(2n ** 55n), counted: nanos(2n ** 55n), stake: nanos(2n ** 54n), loss: nanos(2n ** 54n) },
        ...Object.fromEntries(slotNames.map((name) => [name, fc.oneof(fc.constant(0n), nanos(2n ** 52n))])),
        more: nanos(toNano('1'), -toNano('1')), // of the balance above or below stake, slots and reserve
        value: nanos(toNano('2'), toNano('0.5')),
    });

    it('by the Provider, which takes it and pays victim, reporter and insurance', async () => {
        await compare(slashes as fc.Arbitrary<Record<string, bigint>>, async ({ more, ...inputs }) => {
            const sum = slotNames.reduce((total, name) => total + inputs[name], inputs.stake);
            const held = sum + reserve + more;
            const v: Record<string, bigint> = { ...inputs, balance: held < 0n ? 0n : held };
            const { data, body, from } = slashOf(v);
            const tx = await send(market.provider.address, { data, balance: v.balance, from, value: v.value, body });
            const fees = {
                victimFee: fee,
                insuranceFee: fee,
                rewardFee: fee,
                restFee: fee,
                eventFee: eventFee(tx, fee),
            };
            const constants = { cost, reserve, week: reserve / 52n };
            const is = shareSlashed(bigints, { ...v, ...fees, ...constants, gas: gasOf(tx) });

            expect([exitCodeOf(tx), is.done]).toEqual([0, true]);
            const parts = { amount: is.taken, victim: is.victim, reward: is.reward, insurance: is.insurance };
            const externals = tx.outMessages.values().filter(({ info }) => info.type === 'external-out');
            expect(slashesIn({ externals } as never).map(({ amounts }) => amounts)).toEqual([parts]);
            expect(sentIn(tx)).toEqual([
                ...(is.victim > 0n ? [{ to: victim.toString(), amount: is.victim }] : []),
                ...(is.insurance > 0n ? [{ to: insurance.toString(), amount: is.insurance }] : []),
                ...(is.reward > 0n ? [{ to: reporter.toString(), amount: is.reward }] : []),
                { to: owner.toString(), amount: is.rest },
            ]);
            const state = await market.provider.getProviderState();
            expect(state.stake).toBe(is.stake);
            expect(state.unbonding).toBe(is.slots.reduce((total, slot) => total + slot, 0n));
            const slots = await Promise.all([0n, 1n, 2n, 3n].map((slot) => market.provider.getStakeSlot(slot)));
            expect(slots.map(({ amount }) => amount)).toEqual(is.slots);
            expect((await market.blockchain.getContract(market.provider.address)).balance).toBe(is.after);
        });
    });

    /** A Provider with this stake and these slots, and a ShareSlashed of its node. */
    function slashOf(v: Record<string, bigint>): { data: Cell; body: Cell; from: Address } {
        const versions = cellsByKey([[0, bodyWith('VersionShares', { slashable: v.counted, cases: 1n })]]);
        const slots = slotNames.flatMap((name, slot): [number, Cell][] => {
            const unlockAt = BigInt(START + slot * DAY); // the oldest first
            return v[name] === 0n ? [] : [[slot, bodyWith('StakeSlot', { amount: v[name], unlockAt })]];
        });
        const { registry, payout } = market;
        const data = bodyWith('Provider', {
            ...{ registry: registry.address, owner, stake: v.stake, rulesVersion: 1n },
            unbonding: slotNames.reduce((sum, name) => sum + v[name], 0n),
            slots: cellsByKey(slots),
            membership: bodyWith('Membership', {
                ...{ payout: payout.address, nextPayout: payout.address, rules },
                record: bodyWith('ProviderRecord', { cases: 1n, versions }),
            }),
        });
        const fault = faultOf({ loss: v.loss, amount: v.amount });
        const body = bodyWith('ShareSlashed', { amount: v.amount, excessTo: owner, fault, rules: caseRules });
        return { data, body, from: market.node.address };
    }
});

/** The slash in the CaseClosed that a Dispute sends, in nanoTON. */
function slashIn(tx: BlockchainTransaction): bigint {
    const slices = tx.outMessages.values().map(({ body }) => body.beginParse());
    const closed = slices.find((slice) => slice.remainingBits > 32 && slice.loadUint(32) === opcodes.CaseClosed);
    return closed!.skip(64 + 2).loadUintBig(64);
}
