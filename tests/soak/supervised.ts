/** A process that is started again whenever it ends, as systemd does, and that the soak may kill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';

const RESTART_MS = 1000; // after an end that nobody asked for
const POLL_MS = 100;
const READY_SECONDS = 90;
const STOP_MS = 40_000;

export class Supervised {
    kills = 0;
    readonly failures: string[] = []; // ends that nobody asked for
    /** True from when it first answers to when it ends. */
    isReady = false;
    private child: ChildProcess | undefined;
    private isWanted = true;
    private restart: NodeJS.Timeout | undefined;
    private victim: ChildProcess | undefined; // killed by the soak

    constructor(
        readonly name: string,
        private readonly options: {
            args: string[]; // of Node.js
            log: string; // file
            probe: string; // URL that answers 200 when the process is ready
        },
    ) {}

    get pid(): number | undefined {
        return this.child?.pid;
    }

    /** Starts it and resolves when it is ready. */
    async start(): Promise<void> {
        this.spawn();
        await this.ready();
    }

    /** Resolves when it answers. */
    async ready(): Promise<void> {
        for (let poll = 0; poll < (READY_SECONDS * 1000) / POLL_MS; poll++) {
            if (this.isReady) {
                return;
            }
            await sleep(POLL_MS);
        }
        throw new Error(`${this.name} is not ready after ${READY_SECONDS} s: ${this.lastWords()}`);
    }

    /** Ends it with SIGKILL, and starts it again after a while. */
    kill(downMs: number): void {
        this.kills++;
        this.victim = this.child;
        this.again(downMs);
        this.child?.kill('SIGKILL');
    }

    /** Ends it for good, with SIGTERM. Resolves with its exit code. */
    async stop(): Promise<number | null> {
        this.isWanted = false;
        clearTimeout(this.restart);
        const { child } = this;
        if (child === undefined) {
            return null;
        }
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        const exit = once(child, 'exit') as Promise<[number | null]>;
        child.kill('SIGTERM');
        const [code] = await exit;
        clearTimeout(timer);
        return code;
    }

    /** Ends it at once, when the soak has failed. */
    abort(): void {
        this.isWanted = false;
        clearTimeout(this.restart);
        this.child?.kill('SIGKILL');
    }

    private again(ms: number): void {
        clearTimeout(this.restart);
        this.restart = setTimeout(() => {
            this.restart = undefined;
            if (this.isWanted && this.child === undefined) {
                this.spawn();
            }
        }, ms);
    }

    private spawn(): void {
        const log = openSync(this.options.log, 'a');
        const child = spawn(process.execPath, this.options.args, { stdio: ['ignore', log, log] });
        closeSync(log);
        this.child = child;
        void this.watch(child);
        child.once('exit', (code, signal) => {
            this.child = undefined;
            this.isReady = false;
            if (this.isWanted && this.restart === undefined) {
                if (this.victim !== child) {
                    this.failures.push(`${this.name} ended by itself (${signal ?? code}): ${this.lastWords()}`);
                }
                this.again(RESTART_MS);
            }
        });
    }

    private async watch(child: ChildProcess): Promise<void> {
        while (this.child === child && !this.isReady) {
            const answers = await this.answers();
            this.isReady = answers && this.child === child;
            await sleep(POLL_MS);
        }
    }

    private async answers(): Promise<boolean> {
        try {
            const { statusCode, body } = await request(this.options.probe);
            await body.dump();
            return statusCode === 200;
        } catch {
            return false;
        }
    }

    private lastWords(): string {
        return readFileSync(this.options.log, 'utf8').trimEnd().split('\n').slice(-3).join(' | ').slice(-600);
    }
}
