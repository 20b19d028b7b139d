/** Jobs, receipts and reports of a node, for tests of faults and disputes. */
import { Address, Cell, toNano } from '@ton/core';
import { SandboxContract, SendMessageResult } from '@ton/sandbox';

import { CaseFile, Dispute } from '../../wrappers/Dispute';
import { evidenceCell, FaultClass, reports, signedReceipt, Vote } from '../../wrappers/evidence';
import { SigningKey } from '../../wrappers/keys';
import { priceOf } from '../../wrappers/price';
import { answerRoot, contentHash } from '../../wrappers/signed/answer';
import { Accept, Decline, Fail, Reason, Refusal, Result, Verdict, Voucher } from '../../wrappers/signed/payloads';
import { jobHash, Terms } from '../../wrappers/signed/terms';
import { expectConserved, PriceLevel } from './chain';
import { HOUR, keyOf, NodeMarket, nodeMarket, pairOf, Wallet } from './stake';

export const NETWORK = -239; // of the sandbox's config
export const REQUEST = Buffer.alloc(32, 7); // hash of a sealed request
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
            parallel: 3,
            largestAnswer: 1 << 20,
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
        twice: (first: Buffer, second: Buffer): Cell => reports.twice({ ...this, first, second }),
        excess: (result: Buffer, beside?: Buffer): Cell =>
            reports.excess({ ...this, result, ...(beside === undefined ? {} : { beside }), code: this.code }),
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

/** Sends a report with exactly the value that the node's getter names for its kind, and asserts that money is conserved. */
export async function report(
    market: NodeMarket,
    kind: 'twice' | 'excess' | 'demand' | 'wrong',
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

export async function caseMarket(options: { prices?: PriceLevel } = {}): Promise<CaseMarket> {
    const market = await nodeMarket(options);
    const victim = await market.blockchain.treasury('victim');
    return { ...market, victim, job: new NodeJob(market, Buffer.alloc(32, 5), victim.address) };
}

export { evidenceCell };
