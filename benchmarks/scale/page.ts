/** What is stored of the long form: benchmarks/scale.json, and what docs/scale.md shows of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plotOf } from './plot';
import { reportText, type ScaleReport } from './report';

const ROOT = join(__dirname, '..', '..');
const RESULT = join(ROOT, 'benchmarks', 'scale.json');
const PAGE = join(ROOT, 'docs', 'scale.md');
const PLOT = join(ROOT, 'docs', 'scale.svg');
const MARK = '<!-- Below: written by `npm run scale -- --record`. -->\n';

export const readReport = (): ScaleReport => JSON.parse(readFileSync(RESULT, 'utf8')) as ScaleReport;
export const readPlot = (): string => readFileSync(PLOT, 'utf8');
export const readPage = (): string => readFileSync(PAGE, 'utf8');

/** The page with the tables of a report in the place of those that it has. */
export function pageWith(page: string, report: ScaleReport): string {
    const at = page.indexOf(MARK);
    if (at < 0) {
        throw new Error(`docs/scale.md lacks the line ${MARK.trim()}`);
    }
    return `${page.slice(0, at + MARK.length)}\n${reportText(report)}\n`;
}

export function recordReport(report: ScaleReport): void {
    writeFileSync(RESULT, `${JSON.stringify(report)}\n`);
    writeFileSync(PLOT, plotOf(report));
    writeFileSync(PAGE, pageWith(readPage(), report));
}
