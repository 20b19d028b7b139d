/** A shell that keeps its variables from block to block, as the reader's own does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

export const ROOT = join(__dirname, '..', '..', '..');

// Terminal codes by which Blueprint redraws its bottom line.
// eslint-disable-next-line no-control-regex -- that is what they are
const CODES = /\x1b\[[0-9;?]*[A-Za-z]/g;

export interface Outcome {
    output: string; // of both streams
    failed: string; // the command that did not exit with 0, or nothing
}

export class Shell {
    private readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-shell-'));
    private readonly child: ChildProcess;
    private readonly answers: Interface;
    private count = 0;

    constructor(environment: NodeJS.ProcessEnv) {
        this.child = spawn('bash', ['--norc', '--noprofile'], {
            cwd: ROOT,
            env: { ...process.env, ...environment, NO_COLOR: '1', npm_config_loglevel: 'error' },
            stdio: ['pipe', 'pipe', 'inherit'],
        });
        this.answers = createInterface(this.child.stdout!);
        // A command that fails anywhere in a block is remembered; nobody is there to answer a question.
        this.child.stdin!.write(`set -E -o pipefail\ntrap 'failed="$BASH_COMMAND"' ERR\n`);
    }

    /** Runs a block to its end. */
    run(commands: string): Promise<Outcome> {
        const file = join(this.folder, `${this.count++}`);
        writeFileSync(`${file}.sh`, commands);
        this.child.stdin!.write(
            `failed=\n. ${file}.sh </dev/null >${file}.out 2>&1\necho "done $failed" | tr '\\n' ' '; echo\n`,
        );
        return new Promise((resolve, reject) => {
            const ended = () => reject(new Error(`the shell ended in: ${commands}`));
            this.child.once('exit', ended);
            this.answers.once('line', (line) => {
                this.child.off('exit', ended);
                const output = readFileSync(`${file}.out`, 'utf8').replace(CODES, '');
                resolve({ output, failed: line.replace(/^done /, '').trim() });
            });
        });
    }

    close(): void {
        this.child.kill();
        rmSync(this.folder, { recursive: true, force: true });
    }
}
