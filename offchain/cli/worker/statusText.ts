/** The status of a worker for people: amounts in TON, tables of models, clients and jobs. */
import type { WorkerStatus } from '../../worker';
import { timeOf, tonText } from '../output';

/** As JSON carries it: amounts are decimal strings, and what is not known is absent. */
export type WireStatus = { state: 'serving' | 'stopped' } & Wire<WorkerStatus>;
type Wire<T> = T extends bigint ? string : T extends object ? { [Name in keyof T]: Wire<T[Name]> } : T;

const SHORT = 12; // characters of a hash, or of an account after its workchain

export function statusText(status: WireStatus): string {
    const { wallet, jobs, today, cases, alerts } = status;
    const balance = wallet.balance === undefined ? 'not read: the chain does not answer' : tonText(wallet.balance);
    return [
        ...rows([
            ['state', stateOf(status)],
            ['node', status.node],
            ['wallet', `${wallet.address}  ${balance}`],
            ['today', `${tonText(today.earned)} of ${today.results} results (UTC)`],
            ['earned', `${tonText(status.earned)} of ${status.results} results`],
            ['unclaimed', tonText(status.unclaimed)],
            ['jobs', `${jobs.open} open, ${jobs.ending} ending, ${jobs.ended} ended; ${status.running} queries run`],
            ...(status.unreadable > 0 ? [['unreadable', `${status.unreadable} messages of the provider`] as Row] : []),
        ]),
        ...alerts.flatMap(({ severity, message, remedy, since }) => [
            `! ${severity}: ${message} (since ${timeOf(since)})`,
            `  → ${remedy}`,
        ]),
        ...cases.map(
            ({ class: faultClass, dispute, number, answerBy }) =>
                `case ${faultClass} of query ${number}, answer ${answerBy === 0 ? 'soon' : `by ${timeOf(answerBy)}`}: ${dispute}`,
        ),
        ...loadLines(status),
        ...table(
            ['model', 'results', 'earned', 'claimed'],
            status.models.map((row) => [row.group, row.results, tonText(row.earned), tonText(row.claimed)]),
        ),
        ...table(
            ['client', 'results', 'earned', 'claimed'],
            status.clients.map((row) => [shortOf(row.group), row.results, tonText(row.earned), tonText(row.claimed)]),
        ),
        ...table(
            ['job', 'client', 'model', 'running', 'results', 'earned', 'unclaimed'],
            status.openJobs.map(({ job, client, model, running, results, earned, unclaimed }) => [
                ...[job.slice(0, SHORT), shortOf(client), model, running, results],
                ...[tonText(earned), tonText(unclaimed)],
            ]),
        ),
    ].join('\n');
}

function stateOf({ state, readiness }: WireStatus): string {
    return readiness === undefined || readiness.ready
        ? readiness === undefined
            ? state
            : `${state}, ready`
        : `${state}, not ready: ${readiness.reasons.join('; ')}`;
}

/** Backends and models as they work now; nothing of a worker that does not run. */
function loadLines({ state, load }: WireStatus): string[] {
    if (state !== 'serving') {
        return [];
    }
    return [
        ...table(
            ['backend', 'state', 'running', 'models'],
            load.backends.map(({ name, outage, running, maxParallel, models }) => [
                ...[name, outage === undefined ? 'ok' : outage.reason, `${running} of ${maxParallel}`],
                models.join(', ') || 'none',
            ]),
        ),
        ...table(
            ['model', 'state', 'running', 'waiting', 'tokens/s', 'of one answer', 'first text'],
            load.models.map((one) => [
                ...[one.model, one.available ? 'offered' : 'not available', one.running, one.waiting],
                ...[one.throughput.toFixed(1), one.tokensPerSecond?.toFixed(1) ?? '-'],
                one.firstTokenSeconds === undefined ? '-' : `${one.firstTokenSeconds.toFixed(2)} s`,
            ]),
        ),
    ];
}

type Row = [name: string, text: string];

function rows(all: Row[]): string[] {
    const width = Math.max(...all.map(([name]) => name.length));
    return all.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}

/** A table after an empty line; nothing if it has no rows. */
function table(head: string[], body: (string | number)[][]): string[] {
    const all = [head, ...body.map((row) => row.map(String))];
    const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
    const line = (row: string[]) =>
        row
            .map((cell, i) => cell.padEnd(widths[i]))
            .join('  ')
            .trimEnd();
    return body.length === 0 ? [] : ['', ...all.map(line)];
}

/** An account or a name that fits a column. */
function shortOf(text: string): string {
    const match = /^(-?\d+):([0-9a-f]{64})$/.exec(text);
    return match === null ? text : `${match[1]}:${match[2].slice(0, SHORT)}…`;
}
