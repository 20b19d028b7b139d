/**
 * `npm run model`: every sequence of steps of the model to a depth. Exit code 0 if everything holds, 1 if not.
 */
import { parseArgs } from 'node:util';
import { readFlags } from '../../tooling/flags';
import { wholeNumberOf } from '../soak/report';
import { scopes, type ScopeName } from './scopes';
import { type Found, searchAll } from './search';

const USAGE = `npm run model -- [--depth N] [--scope NAME] [--json]
  --depth N     steps of a sequence; 16 unless given
  --scope NAME  ${Object.keys(scopes).join(', ')}; all of them unless given
  --json        one JSON object on standard output; progress goes to standard error`;

function textOf(name: string, { states, transitions, sequences, isWhole, longestWayOut, violations }: Found): string {
    const end = isWhole ? ', and no state has a step beyond' : '';
    return [
        `${name}: ${states} states, ${transitions} transitions, ${sequences} sequences${end}`,
        `  longest way out: ${longestWayOut.steps} steps, after: ${longestWayOut.trace.join(', ')}`,
        ...violations.map(({ violated, trace }) => `  ✗ ${violated}\n    ${trace.join('\n    ')}`),
    ].join('\n');
}

function flagsOf() {
    const { values } = parseArgs({
        options: {
            depth: { type: 'string', default: '16' },
            scope: { type: 'string' },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    const depth = wholeNumberOf('depth', values.depth, 1);
    const names = Object.keys(scopes) as ScopeName[];
    const chosen = values.scope === undefined ? names : names.filter((name) => name === values.scope);
    if (chosen.length === 0) {
        throw new Error(`--scope is one of ${names.join(', ')}, not "${values.scope}"`);
    }
    return values.help ? undefined : { depth, chosen, json: values.json };
}

function main(): void {
    const flags = readFlags('model', USAGE, flagsOf);
    if (flags === undefined) {
        return;
    }
    const { depth, chosen, json } = flags;
    const all = chosen.map((name) => {
        const found = searchAll(scopes[name], depth, (line) => console.error(`${name}, ${line}`));
        if (!json) {
            console.log(textOf(name, found));
        }
        return { name, ...found, sequences: found.sequences.toString(), kinds: found.kinds.size };
    });
    const sum = (of: (found: (typeof all)[0]) => bigint) => all.reduce((total, found) => total + of(found), 0n);
    const total = {
        states: sum(({ states }) => BigInt(states)),
        transitions: sum(({ transitions }) => BigInt(transitions)),
        sequences: sum(({ sequences }) => BigInt(sequences)),
    };
    const violations = all.flatMap((found) => found.violations).length;
    console.log(
        json
            ? JSON.stringify({ depth, scopes: all, violations })
            : `depth ${depth}: ${total.states} states, ${total.transitions} transitions, ${total.sequences} sequences, ${violations} violations`,
    );
    process.exitCode = violations === 0 ? 0 : 1;
}

try {
    main();
} catch (error) {
    console.error(`model: ${(error as Error).message}`);
    process.exitCode = 1;
}
