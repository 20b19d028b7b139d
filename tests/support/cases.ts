/** Jobs, receipts and reports of a node, for tests of faults and disputes. */
import { Address, Cell, toNano } from '@ton/core';
import { BlockchainSnapshot, SandboxContract, SendMessageResult } from '@ton/sandbox';

import { CaseFile, Dispute } from '../../wrappers/Dispute';
import { reports, Vote } from '../../wrappers/evidence';
import { FaultClass } from '../../wrappers/faults';
import { SigningKey } from '../../wrappers/keys';
import { opcodes } from '@cocoon-market/wrappers';
import { priceOf } from '../../wrappers/price';
import { answerRoot, contentHash } from '../../wrappers/signed/answer';
import { Accept, Decline, Fail, Reason, Refusal, Result, Verdict, Voucher } from '../../wrappers/signed/payloads';
import { jobHash, Terms } from '../../wrappers/signed/terms';
import { Listing } from '../../wrappers/Node';
import { exitCodeOf, expectConserved, expectRefused, START, transactionsOn } from './chain';
import { valueSent } from './market';
import {
    HOUR,
    joinedMarket,
    keyOf,
    listingWith,
    NodeMarket,
    pairOf,
    registerNode,
    StakeOptions,
    Wallet,
} from './stake';
import { signedReceipt } from './keys';

export const NETWORK = -239; // of the sandbox's config
export const REQUEST = Buffer.alloc(32, 7); // hash of a sealed request
const STAKE_SLASHED = opcodes.StakeSlashed;
const RATES = { prompt: 100_000n, cached: 50_000n, completion: 400_000n, reasoning: 400_000n };

/** A buyer's job on a node: terms, and receipts under them as the node would sign them. */
export class NodeJob {
    readonly receiptKey: SigningKey = pairOf('receipt');
    readonly voucherKey: SigningKey = pairOf('voucher');
    readonly terms: Terms;

    constructor(
        readonly market: NodeMarket,
        readonly channel: Buffer,
        readonly escrow: Address,
        overrides: Partial<Terms> = {},
    ) {
        this.terms = {
            escrow: escrow.hash,
            provider: market.provider.address.hash,
            node: market.node.address.hash,
            receiptKey: this.receiptKey.publicKey,
            payout: market.payout.address.hash,
            voucherKey: this.voucherKey.publicKey,
            model: Buffer.alloc(32, 1),
            rates: RATES,
            step: toNano('0.1'),
            maxParallel: 3,
            maxAnswer: 1 << 20,
            notice: HOUR,
            end: market.blockchain.now! + 24 * HOUR,
            ...overrides,
        };
    }

    get now(): number {
        return this.market.blockchain.now!;
    }

    get hash(): Buffer {
        return jobHash(NETWORK, this.channel, this.terms);
    }

    /** An honest result of 1,000 prompt and 500 completion tokens, unless told otherwise. */
    result(overrides: Partial<Result> = {}, key = this.receiptKey): Buffer {
        const counts = { prompt: 1000, cached: 0, completion: 500, reasoning: 0 };
        const price = overrides.price ?? priceOf({ ...counts, ...overrides }, this.terms.rates);
        return signedReceipt(
            Result.encode({
                job: this.hash,
                number: 1,
                index: 1,
                content: contentHash(REQUEST, answerRoot(Buffer.from('answer'))),
                ...counts,
                price,
                cumulative: price,
                finishedAt: this.now,
                finish: 1,
                ...overrides,
            }),
            key,
        );
    }

    accept(overrides: Partial<Accept> = {}, key = this.receiptKey): Buffer {
        const fields = { job: this.hash, number: 1, request: REQUEST, ceiling: toNano('0.05'), deadline: this.now - 1 };
        return signedReceipt(Accept.encode({ ...fields, ...overrides }), key);
    }

    fail(overrides: Partial<Refusal> = {}, key = this.receiptKey): Buffer {
        return signedReceipt(Fail.encode({ ...this.refusal(), ...overrides }), key);
    }

    decline(overrides: Partial<Refusal> = {}, key = this.receiptKey): Buffer {
        return signedReceipt(Decline.encode({ ...this.refusal(), ...overrides }), key);
    }

    voucher(count: number, cumulative = 1n): { cumulative: bigint; count: number; signature: Buffer } {
        const hash = Voucher.hash({ network: NETWORK, channel: this.channel, cumulative, count });
        return { cumulative, count, signature: this.voucherKey.sign(hash) };
    }

    private refusal(): Refusal {
        return { job: this.hash, number: 1, request: REQUEST, reason: Reason.BackendDown, signedAt: this.now };
    }

    /** The body of a report about this job. */
    readonly report = {
        twice: (first: Buffer, second: Buffer): Cell => reports.twice({ ...this, first, second, code: this.code }),
        excess: (result: Buffer, comparison?: Buffer): Cell =>
            reports.excess({ ...this, result, ...(comparison === undefined ? {} : { comparison }), code: this.code }),
        demand: (accept: Buffer, first = 0): Cell => reports.demand({ ...this, accept, first, code: this.code }),
        wrong: (result: Buffer, statement = Buffer.alloc(32, 9)): Cell =>
            reports.wrong({ ...this, result, statement, code: this.code }),
    };

    private get code(): Cell {
        return this.market.codes.dispute;
    }

    dispute(faultClass: FaultClass, query = 1): Promise<SandboxContract<Dispute>> {
        return openDispute(this.market, { class: faultClass, job: this.hash, query });
    }
}

export async function openDispute(
    { blockchain, provider }: NodeMarket,
    fault: { class: FaultClass; job: Buffer; query: number },
): Promise<SandboxContract<Dispute>> {
    return blockchain.openContract(await Dispute.ofFault(provider.address, fault));
}

export type ReportKind = 'twice' | 'excess' | 'demand' | 'wrong';

/**
 * Sends a report with exactly the value that the node's getter names for its kind, and asserts that money is conserved.
 */
export async function report(
    market: NodeMarket,
    kind: ReportKind,
    body: Cell,
    {
        by = market.stranger,
        value,
        node = market.node,
    }: { by?: Wallet; value?: bigint; node?: NodeMarket['node'] } = {},
): Promise<SendMessageResult> {
    const attached = value ?? (await node.getValuesFor(body))[kind];
    return expectConserved(market.blockchain, () => node.sendReport(by.getSender(), { value: attached, report: body }));
}

/** Signatures of committee members over a verdict in this case. */
export function votes(
    file: CaseFile,
    dispute: Address,
    { basisPoints, validUntil }: { basisPoints: number; validUntil: number },
    members: number[],
): Vote[] {
    const hash = Verdict.hash({
        network: NETWORK,
        dispute: dispute.hash,
        class: 4,
        basisPoints,
        rulesVersion: file.rulesVersion,
        validUntil,
    });
    return members.map((member) => ({ member, signature: memberKey(file, member).sign(hash) }));
}

function memberKey(file: CaseFile, member: number): SigningKey {
    const key = file.committee.keys[member];
    const name = file.committee.keys.map((_, index) => `committee ${index}`).find((each) => keyOf(each) === key);
    return pairOf(name!);
}

export interface CaseMarket extends NodeMarket {
    job: NodeJob;
    victim: Wallet; // stands for the escrow that the terms name
}

/** `listing`, at a time: of the node, with `gpus` of them unless it is given. */
export async function caseMarket(
    options: StakeOptions & { listing?: (now: number) => Listing; gpus?: number } = {},
): Promise<CaseMarket> {
    const joined = await joinedMarket(options);
    const hardware = { ...listingWith().hardware, gpus: options.gpus ?? 2 };
    const listing = options.listing?.(joined.blockchain.now!) ?? listingWith({ hardware });
    const market = { ...joined, node: (await registerNode(joined, { listing })).node };
    const victim = await market.blockchain.treasury('victim');
    return { ...market, victim, job: new NodeJob(market, Buffer.alloc(32, 5), victim.address) };
}

/** One market per file, as `make` left it, before each test. */
export function useCases<T extends NodeMarket = CaseMarket>(make: () => Promise<T>): () => T {
    let market: T;
    let fresh: BlockchainSnapshot;
    let at: number;
    beforeAll(async () => {
        market = await make();
        fresh = market.blockchain.snapshot();
        at = market.blockchain.now ?? START;
    });
    beforeEach(async () => {
        await market.blockchain.loadFrom(fresh);
        market.blockchain.now = at;
    });
    return () => market;
}

/** Runs the action and puts the chain and its clock back: no account runs at an earlier time than before. */
export async function aside<T>({ blockchain }: NodeMarket, at: number, action: () => Promise<T>): Promise<T> {
    const [before, now] = [blockchain.snapshot(), blockchain.now];
    blockchain.now = at;
    const result = await action();
    await blockchain.loadFrom(before);
    blockchain.now = now;
    return result;
}

/** Asserts that the node refuses the report with this code, keeps no trace of it, and that the value goes back. */
export async function expectRejected(
    market: NodeMarket,
    kind: ReportKind,
    body: Cell,
    exitCode: number | bigint,
    options: { by?: Wallet; value?: bigint; node?: NodeMarket['node'] } = {},
): Promise<void> {
    const result = await report(market, kind, body, options);
    expectRefused(result, { to: (options.node ?? market.node).address, exitCode });
    expect(transactionsOn(result, market.provider.address)).toEqual([]);
}

/** The slashes that an action made, as the Provider's events say, in nanoTON. */
export function slashesIn(result: SendMessageResult): { class: number; node: number; amounts: SlashParts }[] {
    return result.externals.flatMap(({ body }) => {
        const slice = body.beginParse();
        if (slice.loadUint(32) !== STAKE_SLASHED) {
            return [];
        }
        const [faultClass, node] = [slice.loadUint(8), slice.loadUint(32)];
        slice.skip(256);
        const [amount, victim] = [slice.loadUintBig(64), slice.loadUintBig(64)];
        const amounts = { amount, victim, reward: slice.loadUintBig(64), insurance: slice.loadUintBig(64) };
        return [{ class: faultClass, node, amounts }];
    });
}

export interface SlashParts {
    amount: bigint;
    victim: bigint;
    reward: bigint;
    insurance: bigint;
}

/** The parts of a slash by the rules: victim first, then the reporter, together at most half. */
export function partsOf(amount: bigint, loss: bigint, cost: bigint): SlashParts {
    const half = amount / 2n;
    const victim = loss < half ? loss : half;
    const tenth = amount / 10n < toNano('20') ? amount / 10n : toNano('20');
    const wanted = tenth > cost ? tenth : cost;
    const reward = wanted < half - victim ? wanted : half - victim;
    return { amount, victim, reward, insurance: amount - victim - reward };
}

/** Asserts one slash of these parts, paid in exactly these amounts, and taken from stake and slots. */
export async function expectSlashed(
    market: CaseMarket,
    action: () => Promise<SendMessageResult>,
    parts: SlashParts,
): Promise<SendMessageResult> {
    const held = async () => {
        const { stake, unbonding } = await market.provider.getProviderState();
        return stake + unbonding;
    };
    const before = await held();

    const result = await action();

    expect(slashesIn(result).map(({ amounts }) => amounts)).toEqual([parts]);
    expect(before - (await held())).toBe(parts.amount);
    expect(valueSent(result, market.provider, market.victim)).toBe(parts.victim);
    expect(valueSent(result, market.provider, market.insurance)).toBe(parts.insurance);
    expect(result.transactions.filter((tx) => exitCodeOf(tx) !== 0 && exitCodeOf(tx) !== undefined)).toEqual([]);
    return result;
}

/** Asserts that the action slashed nothing and left stake and slots what they were. */
export async function expectNoSlash(
    { provider }: NodeMarket,
    action: () => Promise<SendMessageResult>,
): Promise<SendMessageResult> {
    const held = async () => {
        const { stake, unbonding } = await provider.getProviderState();
        return { stake, unbonding };
    };
    const before = await held();

    const result = await action();

    expect(slashesIn(result)).toEqual([]);
    expect(await held()).toEqual(before);
    return result;
}
