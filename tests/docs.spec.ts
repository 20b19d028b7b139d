/**
 * docs/contracts against contracts/: messages, exit codes, bounces and states are those of the code, in both
 * directions.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errors, opcodes } from '@cocoon-market/wrappers';

const ROOT = join(__dirname, '..');
const NAMES = ['registry', 'provider', 'node', 'dispute', 'escrow', 'channel', 'library'];

/** A contract's own source: its file and the traits in the folder of its name. */
function sourceOf(name: string): string {
    const folder = join(ROOT, 'contracts', name);
    const traits = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
    return [join(ROOT, 'contracts', `${name}.tact`), ...traits].map((file) => readFileSync(file, 'utf8')).join('\n');
}

function pageOf(name: string): string {
    return readFileSync(join(ROOT, 'docs', 'contracts', `${name}.md`), 'utf8');
}

function section(page: string, title: string): string {
    const [, text = ''] = new RegExp(`^## ${title}\\n(.*?)(?=^## |(?![^]))`, 'ms').exec(page) ?? [];
    return text;
}

/** The cells of each row of the tables in a text, without their headings. */
function rowsOf(text: string): string[][] {
    const lines = text.split('\n');
    return lines
        .filter((line, at) => line.startsWith('|') && !/^\| -/.test(line) && !/^\| -/.test(lines[at + 1] ?? ''))
        .map((line) =>
            line
                .split('|')
                .slice(1, -1)
                .map((cell) => cell.trim()),
        );
}

const dispute = rowsOf(section(pageOf('dispute'), 'Messages'));

/** Rows about messages to a contract: those of its page, and those of dispute.md for Provider and Node. */
function messageRows(name: string): string[][] {
    if (name === 'dispute') {
        return dispute.filter(([, to]) => to === 'Dispute');
    }
    const shared = dispute.filter(([, to]) => to.toLowerCase() === name);
    return [...rowsOf(section(pageOf(name), 'Messages')), ...shared];
}

/** Messages a contract takes: its typed receivers, or what it compares opcodes with where it finds them by itself. */
function received(source: string): string[] {
    const typed = Array.from(source.matchAll(/receive\(\w+: (\w+)\)/g), ([, name]) => name).filter(
        (n) => n !== 'Slice',
    );
    const compared = Array.from(
        source.matchAll(/opcode [!=]= (?:(\w+)\.opcode\(\)|Op(\w+))/g),
        ([, message, plain]) => message ?? plain,
    );
    const own = new Set([...typed, ...(typed.length === 0 ? compared : [])]);
    return [...own].sort();
}

const words = (text: string): string[] => text.match(/\b[A-Z]\w+/g) ?? [];
const messagesIn = (text: string): string[] => words(text).filter((word) => word in opcodes);
const unique = (list: string[]): string[] => [...new Set(list)].sort();

describe.each(NAMES)('docs/contracts/%s.md', (name) => {
    const source = sourceOf(name);
    const rows = messageRows(name);
    const page = pageOf(name);

    it('lists every message that the contract takes, and no other', () => {
        expect(unique(rows.flatMap(([message]) => messagesIn(message.split(':')[0])))).toEqual(received(source));
    });

    it('names every exit code that the contract throws, and none that does not exist', () => {
        const thrown = unique(Array.from(source.matchAll(/\bErr[A-Z]\w+/g), ([code]) => code));
        const pages = name === 'provider' || name === 'node' ? page + pageOf('dispute') : page;
        const named = unique(Array.from(pages.matchAll(/\bErr[A-Z]\w+/g), ([code]) => code));

        expect(thrown.filter((code) => !named.includes(code))).toEqual([]);
        expect(named.filter((code) => !(code in errors))).toEqual([]);
    });

    it('says for every message that may come back what happens then', () => {
        const pages = name === 'provider' || name === 'node' ? page + pageOf('dispute') : page;
        const table = rowsOf(section(pages, 'Outgoing messages and bounces'));
        const both = [...table, ...rowsOf(section(pageOf('dispute'), 'Outgoing messages and bounces'))];
        const returned = Array.from(source.matchAll(/bounced\(\w+: bounced<(\w+)>\)/g), ([, message]) => message);

        const told = both.flatMap(([message]) => messagesIn(message));
        expect(returned.filter((message) => !told.includes(message))).toEqual([]);
    });

    it('draws the states that the contract has, and moves between them by messages that exist', () => {
        const [, diagram] = /```mermaid\nstateDiagram-v2\n(.*?)```/s.exec(page)!;
        const moves = Array.from(diagram.matchAll(/^\s*(\S+) --> (\S+?): (.*)$/gm), ([, from, to, by]) => ({
            from,
            to,
            by,
        }));
        const drawn = unique(moves.flatMap(({ from, to }) => [from, to]).filter((state) => state !== '[*]'));
        const states = Array.from(source.matchAll(/^const State(\w+): Int = \d+;/gm), ([, state]) => state);

        expect(moves.length).toBeGreaterThan(2);
        expect(drawn).toEqual(states.length === 0 ? drawn : unique(states));
        const returned = Array.from(source.matchAll(/bounced<(\w+)>/g), ([, message]) => message);
        const orders = ['OpenJobs', 'JobOrder'];
        const known = [...received(source), ...returned, ...orders];
        const moved = moves.flatMap(({ by }) => messagesIn(by));
        expect(moved.filter((message) => !known.includes(message))).toEqual([]);
        const ends = /SendDestroyIfZero|sendAllAndEnd/.test(source);
        expect(moves.some(({ to }) => to === '[*]')).toBe(ends);
    });
});
