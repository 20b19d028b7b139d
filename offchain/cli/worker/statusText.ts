/** The status of a worker for people: amounts in TON, tables of models, clients and jobs. */
import type { Reason } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Wire } from '../../link';
import { addressText, walletText } from '../../process/addresses';
import type { WorkerStatus } from '../../worker';
import { timeOf, tonText } from '../output';
import { tableLines } from '../table';

/** As JSON carries it: amounts are decimal strings, and what is not known is absent. */
export type WireStatus = { state: 'serving' | 'stopped' } & Wire<WorkerStatus>;

const OUTAGES: Partial<Record<keyof typeof Reason, string>> = {
    BackendDown: 'down',
    BackendBusy: 'too busy',
    BackendDenied: 'refuses its API key',
    BackendModel: 'lacks the model',
    BackendSlow: 'too slow',
};

const SHORT = 12; // characters of a hash or an account

export function statusText(status: WireStatus, chain: { network: number }): string {
    const { wallet, jobs, today, cases, alerts } = status;
    const account = (raw: string) => addressText(Address.parse(raw), chain);
    const shortAccount = (raw: string) => (Address.isRaw(raw) ? `${account(raw).slice(0, SHORT)}…` : raw);
    const balance = wallet.balance === undefined ? 'not read: the chain does not answer' : tonText(wallet.balance);
    return [
        ...tableLines([
            ['state', stateOf(status)],
            ...(status.intake === 'open' ? [] : [['intake', intakeText(status)] as Row]),
            ['node', account(status.node)],
            ['wallet', `${walletText(Address.parse(wallet.address), chain)}  ${balance}`],
            ['today', `${tonText(today.earned)} of ${today.results} results (UTC)`],
            ['earned', `${tonText(status.earned)} of ${status.results} results`],
            ['unclaimed', tonText(status.unclaimed)],
            ['confirming', `${tonText(status.confirming)}, paid by the last reading`],
            ['claimed', tonText(status.claimed)],
            ['jobs', `${jobs.open} open, ${jobs.ending} ending, ${jobs.ended} ended; ${status.running} queries run`],
            ...(status.unreadable > 0 ? [['unreadable', `${status.unreadable} messages of the provider`] as Row] : []),
        ]),
        ...alerts.flatMap(({ severity, message, remedy, since }) => [
            `! ${severity}: ${message} (since ${timeOf(since)})`,
            `  → ${remedy}`,
        ]),
        ...cases.map(
            ({ class: faultClass, dispute, number, answerBy }) =>
                `case ${faultClass} of query ${number}, answer ${answerBy === 0 ? 'soon' : `by ${timeOf(answerBy)}`}: ${account(dispute)}`,
        ),
        ...loadLines(status),
        ...table(
            ['model', 'results', 'earned', 'claimed'],
            status.models.map((row) => [row.group, row.results, tonText(row.earned), tonText(row.claimed)]),
        ),
        ...table(
            ['client', 'results', 'earned', 'claimed'],
            status.clients.map((row) => [
                shortAccount(row.group),
                row.results,
                tonText(row.earned),
                tonText(row.claimed),
            ]),
        ),
        ...table(
            ['job', 'client', 'model', 'running', 'results', 'earned', 'unclaimed', 'confirming'],
            status.openJobs.map(({ job, client, model, running, results, ...money }) => [
                ...[job.slice(0, SHORT), shortAccount(client), model, running, results],
                ...[tonText(money.earned), tonText(money.unclaimed), tonText(money.confirming)],
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

const intakeText = ({ intake, state }: WireStatus): string =>
    `${intake}${state === 'stopped' ? ', also once it runs' : ''}: "cocoon worker resume" has it take new work`;

/** Backends and models as they work now; nothing of a worker that does not run. */
function loadLines({ state, load }: WireStatus): string[] {
    if (state !== 'serving') {
        return [];
    }
    return [
        ...table(
            ['backend', 'state', 'running', 'models'],
            load.backends.map(({ name, outage, running, maxParallel, models }) => [
                ...[
                    name,
                    outage === undefined ? 'ok' : (OUTAGES[outage.reason] ?? 'fails'),
                    `${running} of ${maxParallel}`,
                ],
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

/** A table after an empty line; nothing if it has no rows. */
function table(head: string[], body: (string | number)[][]): string[] {
    return body.length === 0 ? [] : ['', ...tableLines([head, ...body])];
}
