/**
 * Makes docs/schema.tlb: every message, structure and storage of the contracts in tact.config.json out of the
 * compiler's reports, and what keys sign out of the wrappers. The result is TL-B as tools of others read it.
 * `npm run generate` writes it, tests/protocol.spec.ts checks it, tests/schema.spec.ts reads messages by it.
 */
import {
    Accept,
    Decline,
    Fail,
    type FieldKind,
    Job,
    Layout,
    Result,
    tags,
    Verdict,
    Voucher,
} from '@cocoon-market/wrappers';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..');
export const SCHEMA = join(ROOT, 'docs', 'schema.tlb');
/** Structures of Tact's own library, which every report repeats. */
const LIBRARY = new Set([
    ...['DataSize', 'SignedBundle', 'StateInit', 'Context', 'SendParameters', 'MessageParameters', 'DeployParameters'],
    ...['StdAddress', 'VarAddress', 'BasechainAddress'],
]);
const FOR_TESTS = new Set(['Probe', 'Foreign']);

/** Structures with more references than one cell takes, and the field from which on the compiler uses another cell. */
const SECOND_CELL: Record<string, string> = { NodeInfo: 'attestation' };
const MAX_REFS = 3; // the compiler keeps the fourth for the second cell

/** Contracts of the suite, in the order of tact.config.json. */
export function contractNames(): string[] {
    const { projects } = JSON.parse(readFileSync(join(ROOT, 'tact.config.json'), 'utf8')) as {
        projects: { name: string }[];
    };
    return projects.map(({ name }) => name).filter((name) => !FOR_TESTS.has(name));
}

/** What the compiler made for a contract: `X_X.md`, `X_X.abi`, `X_X.fif`, `X_X.code.boc`. */
export function built(contract: string, extension: string): Buffer {
    return readFileSync(join(ROOT, 'build', contract, `${contract}_${contract}.${extension}`));
}

interface Report {
    types: { name: string; fields: { name: string; type: { type: string; optional?: boolean } }[] }[];
}

function entriesOf(contract: string): [string, string][] {
    const report = built(contract, 'md').toString('utf8');
    const { types } = JSON.parse(built(contract, 'abi').toString('utf8')) as Report;
    return Array.from(report.matchAll(/^### (\S+)\nTL-B: `(.*)`$/gm), ([, name, line]) => {
        const fields = types.find((type) => type.name === name)?.fields ?? [];
        // The report writes an address that may be absent like one that may not.
        const optional = fields.filter(({ type }) => type.type === 'address' && type.optional);
        const marked = optional.reduce(
            (text, field) => text.replace(` ${field.name}:address`, ` ${field.name}:MsgAddress`),
            withNames(line),
        );
        return [name, asTlb(marked)];
    });
}

/** A structure as its cells hold it: what does not fit into the first is a structure of its own. */
function cellsOf([name, line]: [string, string]): [string, string][] {
    const refs = line.match(/\^/g)?.length ?? 0;
    const field = SECOND_CELL[name];
    if (field === undefined) {
        if (refs > MAX_REFS && !line.includes(':int257')) {
            throw new Error(`${name} has ${refs} references: say in SECOND_CELL where its second cell begins`);
        }
        return [[name, line]];
    }
    const [, first, second] = new RegExp(`^(.*) (${field}:.*) = ${name}$`).exec(line)!;
    return [
        [name, `${first} more:^${name}More = ${name}`],
        [`${name}More`, `_ ${second} = ${name}More`],
    ];
}

/** The line with `field:Name` where the report repeats the fields of Name. */
function withNames(line: string): string {
    const shorter = line.replace(/\{[^{}]*\}/g, '');
    return shorter === line ? line : withNames(shorter);
}

/** Types of Tact in the words of TL-B. */
function asTlb(line: string): string {
    return line
        .replace(/dict<uint(\d+), (\^\w+)>/g, '(HashmapE $1 $2)')
        .replace(/Maybe \^cell/g, '(Maybe ^Cell)')
        .replace(/\^cell/g, '^Cell')
        .replace(/:remainder<slice>/g, ':Any')
        .replace(/:address\b/g, ':MsgAddressInt')
        .replace(/:coins/g, ':Grams')
        .replace(/:bool/g, ':Bool')
        .replace(/ +/g, ' ');
}

const KINDS: Record<FieldKind, string> = {
    ...{ u8: 'uint8', u16: 'uint16', u32: 'uint32', u64: 'uint64', i32: 'int32' },
    b256: 'bits256',
};

/** A payload that a key signs. */
function payload({ name, tag, fields }: Layout<Record<string, FieldKind>>): string {
    const list = Object.entries(fields).map(([field, kind]) => `${field}:${KINDS[kind]}`);
    return constructor(name, tag, list.join(' '));
}

function constructor(name: string, tag: number, fields: string): string {
    const start = name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
    return `${start}#${tag.toString(16)} ${fields} = ${name}`;
}

const ORDER_HEAD = 'network:int32 escrow:bits256 seqno:uint32 validUntil:uint32';

/** What keys sign off chain. The contracts hash or read most of it as bits, so that the compiler does not report it. */
function signedLines(): string[] {
    return [
        ...[Voucher, Job, Accept, Result, Decline, Fail, Verdict].map((layout) => payload(layout as never)),
        constructor('OpenJobs', tags.TagOpenJobs, `${ORDER_HEAD} total:uint64 job:^NewJob others:Any`),
        constructor('JobOrder', tags.TagJobOrder, `${ORDER_HEAD} channel:bits256 action:uint8`),
        '_ signature:bits512 order:^Cell = SignedOrder',
    ];
}

/** The whole file. Throws when two contracts mean different things by one name. */
export function schema(): string {
    const lines = new Map<string, string>();
    for (const contract of contractNames()) {
        for (const [name, line] of entriesOf(contract)
            .filter(([each]) => !LIBRARY.has(each))
            .flatMap(cellsOf)) {
            if ((lines.get(name) ?? line) !== line) {
                throw new Error(`${name} differs between contracts: ${lines.get(name)} and ${line}`);
            }
            lines.set(name, line);
        }
    }
    const all = [...lines];
    const opcode = (line: string) => /^\w+#([0-9a-f]{8}) /.exec(`${line} `)?.[1] ?? '';
    const messages = all.filter(([, line]) => opcode(line) !== '');
    const storage = all.filter(([name]) => name.endsWith('$Data'));
    const structures = all.filter(([name, line]) => opcode(line) === '' && !name.endsWith('$Data'));
    const section = (title: string, entries: [string, string][]) => [
        `// ${title}`,
        ...entries.map(([, line]) => `${line};`),
        '',
    ];
    const signedSection = ['// What keys sign', ...signedLines().map((line) => `${line};`), ''];
    return [
        '// Made by tooling/schema.ts from the reports of the compiler; tests/protocol.spec.ts checks it. Do not edit.',
        '// Units and meaning of the fields: contracts/protocol. Payloads that keys sign: docs/protocol.md.',
        '// Any is what is left of the cell, at times with references. The others of OpenJobs are up to three ^NewJob.',
        '// A structure with int257 fields is the answer of a getter and never stored.',
        '',
        '// Of block.tlb; Any, Bool, Grams, HashmapE and MsgAddress are built into the tools that read TL-B',
        'nothing$0 {X:Type} = Maybe X;',
        'just$1 {X:Type} value:X = Maybe X;',
        '',
        ...section(
            'Messages, by opcode',
            messages.sort(([, a], [, b]) => opcode(a).localeCompare(opcode(b))),
        ),
        ...signedSection,
        ...section('Structures', structures),
        ...section('Storage', storage),
    ].join('\n');
}
