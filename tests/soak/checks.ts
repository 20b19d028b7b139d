/** What must hold at the end of a soak: between what was on the wire, both stores, the metrics and the chain. */
import { formatTon } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { request } from 'undici';
import { isConserved, paidBy } from '../../demo/ledger';
import { askGateway } from '../../offchain/cli/gatewayClient';
import { receiptId } from '../../offchain/gateway/receipts';
import { compareMoney, type MoneyReport } from './money';
import type { Answered, LoadReport } from './load';
import { WireLog } from './recorder';
import { type GatewayRows, readGatewayStore, readWorkerStore, type WorkerJobRow } from './stores';
import type { SoakWorker, World } from './world';

/** nanoTON that a worker may leave with a client, because a claim would cost as much. */
const MAX_WAIVED = 2_000_000n;

/** One check: what holds, and what contradicts it. */
export interface Check {
    name: string;
    breaches: string[];
}

/** Adds the breaches that it returns to a check. */
const check = async (name: string, breaches: () => Promise<string[]> | string[]): Promise<Check> => {
    try {
        return { name, breaches: await breaches() };
    } catch (error) {
        return { name, breaches: [`it could not be checked: ${(error as Error).message}`] };
    }
};

/** The checks that ask the running processes. */
export async function checkRunning(world: World): Promise<Check[]> {
    return [
        await check("the receipts in the gateway's store prove no fault", async () => {
            const found = (await askGateway(world.gateways[0].url, 'GET', '/admin/evidence')) as Fault[];
            return found.filter((fault) => fault.class !== 'B1').map((fault) => `${fault.class}: ${fault.reason}`);
        }),
    ];
}

interface Fault {
    class: string;
    reason: string;
}

/** What Prometheus reads of each process of the workers, at the end. */
export async function scrapeWorkers({ workers }: World): Promise<Map<SoakWorker, Map<string, number>[]>> {
    const scraped = workers.map(async (worker) => {
        const all = worker.processes.map(({ metricsUrl }) => scrape(metricsUrl));
        return [worker, await Promise.all(all)] as const;
    });
    return new Map(await Promise.all(scraped));
}

async function scrape(url: string): Promise<Map<string, number>> {
    const { body } = await request(url);
    const lines = (await body.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

/** The checks of what is left when all processes but the endpoint have ended. */
export async function checkStores(
    world: World,
    metrics: Map<SoakWorker, Map<string, number>[]>,
    { load, answers, money }: { load: LoadReport; answers: readonly Answered[]; money: Map<SoakWorker, MoneyReport> },
): Promise<Check[]> {
    const { wire, workers, network, stage } = world;
    const transactions = await network.transactions();
    const readings = workers.map(async (worker) => ({ worker, ...(await readWorkerStore(worker.store)) }));
    const states = await Promise.all(readings);
    const client = await readGatewayStore(world.gatewayStore);
    const balanceOf = (address: Address) => stage.balanceOf(address);
    const paid = new Map<string, bigint>(); // nanoTON that channels have paid, by job (hex)
    for (const { worker, jobs } of states) {
        for (const { id, channel } of jobs) {
            paid.set(id, paidBy(transactions, channel, worker.seller.hot.address));
        }
    }
    const jobs = states.flatMap((state) => state.jobs);
    const onWire = wire.promised;
    states.forEach(({ receipts }) => receipts.forEach(([type, bytes]) => wire.addReceipt(type, bytes)));
    client.receipts.forEach(([type, bytes]) => wire.addReceipt(type, bytes));
    return [
        await check('nothing was signed twice, and nothing stated was taken back', () => wire.breaches),
        await check('no voucher was lost that a worker had acknowledged', () => lostVouchers(wire.acknowledged, jobs)),
        await check('workers have stored every receipt that was on the wire', () => {
            const stored = new WireLog();
            states.forEach(({ receipts }) => receipts.forEach(([type, bytes]) => stored.addReceipt(type, bytes)));
            const names = stored.promised;
            return [...onWire.keys()].flatMap((name) => (names.has(name) ? [] : [`${name} is in no store`]));
        }),
        await check('every result has one index and one price', () => jobs.flatMap(brokenSums)),
        await check('every query was billed once: store, usage, and what apps were told', () =>
            billingFaults(client, answers),
        ),
        await check('every channel is closed', async () => {
            const channels = [...new Set([...jobs, ...client.jobs].map(({ channel }) => channel.toRawString()))];
            const open: string[] = [];
            for (const raw of channels) {
                const { state, balance } = await stage.chain.account(Address.parseRaw(raw));
                if (state !== 'uninitialized' || balance !== 0n) {
                    open.push(`${raw} is ${state} with ${balance} nanoTON`);
                }
            }
            return open;
        }),
        await check('channels paid what the vouchers say, except what costs more than a claim', () =>
            jobs.flatMap(({ id, voucher }) => {
                const rest = voucher - paid.get(id)!;
                return rest < 0n || rest > MAX_WAIVED
                    ? [`job ${id}: a voucher over ${voucher}, ${paid.get(id)} paid`]
                    : [];
            }),
        ),
        await check("no worker has a voucher or a result that the client's side contradicts", () =>
            jobs.flatMap(({ id, voucher, cumulative }) => {
                const own = client.jobs.find((job) => job.id === id);
                return own === undefined || own.voucher < voucher || voucher > cumulative
                    ? [`job ${id}: signed ${own?.voucher}, stored ${voucher}, results ${cumulative}`]
                    : [];
            }),
        ),
        await check('every query of a worker has an end', () =>
            states.flatMap(({ unended, worker }) => (unended === 0 ? [] : [`${unended} at ${worker.seller.folder}`])),
        ),
        await check('no nanoTON was lost or made', async () =>
            (await isConserved(transactions, balanceOf)) ? [] : ['accounts and fees are not what the faucet gave'],
        ),
        await check('answers cost the apps no more than the jobs', () => {
            const owed = jobs.reduce((sum, { cumulative }) => sum + cumulative, 0n);
            return load.cost > owed ? [`apps were told ${load.cost}, all results together are ${owed}`] : [];
        }),
        await check('earnings, claims, sweeps and wallets are what the chain shows, to the nanoTON', async () => {
            const breaches: string[] = [];
            for (const { worker, jobs: own } of states) {
                const chain = {
                    results: own.reduce((sum, { index }) => sum + index, 0),
                    earned: own.reduce((sum, { cumulative }) => sum + cumulative, 0n),
                    paid: own.reduce((sum, { id }) => sum + paid.get(id)!, 0n),
                    balance: await balanceOf(worker.seller.hot.address),
                };
                breaches.push(...compareMoney(worker, money.get(worker)!, chain, transactions));
            }
            return breaches;
        }),
        await check('the metrics of the workers are what their stores say', () =>
            states.flatMap(({ worker, jobs: own }) => {
                const sum = (values: bigint[]) => values.reduce((total, value) => total + value, 0n);
                const expected: [string, number][] = [
                    ['cocoon_worker_earned_ton', Number(formatTon(sum(own.map(({ cumulative }) => cumulative))))],
                    ['cocoon_worker_claimed_ton', Number(formatTon(sum(own.map(({ id }) => paid.get(id)!))))],
                    ['cocoon_worker_results_stored', own.reduce((total, { index }) => total + index, 0)],
                    ...['open', 'ending', 'ended'].map((stage): [string, number] => [
                        `cocoon_worker_jobs{stage="${stage}"}`,
                        own.filter(({ state }) => state === stage).length,
                    ]),
                ];
                return metrics
                    .get(worker)!
                    .flatMap((metric) =>
                        expected.flatMap(([name, value]) =>
                            metric.get(name) === value
                                ? []
                                : [`${name} is ${metric.get(name)}, the store says ${value}`],
                        ),
                    );
            }),
        ),
    ];
}

/** Acknowledged vouchers (nanoTON by job) that a store does not have. */
export function lostVouchers(acknowledged: ReadonlyMap<string, bigint>, jobs: readonly StoredVoucher[]): string[] {
    const stored = new Map(jobs.map(({ id, voucher }) => [id, voucher]));
    return [...acknowledged].flatMap(([id, cumulative]) =>
        (stored.get(id) ?? -1n) < cumulative
            ? [`job ${id} had acknowledged ${cumulative}, and has ${stored.get(id)}`]
            : [],
    );
}

/** What a job's results contradict: each index once, each cumulative amount the sum of the prices so far. */
function brokenSums({ id, index, cumulative, results }: WorkerJobRow): string[] {
    let sum = 0n;
    const broken = results.flatMap((result, i) => {
        sum += result.price;
        return result.index === i + 1 && result.cumulative === sum
            ? []
            : [`job ${id}: result ${i + 1} has index ${result.index} and ${result.cumulative} instead of ${sum}`];
    });
    return index === results.length && cumulative === sum
        ? broken
        : [...broken, `job ${id}: ${results.length} results over ${sum}, it says ${index} over ${cumulative}`];
}

/** What the gateway's store, its usage and the answers of the apps contradict. */
function billingFaults({ queries, usage }: GatewayRows, answers: readonly Answered[]): string[] {
    const breaches: string[] = [];
    const results = new Map(queries.filter(({ phase }) => phase === 'result').map((row) => [nameOf(row), row]));
    const indexes = new Set([...results.values()].map(({ job, index }) => `${job} ${index}`));
    if (indexes.size !== results.size) {
        breaches.push(`${results.size} results have ${indexes.size} indexes`);
    }
    const billed = new Set<string>();
    for (const { receipt, cost } of answers) {
        const price = results.get(receipt)?.price;
        if (price !== cost || billed.has(receipt)) {
            breaches.push(`an app was told that ${receipt} costs ${cost}, the store says ${price}`);
        }
        billed.add(receipt);
    }
    // A query without a result may have cost what its meters said, never more than its ceiling.
    const others = queries.filter(({ phase }) => phase !== 'result' && phase !== 'open');
    const sum = (all: Iterable<bigint>) => [...all].reduce((total, each) => total + each, 0n);
    const price = sum([...results.values()].map((row) => row.price));
    const most = price + sum(others.map(({ ceiling }) => ceiling));
    if (usage.cost < price || usage.cost > most) {
        breaches.push(`results cost ${price}, at most ${most} with all others, and the usage is ${usage.cost}`);
    }
    if (usage.queries < results.size || usage.queries > results.size + others.length) {
        breaches.push(`${results.size} results and ${others.length} others, and the usage has ${usage.queries}`);
    }
    return breaches;
}

const nameOf = ({ job, number }: { job: number; number: number }) => receiptId(job, number);

interface StoredVoucher {
    id: string; // of the job, hex
    voucher: bigint;
}
