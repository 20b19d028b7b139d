/** Asks processes about mutants, some at a time, and keeps what they say in a file for each contract. */
import { ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, ContractName, ROOT } from './records';
import { Mutant } from './mutants';
import type { MutantAnswer, Beginning, MutantTask } from './worker';

const STORE = join(ROOT, 'node_modules/.cache/cocoon/mutants');
/** Milliseconds without a word after which a process is ended: its mutant never comes to an end. */
const SILENCE = 1_800_000;

export interface MutantResult {
    outcome: MutantAnswer['outcome'];
    operator: Mutant['operator'];
    line: number;
    code?: string;
    by?: string;
    ran?: number;
    ms: number;
}

/** What is known of the mutants of one contract, by their ids. */
export type Results = Record<string, MutantResult>;

interface Stored {
    original: string; // hash of the code of which these are mutants
    results: Results;
}

const fileOf = (contract: ContractName) => join(STORE, `${contract}.json`);

/** What is stored of the code that is built now; nothing of another one. */
export function storedResults(contract: ContractName): Results {
    try {
        const { original, results } = JSON.parse(readFileSync(fileOf(contract), 'utf8')) as Stored;
        return original === codeOf(contract).hash().toString('hex') ? results : {};
    } catch {
        return {};
    }
}

function store(contract: ContractName, results: Results): void {
    const stored: Stored = { original: codeOf(contract).hash().toString('hex'), results };
    const file = fileOf(contract);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(stored, undefined, 1));
    renameSync(`${file}.${process.pid}`, file);
}

/** True for a mutant whose code is another than the original's, and than that of any mutant before. */
export const counts = ({ outcome }: MutantResult) => !['refused', 'same', 'duplicate'].includes(outcome);

/**
 * Asks about mutants in their order until `limit` of them count, and returns what is known of all. `worker` is the file
 * of the process that answers.
 */
export async function campaign(
    contract: ContractName,
    mutants: Mutant[],
    { limit, workers, results, say }: { limit: number; workers: number; results: Results; say(line: string): void },
): Promise<Results> {
    const waiting = mutants.filter(({ id }) => results[id] === undefined);
    const ids = new Set(mutants.map(({ id }) => id));
    const done = () => Object.entries(results).filter(([id, result]) => ids.has(id) && counts(result)).length;
    let next = 0;
    const one = async () => {
        let process = new Asked();
        try {
            for (let tried = 1; next < waiting.length && done() < limit; tried++) {
                const mutant = waiting[next++];
                const started = performance.now();
                const codes = Object.values(results).flatMap((result) => (counts(result) ? [result.code ?? ''] : []));
                const task = { contract, mutant, codes };
                const answer = await process.ask(task).catch((error: Error) => {
                    say(`${error.message}; once more`); // what an earlier mutant left behind may have ended it
                    process = new Asked();
                    return process.ask(task);
                });
                const ms = Math.round(performance.now() - started);
                const { operator, line } = mutant;
                results[mutant.id] = { ...answer, operator, line, ms };
                store(contract, results);
                say(`${contract} ${done()}/${next} ${answer.outcome} in ${ms} ms: ${mutant.id}`);
                if (answer.outcome === 'endless' || tried % MUTANTS_A_PROCESS === 0) {
                    process.end();
                    process = new Asked();
                }
            }
        } finally {
            process.end();
        }
    };
    await Promise.all(Array.from({ length: workers }, one));
    return results;
}

const MUTANTS_A_PROCESS = 20; // what tests leave in memory adds up to gigabytes

class Asked {
    readonly #process: ChildProcess = fork(join(__dirname, 'worker.ts'), {
        cwd: ROOT,
        execArgv: ['-r', join(ROOT, 'tooling/typescript.js')],
    });

    end(): void {
        this.#process.kill('SIGKILL');
    }

    async ask(task: MutantTask): Promise<MutantAnswer> {
        const child = this.#process;
        if (child.exitCode !== null) {
            throw new Error(`The process ended before ${task.mutant.id}`);
        }
        return new Promise((done, fail) => {
            let timer: NodeJS.Timeout;
            const wait = () => {
                clearTimeout(timer);
                timer = setTimeout(() => finish(() => done({ outcome: 'endless' })), SILENCE);
            };
            const finish = (what: () => void) => {
                clearTimeout(timer);
                child.off('message', hear).off('exit', ended);
                what();
            };
            const hear = (message: MutantAnswer | Beginning) => {
                if ('begins' in message) {
                    wait();
                } else {
                    finish(() => done(message));
                }
            };
            const ended = () => finish(() => fail(new Error(`The process ended at ${task.mutant.id}`)));
            child.on('message', hear).on('exit', ended);
            wait();
            child.send(task);
        });
    }
}

/** The list in an order that the seed decides. */
export function shuffled<T>(list: T[], seed: number): T[] {
    const keyed = list.map((value, index) => ({
        value,
        key: createHash('sha256').update(`${seed} ${index}`).digest('hex'),
    }));
    return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ value }) => value);
}
