/** What a reporter holds: receipts of a job, true or not, and the exit code that meets those which show nothing. */
import { Cell, toNano } from '@ton/core';
import { reports } from '../../wrappers/evidence';
import { FaultClass } from '../../wrappers/faults';
import { SigningKey } from '../../wrappers/keys';
import { answerRoot, contentHash } from '../../wrappers/signed/answer';
import { Accept, Decline, Fail, Result, Voucher } from '../../wrappers/signed/payloads';
import { jobHash, Terms } from '../../wrappers/signed/terms';
import { NETWORK } from '../support/cases';
import { DAY, pairOf } from '../support/stake';
import { Dice } from './dice';
import { Claim, ModelNode, ModelProvider } from './model';
import { accountNamed, hex } from './world';
import { signedReceipt } from '../support/keys';

const RATES = { prompt: 100_000n, cached: 50_000n, completion: 400_000n, reasoning: 400_000n };
const COUNTS = { prompt: 1000, cached: 0, completion: 500, reasoning: 0 };
const HONEST = 300n; // nanoTON, price of these counts
const REQUEST = Buffer.alloc(32, 7);
const ANSWER = Buffer.from('answer');
const STEPS = [toNano('0.1'), toNano('2'), toNano('15')];

const pairs = new Map<string, SigningKey>();

/** The key pair of this name, made once. */
export function pair(name: string): SigningKey {
    const known = pairs.get(name) ?? pairOf(name);
    pairs.set(name, known);
    return known;
}

/** Its public key, as the chain reads it. */
export function keyNumber(name: string): bigint {
    return BigInt(`0x${pair(name).publicKey.toString('hex')}`);
}

/** One report: what the model is told, what the node is sent. */
export interface Report {
    claim: Claim;
    evidence: Evidence;
    body: (code: Cell) => Cell;
}

/** A job of a node under one of its keys, and what the node signed in it. */
export class Evidence {
    readonly channel: Buffer;
    readonly terms: Terms;

    constructor(
        p: ModelProvider,
        node: ModelNode,
        readonly key: string,
        readonly variant: number,
    ) {
        this.channel = accountNamed(`channel ${variant}`).hash;
        this.terms = {
            escrow: accountNamed(`escrow ${variant}`).hash,
            provider: Buffer.from(p.account, 'hex'),
            node: Buffer.from(node.account, 'hex'),
            receiptKey: pair(key).publicKey,
            payout: accountNamed(`payout ${variant}`).hash,
            voucherKey: pair('voucher').publicKey,
            model: Buffer.alloc(32, 1),
            rates: RATES,
            step: STEPS[variant % STEPS.length],
            maxParallel: 3,
            maxAnswer: 1 << 20,
            notice: 3600,
            end: 2_000_000_000,
        };
    }

    get job(): Buffer {
        return jobHash(NETWORK, this.channel, this.terms);
    }

    result(number: number, date: number, overrides: Partial<Result> = {}, key = this.key): Buffer {
        const content = contentHash(REQUEST, answerRoot(ANSWER));
        const price = overrides.price ?? HONEST;
        const fields = { job: this.job, number, index: 1, content, ...COUNTS, price, cumulative: price };
        return signedReceipt(Result.encode({ ...fields, finishedAt: date, finish: 1, ...overrides }), pair(key));
    }

    accept(number: number, deadline: number, ceiling: bigint): Buffer {
        const fields = { job: this.job, number, request: REQUEST, ceiling, deadline };
        return signedReceipt(Accept.encode(fields), pair(this.key));
    }

    fail(number: number, signedAt: number): Buffer {
        return signedReceipt(Fail.encode(this.refusal(number, signedAt)), pair(this.key));
    }

    decline(number: number, signedAt: number): Buffer {
        return signedReceipt(Decline.encode(this.refusal(number, signedAt)), pair(this.key));
    }

    voucher(count: number): { cumulative: bigint; count: number; signature: Buffer } {
        const signed = Voucher.hash({ network: NETWORK, channel: this.channel, cumulative: 1n, count });
        return { cumulative: 1n, count, signature: pair('voucher').sign(signed) };
    }

    get answer(): Buffer {
        return ANSWER;
    }

    private refusal(number: number, signedAt: number) {
        return { job: this.job, number, request: REQUEST, reason: 2, signedAt };
    }
}

/** A date of a receipt: mostly fresh, sometimes at either edge of the evidence window or a little ahead. */
function dateFrom(now: number, evidence: number, dice: Dice): number {
    return now - dice.of([0, 1, 60, 60, 3600, 3600, DAY, evidence, evidence + 1, -45, dice.below(evidence)]);
}

/** One report of a class by this dice: about a fault in most cases, about nothing in the others. */
export function drawReport(
    faultClass: FaultClass,
    p: ModelProvider,
    node: ModelNode,
    { now, code, dice }: { now: number; code: number; dice: Dice },
): Report {
    const known = [node.key, ...node.ended.map((ended) => ended?.key)].filter((key) => key !== undefined);
    const key = dice.of([...known, ...known, ...known, node.key ?? known[0] ?? 'stranger', 'stranger']);
    const variant = dice.below(6);
    const evidence = new Evidence(p, node, key, variant);
    const number = 1 + dice.below(5);
    const date = dateFrom(now, node.evidence, dice);
    const claim: Claim = {
        class: faultClass,
        key,
        job: evidence.job.toString('hex'),
        query: faultClass === 'A1' ? 0 : number, // of an A2 the index of its result, as it is drawn
        date,
        loss: 0n,
        reporter: hex(accountNamed(`reporter ${dice.below(3)}`)),
        victim: hex(accountNamed(`escrow ${variant}`)),
        payout: hex(accountNamed(`payout ${variant}`)),
        dispute: code,
    };
    const draw = { A1: drawTwice, A2: drawExcess, A3: drawDemand, B1: drawWrong }[faultClass];
    return { claim, evidence, body: draw(claim, evidence, number, { now, dice }) };
}

type Draw = (
    claim: Claim,
    evidence: Evidence,
    number: number,
    about: { now: number; dice: Dice },
) => (code: Cell) => Cell;

const drawTwice: Draw = (claim, evidence, number, { dice }) => {
    const { date, key } = claim;
    const price = dice.of([0n, 1n, toNano('0.3'), toNano('40')]);
    const first = evidence.result(number, date - dice.below(100));
    const result = (overrides: Partial<Result>, signer?: string) => evidence.result(number, date, overrides, signer);
    claim.loss = price > HONEST ? price : HONEST;
    const kind = dice.below(12);
    const pairOfReceipts = (): [Buffer, Buffer] => {
        switch (kind) {
            case 0: // a fail has no price
                return [first, evidence.fail(number, date)];
            case 1: // another query at the same place in the row
                return [first, evidence.result(number + 1, date, { price })];
            case 2:
                claim.flaw = 'ErrNoFault';
                return [first, first];
            case 3:
                claim.flaw = 'ErrNoFault';
                return [first, evidence.result(number + 1, date, { index: 2 })];
            case 4:
                claim.flaw = 'ErrBadSignature';
                return [first, result({ price }, `not ${key}`)];
            case 5:
                claim.flaw = 'ErrMalformed';
                return [first, evidence.decline(number, date)];
            default:
                return [first, result({ index: 2, price })];
        }
    };
    const [one, other] = pairOfReceipts();
    if (kind === 0) {
        claim.loss = HONEST;
    }
    return (code: Cell) => reports.twice({ ...evidence, first: one, second: other, code });
};

const drawExcess: Draw = (claim, evidence, number, { dice }) => {
    const excess = dice.of([0n, 1n, toNano('0.05'), toNano('6')]);
    const { date } = claim;
    claim.loss = excess;
    claim.flaw = excess === 0n ? 'ErrNoFault' : undefined;
    const body = (result: Buffer, comparison?: Buffer) => (code: Cell) =>
        reports.excess({ ...evidence, result, ...(comparison === undefined ? {} : { comparison }), code });
    const kind = dice.below(4);
    claim.query = [2, 1, 3, 1][kind];
    switch (kind) {
        case 0: // above its counts
            return body(evidence.result(number, date, { index: 2, price: HONEST + excess, cumulative: 10n ** 12n }));
        case 1: // above the first of all results
            return body(evidence.result(number, date, { cumulative: HONEST + excess }));
        case 2: // above the result before
            return body(
                evidence.result(number, date, { index: 3, cumulative: 5n * HONEST + excess }),
                evidence.result(number + 1, date, { index: 2, cumulative: 4n * HONEST }),
            );
        default: // above what was accepted
            return body(
                evidence.result(number, date, { price: HONEST + excess }),
                evidence.accept(number, date, HONEST),
            );
    }
};

const drawDemand: Draw = (claim, evidence, number, { now, dice }) => {
    const ceiling = dice.of([1n, toNano('0.05'), toNano('1'), toNano('30')]);
    const { step } = evidence.terms;
    claim.loss = ceiling < step ? ceiling : step;
    const first = dice.of([0, 0, 0, 64, 65]);
    if (first === 65) {
        claim.flaw = 'ErrNoFault';
    }
    if (claim.date >= now) {
        claim.flaw = 'ErrTooEarly';
    }
    const accept = evidence.accept(number, claim.date, ceiling);
    return (code) => reports.demand({ ...evidence, accept, first, code });
};

const drawWrong: Draw = (claim, evidence, number) => {
    claim.loss = HONEST;
    const result = evidence.result(number, claim.date);
    return (code) => reports.wrong({ ...evidence, result, statement: Buffer.alloc(32, 9), code });
};
