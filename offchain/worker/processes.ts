/**
 * The processes of this node, which share its store: where clients reach them, which of them has a job, and what
 * becomes of the jobs of one that stopped.
 */
import type { Logger } from 'pino';
import { MAX_PROCESSES } from '../link';
import { reporting } from '../process/log';
import { PollLoop } from '../process/tasks';
import type { HeldLease, Member } from '../store/cluster';
import { LeaseLost } from '../store/leases';
import { type JobRecord, StaleStore, type WorkerStore } from '../store/worker';
import type { WorkerIntake } from './intake';
import { Refused } from './refusal';

const WATCH_MS = 1000; // between two looks at the others
const MARK_EVERY = 5; // looks

/** What a process does with the jobs that it took over, and with an intake that another process changed. */
export interface ProcessEvents {
    onTakeover: () => Promise<void>;
    onIntake: () => Promise<void>;
}

interface ProcessParts {
    log: Logger;
    intake: WorkerIntake;
    fatal: (error: Error) => void; // this process must end
}

export class Processes {
    private live: readonly Member[] = [];
    private looks = 0;
    private loop: PollLoop | undefined;
    private reading: Promise<void> | undefined;
    private recovering: Promise<void> | undefined;

    private constructor(private readonly store: WorkerStore) {}

    static async read(store: WorkerStore): Promise<Processes> {
        const processes = new Processes(store);
        await processes.refresh();
        return processes;
    }

    /** URLs at which clients reach the processes, this one first; none if it is the only one. */
    get urls(): string[] {
        const { number } = this.store.cluster;
        const own = this.live.filter((one) => one.number === number);
        const others = this.live.filter((one) => one.number !== number);
        return [...own, ...others].flatMap(({ url }) => url ?? []).slice(0, MAX_PROCESSES);
    }

    /** True of one live process, which does what is nobody's own. */
    get isFirst(): boolean {
        return (this.live[0]?.number ?? this.store.cluster.number) === this.store.cluster.number;
    }

    /** True if this process answers for a job: its own, or one that no live process has. */
    answersFor(record: JobRecord | undefined): boolean {
        const { number } = this.store.cluster;
        const owner = record && (record.member === number ? number : this.find(record.member)?.number);
        return owner === undefined ? this.isFirst : owner === number;
    }

    /**
     * Resolves with true if this process has the job, with false if it took the job just now, so that its record is
     * another. Throws {@link Refused} if another process has it, or is about to take it.
     */
    async claimJob({ job, member }: JobRecord): Promise<boolean> {
        if (member === this.store.cluster.number) {
            return true;
        }
        if (this.find(member) === undefined) {
            await this.refresh(); // it may have started just now
        }
        const owner = this.find(member);
        if (owner !== undefined) {
            throw new Refused('other_process', 'Another process of this node has the job', { url: owner.url });
        }
        if (await this.store.adopt(job, member)) {
            return false;
        }
        throw new Refused('taking_over', 'The process that had the job has stopped: ask again in a moment');
    }

    /** Takes over what processes that stopped have left. Resolves with their numbers. */
    async takeOver(): Promise<number[]> {
        const numbers: number[] = [];
        for (const { number } of await this.store.cluster.lapsed()) {
            if (await this.store.takeOver(number)) {
                numbers.push(number);
            }
        }
        return numbers;
    }

    /** Looks after the others until {@link stop}. */
    start({ log, intake, fatal }: ProcessParts, events: ProcessEvents): void {
        if (!this.store.cluster.isShared) {
            return;
        }
        let isRecoveryDue = false;
        const note = reporting(log, 'warn', 'the other processes are not known now');
        // The look does not wait for it: another process may stop meanwhile.
        const recover = async () => {
            try {
                await events.onTakeover();
            } catch (error) {
                isRecoveryDue = true; // at the next look
                note(error);
            }
            this.recovering = undefined;
        };
        const look = async () => {
            await this.refresh();
            const stopped = await this.takeOver();
            if (stopped.length > 0) {
                log.warn({ stopped }, 'the jobs of processes that stopped are taken over');
                isRecoveryDue = true;
            }
            if (isRecoveryDue && this.recovering === undefined) {
                isRecoveryDue = false;
                this.recovering = recover();
            }
            if (await intake.refresh()) {
                await events.onIntake();
            }
            if (this.looks++ % MARK_EVERY === 0) {
                await this.store.followOthers();
            }
        };
        const onError = (error: unknown) => (error instanceof StaleStore ? fatal(error) : note(error));
        this.loop = new PollLoop(look, WATCH_MS, onError);
        this.loop.start();
    }

    async stop(): Promise<void> {
        await this.loop?.stop();
        await this.recovering;
    }

    // One reading for all that ask meanwhile: many requests for the jobs of one process come at once.
    private refresh(): Promise<void> {
        const read = async () => {
            try {
                this.live = await this.store.cluster.members();
            } finally {
                this.reading = undefined;
            }
        };
        return (this.reading ??= read());
    }

    private find(number: number): Member | undefined {
        return this.live.find((one) => one.number === number);
    }
}

/** Throws if another process may spend the coins of the wallet by now. */
export type AssertAlone = () => Promise<void>;

/**
 * Runs what spends the coins of a wallet while no other process does. The action calls what it is given before
 * something leaves that cannot be undone.
 */
export function spendAlone<T>(
    { cluster }: Pick<WorkerStore, 'cluster'>,
    wallet: { toRawString(): string },
    action: (assertAlone: AssertAlone) => Promise<T>,
): Promise<T> {
    const assertAlone = (lease: HeldLease) => async () => {
        if (!lease.isHeld) {
            throw new LeaseLost('Another process may use the wallet by now, so nothing was sent');
        }
    };
    return cluster.exclusive(`wallet ${wallet.toRawString()}`, (lease) => action(assertAlone(lease)));
}
