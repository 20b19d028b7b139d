/**
 * Exit codes, opcodes and gas ceilings, as the contracts define them. Tact exports constants as bigint
 * while exit codes and opcodes are numbers everywhere else; the conversion lives here.
 */
import * as generated from '../build/Escrow/Escrow_Escrow';
import { Channel } from '../build/Channel/Channel_Channel';
import { Library } from '../build/Library/Library_Library';
import { Dispute } from '../build/Dispute/Dispute_Dispute';
import * as node from '../build/Node/Node_Node';
import { Provider } from '../build/Provider/Provider_Provider';
import { Registry } from '../build/Registry/Registry_Registry';

type NamesWith<Prefix extends string> = Extract<keyof typeof node, `${Prefix}${string}`>;
type NumbersWith<Prefix extends string> = { readonly [Name in NamesWith<Prefix>]: number };

function numbersWith<Prefix extends string>(prefix: Prefix): NumbersWith<Prefix> {
    const constants = Object.entries(node).filter(
        ([name, value]) => name.startsWith(prefix) && typeof value === 'bigint',
    );
    return Object.fromEntries(constants.map(([name, value]) => [name, Number(value)])) as NumbersWith<Prefix>;
}

/** Every exit code of the suite by its Tact name, such as `errors.ErrNotOwner` (1000). Another name is a type error. */
export const errors = numbersWith('Err');
export type ErrorName = keyof typeof errors;

/** Gas ceilings in gas units by their Tact name, such as `gas.GasClaim`. */
export const gas = numbersWith('Gas');

/** Opcodes of internal messages by the message's name, such as `opcodes.Claim`. */
export const opcodes = {
    ...Registry.opcodes,
    ...Provider.opcodes,
    ...node.Node.opcodes,
    ...generated.Escrow.opcodes,
    ...Channel.opcodes,
    ...Library.opcodes,
    ...Dispute.opcodes,
} as const;
export type OpcodeName = keyof typeof opcodes;

/** Rules of jobs, in seconds. */
export const jobRules = {
    minNotice: Number(generated.MinNotice),
    maxNotice: Number(generated.MaxNotice),
    maxEnd: Number(generated.MaxEnd),
};

const TVM_CODES: Record<number, string> = {
    2: 'stack underflow',
    4: 'integer overflow',
    5: 'integer out of range',
    8: 'cell overflow',
    9: 'cell underflow',
    10: 'dictionary error',
    34: 'action invalid',
    37: 'not enough TON for an action',
    38: 'not enough extra currencies',
    40: 'not enough TON to process an action',
    130: 'unknown message',
};

const errorNames = new Map<number, string>(Object.entries(errors).map(([name, code]) => [code, name]));
const opcodeNames = new Map<number, string>(Object.entries(opcodes).map(([name, code]) => [code, name]));

/** The name of an exit code or action result, such as `ErrTooEarly (1010)`; `out of gas (-14)` for the TVM's own. */
export function errorName(code: number): string {
    const name = errorNames.get(code) ?? (code === -14 ? 'out of gas' : TVM_CODES[code]);
    return name === undefined ? `exit code ${code}` : `${name} (${code})`;
}

/** The name of an internal message's opcode, such as `Claim`; the hex of one that is not the suite's. */
export function opcodeName(code: number): string {
    return opcodeNames.get(code) ?? `0x${code.toString(16).padStart(8, '0')}`;
}
