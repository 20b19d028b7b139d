// Longer than 350 lines because all kills of a worker are judged by one evidence.
import { freePort } from '../../../demo/ports';
import { answerRoot, contentHash, Finish, Reason, type SignedVoucher } from '@cocoon-market/wrappers';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { paths, RecordType } from '../../../offchain/link';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { program } from '../../../tooling/programs';
import type { FakeChain } from '../support/chain';
import { type Answer, type Sealed, TestClient } from '../support/client';
import { until } from '../support/until';
import { PostgresServer } from '../support/postgres';
import { type Fixture, startFixture, TOKEN } from '../support/worker';

const STEP = 400n * TOKEN;
/** `npm run test:crash` takes 200. */
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 5);
const CEILING = 20_000_000n;
const NAMES = ['accept', 'answer', 'result', 'decline', 'fail'];

/** Every receipt that ever reached the client, by query and kind: one that comes twice must be the same bytes. */
class Evidence {
    private readonly seen = new Map<string, string>();
    readonly vouchers: SignedVoucher[] = []; // acknowledged
    readonly contradictions: unknown[] = [];

    take(query: Sealed, answer: Answer): void {
        try {
            this.compare(query, answer);
        } catch (error) {
            this.contradictions.push(error);
            throw error;
        }
    }

    private compare(query: Sealed, answer: Answer): void {
        for (const [type, receipt] of answer.receipts) {
            const name = `${query.head.number} ${NAMES[type - 1]}`;
            const hex = receipt.toString('hex');
            expect([name, this.seen.get(name) ?? hex]).toEqual([name, hex]);
            this.seen.set(name, hex);
        }
        const ends = [...this.seen.keys()].filter(
            (name) => /result|fail|decline/.test(name) && name.startsWith(`${query.head.number} `),
        );
        expect(ends.length).toBeLessThanOrEqual(1);
    }
}

/** What befalls a worker besides its own kills. */
interface Disturbance {
    env?: Record<string, string>;
    /** Whether something else is killed in this round. */
    isOthers?: (round: number) => boolean;
    /** Called in such a round once the worker listens. */
    listening?: (round: number) => void;
    /** Called after each round, when the worker has ended. */
    ended?: () => Promise<void>;
}

/** A job with two accepted queries without an end, the first with stored bytes, and no worker. */
async function withTwoOpen(fixture: Fixture) {
    const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
    const [kept, nothing] = [client.seal(1, 'one'), client.seal(2, 'two')];
    await fixture.worker.close();
    const store = await SqliteWorkerStore.open(join(fixture.folder, 'worker.db'));
    const bytes = Buffer.from('what was on the disk');
    for (const { head, hash: request } of [kept, nothing]) {
        const query = { job: client.job, number: head.number, request, ceiling: CEILING, promptEstimate: 10 };
        await store.queries.accept({ ...query, accept: Buffer.alloc(148) });
    }
    const counts = { prompt: 0, cached: 0, completion: 9, reasoning: 1 };
    await store.queries.append({ job: client.job, number: 1, bytes, counts, promptKnown: false });
    await store.close();
    return { client, kept, nothing, bytes };
}

describe('a worker that was killed', () => {
    let fixture: Fixture | undefined;
    const children: Child[] = [];

    afterEach(async () => {
        children.splice(0).forEach((child) => child.process.kill('SIGKILL'));
        await fixture?.stop();
        fixture = undefined;
    });

    it('rule 13: gives at its start every query without an end a result over what is stored, or a fail', async () => {
        fixture = await startFixture();
        const { client, kept, nothing, bytes } = await withTwoOpen(fixture);

        client.url = (await fixture.restart()).url;

        expect((await client.state()).results).toEqual({ index: 1, cumulative: (21n * TOKEN).toString() });
        const stored = await fetchReceipts(client, 1);
        expect(stored.result).toMatchObject({
            finish: Finish.CutByWorker,
            index: 1,
            prompt: 10,
            completion: 9,
            reasoning: 1,
        });
        expect(stored.result!.content).toEqual(contentHash(kept.hash, answerRoot(bytes)));
        expect((await fetchReceipts(client, 2)).fail).toMatchObject({ reason: Reason.Stopped, request: nothing.hash });
    });

    it('is killed by this test once it listens, and not among the ends that its recovery writes', async () => {
        fixture = await startFixture();
        const { client } = await withTwoOpen(fixture);

        const child = await start(fixture.folder, client, 4); // as many steps as those ends are

        children.push(child);
        client.url = child.url;
        expect((await client.state()).results.index).toBe(1);
    });

    it('in the midst of its recovery ends every query once, in the next start', async () => {
        fixture = await startFixture();
        const { client } = await withTwoOpen(fixture);
        // Two ends have four steps: the third is after the first commit at the earliest.
        await expect(start(fixture.folder, client, 3, { from: 'start' })).rejects.toThrow(
            'before it listened: SIGKILL',
        );

        const child = await start(fixture.folder, client, 0);

        children.push(child);
        client.url = child.url;
        expect((await client.state()).results).toMatchObject({ index: 1 });
        expect((await fetchReceipts(client, 2)).fail).toBeDefined();
    });

    it('loses no voucher that it acknowledged and signs nothing twice, wherever it is killed', async () => {
        await survive({});
    }, 1_200_000); // a process a round, however busy the machine

    it('loses nothing either with its store in PostgreSQL, when worker or database are killed', async () => {
        const server = await PostgresServer.start();
        let killing: Promise<void> | undefined;
        try {
            await survive({
                env: { STORE: server.url() },
                isOthers: (round) => round % 2 === 1,
                listening(round) {
                    killing = new Promise((resolve) => setTimeout(resolve, 20 + ((round * 13) % 60))).then(() =>
                        server.end('SIGQUIT'),
                    );
                },
                async ended() {
                    await (killing && killing.then(() => server.run()));
                    killing = undefined;
                    // As after the seconds of the lease.
                    await server.query('UPDATE cocoon_worker.leases SET until = clock_timestamp()');
                },
            });
        } finally {
            await server.remove();
        }
    }, 1_200_000);

    it('is followed within 10 s by another process of its cluster, which loses nothing either', async () => {
        const server = await PostgresServer.start();
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-crash-'));
        const ports = [await freePort(), await freePort()];
        try {
            fixture = await startFixture();
            const client = new TestClient(fixture.worker.url, fixture.chain);
            await client.draft({ step: STEP });
            await client.open(10_000_000_000n);
            const evidence = new Evidence();
            const queries: Sealed[] = [];
            const run = async (round: number) => {
                const env = { STORE: server.url(), PORT: String(ports[round % 2]) };
                const child = await start(folder, client, 0, { env });
                children.push(child);
                return child;
            };
            let [owner, other] = [await run(0), await run(1)];
            for (let round = 1; round <= ROUNDS / 2; round++) {
                client.url = owner.url;
                await client.register();
                const target = evidence.vouchers.length + 1 + (round % 3);
                let isAnswered = false; // on a busy machine one voucher may pay for both queries
                const killing = until(() => isAnswered || evidence.vouchers.length >= target, 20_000).then(() =>
                    owner.process.kill('SIGKILL'),
                );
                await work(client, evidence, queries, round).catch(unlessConnection);
                isAnswered = true;
                await killing; // mostly in the middle of the answers
                await owner.ended;
                const killedAt = Date.now();
                client.url = other.url;
                const path = paths.job(client.job.toString('hex'));
                const codes = new Set<string | undefined>();
                await until(async () => {
                    const { status, body } = await client.get(path);
                    codes.add(body.error?.code);
                    return status === 200;
                }, 12_000);
                expect(Date.now() - killedAt).toBeLessThan(10_000);
                codes.delete(undefined);
                codes.delete('taking_over');
                expect([...codes]).toEqual(['other_process']); // until the lease of the owner ended
                [owner, other] = [other, await run(round + 1)];
            }
            await assertWhole(client, owner.url, evidence, queries);
        } finally {
            await server.remove();
            rmSync(folder, { recursive: true });
        }
    }, 3_600_000);

    async function survive({ env, isOthers = () => false, listening, ended }: Disturbance): Promise<void> {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-crash-'));
        fixture = await startFixture(); // only for its chain and node info, the children have their own
        const client = new TestClient(fixture.worker.url, fixture.chain);
        await client.draft({ step: STEP });
        await client.open(10_000_000_000n);
        const evidence = new Evidence();
        const queries: Sealed[] = [];
        let number = 0;
        let own = 0; // rounds in which the worker is to be killed
        let crashed = 0; // at their step, not afterwards by this test
        // On a busy machine the first kills may all come before a voucher.
        const isEnough = (round: number) => round >= ROUNDS && (evidence.vouchers.length > 0 || round >= 4 * ROUNDS);
        for (let round = 0; !isEnough(round); round++) {
            const others = isOthers(round);
            const child = await start(folder, client, others ? 0 : 4 + ((round * 17) % 140), { env });
            children.push(child);
            client.url = child.url;
            if (others) {
                listening?.(round);
            }
            await work(client, evidence, queries, ++number).catch(others ? () => undefined : unlessConnection);
            await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 200))]);
            crashed += child.process.signalCode === null || others ? 0 : 1;
            own += others ? 0 : 1;
            child.process.kill('SIGKILL');
            await child.ended;
            await ended?.();
        }
        expect(crashed).toBeGreaterThanOrEqual(0.75 * own);

        const last = await start(folder, client, 0, { env });
        children.push(last);
        await assertWhole(client, last.url, evidence, queries);
        last.process.kill('SIGKILL');
        await last.ended;
        rmSync(folder, { recursive: true });
    }

    /** No acknowledged voucher is lost, and each query has one ending at most. */
    async function assertWhole(client: TestClient, url: string, evidence: Evidence, queries: Sealed[]): Promise<void> {
        client.url = url;
        const state = await client.state();
        const newest = evidence.vouchers.reduce((max, { cumulative }) => (cumulative > max ? cumulative : max), 0n);
        expect(BigInt(state.voucher!.cumulative)).toBeGreaterThanOrEqual(newest);
        expect(newest).toBeGreaterThan(0n);
        const indexes: number[] = [];
        for (const query of queries) {
            const answer = await client.fetch(query);
            evidence.take(query, answer);
            if (answer.result !== undefined) {
                indexes.push(answer.result.index);
                expect(answer.result.content).toEqual(contentHash(query.hash, answerRoot(answer.bytes)));
            }
        }
        expect(indexes.sort((a, b) => a - b)).toEqual(indexes.map((_, i) => i + 1));
        expect(state.results.index).toBe(indexes.length);
        expect(evidence.contradictions).toEqual([]);
    }
});

/** Registers, then asks twice at once and pays, noting every receipt and every acknowledged voucher. */
async function work(client: TestClient, evidence: Evidence, queries: Sealed[], round: number): Promise<void> {
    const pay = client.pay.bind(client);
    client.pay = async (voucher) => {
        const signed = voucher ?? client.voucher(client.owed(), client.count());
        const answer = await pay(signed);
        if (answer.status === 200) {
            evidence.vouchers.push(signed);
        }
        return answer;
    };
    try {
        const { status } = await client.register();
        expect(status).toBe(200);
        // Of the round before; all others are fetched at the end.
        for (const query of queries.slice(-2)) {
            evidence.take(query, await client.fetch(query));
        }
        // As a gateway does after a break: a worker asks its model nothing for a client who owes too much.
        if (client.owed() > (client.newest?.cumulative ?? 0n)) {
            await client.pay();
        }
        const asked = [2 * round - 1, 2 * round].map((number) => client.seal(number, 'one', { ceiling: CEILING }));
        queries.push(...asked);
        const answers = await Promise.all(asked.map((query) => client.send(query).catch(unlessConnection)));
        answers.forEach((answer, i) => answer && evidence.take(asked[i], answer));
    } finally {
        client.pay = pay;
    }
}

/** Lets pass that a connection ended with the worker, and nothing else. */
function unlessConnection(error: unknown): undefined {
    if ((error as { code?: unknown }).code === undefined) {
        throw error;
    }
    return undefined;
}

async function fetchReceipts(client: TestClient, number: number): Promise<Answer> {
    const response = await request(`${client.url}/v1/jobs/${client.job.toString('hex')}/queries/${number}`);
    const whole = Buffer.from(await response.body.arrayBuffer());
    const answer = { receipts: new Map<RecordType, Buffer>() } as Answer;
    for (let at = 0; at < whole.length; at += 5 + whole.readUInt32BE(at + 1)) {
        answer.receipts.set(whole.readUInt8(at), whole.subarray(at + 5, at + 5 + whole.readUInt32BE(at + 1)));
    }
    answer.receipts.delete(RecordType.Accept); // not a real one here
    return client.opened(answer);
}

interface Child {
    process: ChildProcess;
    url: string;
    ended: Promise<unknown>;
}

/** `crashAt`: the step at which it is killed, counted from its start or from when it listens; 0 for none. */
async function start(
    folder: string,
    client: TestClient,
    crashAt: number,
    { from = 'listening', env: more }: { from?: 'start' | 'listening'; env?: Record<string, string> | undefined } = {},
): Promise<Child> {
    const account = (client.chain as FakeChain).accounts.get(client.channel.toRawString())!;
    const channel = {
        address: client.channel.toRawString(),
        code: account.code!.toBoc().toString('base64'),
        data: account.data!.toBoc().toString('base64'),
        balance: account.balance.toString(),
    };
    const env = {
        ...process.env,
        ...more,
        FOLDER: folder,
        CHANNELS: JSON.stringify([channel]),
        [from === 'start' ? 'CRASH_IN_START' : 'CRASH_AT']: String(crashAt),
    };
    const child = spawn(process.execPath, [program('crashingWorker')], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    const url = await new Promise<string>((resolve, reject) => {
        let text = '';
        child.stdout.on('data', (chunk: Buffer) => {
            text += chunk.toString();
            if (text.includes('\n')) {
                resolve(text.trim());
            }
        });
        child.once('exit', (code, signal) =>
            reject(new Error(`The worker ended before it listened: ${signal ?? `exit code ${code}`}`)),
        );
    });
    return { process: child, url, ended };
}
