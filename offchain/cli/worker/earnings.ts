/** `cocoon worker earnings`. */
import { Address } from '@ton/core';
import { type Command, Option } from 'commander';
import { toWire, type Wire } from '../../link';
import { askWorker, earningsOnce, type WorkerParts } from '../../worker';
import { addressText } from '../../process/addresses';
import { readMoneyConfig } from '../../worker/config';
import { type EarningsGroup, earningsGroups, type EarningsRow } from '../../store/earnings';
import type { EarningsTotals } from '../../worker/earnings';
import type { WalletTotals } from '../../worker/walletLedger';
import { print, tonText } from '../output';
import { tableLines } from '../table';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

interface EarningsFlags extends ConfigFlags {
    by: EarningsGroup;
    csv?: boolean;
    estimate?: boolean;
}

export function addEarnings(worker: Command, parts: WorkerParts): void {
    worker
        .command('earnings')
        .description('what results brought by day (UTC), model or client, and how much of it is paid and claimed')
        .option(...CONFIG)
        .addOption(new Option('--by <group>', 'one row for each').choices(earningsGroups).default('day'))
        .addOption(new Option('--csv', 'print comma-separated values, amounts in nanoTON').conflicts('json'))
        .option('--estimate', 'add what a month at the pace of the last seven full days brings')
        .option(...JSON_OPTION)
        .action(async ({ config: path, by, csv = false, estimate = false, json = false }: EarningsFlags) => {
            const config = readMoneyConfig(path);
            const answer = await askWorker(config, 'GET', `/earnings/${by}`);
            const view = (answer ?? toWire(await earningsOnce(config, by, parts))) as WireView;
            if (csv) {
                console.log(csvOf(view));
            } else {
                const { estimate: pace, ...plain } = view;
                print({ json }, estimate ? view : plain, () => textOf(view, config, estimate ? [paceText(pace)] : []));
            }
        });
}

/** As JSON carries it. */
interface WireView {
    by: EarningsGroup;
    rows: Wire<EarningsRow>[];
    totals: Wire<EarningsTotals>;
    estimate: { days: number; perDay: string; perMonth: string } | null;
    wallet: Wire<WalletTotals> | null;
    unread: string | null;
}

const COLUMNS = ['results', 'prompt', 'cached', 'completion', 'reasoning', 'earned', 'claimed'] as const;

const SUMS = ['earned', 'promised', 'unpaid', 'prepaid', 'claimed', 'confirming', 'unclaimed', 'lost'] as const;

const WALLET = [
    ['fromChannels', 'from channels'],
    ['toChannels', 'sent with claims'],
    ['received', 'received'],
    ['sent', 'sent'],
    ['swept', 'swept'],
    ['fees', 'fees'],
    ['balance', 'balance'],
    ['claimCosts', 'claims cost in all'],
] as const;

/** Rows and no totals, so that a column adds up to the total. Names of models are quoted. */
function csvOf({ by, rows }: WireView): string {
    const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = rows.map((row) => [quoted(row.group), ...COLUMNS.map((column) => row[column])].join(','));
    return [[by, ...COLUMNS].join(','), ...lines].join('\n');
}

function textOf({ by, rows, totals, wallet, unread }: WireView, network: { network: number }, more: string[]): string {
    const nameOf = (group: string) => (Address.isRaw(group) ? addressText(Address.parse(group), network) : group);
    const cells = (row: Wire<Omit<EarningsRow, 'group'>>): string[] =>
        COLUMNS.map((column) =>
            column === 'earned' || column === 'claimed' ? tonText(row[column]) : `${row[column]}`,
        );
    const table = [
        [by, ...COLUMNS],
        ...rows.map((row) => [nameOf(row.group), ...cells(row)]),
        ['total', ...cells(totals)],
    ];
    const amounts = [
        ...SUMS.map((name) => [name, totals[name]]),
        ...(wallet === null ? [] : WALLET.map(([name, text]) => [`wallet, ${text}`, wallet[name]])),
    ].map(([name, amount]) => `${name}: ${tonText(amount)}`);
    return [
        ...tableLines(table, { numeric: true }),
        '',
        ...amounts,
        ...walletNote(wallet !== null, unread),
        ...more,
    ].join('\n');
}

/** What the lines of the wallet do not show. */
function walletNote(isStored: boolean, unread: string | null): string[] {
    if (unread !== null) {
        const note = isStored ? 'the amounts above are as of the last reading' : 'its amounts are not known';
        return [`wallet: not read now, ${note}: ${unread}`];
    }
    return isStored ? [] : ['wallet: no transactions yet'];
}

function paceText(pace: WireView['estimate']): string {
    return pace === null
        ? 'estimate: after the first full day (UTC)'
        : `estimate: ${tonText(pace.perDay)} a day, ${tonText(pace.perMonth)} in 30 days, as in the last ${pace.days} days`;
}
