/**
 * `npm run fuzz`: random actions on the model and the contracts at once. A failure is made short and written as a file
 * that replays it. Exit code 1 if there is one.
 */
import '../support/faster';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { readFlags } from '../../tooling/flags';
import { wholeNumberOf } from '../soak/report';
import { Action, drawActions, failureOf, openSession, playEpisode, shortened } from './episode';
import { Home } from './home';
import { kinds } from './actions';
import { Session } from './session';

const EPISODE = 300; // actions from one beginning
const WAYS = 10; // longest ways home that are listed
const PROGRESS_MS = 10_000; // between two lines of progress, at least

const USAGE = `npm run fuzz -- [--actions N] [--seed S] [--failure FILE] [--replay FILE] [--json]
  --actions N     to play, in episodes of ${EPISODE}; 3,000 unless given
  --seed S        draws them; random unless given. Each episode has the seed of the one before + 1
  --failure FILE  where the actions of a failure go; temp/fuzz-failure.json unless given
  --replay FILE   plays the actions of such a file, and nothing else
  --json          one JSON object on standard output; progress goes to standard error`;

export interface Options {
    actions: number;
    seed: number;
    json: boolean;
    replay?: string;
    failure: string;
}

/** The flags of the command; undefined for `--help`. Throws an Error for one that it does not have. */
export function optionsOf(args: string[]): Options | undefined {
    const { values } = parseArgs({
        args,
        options: {
            actions: { type: 'string', default: '3000' },
            seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
            json: { type: 'boolean', default: false },
            replay: { type: 'string' },
            failure: { type: 'string', default: 'temp/fuzz-failure.json' },
            help: { type: 'boolean', default: false },
        },
    });
    const { json, replay, failure } = values;
    const [actions, seed] = [wholeNumberOf('actions', values.actions, 1), wholeNumberOf('seed', values.seed, 0)];
    const options = { actions, seed, json, failure, ...(replay === undefined ? {} : { replay }) };
    return values.help ? undefined : options;
}

/** The actions of a file that a failure wrote. Throws an Error for another file. */
export function readReplay(text: string): Action[] {
    const names = new Set<string>(kinds.map(([kind]) => kind));
    const isAction = (each: unknown): each is Action => {
        const { kind, dice } = (each ?? {}) as Partial<Action>;
        return typeof kind === 'string' && names.has(kind) && Array.isArray(dice);
    };
    const actions = actionsIn(text);
    if (!Array.isArray(actions) || !actions.every(isAction)) {
        throw new Error('The file holds no actions of the fuzz');
    }
    return actions;
}

function actionsIn(text: string): unknown {
    try {
        return (JSON.parse(text) as { actions?: unknown } | null)?.actions;
    } catch {
        return undefined; // no JSON
    }
}

interface Summary {
    actions: number;
    seed: number;
    deliveries: number;
    seconds: number;
    outcomes: Record<string, number>;
    ways: { who: string; what: string; moves: number; days: number; times: number }[];
    failure?: { message: string; after: number; actions: Action[] };
}

/** The longest ways home, each kind once. */
function longestWays(ways: Home[]): Summary['ways'] {
    const longest = new Map<string, Summary['ways'][number]>();
    for (const { who, what, moves, seconds } of ways) {
        const name = `${who}: ${what}`;
        const days = Math.round(seconds / 8_640) / 10;
        const known = longest.get(name) ?? { who, what, moves: 0, days: 0, times: 0 };
        const times = known.times + 1;
        longest.set(name, {
            ...known,
            moves: Math.max(known.moves, moves.length),
            days: Math.max(known.days, days),
            times,
        });
    }
    return [...longest.values()].sort((a, b) => b.moves - a.moves || b.days - a.days).slice(0, WAYS);
}

/** Plays so many actions in episodes; stops at the first failure. */
export async function fuzz(
    session: Session,
    { actions, seed }: Options,
    log: (line: string) => void,
): Promise<Summary> {
    const started = performance.now();
    let told = started;
    const ways: Home[] = [];
    const summary = (done: number): Summary => ({
        actions: done,
        seed,
        deliveries: session.deliveries,
        seconds: Math.round((performance.now() - started) / 1000),
        outcomes: Object.fromEntries([...session.outcomes].sort(([a], [b]) => (a < b ? -1 : 1))),
        ways: longestWays(ways),
    });
    for (let done = 0, episode = 0; done < actions; done += EPISODE, episode++) {
        const list = drawActions(seed + episode, Math.min(EPISODE, actions - done));
        try {
            ways.push(...(await playEpisode(session, list)));
        } catch (error) {
            log(`Episode ${seed + episode} fails after ${done} actions: ${(error as Error).message}`);
            log('Making it short …');
            const short = await shortened(session, list, (count) => log(`${count} actions are left`));
            const { message } = (await failureOf(session, short)) ?? (error as Error);
            return { ...summary(done), failure: { message, after: done, actions: short } };
        }
        if (performance.now() - told >= PROGRESS_MS) {
            told = performance.now();
            const { deliveries, seconds } = summary(done);
            log(`${done + list.length} actions, ${deliveries} messages delivered, ${seconds} s`);
        }
    }
    return summary(actions);
}

async function main(): Promise<void> {
    const options = readFlags('fuzz', USAGE, () => optionsOf(process.argv.slice(2)));
    if (options === undefined) {
        return;
    }
    const log = (line: string) => (options.json ? process.stderr.write(`${line}\n`) : console.log(line));
    if (options.replay !== undefined) {
        const actions = readReplay(readFileSync(options.replay, 'utf8'));
        log(`${actions.length} actions of ${options.replay}`);
        const error = await failureOf(await openSession(), actions);
        log(error === undefined ? 'Nothing is broken' : error.message);
        if (options.json) {
            console.log(JSON.stringify({ actions: actions.length, ...(error && { failure: error.message }) }));
        }
        process.exitCode = error === undefined ? 0 : 1;
        return;
    }
    const session = await openSession();
    log(`${options.actions} actions, seed ${options.seed}`);
    const summary = await fuzz(session, options, log);
    const { failure, outcomes, ways, deliveries, seconds } = summary;
    if (failure !== undefined) {
        mkdirSync(dirname(options.failure), { recursive: true });
        writeFileSync(options.failure, JSON.stringify({ seed: options.seed, ...failure }, null, 4));
        log(
            `${failure.message}\n${failure.actions.length} actions show it: npm run fuzz -- --replay ${options.failure}`,
        );
        process.exitCode = 1;
    }
    if (options.json) {
        console.log(JSON.stringify(summary));
        return;
    }
    Object.entries(outcomes).forEach(([name, times]) => log(`${name}: ${times}`));
    log('The longest ways home:');
    ways.forEach(({ who, what, moves, days, times }) =>
        log(`  ${who}, ${what}: ${moves} moves, ${days} days, ${times} times`),
    );
    if (failure === undefined) {
        log(
            `${summary.actions} actions, ${deliveries} messages delivered in ${seconds} s, seed ${summary.seed}: no violation`,
        );
    }
}

if (require.main === module) {
    main().catch((error: unknown) => {
        console.error(`fuzz: ${(error as Error).message}`);
        process.exitCode = 1;
    });
}
