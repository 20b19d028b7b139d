/** What must hold at the end of a soak: between what was on the wire, both stores, the metrics and the chain. */
import { formatTon } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import Sqlite from 'better-sqlite3';
import { request } from 'undici';
import { isConserved, paidBy } from '../../demo/ledger';
import { askGateway } from '../../offchain/cli/gatewayClient';
import { RecordType } from '../../offchain/link';
import { amountFromBytes } from '../../offchain/store/database';
import { compareMoney, type MoneyReport } from './money';
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
            const found = (await askGateway(world.gatewayUrl, 'GET', '/admin/evidence')) as Fault[];
            return found.filter((fault) => fault.class !== 'B1').map((fault) => `${fault.class}: ${fault.reason}`);
        }),
    ];
}

interface Fault {
    class: string;
    reason: string;
}

/** What Prometheus reads of each worker, at the end. */
export async function scrapeWorkers({ workers }: World): Promise<Map<SoakWorker, Map<string, number>>> {
    const scraped = workers.map(async (worker) => [worker, await scrape(worker.metricsUrl)] as const);
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
    metrics: Map<SoakWorker, Map<string, number>>,
    { load, money }: { load: { cost: bigint }; money: Map<SoakWorker, MoneyReport> },
): Promise<Check[]> {
    const { wire, workers, network, stage } = world;
    const transactions = await network.transactions();
    const states = workers.map((worker) => ({ worker, ...readWorkerStore(worker.store) }));
    const client = readGatewayStore(world.gatewayStore);
    const balanceOf = (address: Address) => stage.balanceOf(address);
    const paid = new Map<string, bigint>(); // nanoTON that channels have paid, by job (hex)
    for (const { worker, jobs } of states) {
        for (const { id, channel } of jobs) {
            paid.set(id, paidBy(transactions, channel, worker.seller.hot.address));
        }
    }
    const jobs = states.flatMap((state) => state.jobs);
    states.forEach(({ receipts }) => receipts.forEach(([type, bytes]) => wire.addReceipt(type, bytes)));
    client.receipts.forEach(([type, bytes]) => wire.addReceipt(type, bytes));
    return [
        await check('nothing was signed twice, and nothing stated was taken back', () => wire.breaches),
        await check('no voucher was lost that a worker had acknowledged', () => {
            const stored = new Map(jobs.map(({ id, voucher }) => [id, voucher]));
            return [...wire.acknowledged].flatMap(([id, cumulative]) =>
                (stored.get(id) ?? -1n) < cumulative
                    ? [`job ${id} had acknowledged ${cumulative}, and has ${stored.get(id)}`]
                    : [],
            );
        }),
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
                const shown = metrics.get(worker)!;
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
                return expected.flatMap(([name, value]) =>
                    shown.get(name) === value ? [] : [`${name} is ${shown.get(name)}, the store says ${value}`],
                );
            }),
        ),
    ];
}

type ReceiptRow = [RecordType.Accept | RecordType.Result | RecordType.Decline | RecordType.Fail, Buffer];

const ENDS = { result: RecordType.Result, decline: RecordType.Decline, fail: RecordType.Fail } as const;

interface WorkerJobRow {
    id: string; // hex
    channel: Address;
    state: string;
    index: number;
    cumulative: bigint;
    voucher: bigint;
}

function readWorkerStore(path: string): { jobs: WorkerJobRow[]; receipts: ReceiptRow[]; unended: number } {
    const db = new Sqlite(path);
    try {
        const columns = 'job, channel, state, "index", cumulative, voucherCumulative';
        const jobs = db.prepare(`SELECT ${columns} FROM jobs`).all() as {
            job: Buffer;
            channel: Buffer;
            state: string;
            index: number;
            cumulative: Buffer;
            voucherCumulative: Buffer;
        }[];
        const queries = db.prepare('SELECT accept, endKind, endReceipt FROM queries').all() as {
            accept: Buffer | null;
            endKind: keyof typeof ENDS | null;
            endReceipt: Buffer | null;
        }[];
        return {
            jobs: jobs.map((row) => ({
                id: row.job.toString('hex'),
                channel: new Address(0, row.channel),
                state: row.state,
                index: row.index,
                cumulative: amountFromBytes(row.cumulative),
                voucher: amountFromBytes(row.voucherCumulative),
            })),
            receipts: queries.flatMap(({ accept, endKind, endReceipt }): ReceiptRow[] => [
                ...(accept === null ? [] : [[RecordType.Accept, accept] as ReceiptRow]),
                ...(endKind === null || endReceipt === null ? [] : [[ENDS[endKind], endReceipt] as ReceiptRow]),
            ]),
            unended: queries.filter(({ endKind }) => endKind === null).length,
        };
    } finally {
        db.close();
    }
}

interface ClientJobRow {
    id: string; // hex
    channel: Address;
    voucher: bigint;
}

function readGatewayStore(path: string): { jobs: ClientJobRow[]; receipts: ReceiptRow[] } {
    const db = new Sqlite(path);
    try {
        const jobs = db.prepare("SELECT hash, channel, cumulative FROM job WHERE phase != 'failed'").all() as {
            hash: Buffer;
            channel: Buffer;
            cumulative: Buffer | null;
        }[];
        const queries = db.prepare('SELECT phase, accept, receipt FROM query').all() as {
            phase: string;
            accept: Buffer | null;
            receipt: Buffer | null;
        }[];
        return {
            jobs: jobs.map(({ hash, channel, cumulative }) => ({
                id: hash.toString('hex'),
                channel: new Address(0, channel),
                voucher: cumulative === null ? 0n : amountFromBytes(cumulative),
            })),
            receipts: queries.flatMap(({ phase, accept, receipt }): ReceiptRow[] => [
                ...(accept === null ? [] : [[RecordType.Accept, accept] as ReceiptRow]),
                ...(receipt === null || !(phase in ENDS)
                    ? []
                    : [[ENDS[phase as keyof typeof ENDS], receipt] as ReceiptRow]),
            ]),
        };
    } finally {
        db.close();
    }
}
