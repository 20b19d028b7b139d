/**
 * `npm run fuzz [-- --actions N] [--seed S] [--json] [--replay FILE]`: random actions on the model and the contracts at
 * once. A failure is made short and written as a file that replays it.
 */
import '../support/faster';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { Action, drawActions, failureOf, openSession, playEpisode, shortened } from './episode';
import { Home } from './home';
import { kinds } from './actions';
import { Session } from './session';

const EPISODE = 300; // actions from one beginning
const WAYS = 10; // longest ways home that are listed
const PROGRESS = 10; // episodes between two lines of progress

export interface Options {
    actions: number;
    seed: number;
    json: boolean;
    replay?: string;
    failure: string;
}

/** The flags of the command. Throws an Error for one that it does not have. */
export function optionsOf(args: string[]): Options {
    const { values } = parseArgs({
        args,
        options: {
            actions: { type: 'string', default: '3000' },
            seed: { type: 'string' },
            json: { type: 'boolean', default: false },
            replay: { type: 'string' },
            failure: { type: 'string', default: 'temp/fuzz-failure.json' },
        },
    });
    const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber('seed', values.seed);
    const { json, replay, failure } = values;
    const actions = wholeNumber('actions', values.actions);
    return { actions, seed, json, failure, ...(replay === undefined ? {} : { replay }) };
}

function wholeNumber(flag: string, text: string): number {
    const number = Number(text);
    if (!Number.isSafeInteger(number) || number < 0) {
        throw new Error(`--${flag} is a whole number from 0 on, not ${text}`);
    }
    return number;
}

/** The actions of a file that a failure wrote. Throws an Error for another file. */
export function readReplay(text: string): Action[] {
    const parsed = JSON.parse(text) as { actions?: unknown };
    const names = new Set<string>(kinds.map(([kind]) => kind));
    const { actions } = parsed;
    const isAction = (each: unknown): each is Action => {
        const { kind, dice } = each as Partial<Action>;
        return typeof kind === 'string' && names.has(kind) && Array.isArray(dice);
    };
    if (!Array.isArray(actions) || !actions.every(isAction)) {
        throw new Error('The file holds no actions of the fuzz');
    }
    return actions;
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
            const short = await shortened(session, list);
            const { message } = (await failureOf(session, short)) ?? (error as Error);
            return { ...summary(done), failure: { message, after: done, actions: short } };
        }
        if (episode % PROGRESS === PROGRESS - 1) {
            const { deliveries, seconds } = summary(done);
            log(`${done + list.length} actions, ${deliveries} messages delivered, ${seconds} s`);
        }
    }
    return summary(actions);
}

async function main(): Promise<void> {
    const options = optionsOf(process.argv.slice(2));
    const log = (line: string) => (options.json ? process.stderr.write(`${line}\n`) : console.log(line));
    const session = await openSession();
    if (options.replay !== undefined) {
        const error = await failureOf(session, readReplay(readFileSync(options.replay, 'utf8')));
        log(error === undefined ? 'The actions hold' : error.message);
        process.exitCode = error === undefined ? 0 : 1;
        return;
    }
    log(`${options.actions} actions, seed ${options.seed}`);
    const summary = await fuzz(session, options, log);
    const { failure, outcomes, ways, deliveries, seconds } = summary;
    if (failure !== undefined) {
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
        console.error((error as Error).message);
        process.exitCode = 1;
    });
}
