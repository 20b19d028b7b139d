/** Whether a worker takes new jobs and queries now, and why not, as anyone may read it: without amounts. */
import type { AlertName } from './alerts/board';
import type { WorkerIntake } from './intake';

export interface WorkerReadiness {
    ready: boolean;
    reasons: string[]; // why not
}

/** Why a worker that is not the one on chain takes no new work. */
export const OTHER_NODE = 'the node on chain is closed, or is not that of this worker';

/** The alerts that keep new work out. */
const REASONS: Partial<Record<AlertName, string>> = {
    chain: 'the chain cannot be reached',
    node: OTHER_NODE,
    stake: 'the stake does not cover the node',
};

export interface ReadinessParts {
    isStopping: boolean;
    intake: Pick<WorkerIntake, 'reasons'>;
    alerts: readonly { alert: AlertName }[];
    /** False if no backend serves any offered model. */
    hasModel: boolean;
}

export function readinessOf({ isStopping, intake, alerts, hasModel }: ReadinessParts): WorkerReadiness {
    const names = [...new Set(alerts.map(({ alert }) => alert))];
    const reasons = [
        ...(isStopping ? ['the worker is going down'] : []),
        ...intake.reasons,
        ...names.flatMap((name) => REASONS[name] ?? []),
        ...(hasModel ? [] : ['no backend serves an offered model']),
    ];
    return { ready: reasons.length === 0, reasons: [...new Set(reasons)] };
}
