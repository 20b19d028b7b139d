/**
 * Makes docs/schema.tlb out of the compiler's reports: every message, structure and storage of the contracts in
 * tact.config.json. `npm run generate` writes it, tests/protocol.spec.ts checks it.
 */
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

function entriesOf(contract: string): [string, string][] {
    const report = built(contract, 'md').toString('utf8');
    return Array.from(report.matchAll(/^### (\S+)\nTL-B: `(.*)`$/gm), ([, name, line]) => [name, withNames(line)]);
}

/** The line with `field:Name` where the report repeats the fields of Name. */
function withNames(line: string): string {
    const shorter = line.replace(/\{[^{}]*\}/g, '');
    return shorter === line ? line : withNames(shorter);
}

/** The whole file. Throws when two contracts mean different things by one name. */
export function schema(): string {
    const lines = new Map<string, string>();
    for (const contract of contractNames()) {
        for (const [name, line] of entriesOf(contract).filter(([each]) => !LIBRARY.has(each))) {
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
    return [
        '// Made by tooling/schema.ts from the reports of the compiler; tests/protocol.spec.ts checks it. Do not edit.',
        '// Units and meaning of the fields: contracts/protocol. Payloads that keys sign: docs/protocol.md.',
        '// remainder<slice> is what is left of the cell; ^cell one reference; Maybe ^cell a bit and perhaps a reference.',
        '// A structure with int257 fields is the answer of a getter and never stored.',
        '',
        ...section(
            'Messages, by opcode',
            messages.sort(([, a], [, b]) => opcode(a).localeCompare(opcode(b))),
        ),
        ...section('Structures', structures),
        ...section('Storage', storage),
    ].join('\n');
}
