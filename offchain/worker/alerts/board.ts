/** The alerts that are raised now: what a person must act on. Each is raised once, repeated, and cleared. */
import type { Logger } from 'pino';

/** What alerts are about, and how much it matters. */
export const alertSeverities = {
    unclaimed: 'critical', // vouchers near the refund of their channel
    claims: 'critical', // no round of claims comes to its end
    wallet: 'warning', // balance low
    disk: 'critical', // of the store
    notes: 'warning', // no room for those of new queries
    stopped: 'critical', // the store fails or is old, so the worker ended
    demand: 'critical', // open on chain, or a case before the committee
    attestation: 'warning', // ends soon, or cannot be renewed
    stake: 'critical', // less than required, or the provider is in jail
    node: 'critical', // on chain it is closed, or has other keys or rates
    backend: 'warning', // does not answer
    chain: 'warning', // no endpoint answers
    endpoints: 'critical', // they do not agree about channels, so one of them is wrong
} as const;
export type AlertName = keyof typeof alertSeverities;

/** One thing that is wrong now. */
export interface Condition {
    subject: string; // which one, such as a job or a backend; '' if there can be only one
    message: string;
    remedy: string;
}

export interface Alert extends Condition {
    alert: AlertName;
    severity: 'critical' | 'warning';
    since: number; // unix seconds
}

/** What is sent to the operator. `event`: `repeated` is an alert that has been active for another while. */
export interface AlertNotice extends Alert {
    event: 'raised' | 'repeated' | 'cleared';
    node: string; // its address
}

interface BoardContext {
    log: Logger;
    now: () => number; // unix seconds
    node: string; // its address
    repeatSeconds: number;
    /** Has a notice brought to the operator, and calls `delivered` when it is there. */
    notify: (notice: AlertNotice, delivered: () => void) => void;
}

/** `notifiedAt`: when the last notice was delivered, in unix seconds; undefined while one is on its way. */
type Raised = Alert & { notifiedAt?: number };

export class AlertBoard {
    private readonly raised = new Map<string, Raised>();

    constructor(private readonly context: BoardContext) {}

    /** The alerts that are raised, the newest last. */
    get active(): Alert[] {
        return [...this.raised.values()].map(({ notifiedAt: _, ...alert }) => alert);
    }

    /** Everything that is wrong now about `alert`: what is not among the conditions is over. */
    set(alert: AlertName, conditions: readonly Condition[]): void {
        const { log, now, repeatSeconds } = this.context;
        const keys = new Set(conditions.map(({ subject }) => keyOf(alert, subject)));
        for (const [key, one] of this.raised) {
            if (one.alert === alert && !keys.has(key)) {
                this.raised.delete(key);
                log.info({ alert, subject: one.subject, since: one.since }, `alert cleared: ${one.message}`);
                this.notify('cleared', one);
            }
        }
        for (const condition of conditions) {
            const key = keyOf(alert, condition.subject);
            const earlier = this.raised.get(key);
            if (earlier === undefined) {
                const one = { alert, severity: alertSeverities[alert], ...condition, since: now() };
                this.raised.set(key, one);
                log.warn({ alert, subject: one.subject, remedy: one.remedy }, `alert: ${one.message}`);
                this.notify('raised', one);
                continue;
            }
            Object.assign(earlier, condition);
            if (earlier.notifiedAt !== undefined && now() - earlier.notifiedAt >= repeatSeconds) {
                this.notify('repeated', earlier);
            }
        }
    }

    private notify(event: AlertNotice['event'], one: Raised): void {
        const { node, notify, now } = this.context;
        const { alert, severity, subject, message, remedy, since } = one;
        delete one.notifiedAt;
        notify({ event, alert, severity, subject, message, remedy, since, node }, () => (one.notifiedAt = now()));
    }
}

const keyOf = (alert: AlertName, subject: string): string => `${alert} ${subject}`;
