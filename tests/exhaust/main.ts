/**
 * `npm run exhaust`: every sequence of moves up to a depth, on the model and on the contracts. Exit code 0 if every
 * guarantee holds in all of them, 1 if not: then the shortest sequence that breaks one is printed.
 */
import '../support/faster';
import { parseArgs } from 'node:util';
import { readFlags } from '../../tooling/flags';
import { Session } from '../fuzz/session';
import { wholeNumberOf } from '../soak/report';
import { exhaust, lacking, Report, SCENE_NAMES } from './run';
import type { SceneName } from './scenes';
import { Violation } from './search';

const USAGE = `npm run exhaust -- [--scenes LIST] [--model-only] [--depth N] [--json]
  --scenes LIST only these, with commas between them: ${SCENE_NAMES.join(', ')}
  --model-only  leaves the sandbox out
  --depth N     moves of a sequence on the model, at most that many in the sandbox; for each scene its own unless given
  --json        one JSON object on standard output; progress goes to standard error`;

const durationOf = (seconds: number): string =>
    seconds < 86_400 ? `${(seconds / 3600).toFixed(1)} hours` : `${(seconds / 86_400).toFixed(1)} days`;

function textOf({ scenes, model, sandbox }: Report): string {
    const lines = scenes.flatMap(({ name, model: found, sandbox: played }) => [
        `${name}: ${found.sequences} sequences of up to ${found.depth} moves, ${found.steps} steps, ${found.states} states`,
        ...found.ways.map(({ longest: { who, messages, seconds, moves, sequence } }) => {
            const from = sequence.length === 0 ? 'the beginning' : sequence.join('; ');
            const way = `${messages} messages and ${durationOf(seconds)} of waiting`;
            return `  longest way home of the ${who}: ${way}\n    from: ${from}\n    way: ${moves.join('; ')}`;
        }),
        ...(played === undefined
            ? []
            : [`  sandbox: ${played.sequences} of up to ${played.depth} moves, ${played.transactions} transactions`]),
    ]);
    const inSandbox = sandbox === undefined ? [] : [`, ${sandbox.sequences} in the sandbox`];
    return [...lines, `${model.sequences} sequences on the model${inSandbox.join('')}; no violation`].join('\n');
}

function scenesOf(text: string | undefined): SceneName[] | undefined {
    return text?.split(',').map((name) => {
        const found = SCENE_NAMES.find((each) => each === name);
        if (found === undefined) {
            throw new Error(`--scenes takes ${SCENE_NAMES.join(', ')}, not ${name}`);
        }
        return found;
    });
}

function flagsOf() {
    const { values } = parseArgs({
        options: {
            scenes: { type: 'string' },
            'model-only': { type: 'boolean', default: false },
            depth: { type: 'string' },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    const depth = values.depth === undefined ? undefined : wholeNumberOf('depth', values.depth, 1);
    return values.help ? undefined : { ...values, depth, scenes: scenesOf(values.scenes) };
}

async function main(): Promise<void> {
    const flags = readFlags('exhaust', USAGE, flagsOf);
    if (flags === undefined) {
        return;
    }
    const { depth, scenes } = flags;
    const report = await exhaust({
        ...(scenes === undefined ? {} : { scenes }),
        ...(depth === undefined ? {} : { depth }),
        ...(flags['model-only'] ? {} : { launch: () => Session.launch() }),
        progress: (text) => console.error(text),
    });
    const short = depth === undefined && scenes === undefined ? lacking(report) : [];
    const json = JSON.stringify(report, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2);
    console.log(flags.json ? json : textOf(report));
    if (short.length > 0) {
        console.error(short.join('\n'));
        process.exitCode = 1;
    }
}

main().catch((error: unknown) => {
    const sequence = error instanceof Violation ? error.sequence.map((name, place) => `  ${place + 1}. ${name}`) : [];
    console.error([(error as Error).message, ...sequence].join('\n'));
    process.exitCode = 1;
});
