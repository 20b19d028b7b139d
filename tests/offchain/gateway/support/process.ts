/** The `cocoon gateway` command as a child process, to be killed at any moment. */
import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { program } from '../../../../tooling/programs';

export interface GatewayProcess {
    readonly url: string;
    readonly child: ChildProcess;
    /** Ends it with a signal; resolves with its exit code, null when the signal ended it. */
    end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `cocoon gateway` with these arguments and waits for its first line. */
export async function startProcess(args: string[]): Promise<GatewayProcess> {
    const child = spawnCommand(args);
    const ended = once(child, 'exit') as Promise<[number | null]>;
    let error = '';
    child.stderr!.on('data', (bytes: Buffer) => (error += bytes.toString()));
    const line = await Promise.race([
        once(child.stdout!, 'data').then(([bytes]) => (bytes as Buffer).toString()),
        ended.then(() => {
            throw new Error(`The gateway ended before it listened: ${error}`);
        }),
    ]);
    return {
        url: /http:\/\/\S+/.exec(line)![0],
        child,
        async end(signal) {
            child.kill(signal);
            return (await ended)[0];
        },
    };
}

/** Runs `cocoon gateway` with these arguments to its end. */
export async function runCommand(args: string[]): Promise<{ code: number | null; out: string; error: string }> {
    const child = spawnCommand(args);
    let [out, error] = ['', ''];
    child.stdout!.on('data', (bytes: Buffer) => (out += bytes.toString()));
    child.stderr!.on('data', (bytes: Buffer) => (error += bytes.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, error };
}

function spawnCommand(args: string[]): ChildProcess {
    return spawn(process.execPath, [program('cocoon'), 'gateway', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}
