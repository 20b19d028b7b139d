/** `npm run bench:gas`: prints what every operation costs; `-- --json` prints one JSON object instead. */
import { parseArgs } from 'node:util';
import { jsonOf } from './json';
import { LEVELS, LevelReport, reportOf } from './report';
import { reportText } from './table';
import { reach } from './targets';

async function main(): Promise<void> {
    const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
    const levels: LevelReport[] = [];
    for (const level of LEVELS) {
        levels.push(await reportOf(level));
    }
    const reached = reach(levels[0]);
    console.log(values.json ? JSON.stringify(jsonOf(levels, reached), null, 2) : reportText(levels, reached));
}

void main();
