/** A process that is started again whenever it ends, as systemd does, and that may be killed or stopped for a while. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';

const RESTART_MS = 1000; // after an end that nobody asked for
const POLL_MS = 100;
const READY_SECONDS = 90;
const STOP_MS = 40_000;
const PROBE_MS = 2000;

/** An end that nobody asked for. */
export interface Failure {
    at: number; // milliseconds of performance.now()
    text: string;
}

export interface SupervisedOptions {
    file?: string; // the program; Node.js unless given
    args: string[];
    spawn?: SpawnOptions; // user and folder
    log: string; // file
    probe: string | (() => Promise<boolean>); // URL that answers 200 when the process is ready, or what asks it
    hasChildren?: boolean; // which die with it when it is killed
    stopSignal?: NodeJS.Signals; // SIGTERM unless given
}

export class Supervised {
    kills = 0;
    pauses = 0;
    readonly failures: Failure[] = [];
    /** True from when it first answers to when it ends or is paused. */
    isReady = false;
    private child: ChildProcess | undefined;
    private isWanted = true;
    private restart: NodeJS.Timeout | undefined;
    private victim: ChildProcess | undefined; // killed on purpose
    private pausedUntil = 0; // milliseconds of performance.now()

    constructor(
        readonly name: string,
        private readonly options: SupervisedOptions,
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
        this.killNow();
    }

    /** Stops it with SIGSTOP and lets it go on after a while. Its connections stay open meanwhile. */
    pause(ms: number): void {
        const { child } = this;
        if (child === undefined) {
            return;
        }
        this.pauses++;
        this.isReady = false;
        this.pausedUntil = performance.now() + ms;
        child.kill('SIGSTOP');
        setTimeout(() => {
            child.kill('SIGCONT');
            void this.watch(child);
        }, ms);
    }

    /** Ends it for good, as an operator does. Resolves with its exit code. */
    async stop(): Promise<number | null> {
        this.isWanted = false;
        clearTimeout(this.restart);
        const { child } = this;
        if (child === undefined) {
            return null;
        }
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        const exit = once(child, 'exit') as Promise<[number | null]>;
        child.kill(this.options.stopSignal ?? 'SIGTERM');
        const [code] = await exit;
        clearTimeout(timer);
        return code;
    }

    /** Ends it at once, when the run has failed. */
    abort(): void {
        this.isWanted = false;
        clearTimeout(this.restart);
        this.killNow();
    }

    private killNow(): void {
        const { child } = this;
        if (child?.pid === undefined) {
            return;
        }
        if (this.options.hasChildren === true) {
            child.kill('SIGSTOP'); // it starts no more of them
            childrenOf(child.pid).forEach(killIfRunning);
        }
        child.kill('SIGKILL');
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
        const { file = process.execPath, args, spawn: options, log } = this.options;
        const output = openSync(log, 'a');
        const child = spawn(file, args, { ...options, stdio: ['ignore', output, output] });
        closeSync(output);
        this.child = child;
        this.pausedUntil = 0;
        void this.watch(child);
        child.once('exit', (code, signal) => {
            this.child = undefined;
            this.isReady = false;
            if (this.isWanted && this.restart === undefined) {
                if (this.victim !== child) {
                    const text = `${this.name} ended by itself (${signal ?? code}): ${this.lastWords()}`;
                    this.failures.push({ at: performance.now(), text });
                }
                this.again(RESTART_MS);
            }
        });
    }

    private async watch(child: ChildProcess): Promise<void> {
        while (this.child === child && !this.isReady) {
            const answers = await this.answers();
            this.isReady = answers && this.child === child && performance.now() >= this.pausedUntil;
            await sleep(POLL_MS);
        }
    }

    private async answers(): Promise<boolean> {
        const { probe } = this.options;
        try {
            if (typeof probe === 'function') {
                return await probe();
            }
            const { statusCode, body } = await request(probe, { headersTimeout: PROBE_MS, bodyTimeout: PROBE_MS });
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

function childrenOf(pid: number): number[] {
    try {
        const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
        return text.split(' ').map(Number).filter(Number.isInteger).filter(Boolean);
    } catch {
        return []; // not on this system: those of PostgreSQL end when their parent does
    }
}

function killIfRunning(pid: number): void {
    try {
        process.kill(pid, 'SIGKILL');
    } catch {
        // it has ended
    }
}
