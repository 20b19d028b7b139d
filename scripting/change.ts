/** Changes of the registry in words. */
import { numberToHex, parseChange, type Rules } from '@cocoon-market/wrappers';
import type { Cell } from '@ton/core';
import { formatDuration } from './flags';
import { ton } from './output';
import type { ScriptSession } from './session';

/** One line that names a change and what it sets. */
export function changeText(session: ScriptSession, cell: Cell): string {
    const change = parseChange(cell);
    switch (change.kind) {
        case 'rules':
            return `rules: ${rulesText(session, change.rules)}`;
        case 'code':
            return `code: the next version of ${change.of}, ${numberToHex(change.hash)}:${change.depth}`;
        case 'committee':
            return `committee: ${change.committee.threshold} of ${change.committee.keys.length} keys, ${change.committee.keys
                .map((key) => numberToHex(key))
                .join(' ')}`;
    }
}

/** Rules in one line. */
export function rulesText(session: ScriptSession, { rates, baseStake, insurance, ...times }: Rules): string {
    const windows = Object.entries(times).map(([name, seconds]) => `${name} ${formatDuration(seconds)}`);
    const classes = rates.flatMap((rate, gpuClass) => (rate === 0n ? [] : [`class ${gpuClass} ${ton(rate)}`]));
    const amounts = [`base stake ${ton(baseStake)}`, `per GPU ${classes.join(', ')}`];
    return [...windows, ...amounts, `insurance ${session.formatWallet(insurance)}`].join('; ');
}
