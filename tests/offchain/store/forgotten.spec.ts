/** What a store forgets is on no disk any more: every file beside it is searched, byte by byte. */
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayStore, StoredQuery } from '../../../offchain/store/gateway';
import { type GatewaySchema, gatewayTables } from '../../../offchain/store/gatewayTables';
import { openSqlite } from '../../../offchain/store/sqliteEngine';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { SqlGatewayStore } from '../../../offchain/store/sqlGateway';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { newJob } from './conformance';

const MARK = 16; // bytes; any run of 31 bytes of a marked text holds it whole
const SIZES = [40, 300, 1900, 4000, 5000, 20_000, 90_000]; // bytes: in a page, over the end of one, over many
const QUERIES = 42;

let folder: string;
let path: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-forgotten-'));
    path = join(folder, 'store.db');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A text of the marker alone. */
function text(marker: Buffer, size: number): Buffer {
    return Buffer.alloc(size, marker);
}

/**
 * Which of the markers are in any file of the store's folder. Another process reads: this one would drop its own locks.
 */
function found(markers: Buffer[]): number[] {
    const bytes = readdirSync(folder).map((file) =>
        execFileSync('cat', [join(folder, file)], { maxBuffer: 1 << 30, encoding: 'buffer' }),
    );
    return markers.flatMap((marker, i) => (bytes.some((file) => file.includes(marker)) ? [i] : []));
}

const openWithoutStatements = async (file: string) =>
    new SqlGatewayStore(await openSqlite<GatewaySchema>(file, gatewayTables, {}));

const markersOf = (count: number) => Array.from({ length: count }, () => randomBytes(MARK));

describe('What a gateway forgets', () => {
    const query = (number: number, secret: Buffer): StoredQuery => ({
        ...{ job: 1, number, secret, salt: randomBytes(32), commitment: randomBytes(32), request: randomBytes(32) },
        ...{ ceiling: 1n, promptBound: 1, stopBound: 0, tokenizer: 'bytes', askedAt: number },
    });
    const end = (answer?: Buffer) => ({
        phase: 'result' as const,
        entry: { index: 1, price: 1n, cumulative: 1n },
        ...{ receipt: randomBytes(200), accept: randomBytes(150), ...(answer && { answer }) },
    });

    async function answered(store: GatewayStore, markers: { request: Buffer; answer: Buffer; secret: Buffer }[]) {
        await Promise.all(
            markers.map(async ({ request, answer, secret }, i) => {
                const size = SIZES[i % SIZES.length];
                const keep = { session: randomBytes(32), sealed: text(request, size) };
                await store.addQuery(query(i + 1, text(secret, 32)), keep);
                await store.endQuery(1, i + 1, end(text(answer, SIZES[(i + 3) % SIZES.length])));
            }),
        );
    }

    const kept = () =>
        Array.from({ length: QUERIES }, () => {
            const [request, answer, secret] = markersOf(3);
            return { request, answer, secret };
        });

    it('is in no file of its store: neither prompts, nor answers, nor the keys that open them', async () => {
        const store = await openGatewayStore(path);
        const markers = kept();
        await answered(store, markers);
        const all = markers.flatMap(({ request, answer, secret }) => [request, answer, secret]);
        expect(found(all)).toHaveLength(all.length);

        await store.forget(QUERIES / 2 + 1);

        expect(found(all)).toEqual(all.map((_, i) => i).slice(all.length / 2));
        await store.forget(QUERIES + 1);
        expect(found(all)).toEqual([]);
        await store.close();
        expect(found(all)).toEqual([]);
    });

    it('is gone also where rows came, ended and went in any order', async () => {
        const store = await openGatewayStore(path);
        const gone: Buffer[] = [];
        for (let round = 0; round < 4; round++) {
            const markers = markersOf(40);
            for (const [i, marker] of markers.entries()) {
                const number = round * 40 + i + 1;
                const sealed = text(marker, SIZES[(i * 5 + round) % (SIZES.length - 1)]);
                await store.addQuery(query(number, text(marker, 32)), { session: randomBytes(32), sealed });
            }
            for (const [i, marker] of markers.entries()) {
                const number = round * 40 + ((i * 17) % 40) + 1;
                await store.endQuery(1, number, i % 3 === 0 ? end() : end(text(marker, SIZES[(i + round) % 5])));
            }
            gone.push(...markers);
            await store.forget((round + 1) * 40 + 1);
            expect(found(gone)).toEqual([]);
        }
        await store.close();
    });

    it('without keepHours is the key of every query that ended', async () => {
        const store = await openGatewayStore(path);
        const secrets = markersOf(QUERIES);
        for (const [i, secret] of secrets.entries()) {
            await store.addQuery(query(i + 1, text(secret, 32)));
            await store.endQuery(1, i + 1, end());
        }

        await store.forget(0);

        expect(found(secrets)).toEqual([]);
        await store.close();
    });

    it.each([
        ['with the statements of a file', openGatewayStore],
        ['without them', openWithoutStatements],
    ])('is what was kept of a query that ended without an answer, in a store %s', async (_kind, open) => {
        const store = await open(path);
        const markers = markersOf(2);
        for (const [i, marker] of markers.entries()) {
            await store.addQuery(query(i + 1, randomBytes(32)), {
                session: randomBytes(32),
                sealed: text(marker, 300),
            });
        }
        await store.endQuery(1, 1, { phase: 'fail', receipt: randomBytes(150) });

        await store.forget(0);

        expect(found(markers)).toEqual([1]);
        await store.close();
    });

    it('is gone after the next start, when the process ended before it had cleaned its log', async () => {
        const store = await openGatewayStore(path);
        const secrets = markersOf(QUERIES);
        for (const [i, secret] of secrets.entries()) {
            await store.addQuery(query(i + 1, text(secret, 32)));
            await store.endQuery(1, i + 1, end());
        }
        const copy = join(folder, 'copy.db'); // as a killed process leaves it
        for (const part of ['', '-wal']) {
            execFileSync('cp', [path + part, copy + part]);
        }
        await store.close();
        expect(found(secrets)).not.toEqual([]);

        const again = await openGatewayStore(copy);

        expect(found(secrets)).toEqual([]);
        await again.close();
    });
});

describe('What a worker forgets', () => {
    it('is in no file of its store', async () => {
        const store = await SqliteWorkerStore.open(path);
        const counts = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
        const job = newJob();
        await store.jobs.add(job);
        const markers = markersOf(2 * QUERIES);
        for (let i = 0; i < QUERIES; i++) {
            const [piece, last] = markers.slice(2 * i);
            const named = { job: job.job, number: i + 1 };
            const asked = { request: randomBytes(32), ceiling: 1n, promptEstimate: 1, accept: randomBytes(150) };
            await store.queries.accept({ ...named, ...asked });
            await store.queries.append({
                ...named,
                bytes: text(piece, SIZES[i % SIZES.length]),
                counts,
                promptKnown: true,
            });
            const bytes = text(last, SIZES[(i + 2) % SIZES.length]);
            const ended = { kind: 'result' as const, bytes, counts, index: i + 1, cumulative: BigInt(i + 1) };
            const day = { finishedAt: 1000, model: 'some/model' };
            await store.queries.end({ ...named, ...ended, ...day, receipt: randomBytes(200) });
        }
        expect(found(markers)).toHaveLength(markers.length);
        await store.jobs.setState(job.job, 'ended', 1000);

        expect(await store.prune(1001)).toBe(1);

        expect(found(markers)).toEqual([]);
        await store.close();
    });
});
