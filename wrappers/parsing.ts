/** Messages and transactions in the names of the contracts: what a wallet, an explorer or a log shows. */
import type { Address, Cell, Slice, Transaction } from '@ton/core';
import { withFewEntries } from './dictionaries';
import { loaders } from './loaders';
import { errorName, type OpcodeName, opcodes } from './protocol';

type FieldsOf<Name extends OpcodeName> = Omit<ReturnType<(typeof loaders)[Name]>, '$$type'>;

/** A message or an event of the suite, by the name that it has in the contracts, with its fields. */
export type ParsedMessage = { [Name in OpcodeName]: { name: Name; fields: FieldsOf<Name> } }[OpcodeName];

const names = new Map<number, OpcodeName>(Object.entries(opcodes).map(([name, code]) => [code, name as OpcodeName]));

/**
 * The message or event that a body is. Undefined for another contract's, a plain transfer and a malformed one. Never
 * throws. Proves nothing: anyone can write such a body.
 */
export function parseMessage(body: Cell): ParsedMessage | undefined {
    if (body.isExotic || body.bits.length < 32) {
        return undefined;
    }
    const name = names.get(body.beginParse().loadUint(32));
    if (name === undefined) {
        return undefined;
    }
    const load: (slice: Slice) => { $$type: string } = loaders[name];
    try {
        const { $$type: _, ...fields } = withFewEntries(() => load(body.beginParse()));
        return { name, fields } as unknown as ParsedMessage;
    } catch {
        return undefined;
    }
}

/** A message of a transaction; the other end is absent for events and external messages. */
export interface NamedMessage {
    with?: Address; // sender of the incoming, receiver of an outgoing
    value: bigint; // nanoTON
    bounced: boolean;
    message?: ParsedMessage; // absent for a message that is not the suite's
}

/** A transaction in the names of the suite. */
export interface NamedTransaction {
    received?: NamedMessage;
    sent: NamedMessage[];
    events: ParsedMessage[];
    exitCode: number; // 0 for success
    outcome: string; // `ok`, the name of the exit code, or `not run`: no code ran, so nothing was done
}

/** The names of a transaction's messages and its outcome. */
export function parseTransaction(transaction: Transaction): NamedTransaction {
    const { inMessage } = transaction;
    const out = transaction.outMessages.values();
    const exitCode = exitCodeOf(transaction);
    return {
        ...(inMessage ? { received: describe(inMessage) } : {}),
        sent: out.filter(({ info }) => info.type === 'internal').map(describe),
        events: out.flatMap(({ info, body }) => (info.type === 'external-out' ? (parseMessage(body) ?? []) : [])),
        exitCode,
        outcome: exitCode !== 0 ? errorName(exitCode) : hasRun(transaction) ? 'ok' : 'not run',
    };
}

function describe({ info, body }: NonNullable<Transaction['inMessage']>): NamedMessage {
    if (info.type !== 'internal') {
        const message = parseMessage(body);
        return { value: 0n, bounced: false, ...(message ? { message } : {}) };
    }
    // What comes back begins with 32 ones, then as much of the message as fits.
    const message = info.bounced ? undefined : parseMessage(body);
    return { with: info.dest, value: info.value.coins, bounced: info.bounced, ...(message ? { message } : {}) };
}

const hasRun = ({ description }: Transaction): boolean =>
    description.type !== 'generic' || description.computePhase.type === 'vm';

/**
 * True if the account did what the message asked: its code ran, and neither it nor its actions failed. Code that never
 * ran, for want of gas or because the account is gone, fails with no exit code, and the body proves nothing.
 */
export function hasSucceeded({ description }: Transaction): boolean {
    return description.type === 'generic' && !description.aborted;
}

/** The exit code of a transaction, of its action phase if that failed; 0 for success. */
export function exitCodeOf({ description }: Transaction): number {
    if (description.type !== 'generic') {
        return 0;
    }
    const { computePhase, actionPhase } = description;
    if (computePhase.type === 'vm' && !computePhase.success) {
        return computePhase.exitCode;
    }
    return actionPhase === undefined || actionPhase === null || actionPhase.success ? 0 : actionPhase.resultCode;
}
