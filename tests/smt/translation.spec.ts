// Longer than 350 lines because each message is compared in the same way.
/**
 * The translation of the contracts' money arithmetic: it quotes the lines that exist, and computes what the contracts
 * do. `npm run prove` asks a solver what holds of it for all inputs, and compares more inputs than this.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Address, Cell, toNano } from '@ton/core';
import { Blockchain, BlockchainTransaction, createShardAccount, internal } from '@ton/sandbox';
import {
    Channel,
    channelCode,
    claimBody,
    errors,
    forwardFee,
    Node,
    pricesOf,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import fc from 'fast-check';
import { caseMarket, slashesIn } from '../support/cases';
import { createBlockchain, exitCodeOf, START } from '../support/chain';
import { NETWORK, voucherKey } from '../support/market';
import { bodyWith, cellsByKey } from '../support/schema';
import { DAY, keyOf, NodeMarket } from '../support/stake';
import { bigints } from './numbers';
import { mutated, properties } from './properties';
import {
    claim,
    claimByPayout,
    claimLast,
    expressions,
    functions,
    leave,
    lines,
    MAX_REWARD,
    refund,
    REWARD_BASIS_POINTS,
    shareSlashed,
    slashShare,
    slotNames,
    topUp,
} from './translation';

const ROOT = join(__dirname, '..', '..');
const RUNS = Number(process.env.PROVE_RUNS ?? 30); // inputs of each message
const SEED = Number(process.env.PROVE_SEED ?? 20_261_129);
const MAX = 2n ** 64n - 1n;

const sourceOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** The code of a function without comments and line ends, to its last brace. */
function functionIn(file: string, starts: string): string {
    const source = sourceOf(file);
    const from = source.indexOf(starts);
    const indent = /^ */.exec(starts)![0];
    const to = source.indexOf(`\n${indent}}\n`, from);
    return from < 0 || to < 0
        ? ''
        : source
              .slice(from, to)
              .replace(/\/\/.*$/gm, '')
              .replace(/\s+/g, ' ');
}

describe('The translation', () => {
    it.each(Object.entries(lines))('quotes a line of the contracts for %s', (_, { file, text }) => {
        expect(sourceOf(file)).toContain(text);
    });

    it.each(Object.entries(functions))('is of %s as it is, with nothing added', (_, { file, starts, sha256 }) => {
        const text = functionIn(file, starts);

        expect({ text, sha256: createHash('sha256').update(text).digest('hex') }).toEqual({ text, sha256 });
    });

    it('quotes only lines of those functions', () => {
        const texts = Object.values(functions).map(({ file, starts }) => functionIn(file, starts));
        const loose = Object.values(lines).filter(({ text }) => !texts.some((each) => each.includes(text)));

        expect(loose).toEqual([]);
    });

    it('has the constants of the reward', () => {
        const source = sourceOf('contracts/protocol/faults.tact');

        expect(source).toContain(`const RewardBasisPoints: Int = ${REWARD_BASIS_POINTS};`);
        expect(source).toContain(`const MaxReward: Int = ${MAX_REWARD / 10n ** 9n} * 1000000000;`);
    });
});

describe('The properties', () => {
    it.each(properties)('hold for inputs at random: $says', ({ inputs, of }) => {
        const ranges = Object.entries(inputs).map(([name, [min, max]]) => [name, fc.bigInt({ min, max })]);

        fc.assert(
            fc.property(fc.record(Object.fromEntries(ranges) as Record<string, fc.Arbitrary<bigint>>), (v) => {
                const { assumed, holds } = of(bigints, v, expressions);
                return !assumed || holds;
            }),
            { seed: SEED, numRuns: RUNS * 3 },
        );
    });

    it('each have a mutant, which changes one line', () => {
        const without = properties.filter(({ mutants }) => mutants.length === 0);
        const changed = properties.flatMap(({ mutants }) =>
            mutants.map((mutant) => {
                const others = Object.entries(mutated(mutant)).filter(
                    ([name, is]) => expressions[name as keyof typeof lines] !== is,
                );
                return others.length;
            }),
        );

        expect(without).toEqual([]);
        expect(changed.filter((count) => count !== 1)).toEqual([]);
    });
});

const nanos = (max: bigint, min = 0n) => fc.bigInt({ min, max });
/** The inputs, and a voucher: of any amount, or close to what the job has had or has paid. */
const jobs = fc
    .record({
        paid: nanos(MAX),
        balance: nanos(2n ** 60n),
        any: nanos(MAX),
        value: nanos(toNano('1'), toNano('0.01')),
        near: nanos(2n, -2n),
        choice: fc.constantFrom('any', 'had', 'paid'),
    })
    .map(({ any, near, choice, ...job }) => {
        const cumulative = { any, had: job.paid + job.balance + near, paid: job.paid + near }[choice];
        return { ...job, cumulative: cumulative < 0n ? 0n : cumulative > MAX ? MAX : cumulative };
    });

describe('A Channel computes as its translation', () => {
    const address = new Address(0, Buffer.alloc(32, 0x11));
    const [escrow, payout, stranger] = [1, 2, 3].map((byte) => new Address(0, Buffer.alloc(32, byte)));
    let blockchain: Blockchain;
    let code: Cell;
    let fee: bigint;

    beforeAll(async () => {
        blockchain = await createBlockchain();
        code = await channelCode();
        fee = forwardFee(pricesOf(blockchain.config).basechain, { cells: 0n, bits: 0n });
    });

    interface Job {
        paid: bigint;
        balance: bigint;
        refundAt?: bigint;
        notice?: bigint;
    }

    /** Sends one message to a channel with these data and this balance. */
    async function send(job: Job, from: Address, value: bigint, body: Cell): Promise<BlockchainTransaction> {
        const { paid, balance, refundAt = BigInt(START), notice = 3600n } = job;
        const keys = { voucherKey: numberOf(voucherKey.publicKey), payout: numberOf(payout.hash) };
        const data = bodyWith('ChannelData', { paid, refundAt, notice, ...keys, escrow });
        await blockchain.setShardAccount(address, createShardAccount({ address, code, data, balance }));
        const contract = await blockchain.getContract(address);
        return (await contract.receiveMessage(internal({ from, to: address, value, body }))) as BlockchainTransaction;
    }

    async function stateOf() {
        const { paid, refundAt } = await blockchain.openContract(new Channel(address)).getChannelState();
        const { balance } = await blockchain.getContract(address);
        return { paid, refundAt, balance };
    }

    const signed = (cumulative: bigint, last = false) => {
        const signature = voucherKey.sign(Voucher.hash(voucherFor(NETWORK, address, cumulative, 1)));
        return claimBody({ cumulative, count: 1, signature }, { last });
    };

    it('of a claim by anyone', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, stranger, v.value, signed(v.cumulative));
            const is = claim(bigints, { ...v, gas: gasOf(tx), payoutFee: fee, callerFee: fee });

            expect(exitCodeOf(tx)).toBe(is.accepted ? 0 : Number(errors.ErrNothingNew));
            if (is.accepted) {
                expect(is.done).toBe(true);
                expect(sentIn(tx)).toEqual([
                    { to: payout.toString(), amount: is.payout },
                    { to: stranger.toString(), amount: is.caller },
                ]);
                expect(await stateOf()).toMatchObject({ paid: is.nextPaid, balance: is.after });
            }
        });
    });

    it('of a claim by the payout', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, payout, v.value, signed(v.cumulative));
            const is = claimByPayout(bigints, { ...v, gas: gasOf(tx), payoutFee: fee });

            expect(exitCodeOf(tx)).toBe(is.accepted ? 0 : Number(errors.ErrNothingNew));
            if (is.accepted) {
                expect(is.done).toBe(true);
                expect(sentIn(tx)).toEqual([{ to: payout.toString(), amount: is.payout }]);
                expect(await stateOf()).toMatchObject({ paid: is.nextPaid, balance: is.after });
            }
        });
    });

    it('of a last claim', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, payout, v.value, signed(v.cumulative, true));
            const is = claimLast(bigints, { ...v, gas: gasOf(tx), payoutFee: fee, escrowFee: fee });

            expect([exitCodeOf(tx), is.done]).toEqual([0, true]);
            expect(sentIn(tx)).toEqual([
                ...(is.escrow > 0n ? [{ to: escrow.toString(), amount: is.escrow }] : []),
                { to: payout.toString(), amount: is.payout },
            ]);
            expect((await blockchain.getContract(address)).balance).toBe(is.after);
        });
    });

    it('of a refund', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, stranger, v.value, bodyWith('Refund'));
            const is = refund(bigints, { ...v, gas: gasOf(tx), callerFee: fee, escrowFee: fee });

            expect([exitCodeOf(tx), is.done]).toEqual([0, true]);
            expect(sentIn(tx)).toEqual([
                ...(is.escrow > 0n ? [{ to: escrow.toString(), amount: is.escrow }] : []),
                { to: stranger.toString(), amount: is.caller },
            ]);
            expect((await blockchain.getContract(address)).balance).toBe(is.after);
        });
    });

    it('of a Leave', async () => {
        const now = BigInt(START);
        const times = fc.record({
            refundAt: fc.oneof(nanos(2n ** 32n - 1n), nanos(now + 8n * 86_400n, now)),
            notice: nanos(7n * 86_400n, 3600n),
        });
        await compare(times, async (v) => {
            await send({ paid: 0n, balance: toNano('1'), ...v }, escrow, toNano('0.01'), bodyWith('Leave'));

            expect((await stateOf()).refundAt).toBe(leave(bigints, { ...v, now }).refundAt);
        });
    });

    it('of a top-up', async () => {
        await compare(jobs, async ({ cumulative: named, ...v }) => {
            const tx = await send(v, stranger, v.value, bodyWith('TopUp', { signed: named }));
            const { accepted } = topUp(bigints, { ...v, signed: named });

            expect(exitCodeOf(tx)).toBe(accepted ? 0 : Number(errors.ErrLowBalance));
        });
    });
});

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

    const faultOf = (fields: Record<string, bigint>) =>
        bodyWith('Fault', {
            ...{ faultClass: 2n, reporter, ...fields },
            parties: bodyWith('FaultParties', { victim: numberOf(victim.hash), key }),
        });
    const caseRules = bodyWith('CaseRules', { insurance, owner });

    /** Gives an account these data and this balance, and sends it one message. */
    async function send(
        account: Address,
        { data, balance, from, value, body }: { data: Cell; balance: bigint; from: Address; value: bigint; body: Cell },
    ) {
        const { accountState } = await market.blockchain.getContract(account);
        const code = accountState?.type === 'active' ? accountState.state.code! : Cell.EMPTY;
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

const numberOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);

/** Compares on inputs at random, the same ones with each seed. */
async function compare<T>(inputs: fc.Arbitrary<T>, expectEqual: (values: T) => Promise<void>): Promise<void> {
    const property = fc.asyncProperty(inputs, expectEqual);
    await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
}

function gasOf(tx: BlockchainTransaction): bigint {
    const { description } = tx;
    if (description.type !== 'generic' || description.computePhase.type !== 'vm') {
        throw new Error('Nothing was computed');
    }
    return description.computePhase.gasFees;
}

/** The fees of external messages out of a transaction: those of the action phase that no internal one paid. */
function eventFee({ description, outMessages }: BlockchainTransaction, fee: bigint): bigint {
    const all = description.type === 'generic' ? (description.actionPhase?.totalFwdFees ?? 0n) : 0n;
    const internals = outMessages.values().filter(({ info }) => info.type === 'internal').length;
    return all - BigInt(internals) * fee;
}

/** Who got how much. */
function sentIn(tx: BlockchainTransaction): { to: string; amount: bigint }[] {
    return tx.outMessages
        .values()
        .flatMap(({ info }) =>
            info.type === 'internal' ? [{ to: info.dest.toString(), amount: info.value.coins }] : [],
        );
}
