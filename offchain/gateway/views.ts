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

/** What `cocoon gateway status --json` prints. */
export const statusView = z.object({
    escrow: z.string(),
    network: z.number(),
    spendKey: z.string(),
    balance: z.string(),
    available: z.string(),
    dayRemaining: z.string(),
    jobLimit: z.string(),
    models: z.array(
        z.object({ model: z.string(), nodes: z.array(z.object({ worker: z.string(), state: z.string() })) }),
    ),
    jobs: z.record(z.string(), z.number()),
    clockOffset: z.number().nullable(), // seconds by which the chain's clock is ahead of this machine's
    unproductive: z.object({
        // jobs of the last 24 hours that their nodes spoiled, how many of them count, and how many may at most
        today: z.number(),
        count: z.number(),
        max: z.number(),
        causes: z.array(z.object({ job: z.number(), worker: z.string(), cause: z.string(), at: z.number() })),
    }),
});
export type StatusView = z.output<typeof statusView>;
