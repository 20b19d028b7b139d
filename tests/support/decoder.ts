/**
 * A second decoder of the wire format: what a tool of others makes of docs/schema.tlb. It knows nothing of the
 * contracts or of the wrappers, so whatever both read alike is in the schema.
 */
import { Address, BitString, Cell, Dictionary, Slice } from '@ton/core';
import { transformSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';
import { SCHEMA } from '../../tooling/schema';

type Loader = (slice: Slice) => Record<string, unknown>;
/** A value in a form that does not depend on the decoder: numbers as decimals, cells by hash, addresses as text. */
type Plain = string | boolean | null | Plain[] | { [name: string]: Plain };

/** Reads messages, structures and payloads by their names in docs/schema.tlb. */
export class SchemaDecoder {
    private constructor(private readonly loaders: Record<string, Loader | undefined>) {}

    /** Has the tool read the schema; takes two seconds. */
    static make(): SchemaDecoder {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-schema-'));
        try {
            const made = join(folder, 'decoder.ts');
            const tool = require.resolve('@ton-community/tlb-codegen/build/main.js');
            const { status, stderr } = spawnSync(process.execPath, [tool, '-o', made, SCHEMA], { encoding: 'utf8' });
            if (status !== 0) {
                throw new Error(`docs/schema.tlb is not TL-B: ${stderr}`);
            }
            // The tool keeps numbers of 64 bits as doubles.
            const source = readFileSync(made, 'utf8').replace(/\.loadUint\(64\)/g, '.loadUintBig(64)');
            const { code } = transformSync(source, { loader: 'ts', format: 'cjs' });
            const exports: Record<string, Loader> = {};
            const run = runInThisContext(`(function (exports, require, module) {${code}\n})`) as (
                ...args: [object, NodeJS.Require, { exports: object }]
            ) => void;
            const module = { exports };
            run(exports, require, module);
            return new SchemaDecoder(module.exports);
        } finally {
            rmSync(folder, { recursive: true, force: true });
        }
    }

    /** The fields of a cell that is a whole `name`. Throws when it is anything else, or holds more. */
    read(name: string, cell: Cell): Plain {
        const load = this.loaders[`load${name}`];
        if (load === undefined) {
            throw new Error(`docs/schema.tlb has no ${name}`);
        }
        const slice = cell.beginParse();
        const fields = plain(load(slice));
        // What the tool reads as `Any` it does not take off the slice.
        if (slice.remainingBits > 0 || slice.remainingRefs > 0) {
            const rest = slice.asCell().hash().toString('hex');
            if (!Object.values(fields as object).includes(rest)) {
                throw new Error(`${name} holds more than its fields`);
            }
        }
        return fields;
    }
}

/** Fields as any decoder gives them, so that they can be compared. */
export function plain(value: unknown): Plain {
    if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
    if (typeof value === 'boolean') return value;
    if (value === null || value === undefined) return null;
    if (typeof value === 'string') return value;
    if (value instanceof Address) return value.toRawString();
    // The tool forgets that a cell is exotic, such as a library's, and keeps its bits.
    if (value instanceof Cell) return new Cell({ bits: value.bits, refs: value.refs }).hash().toString('hex');
    if (value instanceof Slice) return plain(value.asCell());
    if (value instanceof BitString) return BigInt(`0x${value.toString()}`).toString();
    if (Buffer.isBuffer(value)) return BigInt(`0x${value.toString('hex')}`).toString();
    if (value instanceof Dictionary) {
        const dictionary = value as Dictionary<number, unknown>;
        return dictionary.keys().map((key) => [key.toString(), plain(dictionary.get(key))]);
    }
    const { kind, $$type: _, ...fields } = value as Record<string, unknown>;
    if (kind === 'Maybe_nothing') return null;
    if (kind === 'Maybe_just') return plain(fields.value);
    return Object.fromEntries(
        // The tool cannot call a field as JavaScript calls classes.
        Object.entries(fields).map(([name, field]) => [name === 'class0' ? 'class' : name, plain(field)]),
    );
}
