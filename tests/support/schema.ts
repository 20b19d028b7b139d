/** Writes messages and structures as their lines in docs/schema.tlb say, whatever the values are. */
import { Address, beginCell, Builder, Cell, Dictionary } from '@ton/core';
import { readFileSync } from 'node:fs';
import { SCHEMA } from '../../tooling/schema';

const TEXT = readFileSync(SCHEMA, 'utf8');

const lines = new Map(
    Array.from(TEXT.matchAll(/^(\w+(?:#(\w+))? .*?) ?= (\w+);$/gm), ([, line, tag, name]) => [name, { line, tag }]),
);

/** The value of a field: its type in the schema, and its path from the name of the message on. */
export type ValueOf = (type: string, path: string) => unknown;

/** The messages of the schema with their opcodes, in its order. */
export function messagesOfSchema(): Map<string, number> {
    const [, section] = /^\/\/ Messages, by opcode\n(.*?)\n\n/ms.exec(TEXT)!;
    return new Map(
        Array.from(section.matchAll(/^\w+#(\w+) .*= (\w+);$/gm), ([, tag, name]) => [name, parseInt(tag, 16)]),
    );
}

/** Writes a message or a structure. `valueOf` is asked for each field that is not a structure itself. */
export function writeType(builder: Builder, name: string, valueOf: ValueOf, path = name): Builder {
    const { line, tag } = lines.get(name)!;
    if (tag !== undefined) {
        builder.storeUint(parseInt(tag, 16), 32);
    }
    for (const [, field, type] of line.matchAll(/(\w+):(\([^)]*\)|\S+)/g)) {
        if (lines.has(type)) {
            writeType(builder, type, valueOf, `${path}.${field}`);
        } else {
            writeValue(builder, type, valueOf(type, `${path}.${field}`));
        }
    }
    return builder;
}

function writeValue(builder: Builder, type: string, value: unknown): void {
    const [, kind, size] = /^(uint|int|bits)(\d+)$/.exec(type) ?? [];
    if (kind === 'int') builder.storeInt(value as bigint, Number(size));
    else if (kind !== undefined) builder.storeUint(value as bigint, Number(size));
    else if (type === 'Bool') builder.storeBit(value as boolean);
    else if (type === 'Grams') builder.storeCoins(value as bigint);
    else if (type === 'MsgAddressInt' || type === 'MsgAddress') builder.storeAddress(value as Address | null);
    else if (/^\^\w+$/.test(type)) builder.storeRef(value as Cell);
    else if (type === '(Maybe ^Cell)') builder.storeMaybeRef(value as Cell | null);
    else if (type === 'Any') builder.storeSlice((value as Cell).beginParse());
    else if (/^\(HashmapE 8 \^\w+\)$/.test(type)) builder.storeDict(value as Dictionary<number, Cell> | null);
    else throw new Error(`docs/schema.tlb has a type that this does not write: ${type}`);
}

const NOBODY = new Address(0, Buffer.alloc(32));

/** The value of a field that nobody named. */
function emptyOf(type: string): unknown {
    if (type === 'Bool') return false;
    if (type === 'MsgAddressInt') return NOBODY;
    if (/^\^\w+$/.test(type) || type === 'Any') return Cell.EMPTY;
    return /^(uint|int|bits|Grams)/.test(type) ? 0n : null;
}

type Field = bigint | boolean | Address | Cell | Dictionary<number, Cell> | null;

/** A dictionary of 8-bit keys, each with a structure in a cell of its own. */
export function cellsByKey(entries: [number, Cell][]): Dictionary<number, Cell> {
    const dictionary = Dictionary.empty(Dictionary.Keys.Uint(8), Dictionary.Values.Cell());
    entries.forEach(([key, value]) => dictionary.set(key, value));
    return dictionary;
}

/** A message, or the cell of a structure, with these fields. The others are 0, null, false or an empty cell. */
export function bodyWith(name: string, fields: Record<string, Field> = {}): Cell {
    const unused = new Set(Object.keys(fields));
    const body = writeType(beginCell(), name, (type, path) => {
        const field = path.slice(name.length + 1);
        unused.delete(field);
        return field in fields ? fields[field] : emptyOf(type);
    }).endCell();
    if (unused.size > 0) {
        throw new Error(`${name} has no field ${[...unused].join(', ')}`);
    }
    return body;
}
