/** Runs the `cocoon` command as processes of their own, as a user would, and ends only those. */
import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { program } from '../tooling/programs';

const START_SECONDS = 60;
const MAX_WORDS = 4000; // characters of a process's output that are remembered

/** A `cocoon` process that has said where it listens. */
export interface RunningProcess {
    readonly url: string;
    readonly pid: number;
    /** Resolves when the process has ended, with the end of what it wrote to standard error. */
    readonly ended: Promise<string>;
    /** Sends the signal and waits for the end; SIGTERM unless given. */
    end(signal?: NodeJS.Signals): Promise<void>;
}

const running = new Set<ChildProcess>();

/**
 * Starts a process and waits for the URL in its first line of output; `entry` takes the place of the `cocoon` command.
 * A `detached` process has a group of its own, which no Ctrl-C of the terminal reaches. Throws with its last words when
 * it ends first.
 */
export async function startCocoon(
    args: string[],
    { entry = [program('cocoon')], detached = false }: { entry?: string[]; detached?: boolean } = {},
): Promise<RunningProcess> {
    const child = spawn(process.execPath, [...entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const { url, err } = await listening(child, args.slice(0, 2).join(' '));
    return {
        url,
        pid: child.pid!,
        ended: new Promise((resolve) => child.once('close', () => resolve(err().trim()))),
        async end(signal = 'SIGTERM') {
            if (child.exitCode === null && child.signalCode === null) {
                const ended = once(child, 'exit');
                child.kill(signal);
                await ended;
            }
        },
    };
}

/** Runs a `cocoon` command to its end and returns what it printed. Throws with its last words when it fails. */
export async function runCocoon(args: string[]): Promise<string> {
    const child = spawn(process.execPath, [program('cocoon'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, err] = [collect(child.stdout), collect(child.stderr)];
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) {
        throw new Error(`cocoon ${args.slice(0, 2).join(' ')} failed: ${(err() || out()).trim().slice(-2000)}`);
    }
    return out();
}

/** Kills what is still running; for the end of a program that failed. */
export function endAll(): void {
    running.forEach((child) => child.kill('SIGKILL'));
}

// The end of what a stream says, `max` characters of it; all of it unless given.
function collect(stream: NodeJS.ReadableStream, max = Infinity): () => string {
    let text = '';
    stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        text = text.length > max ? text.slice(-max) : text;
    });
    return () => text;
}

async function listening(child: ChildProcess, name: string): Promise<{ url: string; err: () => string }> {
    const [out, err] = [collect(child.stdout!, MAX_WORDS), collect(child.stderr!, MAX_WORDS)];
    return new Promise((resolve, reject) => {
        const fail = (why: string) =>
            reject(new Error(`cocoon ${name} ${why}: ${(err() || out()).trim().slice(-2000)}`));
        const timer = setTimeout(() => {
            child.kill('SIGKILL');
            fail(`did not listen within ${START_SECONDS} s`);
        }, START_SECONDS * 1000);
        child.once('exit', () => {
            clearTimeout(timer);
            fail('ended before it listened');
        });
        child.stdout!.on('data', () => {
            const url = /https?:\/\/\S+/.exec(out())?.[0];
            if (url !== undefined) {
                clearTimeout(timer);
                child.removeAllListeners('exit');
                child.once('exit', () => running.delete(child));
                resolve({ url, err });
            }
        });
    });
}
