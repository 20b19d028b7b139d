/**
 * What each API key may still spend. A query reserves its ceiling before it is sent, in the same turn of the event loop
 * in which the limits are compared, so that no number of requests at once exceeds a limit. Its ending replaces the
 * reservation by its price. A query that broke off stays reserved until its ending is known.
 *
 * Processes that share the store reserve in memory first. When its query is stored, and before it is sent, a process
 * compares the limits again with what the store has of all ({@link Budgets.confirm}). Of several queries the one that
 * was stored last sees all others, so together they do not exceed a limit either. Near a limit all of them may be
 * refused. What a process has read of the others grows old: before it refuses by that, it reads them again.
 *
 * A query counts for the day and the month (UTC) in which it was asked.
 */
import { formatTon } from '@cocoon-market/wrappers';
import { SingleFlight } from '../process/tasks';
import type { OpenCost, PeopleStore, StoredApiKey } from '../store/people';
import { dayOf } from '../store/people';
import { GatewayError } from './errors';

const DAY = 86_400; // seconds

/** What a key used of one limit. Amounts are nanoTON. */
export interface BudgetView {
    limit: bigint | null;
    spent: bigint; // of ended queries
    reserved: bigint; // of queries without an ending
    resetsAt: number; // unix seconds
}

/** A query that is about to be sent. */
interface PaidQuery {
    job: number;
    number: number;
    ceiling: bigint; // nanoTON
    askedAt: number; // unix seconds
}

interface Reservation {
    name: string;
    day: number;
    ceiling: bigint;
}

interface Spent {
    id?: string; // of the query
    name: string;
    day: number;
    cost: bigint;
}

type BudgetStore = Pick<PeopleStore, 'usage' | 'openCosts' | 'cluster'>;

export class Budgets {
    private readonly spent = new Map<string, Map<number, bigint>>(); // nanoTON by name and day
    private readonly reserved = new Map<string, Reservation>(); // by query, of this process
    private readonly foreign = new Map<string, Reservation[]>(); // of other processes, by name
    private readonly readers = new Set<Spent[]>(); // what is spent while the store is read
    private readonly rereading = new SingleFlight<string, void>(); // by name
    private holds = 0; // ever made

    private constructor(
        private readonly store: BudgetStore,
        private readonly now: () => number,
    ) {}

    /** The state of the store: usage since the month began, and queries that have no ending yet. */
    static async load(store: BudgetStore, now: () => number): Promise<Budgets> {
        const budgets = new Budgets(store, now);
        const open = await store.openCosts();
        const firstDay = Math.min(
            monthOf(dayOf(now())).first,
            ...open.map(({ askedAt }) => monthOf(dayOf(askedAt)).first),
        );
        for (const { apiKey, day, cost } of await store.usage(firstDay)) {
            budgets.addSpent({ name: apiKey, day, cost });
        }
        open.forEach((cost) => budgets.addOpen(cost));
        return budgets;
    }

    /** Counts queries of jobs that this process took over from another. */
    async restore(): Promise<void> {
        await this.reading(async (meanwhile) => {
            const open = await this.store.openCosts();
            this.foreign.clear();
            open.filter((cost) => !hasEnded(cost, meanwhile)).forEach((cost) => this.addOpen(cost));
        });
    }

    /**
     * Compares the limits of a key with what all processes spent and reserved. A query of this process that is stored
     * is reserved here already. Throws 402 if it exceeds a limit: then it must not be sent.
     */
    async confirm(key: StoredApiKey, { askedAt }: Pick<PaidQuery, 'askedAt'>): Promise<void> {
        if (!this.store.cluster.isShared || (key.daily === null && key.monthly === null)) {
            return;
        }
        await this.refresh(key);
        for (const [period, view] of Object.entries(this.viewsAt(key, dayOf(askedAt)))) {
            if (view.limit !== null && view.spent + view.reserved > view.limit) {
                throw overBudget(key.name, period as Period, view);
            }
        }
    }

    /** Reads what other processes spent and reserved of a key. */
    async refresh({ name }: StoredApiKey): Promise<void> {
        if (!this.store.cluster.isShared) {
            return;
        }
        await this.reading(async (meanwhile) => {
            const open = await this.store.openCosts(name);
            const days = [this.now(), ...open.map(({ askedAt }) => askedAt)].map((at) => monthOf(dayOf(at)).first);
            const usage = await this.store.usage(Math.min(...days), name);
            this.spent.delete(name);
            usage.forEach(({ day, cost }) => this.addSpent({ name, day, cost }));
            // What such a query cost may be counted twice, until the next time.
            meanwhile.filter((one) => one.name === name).forEach((one) => this.addSpent(one));
            this.foreign.delete(name);
            for (const cost of open.filter((one) => !this.reserved.has(idOf(one)) && !hasEnded(one, meanwhile))) {
                this.addForeign(cost);
            }
        });
    }

    /** Reads the store, and knows which queries of this process end meanwhile. */
    private async reading(read: (meanwhile: Spent[]) => Promise<void>): Promise<void> {
        const meanwhile: Spent[] = [];
        this.readers.add(meanwhile);
        try {
            await read(meanwhile);
        } finally {
            this.readers.delete(meanwhile);
        }
    }

    /** Runs a check of a key's limits, and once more with what other processes did until now if it throws 402. */
    async checked<T>(key: StoredApiKey, check: () => T): Promise<T> {
        try {
            return check();
        } catch (error) {
            if (!this.store.cluster.isShared || !(error instanceof GatewayError && error.status === 402)) {
                throw error;
            }
        }
        await this.rereading.run(key.name, () => this.refresh(key));
        return check();
    }

    /** Reserves what a query may cost. Throws 402 if a limit of its key does not allow it; then nothing is reserved. */
    reserve(key: StoredApiKey, query: PaidQuery): void {
        const { name } = key;
        const day = dayOf(query.askedAt);
        for (const [period, view] of Object.entries(this.viewsAt(key, day))) {
            if (view.limit !== null && view.spent + view.reserved + query.ceiling > view.limit) {
                throw overBudget(name, period as Period, view, query.ceiling);
            }
        }
        this.reserved.set(idOf(query), { name, day, ceiling: query.ceiling });
    }

    /**
     * Reserves what a request that waits for a job may cost, until the returned function is called. Throws 402 if a
     * limit does not allow it: no job is opened for a request that could not be sent.
     */
    hold(key: StoredApiKey, ceiling: bigint): () => void {
        const query = { job: -1, number: ++this.holds, ceiling, askedAt: this.now() };
        this.reserve(key, query);
        return () => void this.reserved.delete(idOf(query));
    }

    /** Throws 402 if a key has nothing left, so that no job is opened for a request that could not be sent. */
    requireSome(key: StoredApiKey): void {
        for (const [period, view] of Object.entries(this.views(key))) {
            if (view.limit !== null && view.spent + view.reserved >= view.limit) {
                throw overBudget(key.name, period as Period, view);
            }
        }
    }

    /** A query has an ending: what it cost takes the place of what it reserved. */
    settle(query: { job: number; number: number }, cost: bigint): void {
        const reservation = this.reserved.get(idOf(query));
        if (reservation !== undefined) {
            this.reserved.delete(idOf(query));
            const spent = { id: idOf(query), name: reservation.name, day: reservation.day, cost };
            this.addSpent(spent);
            this.readers.forEach((reader) => reader.push(spent));
        }
    }

    private addOpen(cost: OpenCost): void {
        if (cost.member === null || cost.member === this.store.cluster.number) {
            this.reserved.set(idOf(cost), reservationOf(cost));
        } else {
            this.addForeign(cost);
        }
    }

    private addForeign(cost: OpenCost): void {
        this.foreign.set(cost.apiKey, [...(this.foreign.get(cost.apiKey) ?? []), reservationOf(cost)]);
    }

    /** {@link views}, with what other processes did until now. */
    async viewsOfAll(key: StoredApiKey): Promise<Record<Period, BudgetView>> {
        await this.refresh(key);
        return this.views(key);
    }

    /** What a key used of its limits today and in this month, as far as this process has read it. */
    views(key: StoredApiKey): Record<Period, BudgetView> {
        return this.viewsAt(key, dayOf(this.now()));
    }

    private viewsAt({ name, daily, monthly }: StoredApiKey, day: number): Record<Period, BudgetView> {
        const month = monthOf(day);
        const isDay = (other: number) => other === day;
        const isMonth = (other: number) => other >= month.first && other < month.next;
        return {
            daily: { limit: daily, ...this.usedIn(name, isDay), resetsAt: (day + 1) * DAY },
            monthly: { limit: monthly, ...this.usedIn(name, isMonth), resetsAt: month.next * DAY },
        };
    }

    private usedIn(name: string, isIn: (day: number) => boolean): { spent: bigint; reserved: bigint } {
        const days = [...(this.spent.get(name) ?? [])].filter(([day]) => isIn(day));
        const reserved = [...this.reserved.values(), ...(this.foreign.get(name) ?? [])];
        const open = reserved.filter((one) => one.name === name && isIn(one.day));
        return {
            spent: days.reduce((sum, [, cost]) => sum + cost, 0n),
            reserved: open.reduce((sum, { ceiling }) => sum + ceiling, 0n),
        };
    }

    private addSpent({ name, day, cost }: Spent): void {
        const days = this.spent.get(name) ?? new Map<number, bigint>();
        days.set(day, (days.get(day) ?? 0n) + cost);
        this.spent.set(name, days);
    }
}

type Period = 'daily' | 'monthly';

const hasEnded = (query: OpenCost, ended: readonly Spent[]): boolean => ended.some(({ id }) => id === idOf(query));

const reservationOf = ({ apiKey: name, askedAt, ceiling }: OpenCost): Reservation => ({
    ...{ name, day: dayOf(askedAt), ceiling },
});

const idOf = ({ job, number }: { job: number; number: number }): string => `${job}/${number}`;

/** The first day of a day's month, and that of the next month; days since 1970. */
function monthOf(day: number): { first: number; next: number } {
    const date = new Date(day * DAY * 1000);
    const start = (month: number) => dayOf(Date.UTC(date.getUTCFullYear(), month) / 1000);
    return { first: start(date.getUTCMonth()), next: start(date.getUTCMonth() + 1) };
}

function overBudget(name: string, period: Period, view: BudgetView, ceiling?: bigint): GatewayError {
    const { limit, spent, reserved, resetsAt } = view;
    const resets = new Date(resetsAt * 1000).toISOString();
    const more = ceiling === undefined ? '' : `, and this request may cost ${formatTon(ceiling)} TON`;
    const lower = ceiling === undefined ? '' : 'ask for less (max_tokens), ';
    return new GatewayError(
        402,
        'budget_exceeded',
        `Of the ${period} limit of ${formatTon(limit ?? 0n)} TON, the key "${name}" has spent ${formatTon(spent)} TON and ` +
            `running queries reserve ${formatTon(reserved)} TON${more}: ${lower}wait until ${resets}, or have the ` +
            `owner raise it with "cocoon keys limit ${name} --${period} TON"`,
        {
            metadata: {
                ...{ key: name, period, limit: String(limit), spent: String(spent), reserved: String(reserved) },
                ...{ ...(ceiling !== undefined && { ceiling: String(ceiling) }), resets },
            },
        },
    );
}
