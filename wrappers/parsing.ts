/** Messages and transactions in the names of the contracts: what a wallet, an explorer or a log shows. */
import type { Address, Cell, Transaction } from '@ton/core';
import * as channel from '../build/Channel/Channel_Channel';
import * as dispute from '../build/Dispute/Dispute_Dispute';
import * as escrow from '../build/Escrow/Escrow_Escrow';
import * as library from '../build/Library/Library_Library';
import * as node from '../build/Node/Node_Node';
import * as provider from '../build/Provider/Provider_Provider';
import * as registry from '../build/Registry/Registry_Registry';
import { errorName, type OpcodeName, opcodes } from './protocol';

const modules = { registry, provider, node, escrow, channel, library, dispute };
type Loaders = typeof registry &
    typeof provider &
    typeof node &
    typeof escrow &
    typeof channel &
    typeof library &
    typeof dispute;
type FieldsOf<Name extends OpcodeName> = `load${Name}` extends keyof Loaders
    ? Loaders[`load${Name}`] extends (...args: never[]) => infer Fields
        ? Omit<Fields, '$$type'>
        : never
    : never;

/** A message or an event of the suite, by the name that it has in the contracts, with its fields. */
export type ParsedMessage = { [Name in OpcodeName]: { name: Name; fields: FieldsOf<Name> } }[OpcodeName];

type Loader = (slice: ReturnType<Cell['beginParse']>) => { $$type: string };

const loaders = new Map<number, { name: OpcodeName; load: Loader }>();

function loaderOf(opcode: number) {
    if (loaders.size === 0) {
        for (const [name, code] of Object.entries(opcodes)) {
            const found = Object.values(modules).find((module) => `load${name}` in module);
            if (found !== undefined) {
                const load = found[`load${name}` as keyof typeof found] as unknown as Loader;
                loaders.set(code, { name: name as OpcodeName, load });
            }
        }
    }
    return loaders.get(opcode);
}

/**
 * The message or event that a body is. Undefined for another contract's, a plain transfer and a malformed one. Never
 * throws. Proves nothing: anyone can write such a body.
 */
export function parseMessage(body: Cell): ParsedMessage | undefined {
    if (body.isExotic || body.bits.length < 32) {
        return undefined;
    }
    const found = loaderOf(body.beginParse().loadUint(32));
    if (found === undefined) {
        return undefined;
    }
    try {
        const { $$type: _, ...fields } = found.load(body.beginParse());
        return { name: found.name, fields } as unknown as ParsedMessage;
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
    outcome: string; // `ok`, or the name of the exit code
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
        outcome: exitCode === 0 ? 'ok' : errorName(exitCode),
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
