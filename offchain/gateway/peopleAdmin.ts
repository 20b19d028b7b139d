/**
 * The admin paths about people: keys and usage. Without a running gateway the command line calls the same functions.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { StoredApiKey } from '../store/people';
import { keyLimits, newKey } from './apiKeys';
import type { BudgetView } from './budgets';
import { badRequest } from './errors';
import type { People } from './people';
import { type UsageGroup, usageGroups } from './usage';
import type { KeyView, NewKeyView, UsageView } from './views';

const MAX_DAYS = 3660; // of usage in one answer

/** What the command line asks about people, by name. */
export const peopleActions = {
    keys: ({ apiKeys, budgets }: People): Promise<KeyView[]> =>
        Promise.all(apiKeys.all.map(async (key) => viewOfKey(key, await budgets.viewsOfAll(key)))),
    create: async ({ apiKeys, budgets }: People, body: unknown): Promise<NewKeyView> => {
        const { key, secret } = await apiKeys.create(read(newKey, body));
        return { ...viewOfKey(key, await budgets.viewsOfAll(key)), secret };
    },
    revoke: async ({ apiKeys, budgets }: People, name: string): Promise<KeyView> => {
        const key = await apiKeys.revoke(name);
        return viewOfKey(key, await budgets.viewsOfAll(key));
    },
    limit: async ({ apiKeys, budgets }: People, name: string, body: unknown): Promise<KeyView> => {
        const key = await apiKeys.limit(name, read(keyLimits, body));
        return viewOfKey(key, await budgets.viewsOfAll(key));
    },
    usage: ({ usage }: People, query: unknown): Promise<UsageView[]> => {
        const { by, days } = read(usageQuery, query);
        return usage.by(by, days);
    },
};

const usageQuery = z.object({
    by: z
        .string()
        .default('key')
        .transform((text) => text.split(','))
        .pipe(
            z
                .array(z.enum(usageGroups, { error: `by: one or more of ${usageGroups.join(', ')}` }))
                .transform((groups): UsageGroup[] => [...new Set(groups)]),
        ),
    days: z.coerce.number().int().min(1).max(MAX_DAYS).default(30),
});

/** Adds `/admin/keys…` and `/admin/usage` to the admin paths. */
export function addPeopleAdmin(admin: FastifyInstance, people: People): void {
    type Named = { Params: { name: string } };
    admin.get('/admin/keys', async () => peopleActions.keys(people));
    admin.post('/admin/keys', async ({ body }) => peopleActions.create(people, body));
    admin.post<Named>('/admin/keys/:name/revoke', async ({ params }) => peopleActions.revoke(people, params.name));
    admin.post<Named>('/admin/keys/:name/limit', async ({ params, body }) =>
        peopleActions.limit(people, params.name, body),
    );
    admin.get('/admin/usage', async ({ query }) => peopleActions.usage(people, query));
}

function viewOfKey(key: StoredApiKey, budgets: Record<'daily' | 'monthly', BudgetView>): KeyView {
    const { name, models, createdAt, expiresAt, revokedAt } = key;
    return {
        name,
        models,
        createdAt,
        expiresAt,
        revokedAt,
        daily: budgetTextsOf(budgets.daily),
        monthly: budgetTextsOf(budgets.monthly),
    };
}

const budgetTextsOf = ({ limit, spent, reserved, resetsAt }: BudgetView) => ({
    ...{ limit: limit === null ? null : limit.toString(), spent: spent.toString(), reserved: reserved.toString() },
    resetsAt,
});

function read<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
    const result = schema.safeParse(value);
    if (!result.success) {
        const [issue] = result.error.issues;
        const param = issue.path.join('.');
        throw badRequest(param === '' ? issue.message : `${param}: ${issue.message}`, param);
    }
    return result.data;
}
