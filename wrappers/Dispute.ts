/**
 * The case of one fault of one job. It stays until nobody can report the fault again. See docs/contracts/dispute.md.
 */
import { Address, Cell, ContractProvider } from '@ton/core';
import * as tact from '../build/Dispute/Dispute_Dispute';
import { evidenceCell, receiptCheck, Vote, voteCheck, votesCell } from './evidence';
import { SignedVoucher, signedVoucherCheck } from './Channel';
import { bytes, bytesFrom, listOf, uint } from './fields';
import { FaultClass, faultClasses, faultClassOf } from './faults';
import { Committee, parseCommittee } from './Registry';
import { pieceCell, pieceOf, proofCell } from './signed/answer';
import { cellOf } from './signed/layout';
import { messagesOf, stateless } from './sending';
import { bytesToNumber, numberToBytes } from './bytes';

export type { CaseState } from '../build/Dispute/Dispute_Dispute';

/** A case's life: `stuck` is closed, but its Provider did not take the outcome; anyone may have it sent again. */
export const caseStates = {
    new: tact.StateNew,
    open: tact.StateOpen,
    closed: tact.StateClosed,
    stuck: tact.StateStuck,
} as const;

/** Seconds between two reports of one A1 or A2, each with a larger loss. */
export const REPORT_GAP = Number(tact.ReportGap);

/** What a case is about; amounts in nanoTON, times in unix seconds, accounts in the basechain. */
export interface CaseFile {
    class: FaultClass;
    job: Buffer;
    query: number;
    date: number;
    amount: bigint; // the most it may cost
    loss: bigint;
    countedLoss: bigint; // the largest loss that was shown; A1 and A2 count again for what is more
    sentAt: number; // when the Provider was told last of an A1 or A2; a larger loss counts `REPORT_GAP` seconds later
    reporter: Address;
    victim: Buffer; // account of the escrow
    receiptKey: Buffer;
    payout: Buffer; // account
    node: number;
    /** A3: hash of the request; B1: hash of the reporter's statement. */
    about?: Buffer;
    firstPiece: number; // A3: first piece demanded
    maxBasisPoints: number; // B1: basis points that `amount` stands for
    rulesVersion: number;
    insurance: Address;
    owner: Address;
    committee: Committee;
}

/** The address holds no Dispute of this release's code. */
export class NotDispute extends Error {
    constructor(address: Address, cause: unknown) {
        super(`There is no Dispute of this release at ${address.toString()}: look at the address and the network`, {
            cause,
        });
        this.name = 'NotDispute';
    }
}

const message = messagesOf<typeof tact.Dispute>();

/** Each message needs a value of at least `getCloseValue()`. */
export class Dispute extends stateless(tact.Dispute) {
    /**
     * The Dispute of a Provider about one fault, as it is deployed. `query` is 0 for A1 and the result's index for
     * A2. `nodeVersion` is that of the node's code, 0 by default.
     */
    static async ofFault(
        provider: Address,
        fault: { class: FaultClass; job: Buffer; query: number; nodeVersion?: number },
    ): Promise<Dispute> {
        const job = bytesToNumber(fault.job);
        const { address, init } = await tact.Dispute.fromInit(
            provider,
            BigInt(faultClasses[fault.class].number),
            job,
            BigInt(fault.query),
            BigInt(fault.nodeVersion ?? 0),
            caseStates.new,
            0n, // answerBy
            0n, // decideFrom
            0n, // clearAt
            0n, // bond
            false, // stated
            0n, // missingPieces
            0n, // cost
            null,
        );
        return new Dispute(address, init);
    }

    /**
     * Answers a demand with one piece of the answer. The last demanded piece closes the case, and the payout gets the
     * cost of the answer out of the bond. From anyone, until `answerBy`. `result`: the receipt as stored; `answer`:
     * all bytes of the answer.
     * @throws on chain: ErrWrongState, ErrExpired, ErrMalformed, ErrBadSignature, ErrWrongJob, ErrWrongPiece,
     * ErrLowValue, ErrNotBasechain
     */
    readonly sendPiece = message(
        'PostPiece',
        { result: receiptCheck, answer: bytesFrom(0), index: uint(32) },
        ({ result, answer, index }: { result: Buffer; answer: Buffer; index: number }) => ({
            length: BigInt(answer.length),
            index: BigInt(index),
            result: evidenceCell(result),
            proof: answer.length > 0 ? proofCell(answer, index) : null,
            piece: answer.length > 0 ? pieceCell(pieceOf(answer, index)) : null,
        }),
    );

    /**
     * Answers a demand with the node's signed fail. From anyone, until `answerBy`.
     * @throws on chain: ErrWrongState, ErrExpired, ErrMalformed, ErrBadSignature, ErrWrongJob, ErrLowValue,
     * ErrNotBasechain
     */
    readonly sendFail = message('PostFail', { fail: receiptCheck }, ({ fail }: { fail: Buffer }) => ({
        fail: evidenceCell(fail),
    }));

    /**
     * Answers a demand with a voucher that counts the result. From anyone, until `answerBy`.
     * @throws on chain: ErrWrongState, ErrExpired, ErrMalformed, ErrBadSignature, ErrWrongJob, ErrNothingNew,
     * ErrLowValue, ErrNotBasechain
     */
    readonly sendVoucher = message(
        'PostVoucher',
        { result: receiptCheck, voucher: signedVoucherCheck },
        ({ result, voucher }: { result: Buffer; voucher: SignedVoucher }) => ({
            cumulative: voucher.cumulative,
            count: BigInt(voucher.count),
            signature: cellOf(voucher.signature),
            result: evidenceCell(result),
        }),
    );

    /**
     * Names the hash of the provider's statement. From its owner, for a B1 until `answerBy`.
     * @throws on chain: ErrWrongState, ErrNotOwner, ErrExpired
     */
    readonly sendStatement = message('StateCase', { statement: bytes(32) }, ({ statement }: { statement: Buffer }) => ({
        statement: bytesToNumber(statement),
    }));

    /**
     * Submits the committee's verdict on a B1, see `Verdict`. From anyone, between the owner's statement or
     * `answerBy` and `decideFrom`.
     * @throws on chain: ErrWrongState, ErrTooEarly, ErrExpired, ErrWrongVerdict, ErrBadSignature, ErrLowValue,
     * ErrNotBasechain
     */
    readonly sendVerdict = message(
        'SubmitVerdict',
        { basisPoints: uint(16), validUntil: uint(32), votes: listOf(voteCheck, 255) },
        ({ basisPoints, validUntil, votes }: { basisPoints: number; validUntil: number; votes: Vote[] }) => ({
            basisPoints: BigInt(basisPoints),
            validUntil: BigInt(validUntil),
            votes: votesCell(votes),
        }),
    );

    /**
     * Decides a case after its deadline, or sends the outcome of a stuck one again. From anyone.
     * @throws on chain: ErrLowValue, ErrWrongState, ErrTooEarly, ErrNotBasechain
     */
    readonly sendDecide = message('DecideCase');

    /**
     * Ends the account of a closed case, from `clearAt` on. Its remaining balance goes to the sender.
     * @throws on chain: ErrWrongState, ErrTooEarly
     */
    readonly sendClear = message('ClearCase');

    /**
     * The content of the case; undefined until it is opened.
     * @throws NotDispute when another contract, or none, is at this address
     */
    async getFile(provider: ContractProvider): Promise<CaseFile | undefined> {
        try {
            return await this.readFile(provider);
        } catch (cause) {
            const { state } = await provider.getState();
            const { init } = await Dispute.ofFault(this.address, { class: 'A1', job: Buffer.alloc(32), query: 0 });
            const runs = state.type === 'active' && state.code ? Cell.fromBoc(state.code)[0] : undefined;
            throw runs?.equals(init!.code) === true ? cause : new NotDispute(this.address, cause);
        }
    }

    private async readFile(provider: ContractProvider): Promise<CaseFile | undefined> {
        const cell = await this.getCaseFile(provider);
        if (cell === null) {
            return undefined;
        }
        const file = tact.loadCaseFile(cell.beginParse());
        const fault = tact.loadFault(file.fault.beginParse());
        const parties = tact.loadFaultParties(fault.parties.beginParse());
        const claim = fault.claim === null ? undefined : tact.loadFaultClaim(fault.claim.beginParse());
        const rules = tact.loadCaseRules(file.rules.beginParse());
        return {
            class: faultClassOf(fault.faultClass)!,
            job: numberToBytes(fault.job),
            query: Number(fault.query),
            date: Number(fault.date),
            amount: fault.amount,
            loss: fault.loss,
            countedLoss: file.loss,
            sentAt: Number(file.sentAt),
            reporter: fault.reporter,
            victim: numberToBytes(parties.victim),
            receiptKey: numberToBytes(parties.key),
            payout: numberToBytes(parties.payout),
            node: Number(parties.node),
            ...(claim === undefined ? {} : { about: numberToBytes(claim.about) }),
            firstPiece: Number(claim?.firstPiece ?? 0n),
            maxBasisPoints: Number(claim?.maxBasisPoints ?? 0n),
            rulesVersion: Number(rules.version),
            insurance: rules.insurance,
            owner: rules.owner,
            committee: parseCommittee(rules.committee),
        };
    }
}
