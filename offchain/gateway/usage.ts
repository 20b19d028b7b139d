/** What was used, by day, key, model and worker: the one reader of the usage table. */
import type { PeopleStore, StoredUsage } from '../store/people';
import { dateOf, dayOf } from '../store/people';
import type { UsageView } from './views';

/** By what usage can be summed. */
export const usageGroups = ['day', 'key', 'model', 'worker'] as const;
export type UsageGroup = (typeof usageGroups)[number];

export class UsageReader {
    constructor(
        private readonly store: Pick<PeopleStore, 'usage'>,
        private readonly now: () => number, // unix seconds
    ) {}

    /** The rows of the last days (UTC), today included, of all keys or of one. */
    rows(days: number, apiKey?: string): Promise<StoredUsage[]> {
        return this.store.usage(dayOf(this.now()) - days + 1, apiKey);
    }

    /**
     * The sums of the last days (UTC), today included, of all keys or of one; one sum for each value of the groups.
     * None: one sum of all.
     */
    async by(groups: readonly UsageGroup[], days: number, apiKey?: string): Promise<UsageView[]> {
        const sums = new Map<string, UsageView>();
        for (const row of await this.rows(days, apiKey)) {
            const group = Object.fromEntries(groups.map((name) => [name, valueOf[name](row)]));
            const id = JSON.stringify(Object.values(group));
            sums.set(id, added(sums.get(id) ?? { ...group, ...nothing }, row));
        }
        return [...sums.values()];
    }
}

const valueOf: Record<UsageGroup, (row: StoredUsage) => string> = {
    day: ({ day }) => dateOf(day),
    key: ({ apiKey }) => apiKey,
    model: ({ model }) => model,
    worker: ({ worker }) => worker,
};

const nothing = { queries: 0, prompt: 0, cached: 0, completion: 0, reasoning: 0, cost: '0' };

function added(sum: UsageView, row: StoredUsage): UsageView {
    return {
        ...sum,
        queries: sum.queries + row.queries,
        prompt: sum.prompt + row.prompt,
        cached: sum.cached + row.cached,
        completion: sum.completion + row.completion,
        reasoning: sum.reasoning + row.reasoning,
        cost: (BigInt(sum.cost) + row.cost).toString(),
    };
}
