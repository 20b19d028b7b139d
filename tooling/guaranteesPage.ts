/**
 * Makes docs/guarantees.md out of README.md and tests/guarantees.ts. `npm run generate` writes it,
 * tests/guarantees.spec.ts checks it, and that everything it names exists.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Guarantee, guarantees } from '../tests/guarantees';
import { wrapped } from './attacksPage';

const ROOT = join(__dirname, '..');

export const PAGE = join(ROOT, 'docs', 'guarantees.md');

/** The guarantees of the README by their numbers, each as one line, links as their words. */
export function guaranteesOfReadme(): Map<number, string> {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, list] = /^## What is guaranteed\n(.*?)^(?:## |Tests prove)/ms.exec(readme) ?? [];
    const items = Array.from((list ?? '').matchAll(/^(\d+)\. (.*(?:\n {3}.*)*)/gm), ([, number, text]) => {
        return [Number(number), text.replace(/\s+/g, ' ').replace(/ ?\(\[[^\]]*\]\([^)]*\)\)/g, '')] as const;
    });
    return new Map(items);
}

function section(number: number, text: string, { parts, access, proved, watched }: Guarantee): string[] {
    const rows = Object.entries(access).map(([contract, messages]) => `${contract}: ${messages.join(', ')}`);
    return [
        `## Guarantee ${number}`,
        '',
        ...wrapped(text),
        '',
        ...parts.flatMap(({ says, tests }) => [
            ...wrapped(`${says}. Tests:`, '- '),
            ...tests.flatMap(({ file, test }) => wrapped(`\`${file}\`, "${test}".`, '    - ')),
        ]),
        ...(rows.length === 0 ? [] : wrapped(`[Who may send what](access.md): ${rows.join('; ')}.`, '- ')),
        ...(proved.length === 0 ? [] : ['- Proved for all inputs ([proof.md](proof.md#arithmetic)):']),
        ...proved.flatMap((says) => wrapped(`${says}.`, '    - ')),
        ...Object.entries(watched).flatMap(([file, names]) => [
            ...wrapped(
                `Checked in the states that random play and the search of models reach ([proof.md](proof.md)), by \`${file}\`:`,
                '- ',
            ),
            ...names.flatMap((name) => wrapped(name.includes(' ') ? `${name}.` : `\`${name}\`.`, '    - ')),
        ]),
        '',
    ];
}

/** The page, as it must be committed. */
export function guaranteesPage(): string {
    const sections = [...guaranteesOfReadme()].flatMap(([number, text]) => section(number, text, guarantees[number]));
    return [
        '# What holds each guarantee',
        '',
        ...wrapped(
            'This page names for each guarantee of the [README](../README.md#what-is-guaranteed) the tests that break ' +
                'when it does not hold, the part of the access table that belongs to it, and what is proved of its ' +
                'arithmetic. It is generated from `tests/guarantees.ts` by `npm run generate`, and ' +
                '`tests/guarantees.spec.ts` checks that everything it names exists.',
        ),
        '',
        ...wrapped(
            'These tests are those to read first, not all: [attacks.md](attacks.md) lists every attack with its test, ' +
                'and [proof.md](proof.md) says what else is tried at random and exhaustively. ' +
                '`npx jest FILE -t "NAME"` runs one, after `npm ci`.',
        ),
        '',
        ...sections.slice(0, -1),
        '',
    ].join('\n');
}
