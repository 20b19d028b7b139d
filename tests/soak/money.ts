/** What the workers say of their money at the end, and whether the chain shows the same to the nanoTON. */
import type { LoggedTransaction } from '@cocoon-market/localnet';
import { runCocoon } from '../../demo/processes';
import { earningsGroups } from '../../offchain/store/earnings';
import { until } from './settle';
import type { SoakWorker, World } from './world';

/** The tables of `cocoon worker earnings` of one worker: each as CSV by group, and the totals. Amounts are nanoTON. */
export interface MoneyReport {
    csv: Record<string, CsvSums>;
    totals: Record<string, string>;
    wallet: Record<string, string>;
}

interface CsvSums {
    results: bigint;
    earned: bigint;
    claimed: bigint;
}

/** Asks both workers, once they have nothing left to confirm. */
export async function readMoney({ workers }: World): Promise<Map<SoakWorker, MoneyReport>> {
    const reports = new Map<SoakWorker, MoneyReport>();
    for (const worker of workers) {
        const command = ['worker', 'earnings', '--config', worker.processes[0].config];
        const view = async () => JSON.parse(await runCocoon([...command, '--json'])) as Omit<MoneyReport, 'csv'>;
        await until(async () => (await view()).totals.confirming === '0');
        const csv: MoneyReport['csv'] = {};
        for (const group of earningsGroups) {
            csv[group] = sumsOf(await runCocoon([...command, '--by', group, '--csv']));
        }
        const { totals, wallet } = await view();
        reports.set(worker, { csv, totals, wallet });
    }
    return reports;
}

function sumsOf(csv: string): CsvSums {
    const [head, ...rows] = csv
        .trimEnd()
        .split('\n')
        .map((line) => line.split(','));
    const sum = (name: string) => rows.reduce((total, row) => total + BigInt(row[head.indexOf(name)]), 0n);
    return { results: sum('results'), earned: sum('earned'), claimed: sum('claimed') };
}

/** What the store and the chain say of a worker, nanoTON. */
export interface ChainMoney {
    results: number;
    earned: bigint;
    paid: bigint; // by channels
    balance: bigint; // of the worker's wallet
}

/** The breaches between a worker's report and what store and chain say. */
export function compareMoney(
    { seller }: SoakWorker,
    { csv, totals, wallet }: MoneyReport,
    chain: ChainMoney,
    transactions: readonly LoggedTransaction[],
): string[] {
    const name = seller.folder.split('/').at(-1)!;
    const swept = sentBetween(transactions, seller.hot.address.toRawString(), seller.owner.address.toRawString());
    const pairs: [string, bigint, bigint][] = Object.entries(csv).flatMap(
        ([group, sums]): [string, bigint, bigint][] => [
            [`results by ${group}`, sums.results, BigInt(chain.results)],
            [`earned by ${group}`, sums.earned, chain.earned],
            [`claimed by ${group}`, sums.claimed, chain.paid],
        ],
    );
    pairs.push(
        ['earned in all', BigInt(totals.earned), chain.earned],
        ['claimed in all', BigInt(totals.claimed), chain.paid],
        ['balance', BigInt(wallet.balance), chain.balance],
        ['swept', BigInt(wallet.swept), swept],
    );
    return pairs.flatMap(([what, said, shown]) =>
        said === shown ? [] : [`${name}: ${what} is ${said}, and ${shown} by store and chain`],
    );
}

/** nanoTON that one account has sent to another. */
export function sentBetween(transactions: readonly LoggedTransaction[], from: string, to: string): bigint {
    return transactions
        .filter(({ account, inMessage }) => account === to && inMessage?.source === from)
        .reduce((sum, { inMessage }) => sum + inMessage!.value, 0n);
}
