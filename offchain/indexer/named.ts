/** Which accounts are followed, by the facts: in SQL, because there may be any number of facts. */
import type { LogRole } from './facts';

/** That are followed of one provider: it could name one busy account after another for next to nothing. */
const MAX_PAYOUTS = 20;

/**
 * The kind of a fact where its log is known. SQLite would else go through all facts of the kind for each log, which
 * takes minutes with ten thousand jobs.
 */
export const kindIn = (facts: string): string => `(${facts}.kind || '')`;

/** Which accounts the facts name in a role: of a provider the payouts that it named first. */
export const NAMED: Record<Exclude<LogRole, 'registry'>, string> = {
    provider: `SELECT subject AS account FROM facts WHERE kind = 'provider' AND body LIKE '%"knownCode":true%'`,
    payout: `SELECT account FROM (
            SELECT subject AS account, row_number() OVER (PARTITION BY log ORDER BY lt) AS nth FROM (
                SELECT log, subject, lt, row_number() OVER (PARTITION BY log, subject ORDER BY lt) AS time
                FROM facts WHERE kind = 'payout'
            ) AS named WHERE time = 1
        ) AS payouts WHERE nth <= ${MAX_PAYOUTS}`,
    escrow: `SELECT object AS account FROM facts WHERE kind = 'demand'
        UNION SELECT subject AS account FROM facts WHERE kind = 'deployed'`,
    channel: `SELECT subject AS account FROM facts WHERE kind = 'opened'
            AND object IN (SELECT subject FROM facts WHERE kind = 'payout')
        UNION SELECT sender AS account FROM senders WHERE channel = 1`,
};

/**
 * Of a log: it was read, and is an account that paid a payout and that no escrow deployed or opened as a channel. A
 * contract of anyone looks so for next to nothing.
 */
export const NO_CHANNEL = `(role = 'channel' AND "doneLt" IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM facts WHERE kind = 'opened' AND subject = logs.account)
    AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.log = logs.log AND ${kindIn('facts')} = 'deployed'))`;

/** Channels of which another life was stored before an escrow was known to have opened them. */
export const MISTAKEN = `SELECT log FROM logs WHERE role = 'channel' AND "doneLt" IS NOT NULL AND "nextLt" IS NULL
    AND EXISTS (SELECT 1 FROM facts WHERE kind = 'opened' AND subject = logs.account)
    AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.log = logs.log AND ${kindIn('facts')} = 'deployed')`;

/**
 * Logs that nothing names, from the registry on. A channel and its escrow name each other, so it counts what can be
 * reached, not what is named.
 */
export const UNNAMED = [
    `SELECT log FROM logs WHERE role = 'provider' AND account NOT IN (${NAMED.provider})`,
    `SELECT log FROM logs WHERE role = 'payout' AND account NOT IN (${NAMED.payout})`,
    `WITH RECURSIVE reached (role, account) AS (
        SELECT 'escrow', object FROM facts WHERE kind = 'demand'
        UNION SELECT 'channel', sender FROM senders WHERE channel = 1
        UNION SELECT CASE r.role WHEN 'escrow' THEN 'channel' ELSE 'escrow' END, f.subject
        FROM reached r JOIN facts f ON f.log = r.role || '/' || r.account
        WHERE (r.role = 'channel' AND ${kindIn('f')} = 'deployed')
            OR (r.role = 'escrow' AND ${kindIn('f')} = 'opened'
            AND f.object IN (SELECT subject FROM facts WHERE kind = 'payout'))
    )
    SELECT log FROM logs WHERE role IN ('escrow', 'channel') AND NOT EXISTS (
        SELECT 1 FROM reached WHERE reached.role = logs.role AND reached.account = logs.account)`,
];
