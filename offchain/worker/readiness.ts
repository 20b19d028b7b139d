/** Whether a worker takes new jobs and queries now, and why not, as anyone may read it: without amounts. */
import type { IntakeMode } from '../store/worker';
import type { AlertName } from './alerts/board';

export interface WorkerReadiness {
    ready: boolean;
    reasons: string[]; // why not
}

/** The alerts that keep new work out. */
const REASONS: Partial<Record<AlertName, string>> = {
    chain: 'the chain cannot be reached',
    node: 'the node on chain is closed, or is not that of this worker',
    stake: 'the stake does not cover the node',
};

export interface ReadinessParts {
    isStopping: boolean;
    intake: IntakeMode;
    alerts: readonly { alert: AlertName }[];
    /** False if no backend serves any offered model. */
    hasModel: boolean;
}

export function readinessOf({ isStopping, intake, alerts, hasModel }: ReadinessParts): WorkerReadiness {
    const names = [...new Set(alerts.map(({ alert }) => alert))];
    const reasons = [
        ...(isStopping ? ['the worker is going down'] : []),
        ...(intake === 'open' ? [] : [`the worker is ${intake}`]),
        ...names.flatMap((name) => REASONS[name] ?? []),
        ...(hasModel ? [] : ['no backend serves an offered model']),
    ];
    return { ready: reasons.length === 0, reasons };
}
