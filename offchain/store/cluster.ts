/**
 * The processes that share a store. A SQLite file has one. A PostgreSQL database may have several, the members of a
 * cluster: each has a number, and rows of its own that no other member changes. When one dies, another takes its rows
 * over.
 */
import type { Transaction } from 'kysely';

/** What a process says of itself to become a member. */
export interface MemberOptions {
    /** Where others reach it. */
    url?: string | undefined;
    /** Names what all members must share, such as their keys. A process with another identity is refused. */
    identity: string;
}

/** A process that has the store, or had it and left rows that nobody has taken over. */
export interface Member {
    number: number; // from 1
    url: string | undefined;
    holder: string; // process and machine, for logs
    isGuarded: boolean; // true once it has shown that the store is the newest one
}

/** A lease as its holder uses it. */
export interface HeldLease {
    /** False once this process cannot be sure of the lease. Then it may do nothing that it cannot undo. */
    readonly isHeld: boolean;
    /** In a write that the lease covers: throws unless this process has it until the transaction ends. */
    assertHeld(transaction: Transaction<never>): Promise<void>;
}

/** This process among those that share the store. */
export interface Cluster {
    /** Of this process. */
    readonly number: number;
    /** False if no other process may join. */
    readonly isShared: boolean;
    /** False once this process cannot be sure to be a member: then it sends nothing that spends money. */
    readonly isHeld: boolean;
    /** The live ones by number, this process among them. */
    members(): Promise<Member[]>;
    /** Says to the others that this process has shown that the store is the newest one. */
    noteGuarded(): Promise<void>;
    /** Those that stopped and whose rows nobody has taken over. */
    lapsed(): Promise<Member[]>;
    /**
     * The first step of a write that moves the rows of a lapsed member to this one. From its COMMIT on that process
     * commits nothing, also if it only slept. Resolves with false if it lives again, or another member was faster: then
     * the write must move nothing.
     */
    takeOver(transaction: Transaction<never>, member: number): Promise<boolean>;
    /**
     * In a write: true, until the transaction ends, if nobody has this number and its rows were taken over. Rows that
     * the takeover left behind may be moved then.
     */
    isVacant(transaction: Transaction<never>, member: number): Promise<boolean>;
    /**
     * Runs `action` while no other member runs an action of this name; waits for those that do. The lease is renewed
     * meanwhile. A member that dies in its action makes the next one wait for some seconds.
     */
    exclusive<T>(name: string, action: (lease: HeldLease) => Promise<T>): Promise<T>;
}

/** Actions of one name run one after another, in the order of the calls. */
export class OneByOne {
    private readonly last = new Map<string, Promise<unknown>>();

    run<T>(name: string, action: () => Promise<T>): Promise<T> {
        const run = (this.last.get(name) ?? Promise.resolve()).then(action);
        const end = run.catch(() => undefined);
        this.last.set(name, end);
        void end.then(() => this.last.get(name) === end && this.last.delete(name));
        return run;
    }
}

const ALWAYS: HeldLease = { isHeld: true, assertHeld: () => Promise.resolve() };

/** The only process that has a store. */
export class OneMember implements Cluster {
    readonly number = 1;
    readonly isShared = false;
    readonly isHeld = true;
    private readonly actions = new OneByOne();

    async members(): Promise<Member[]> {
        return [{ number: 1, url: undefined, holder: `process ${process.pid}`, isGuarded: false }];
    }

    async noteGuarded(): Promise<void> {}

    async lapsed(): Promise<Member[]> {
        return [];
    }

    async takeOver(): Promise<boolean> {
        return false;
    }

    async isVacant(): Promise<boolean> {
        return false;
    }

    exclusive<T>(name: string, action: (lease: HeldLease) => Promise<T>): Promise<T> {
        return this.actions.run(name, () => action(ALWAYS));
    }
}
