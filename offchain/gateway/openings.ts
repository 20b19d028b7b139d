/**
 * Of what the escrow may open on one day, each of several API keys leaves others as much as it ties up. A key could
 * otherwise have a job opened at each node, or for each model, and nobody another on that day, though its own limit is
 * next to nothing. What a key has spent ties up nothing, so that one that is used much gets what it needs. A part of a
 * job opens none, so the last job of a day is left to others by who ties up half of one.
 *
 * Each process counts for itself, since its start. Amounts are nanoTON.
 */
import { formatTon } from '@cocoon-market/wrappers';
import { dayOf } from '../store/people';
import type { ApiKeys } from './apiKeys';
import type { Budgets } from './budgets';
import { GatewayError } from './errors';
import type { Openable } from './escrow';

const PAUSE_MS = 30_000; // after which a key that was refused a job may try again: the escrow may have more

/** One of several keys ties up too much of what the escrow may open today. */
export class ShareUsed extends GatewayError {
    constructor(
        readonly key: string,
        { tied, remaining, resetsAt }: { tied: bigint; remaining: bigint; resetsAt: number },
    ) {
        const resets = new Date(resetsAt * 1000).toISOString();
        super(
            402,
            'share_used',
            `The jobs that were opened today for the key "${key}" tie up ${formatTon(tied)} TON more than it has spent, ` +
                `and the escrow may open jobs for ${formatTon(remaining)} TON today, which are left to other keys: ` +
                `allow nodes that have a job, ask for less at once, wait until ${resets}, or have the owner raise the ` +
                `day's limit of the escrow`,
            { metadata: { key, tied: String(tied), remaining: String(remaining), resets } },
        );
    }
}

interface Opened {
    day: number;
    deposits: bigint;
}

export class Openings {
    private readonly opened = new Map<string, Opened>(); // by name of the key
    private readonly refused = new Map<string, { error: ShareUsed; until: number }>(); // by name; milliseconds

    constructor(
        private readonly keys: ApiKeys,
        private readonly budgets: Budgets,
        private readonly now: () => number, // unix seconds
    ) {}

    /** Why no job was opened for a key a moment ago; undefined if one may be. */
    objectionTo(name: string | undefined): ShareUsed | undefined {
        const last = name === undefined ? undefined : this.refused.get(name);
        return last !== undefined && Date.now() < last.until ? last.error : undefined;
    }

    /**
     * Throws {@link ShareUsed} if a key has to leave others what the escrow may still open today, or the only job that
     * it may still open. `name`: undefined for a job that is opened for nobody in particular.
     */
    require(name: string | undefined, { remaining, cost }: Openable): void {
        const key = name === undefined ? undefined : this.keys.get(name);
        if (key === undefined || this.keys.usable < 2) {
            return;
        }
        const { spent, resetsAt } = this.budgets.views(key).daily;
        const tied = this.today(key.name).deposits - spent;
        const isLast = remaining < 2n * cost;
        if (tied > 0n && (tied >= remaining || (isLast && 2n * tied >= cost))) {
            throw new ShareUsed(key.name, { tied, remaining, resetsAt });
        }
    }

    /** No job is opened for the key of an error for a while: each try asks the chain. */
    pause(error: ShareUsed): void {
        this.refused.set(error.key, { error, until: Date.now() + PAUSE_MS });
    }

    /** Counts the deposit of a job that is opened for a key, until the returned function is called. */
    add(name: string | undefined, deposit: bigint): () => void {
        if (name === undefined) {
            return () => undefined;
        }
        const opened = this.today(name);
        opened.deposits += deposit;
        this.opened.set(name, opened);
        return () => void (opened.deposits -= deposit);
    }

    private today(name: string): Opened {
        const day = dayOf(this.now());
        const opened = this.opened.get(name);
        return opened?.day === day ? opened : { day, deposits: 0n };
    }
}
