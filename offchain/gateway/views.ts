/** What a running gateway tells the command line, which needs nothing else of the gateway to read it. */
import { z } from 'zod';

/** One job as `cocoon gateway jobs --json` prints it; amounts are nanoTON. */
export const jobView = z.object({
    job: z.number(),
    phase: z.string(),
    model: z.string(),
    worker: z.string(),
    tier: z.string(),
    channel: z.string(),
    deposit: z.string(),
    available: z.string(), // what new queries may be promised
    owed: z.string(), // of all queries so far
    paid: z.string(), // what the newest voucher says
    results: z.number(),
    running: z.number(),
    unfinished: z.array(z.number()), // numbers of queries without an ending
    end: z.number(), // unix seconds
    connected: z.boolean(),
    note: z.string(),
});
export type JobView = z.output<typeof jobView>;

/** Where the client's money is; amounts are nanoTON. */
export const moneyViewShape = z.object({
    reserve: z.string(), // of the escrow, which stays there
    inJobs: z.string(), // unspent deposits of running jobs
    returning: z.string(), // of jobs that end
    paid: z.string(), // to nodes, by jobs that are not over
    dayLimit: z.string(),
    daySpent: z.string(), // today (UTC): deposits and fees of orders. What returns does not lower it
    dayResetsAt: z.number(), // unix seconds
});
export type MoneyView = z.output<typeof moneyViewShape>;

/** What `cocoon gateway status --json` prints. */
export const statusView = z.object({
    escrow: z.string(),
    network: z.number(),
    spendKey: z.string(),
    balance: z.string(),
    available: z.string(),
    dayRemaining: z.string(),
    jobLimit: z.string(),
    money: moneyViewShape,
    models: z.array(
        z.object({ model: z.string(), nodes: z.array(z.object({ worker: z.string(), state: z.string() })) }),
    ),
    jobs: z.record(z.string(), z.number()), // of this process, by phase
    process: z.number(), // this one of the gateway's processes
    processes: z.array(
        z.object({
            number: z.number(),
            holder: z.string(), // process and machine
            url: z.string().nullable(), // as its settings name it
            jobs: z.number(), // that have not ended
        }),
    ),
    clockOffset: z.number().nullable(), // seconds by which the chain's clock is ahead of this machine's
    spoiled: z.object({
        // jobs of the last 24 hours that their nodes spoiled, how many of them count, and how many may at most
        today: z.number(),
        count: z.number(),
        max: z.number(),
        causes: z.array(z.object({ job: z.number(), worker: z.string(), cause: z.string(), at: z.number() })),
    }),
});
export type StatusView = z.output<typeof statusView>;

const budgetView = z.object({
    limit: z.string().nullable(), // null: none
    spent: z.string(), // by ended queries
    reserved: z.string(), // by queries without an ending
    resetsAt: z.number(), // unix seconds
});

/** One API key as `cocoon keys list --json` prints it; amounts are nanoTON, times unix seconds. */
export const keyView = z.object({
    name: z.string(),
    models: z.array(z.string()).nullable(), // null: all
    createdAt: z.number(),
    expiresAt: z.number().nullable(),
    revokedAt: z.number().nullable(),
    daily: budgetView,
    monthly: budgetView,
});
export type KeyView = z.output<typeof keyView>;

/** A key that was just made; its secret is shown this once. */
export const newKeyView = keyView.extend({ secret: z.string() });
export type NewKeyView = z.output<typeof newKeyView>;

/** What was used, of one value of each group; `key` is '' for queries without a key, `cost` is nanoTON. */
export const usageView = z.object({
    day: z.string().optional(), // such as 2026-11-29, UTC
    key: z.string().optional(), // name
    model: z.string().optional(),
    worker: z.string().optional(), // URL
    queries: z.number(), // answered
    prompt: z.number(), // tokens
    cached: z.number(),
    completion: z.number(),
    reasoning: z.number(),
    cost: z.string(),
});
export type UsageView = z.output<typeof usageView>;

const nullable = <T extends z.ZodType>(shape: T) => shape.nullable();

/** One node of a model as `cocoon gateway nodes --json` prints it; null: not known. */
export const nodeView = z.object({
    model: z.string(),
    worker: z.string(), // URL
    node: nullable(z.string()), // raw address
    provider: nullable(z.string()), // raw address
    fits: z.boolean(),
    reason: z.string(), // why it fits or not
    share: z.number(), // part of the queries that it gets by its weight, 0 to 1
    tier: nullable(z.string()),
    region: nullable(z.string()),
    covered: nullable(z.number()), // part of its share of the stake that still covers its receipts, 0 to 1
    rates: nullable(
        z.object({ prompt: z.string(), cached: z.string(), completion: z.string(), reasoning: z.string() }),
    ), // nanoTON per million tokens
    features: z.array(z.string()),
    context: nullable(z.number()), // tokens
    jobs: z.number(), // that are open there
    running: z.number(), // queries
    measured: z.object({
        delay: nullable(z.number()), // seconds to the first token
        speed: nullable(z.number()), // tokens a second
        success: z.number(), // part of its queries that it answered
    }),
});
export type NodeView = z.output<typeof nodeView>;
