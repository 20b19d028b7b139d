/** One executed transaction as a plain record: everything a reader of the log needs without parsing cells. */
import type { Address, Message, Transaction } from '@ton/core';
import { beginCell, Cell, loadTransaction, storeMessage } from '@ton/core';

/** A message inside a record; amounts are nanoTON, addresses raw, cells base64 BoCs. */
export interface LoggedMessage {
    type: 'internal' | 'external-in' | 'external-out';
    /** null for a message from outside. */
    source: string | null;
    /** null for a message to outside. */
    destination: string | null;
    value: bigint;
    forwardFee: bigint;
    createdLt: bigint;
    bounce: boolean;
    bounced: boolean;
    /**
     * The first 32 bits of the body; null if it is shorter. An external message of a wallet may begin with a
     * signature.
     */
    opcode: number | null;
    body: string;
    /** Hex. */
    hash: string;
}

/** A transaction in the order of execution; amounts are nanoTON, addresses raw. */
export interface LoggedTransaction {
    /** Position in the log, from 1; also the number of the block that holds it. */
    index: number;
    account: string;
    lt: bigint;
    /** Hex. */
    hash: string;
    /** Unix seconds. */
    now: number;
    inMessage: LoggedMessage | null;
    outMessages: LoggedMessage[];
    /** null if no code ran. */
    computeGas: bigint | null;
    /** null if no code ran. */
    computeExitCode: number | null;
    /** null if there was no action phase. */
    actionResultCode: number | null;
    aborted: boolean;
    endStatus: Transaction['endStatus'];
    /** What the validators get: storage, gas, and their part of importing and forwarding. */
    totalFees: bigint;
    storageFees: bigint;
    /** Taken for all outgoing messages; the part not in totalFees travels with them. */
    forwardFees: bigint;
    boc: string;
}

/** Turns a transaction of `account` into its record. */
export function describeTransaction(index: number, account: Address, transaction: Transaction): LoggedTransaction {
    const { description } = transaction;
    const compute = 'computePhase' in description ? description.computePhase : undefined;
    const action = 'actionPhase' in description ? description.actionPhase : undefined;
    const storage = 'storagePhase' in description ? description.storagePhase : undefined;
    return {
        index,
        account: account.toRawString(),
        lt: transaction.lt,
        hash: transaction.hash().toString('hex'),
        now: transaction.now,
        inMessage: transaction.inMessage ? describeMessage(transaction.inMessage) : null,
        outMessages: transaction.outMessages.values().map(describeMessage),
        computeGas: compute?.type === 'vm' ? compute.gasUsed : null,
        computeExitCode: compute?.type === 'vm' ? compute.exitCode : null,
        actionResultCode: action ? action.resultCode : null,
        aborted: 'aborted' in description && description.aborted,
        endStatus: transaction.endStatus,
        totalFees: transaction.totalFees.coins,
        storageFees: storage?.storageFeesCollected ?? 0n,
        forwardFees: action?.totalFwdFees ?? 0n,
        boc: transaction.raw.toBoc().toString('base64'),
    };
}

/** Rebuilds a record that travelled as JSON, from the transaction in it. */
export function reviveTransaction(wire: { index: number; account: Address; boc: string }): LoggedTransaction {
    return describeTransaction(wire.index, wire.account, loadTransaction(Cell.fromBase64(wire.boc).beginParse()));
}

function describeMessage(message: Message): LoggedMessage {
    const { info, body } = message;
    const internal = info.type === 'internal' ? info : undefined;
    return {
        type: info.type,
        source: info.type === 'external-in' ? null : info.src.toRawString(),
        destination: info.type === 'external-out' ? null : info.dest.toRawString(),
        value: internal?.value.coins ?? 0n,
        forwardFee: internal?.forwardFee ?? 0n,
        createdLt: info.type === 'external-in' ? 0n : info.createdLt,
        bounce: internal?.bounce ?? false,
        bounced: internal?.bounced ?? false,
        opcode: body.bits.length >= 32 ? body.beginParse().loadUint(32) : null,
        body: body.toBoc().toString('base64'),
        hash: beginCell().store(storeMessage(message)).endCell().hash().toString('hex'),
    };
}
