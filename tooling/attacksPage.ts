/**
 * Makes docs/attacks.md out of tests/attacks/: the lists of attacks, and kinds.md as it is. `npm run generate` writes
 * it, tests/attacks.spec.ts checks it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { areas, attacks, inapplicable, sources } from '../tests/attacks';

const ROOT = join(__dirname, '..');
const WIDTH = 120; // characters of a line

export const PAGE = join(ROOT, 'docs/attacks.md');

/**
 * Words and whole code spans in lines of at most 120 characters, the first after `bullet`, the others below its text.
 */
export function wrapped(text: string, bullet = ''): string[] {
    const indent = ' '.repeat(bullet.length);
    const lines = [bullet];
    for (const word of text.split(/ (?=(?:[^`]*`[^`]*`)*[^`]*$)/)) {
        const line = lines[lines.length - 1];
        const empty = line.length === bullet.length;
        if (!empty && line.length + 1 + word.length > WIDTH) {
            lines.push(indent + word);
        } else {
            lines[lines.length - 1] = line + (empty ? '' : ' ') + word;
        }
    }
    return lines;
}

/** Text of a list as Markdown: characters that would be formatting are escaped. */
const plain = (text: string) => text.replace(/([*_<\\])/g, '\\$1');

/** The page, as it must be committed. */
export function attacksPage(): string {
    const tried = attacks.filter(({ removed }) => removed !== undefined).length;
    const listed = areas.flatMap(({ title, attacks: list }) => [
        `## Attacks on ${title}`,
        '',
        ...list.flatMap(({ attack, stoppedBy, file, test, removed }) => [
            ...wrapped(`**${plain(attack)}** ${plain(stoppedBy)}`, '- '),
            ...wrapped(`Test: \`${file}\`, "${plain(test)}".`, '  '),
            ...(removed === undefined ? [] : wrapped(`Seen failing without: ${plain(removed)}.`, '  ')),
        ]),
        '',
    ]);
    return [
        '# Attacks',
        '',
        ...wrapped(
            `This page lists the ${attacks.length} attacks that the contracts and the two processes withstand, with the test ` +
                'that proves each. `npm run attacks` runs exactly these tests. The page is generated from ' +
                '`tests/attacks/` by `npm run generate`.',
        ),
        '',
        ...wrapped(
            `For ${tried} of them the protection was once taken out of the code, with nothing else changed, and the test ` +
                'was seen failing. Those say what was taken out.',
        ),
        '',
        'The attacks come from:',
        '',
        ...Object.entries(sources).flatMap(([name, meaning]) => wrapped(`${name}: ${meaning}`, '- ')),
        '',
        ...listed,
        '## Not applicable',
        '',
        'These are named by the sources and cannot be tried on this design.',
        '',
        ...inapplicable.flatMap(({ attack, reason }) => wrapped(`**${plain(attack)}** ${plain(reason)}`, '- ')),
        '',
        readFileSync(join(ROOT, 'tests/attacks/kinds.md'), 'utf8'),
    ].join('\n');
}
