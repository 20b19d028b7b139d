/**
 * `npm run bench:index`: how fast the indexer reads a history, and how much memory it needs. The histories are made,
 * not run, because contracts in a sandbox would take longer than the indexer.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { wholeNumberOf } from '../tests/soak/report';
import { exportLines, hashedExport } from '../offchain/indexer/export';
import { Indexer } from '../offchain/indexer/indexer';
import { openIndex } from '../offchain/indexer/open';
import { readView } from '../offchain/indexer/view';
import { SyntheticMarket } from './indexer/synthetic';

const USAGE = `npm run bench:index -- [--transactions N] [--json]
  --transactions N  of the history, at least; 100,000 unless given
  --json            one JSON object`;

const NODES = 300;
const CLIENTS = 40;
const NETWORK = -239;
const MB = 1024 * 1024;

export interface IndexBenchmark {
    transactions: number;
    seconds: number; // of the first pass
    perSecond: number; // transactions
    calls: number; // of the first pass
    secondPass: { seconds: number; calls: number; added: number };
    exportSeconds: number;
    lines: number;
    hash: string;
    heapMb: number; // the highest heap of the passes and of the export, above that of the made histories
    fileMb: number;
    claimed: bigint; // nanoTON, by the index
    claimedByRecount: bigint;
}

/** Makes a market of at least so many transactions, and reads it. */
export async function measureIndex(transactions: number): Promise<IndexBenchmark> {
    const market = await SyntheticMarket.create();
    const { chain, registry } = market;
    for (let number = 0; number < NODES; number++) {
        market.list(number, BigInt(100 + number));
    }
    for (let client = 0; client < CLIENTS; client++) {
        market.announce(100 + client);
    }
    let claimedByRecount = 0n;
    for (let order = 0; chain.size < transactions; order++) {
        claimedByRecount += await market.serve(100 + (order % CLIENTS), BigInt(1_000_000 + order));
    }
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-index-'));
    const store = await openIndex(join(folder, 'index.db'));
    const heap = new Heap();
    try {
        const indexer = new Indexer({
            ...{ source: chain, store, registry, network: NETWORK },
            limits: { slowSeconds: Infinity }, // all in one pass
        });
        const [first, seconds] = await timed(() => indexer.pass());
        market.list(NODES, 7n);
        const [second, secondSeconds] = await timed(() => indexer.pass());
        const lines = exportLines(store, { registry, network: NETWORK });
        const [{ hash, lines: count }, exportSeconds] = await timed(() => hashedExport(lines, () => undefined));
        const { totals } = await readView(store, { registry, network: NETWORK });
        return {
            ...{ transactions: first.added, seconds, perSecond: Math.round(first.added / seconds), calls: first.calls },
            secondPass: { seconds: secondSeconds, calls: second.calls, added: second.added },
            ...{ exportSeconds, lines: count, hash, heapMb: heap.stop() },
            fileMb: Math.round(statSync(join(folder, 'index.db')).size / MB),
            ...{ claimed: totals.claimed, claimedByRecount },
        };
    } finally {
        heap.stop();
        await store.close();
        rmSync(folder, { recursive: true });
    }
}

/** Looks at the heap now and then. */
class Heap {
    private readonly base = process.memoryUsage().heapUsed;
    private max = 0;
    private readonly timer = setInterval(() => {
        this.max = Math.max(this.max, process.memoryUsage().heapUsed);
    }, 20);

    /** MB above the beginning. */
    stop(): number {
        clearInterval(this.timer);
        return Math.max(0, Math.round((this.max - this.base) / MB));
    }
}

async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
    const begin = performance.now();
    const result = await run();
    return [result, Math.round((performance.now() - begin) / 10) / 100];
}

async function main(): Promise<void> {
    const flag = { type: 'boolean', default: false } as const;
    const { values } = parseArgs({
        options: { transactions: { type: 'string', default: '100000' }, json: flag, help: flag },
    });
    if (values.help) {
        console.log(USAGE);
        return;
    }
    const result = await measureIndex(wholeNumberOf('transactions', values.transactions, 1));
    const { secondPass, ...rest } = result;
    const flat = { ...rest, secondPassSeconds: secondPass.seconds, secondPassCalls: secondPass.calls };
    console.log(
        values.json
            ? JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
            : Object.entries(flat)
                  .map(([name, value]) => `${name}: ${value}`)
                  .join('\n'),
    );
}

if (require.main === module) {
    main().catch((error: unknown) => {
        console.error(`bench:index: ${(error as Error).message}`);
        process.exitCode = 1;
    });
}
