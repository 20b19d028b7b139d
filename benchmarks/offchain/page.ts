/** What docs/decisions/011-speed.md shows of the newest entry of benchmarks/offchain.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../markdown';
import type { Ratios } from './report';
import { reachOffchain } from './targets';

/** What the page shows of an entry. */
interface Shown {
    date: string;
    rounds: number;
    machine: { cores: number };
    ratios: Ratios;
}

const PAGE = join(__dirname, '..', '..', 'docs', 'decisions', '011-speed.md');
const BEGIN = '<!-- Written by `npm run bench:offchain -- --record`. -->\n';
const END = '<!-- End of what is written. -->\n';

export const readSpeedPage = (): string => readFileSync(PAGE, 'utf8');

/** The page with the figures of an entry in the place of those that it has. */
export function speedPageWith(page: string, entry: Shown): string {
    const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
    if (begin < 0 || end < begin) {
        throw new Error(`docs/decisions/011-speed.md lacks the line ${BEGIN.trim()} or ${END.trim()}`);
    }
    return `${page.slice(0, begin + BEGIN.length)}\n${textOf(entry)}\n\n${page.slice(end)}`;
}

export const recordSpeedPage = (entry: Shown): void => writeFileSync(PAGE, speedPageWith(readSpeedPage(), entry));

function textOf({ date, rounds, machine, ratios }: Shown): string {
    const targets = reachOffchain(ratios);
    const bound = (isMax: true | undefined, value: number | undefined) =>
        value === undefined ? '' : `${isMax === true ? '≤' : '≥'} ${value}`;
    const rows = targets.map(({ row, figure, must, aim, isMax, reached }) => [
        ...[row, figure === undefined ? 'not measured' : `${Number(figure.toFixed(2))}`],
        ...[bound(isMax, must), bound(isMax, aim), figure === undefined ? '' : reached ? 'yes' : 'no'],
    ]);
    const measured = targets.filter(({ figure }) => figure !== undefined);
    const reached = measured.filter((target) => target.reached);
    return [
        `Recorded on ${date}, on ${machine.cores} cores, medians of ${rounds} rounds. Figures that this run measured: ` +
            `${measured.length}.`,
        `Those of them that reach their "must": ${reached.length}.`,
        '',
        ...markdownTable(['figure within one run', '', 'must', 'aim', 'reached'], rows),
    ].join('\n');
}
