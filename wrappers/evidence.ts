/**
 * Evidence, and the bodies that carry it: reports to a Node and answers to a Dispute. docs/contracts/dispute.md says
 * what each shows, costs and earns.
 */
import { Address, beginCell, Cell } from '@ton/core';
import * as node from '../build/Node/Node_Node';
import { loadCaseOpened } from '../build/Provider/Provider_Provider';
import { toCell } from './cells';
import { bytes, bytesFrom, cell, checkKnownFields, ValueChecks, objectWith, optional, uint } from './fields';
import { FaultClass, faultClassOf, JudgedClass } from './faults';
import { opcodes } from './protocol';
import { cellOf } from './signed/layout';
import { Accept, Result } from './signed/payloads';
import { jobHash, loadTerms, termsCell, Terms } from './signed/terms';
import { bytesToNumber, numberToBytes } from './bytes';

export const SIGNATURE_BYTES = 64;

/** A receipt as it is stored: a payload of at least a tag, and a signature. */
export const receiptCheck = bytesFrom(SIGNATURE_BYTES + 4);

/** One member's vote. */
export const voteCheck = objectWith({ member: uint(8), signature: bytes(SIGNATURE_BYTES) });

/** The payload's bytes of a stored receipt, without the signature. */
export function payloadOf(receipt: Buffer): Buffer {
    return receipt.subarray(0, -SIGNATURE_BYTES);
}

/** The evidence of a stored receipt: the payload's bytes, then the 64 bytes of the signature. */
export function evidenceCell(receipt: Buffer): Cell {
    receiptCheck(receipt, 'receipt');
    const payload = cellOf(payloadOf(receipt));
    return beginCell().storeBuffer(receipt.subarray(-SIGNATURE_BYTES), SIGNATURE_BYTES).storeRef(payload).endCell();
}

/** The receipt of an evidence cell: payload, then signature. */
export function receiptOf(evidence: Cell): Buffer {
    const slice = evidence.beginParse();
    const signature = slice.loadBuffer(SIGNATURE_BYTES);
    const payload = slice.loadRef().beginParse();
    return Buffer.concat([payload.loadBuffer(payload.remainingBits / 8), signature]);
}

/** The job of the evidence. */
export interface EvidenceJob {
    channel: Buffer; // account of the job's channel
    terms: Terms;
}

function jobFields(report: string, args: EvidenceJob, receipts: ValueChecks) {
    checkKnownFields(report, { channel: bytes(32), terms: objectWith({}), code: cell, ...receipts }, args);
    const { channel, terms } = args;
    return { queryId: 0n, channel: bytesToNumber(channel), terms: termsCell(terms) };
}

/** The bodies of reports to a Node; receipts as they are stored, `code` is that of the Dispute. */
export const reports = {
    /** A1: two results of one query or index, or a result and a fail of one query. */
    twice: (args: EvidenceJob & { first: Buffer; second: Buffer; code: Cell }): Cell =>
        toCell(
            node.storeReportTwice({
                $$type: 'ReportTwice',
                ...jobFields('ReportTwice', args, { first: receiptCheck, second: receiptCheck }),
                first: evidenceCell(args.first),
                second: evidenceCell(args.second),
                code: beginCell().storeRef(args.code).asSlice(),
            }),
        ),
    /**
     * A2: a result, and as `comparison` the result before it or its accept, if its own counts do not show the fault.
     */
    excess: (args: EvidenceJob & { result: Buffer; comparison?: Buffer; code: Cell }): Cell =>
        toCell(
            node.storeReportExcess({
                $$type: 'ReportExcess',
                ...jobFields('ReportExcess', args, { result: receiptCheck, comparison: optional(receiptCheck) }),
                result: evidenceCell(args.result),
                comparison: args.comparison === undefined ? null : evidenceCell(args.comparison),
                code: beginCell().storeRef(args.code).asSlice(),
            }),
        ),
    /** A3: an accept whose deadline has passed; `first`: the first of the four pieces demanded. */
    demand: (args: EvidenceJob & { accept: Buffer; first?: number; code: Cell }): Cell =>
        toCell(
            node.storeDemandAnswer({
                $$type: 'DemandAnswer',
                ...jobFields('DemandAnswer', args, { accept: receiptCheck, first: optional(uint(32)) }),
                firstPiece: BigInt(args.first ?? 0),
                accept: evidenceCell(args.accept),
                code: args.code,
            }),
        ),
    /** B1: a result, and the hash of a statement of what is wrong with it. */
    wrong: (args: EvidenceJob & { result: Buffer; statement: Buffer; code: Cell }): Cell =>
        toCell(
            node.storeReportWrong({
                $$type: 'ReportWrong',
                ...jobFields('ReportWrong', args, { result: receiptCheck, statement: bytes(32) }),
                statement: bytesToNumber(args.statement),
                result: evidenceCell(args.result),
                code: args.code,
            }),
        ),
};

/** The subject of a demand or a B1, as the report says. */
export interface Reported {
    class: JudgedClass;
    job: Buffer; // hash
    query: number;
    date: number; // unix seconds, what the receipt says of itself
}

/** The value for a message that is malformed. */
export const UNREADABLE = 'unreadable';

/**
 * The subject of a DemandAnswer or a ReportWrong; undefined for another message, UNREADABLE for a malformed one.
 * Never throws. Proves nothing, because anyone can write such a message; `readCaseOpened` reads what a Provider
 * opened.
 */
export function readReport(body: Cell, network: number): Reported | typeof UNREADABLE | undefined {
    const opcode = opcodeOf(body);
    if (opcode === opcodes.DemandAnswer) {
        return orUnreadable(() => {
            const { channel, terms, accept } = node.loadDemandAnswer(body.beginParse());
            const { number, deadline } = Accept.decode(payloadOf(receiptOf(accept)));
            return { class: 'A3', job: jobOf(network, channel, terms), query: number, date: deadline };
        });
    }
    if (opcode === opcodes.ReportWrong) {
        return orUnreadable(() => {
            const { channel, terms, result } = node.loadReportWrong(body.beginParse());
            const { number, finishedAt } = Result.decode(payloadOf(receiptOf(result)));
            return { class: 'B1', job: jobOf(network, channel, terms), query: number, date: finishedAt };
        });
    }
    return undefined;
}

/** A case that a Provider opened, as its event says; amounts in nanoTON, times in unix seconds. */
export interface CaseOpened {
    serial: number; // 1, 2, 3 … for each Provider: a gap is a case that was missed
    class: FaultClass;
    node: number;
    job: Buffer; // hash
    query: number; // number within the job; A1: 0; A2: the result's index
    dispute: Address;
    date: number; // what the receipts say of themselves
    answerBy: number; // the earliest that the Dispute may say; 0 for A1 and A2, which nobody answers
    amount: bigint; // the most it may cost
    bond: bigint;
}

/**
 * The case of a CaseOpened, an external message out of a Provider; undefined for another message, UNREADABLE for a
 * malformed one. Never throws. `Provider.getStanding()` has the newest serial and the number of open cases. The state
 * of a case is in its Dispute.
 */
export function readCaseOpened(body: Cell): CaseOpened | typeof UNREADABLE | undefined {
    if (opcodeOf(body) !== opcodes.CaseOpened) {
        return undefined;
    }
    return orUnreadable(() => {
        const opened = loadCaseOpened(body.beginParse());
        const faultClass = faultClassOf(opened.faultClass);
        if (faultClass === undefined) {
            return UNREADABLE;
        }
        return {
            serial: Number(opened.serial),
            class: faultClass,
            node: Number(opened.node),
            job: numberToBytes(opened.job),
            query: Number(opened.query),
            dispute: new Address(0, numberToBytes(opened.dispute)),
            date: Number(opened.date),
            answerBy: Number(opened.answerBy),
            amount: opened.amount,
            bond: opened.bond,
        };
    });
}

/** The first 32 bits; undefined for a cell that has fewer or is not an ordinary one. */
function opcodeOf(body: Cell): number | undefined {
    return body.isExotic || body.bits.length < 32 ? undefined : body.beginParse().loadUint(32);
}

function orUnreadable<T>(read: () => T): T | typeof UNREADABLE {
    try {
        return read();
    } catch {
        return UNREADABLE;
    }
}

function jobOf(network: number, channel: bigint, terms: Cell): Buffer {
    return jobHash(network, numberToBytes(channel), loadTerms(terms));
}

/** One member's signature over a verdict. */
export interface Vote {
    member: number; // place of the key among the committee's, ascending
    signature: Buffer;
}

/** The votes of a SubmitVerdict, in ascending order of members. Throws for none. */
export function votesCell(votes: Vote[]): Cell {
    votes.forEach((vote, i) => voteCheck(vote, `votes[${i}]`));
    const descending = [...votes].sort((a, b) => b.member - a.member);
    const chain = descending.reduce<Cell | undefined>((next, { member, signature }) => {
        const builder = beginCell().storeUint(member, 8).storeBuffer(signature, SIGNATURE_BYTES);
        return (next === undefined ? builder : builder.storeRef(next)).endCell();
    }, undefined);
    if (chain === undefined) {
        throw new Error('A verdict needs the signatures of its committee, there are none');
    }
    return chain;
}
