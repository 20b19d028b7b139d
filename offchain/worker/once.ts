/** What a worker does for its operator that does not run: on its store, without a server. */
import type { EarningsGroup } from '../store/earnings';
import type { IntakeMode } from '../store/worker';
import type { ClaimReport } from './claimSender';
import type { WorkerConfig } from './config';
import type { IntakeView } from './drain';
import { earningsOf, type EarningsView } from './earnings';
import { assemble, type Assembled, release, type WorkerParts } from './main';
import type { SweepOptions, SweepPlan } from './sweeper';
import { statusOf, type WorkerStatus } from './status';

/**
 * Claims everything of a worker that does not run, whatever the state of its node: vouchers outlive keys and prices.
 */
export function claimOnce(config: WorkerConfig, parts: WorkerParts = {}): Promise<ClaimReport> {
    return once(config, parts, ({ floors }) => floors.claims.claimNow());
}

/** Changes whether a worker that does not run takes new work once it runs. */
export function setIntakeOnce(config: WorkerConfig, mode: IntakeMode, parts: WorkerParts = {}): Promise<IntakeView> {
    return once(config, parts, ({ floors }) => floors.drain.set(mode));
}

/** The status of a worker that does not run, from its store. */
export function statusOnce(config: WorkerConfig, parts: WorkerParts = {}): Promise<WorkerStatus> {
    return once(config, parts, ({ context, floors }) => statusOf(context, floors));
}

/** The earnings of a worker that does not run, from its store. */
export function earningsOnce(config: WorkerConfig, by: EarningsGroup, parts: WorkerParts = {}): Promise<EarningsView> {
    return once(config, parts, ({ context, floors }) => earningsOf(context, floors.ledger, by));
}

/** Sweeps with the wallet of a worker that does not run; `isDry`: only says what it would send. */
export function sweepOnce(
    config: WorkerConfig,
    { isDry, ...options }: SweepOptions & { isDry: boolean },
    parts: WorkerParts = {},
): Promise<SweepPlan> {
    return once(config, parts, ({ floors: { sweeper } }) =>
        isDry ? sweeper.planNow(options) : sweeper.sweepNow(options),
    );
}

async function once<T>(
    config: WorkerConfig,
    parts: WorkerParts,
    action: (assembled: Assembled) => Promise<T>,
): Promise<T> {
    const assembled = await assemble(config, parts);
    try {
        return await action(assembled);
    } finally {
        await release(assembled.context);
    }
}
