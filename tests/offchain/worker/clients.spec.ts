import { randomBytes } from 'node:crypto';
import { ClientAccount } from '../../../offchain/worker/clients';
import type { Origin } from '../../../offchain/worker/origins';

const STEP = 100n;
const JOB = Buffer.alloc(32, 1);
const never = new AbortController().signal;

/** A client that has paid nothing and may have one query run. */
const newClient = () => new ClientAccount(1);
const paid = (client: ClientAccount, steps: bigint) => client.noteJob(JOB, { promised: steps * STEP, cumulative: 0n });

/** The names of the queries that have started, in that order. */
function starts(
    client: ClientAccount,
    names: string[],
    signal = never,
): { started: string[]; ended: Promise<boolean[]> } {
    const started: string[] = [];
    const all = names.map(async (name) => {
        const isStarted = await client.startInTime(STEP, 30, signal);
        started.push(...(isStarted ? [name] : []));
        return isStarted;
    });
    return { started, ended: Promise.all(all) };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('The credit of a client', () => {
    it('is kept from a job that has paid neither by what other jobs drop nor by what they owe', () => {
        const client = newClient();
        const other = randomBytes(32);
        paid(client, 2n);
        client.noteJob(other, { promised: 0n, cumulative: 0n });
        client.startNow(STEP, undefined, other);
        client.endQuery(STEP, 9n * STEP, other);
        client.noteJob(other, { promised: 0n, cumulative: 100n * STEP });

        expect(client.mayStart(STEP, other)).toBe(false);
        expect(client.mayStart(STEP)).toBe(false);
        expect([client.startNow(STEP, undefined, JOB), client.startNow(STEP, undefined, JOB)]).toEqual([true, true]);
        expect(client.mayStart(STEP, JOB)).toBe(false); // what it has paid itself, and not more
        client.endQuery(STEP, 0n, JOB);
        expect(client.mayStart(STEP, JOB)).toBe(true);
    });

    it('is for a job that drops more than a step no more than for all jobs', () => {
        const client = newClient();
        paid(client, 20n);
        client.noteJob(randomBytes(32), { promised: 0n, cumulative: 100n * STEP });
        client.startNow(STEP, undefined, JOB);
        client.endQuery(STEP, STEP + STEP / 10n, JOB);

        expect(client.mayStart(STEP, JOB)).toBe(false);
    });

    it('has a query start that its own job has paid for, before one of another job that waits', async () => {
        const client = newClient();
        const other = randomBytes(32);
        client.noteJob(other, { promised: 0n, cumulative: 100n * STEP });
        const waiting = client.startInTime(STEP, 0.1, never, undefined, other);
        paid(client, 1n);

        expect(await client.startInTime(STEP, 30, never, undefined, JOB)).toBe(true);
        client.endQuery(STEP, 0n, JOB);
        expect(await waiting).toBe(false);
    });

    it('counts its newest thousand jobs, and every job that owes', () => {
        const client = new ClientAccount(1);
        const debtor = randomBytes(32);
        client.noteJob(debtor, { promised: 0n, cumulative: 1001n * STEP });
        for (let job = 0; job < 1500; job++) {
            client.noteJob(randomBytes(32), { promised: STEP, cumulative: STEP });
        }

        expect(client.mayStart(STEP)).toBe(false); // a thousand steps are paid, and one is free
        client.noteJob(debtor, { promised: STEP, cumulative: 1001n * STEP });
        expect(client.mayStart(STEP)).toBe(true);
    });

    it('starts the queries that wait in the order in which they came', async () => {
        const client = newClient();
        const { started, ended } = starts(client, ['a', 'b', 'c']);
        await settled();
        expect(started).toEqual(['a']);

        paid(client, 1n);
        await settled();
        expect(started).toEqual(['a', 'b']);

        paid(client, 2n);
        expect(await ended).toEqual([true, true, true]);
        expect(started).toEqual(['a', 'b', 'c']);
    });

    it('lets no query overtake one that waits', async () => {
        const client = newClient();
        const first = starts(client, ['a', 'b']);
        await settled();
        client.endQuery(STEP, 0n); // b starts in this step
        const later = starts(client, ['c']);
        await settled();
        expect([first.started, later.started]).toEqual([['a', 'b'], []]);

        client.endQuery(STEP, 0n);
        await later.ended;
        expect(client.isIdle).toBe(false);
        client.endQuery(STEP, 0n);
        expect(client.isIdle).toBe(true);
    });

    it('gives the place of a query that was cut to the next', async () => {
        const client = newClient();
        const { started } = starts(client, ['a']);
        const cut = new AbortController();
        const waiting = starts(client, ['b'], cut.signal);
        const next = starts(client, ['c']);
        await settled();
        cut.abort();
        expect(await waiting.ended).toEqual([false]);

        client.endQuery(STEP, 0n);
        expect(await next.ended).toEqual([true]);
        expect([started, waiting.started, next.started]).toEqual([['a'], [], ['c']]);
    });

    describe('whose queries all wait', () => {
        beforeEach(() => jest.useFakeTimers());
        afterEach(() => jest.useRealTimers());

        it.each([
            [29_500, undefined],
            [31_000, false],
        ])('after %i ms without credit', async (ms, expected) => {
            const client = newClient();
            client.noteJob(JOB, { promised: 0n, cumulative: STEP }); // it owes all that it may
            let outcome: boolean | undefined;
            void client.startInTime(STEP, 30, never).then((isStarted) => (outcome = isStarted));
            await jest.advanceTimersByTimeAsync(ms);
            expect(outcome).toBe(expected);
        });
    });
});

describe('Jobs that a stranger opened in the name of a client', () => {
    const stranger = randomBytes(32);
    let origins: Map<string, Origin | Error>; // undefined: nobody knows
    let asked: string[];
    let client: ClientAccount;

    /** Says who opened which job; those that are not named are the client's own. */
    const readOrigin = async (job: Buffer) => {
        const name = job.toString('hex');
        asked.push(name);
        const origin = origins.get(name);
        if (origin instanceof Error) {
            throw origin;
        }
        return origins.has(name) ? origin : 'escrow';
    };
    const set = (job: Buffer, origin: Origin | Error) => origins.set(job.toString('hex'), origin);
    const owes = (job: Buffer, steps: bigint) => client.noteJob(job, { promised: 0n, cumulative: steps * STEP });
    const starts = (job: Buffer, seconds = 0.1) => client.startInTime(STEP, seconds, never, undefined, job);

    beforeEach(() => {
        [origins, asked] = [new Map(), []];
        client = new ClientAccount(1, readOrigin);
        set(stranger, 'stranger');
        client.noteJob(JOB, { promised: 0n, cumulative: 0n });
    });

    it('keep no query of a new job waiting by what they owe', async () => {
        owes(stranger, 1n);
        expect(client.startNow(STEP, undefined, JOB)).toBe(false);
        expect(await starts(JOB)).toBe(true);
        expect(client.isStranger(stranger)).toBe(true);
        expect(client.isStranger(JOB)).toBe(false);
    });

    it('keep no query of a new job waiting by what they dropped', async () => {
        client.noteJob(stranger, { promised: 0n, cumulative: 0n });
        client.startNow(STEP, undefined, stranger);
        client.endQuery(STEP, 9n * STEP, stranger);
        expect(await starts(JOB)).toBe(true);
    });

    it('have no query called one that would wait in vain for what they dropped, as the client itself has', async () => {
        const other = randomBytes(32);
        for (const job of [stranger, other]) {
            client.noteJob(job, { promised: 0n, cumulative: 0n });
        }
        client.startNow(STEP, undefined, stranger);
        client.endQuery(STEP, 9n * STEP, stranger);
        expect([JOB, stranger].map((job) => client.hasDroppedTooMuch(STEP, job))).toEqual([false, true]);
        expect(await starts(JOB)).toBe(true);
        expect([JOB, stranger].map((job) => client.hasDroppedTooMuch(STEP, job))).toEqual([false, true]);

        client.endQuery(STEP, 9n * STEP, JOB);
        expect([JOB, stranger].map((job) => client.hasDroppedTooMuch(STEP, job))).toEqual([true, true]);
        expect(client.hasDroppedTooMuch(STEP, other)).toBe(true);
    });

    it('keep no query of a new job waiting by those that run, and free nothing when these end', async () => {
        client.noteJob(stranger, { promised: 0n, cumulative: 0n });
        client.startNow(STEP, undefined, stranger);
        expect(await starts(JOB)).toBe(true);

        client.endQuery(STEP, 5n * STEP, stranger);
        expect(client.mayStart(STEP, JOB)).toBe(false); // its own query runs
        client.endQuery(STEP, 0n, JOB);
        expect(client.mayStart(STEP, JOB)).toBe(true);
    });

    it('get no second step, and what they have paid themselves', async () => {
        owes(stranger, 1n);
        expect(await starts(stranger)).toBe(false);
        expect(client.mayStart(STEP, JOB)).toBe(true);

        client.noteJob(stranger, { promised: 2n * STEP, cumulative: STEP });
        expect([await starts(stranger), await starts(stranger)]).toEqual([true, true]);
        expect(client.mayStart(STEP, stranger)).toBe(false);
        expect(client.mayStart(STEP, JOB)).toBe(true);
    });

    it('lend the client no credit by what they have paid', async () => {
        client.noteJob(stranger, { promised: STEP, cumulative: 3n * STEP });
        owes(JOB, 1n);
        expect(await starts(JOB)).toBe(false);
        client.noteJob(stranger, { promised: 9n * STEP, cumulative: 3n * STEP });
        expect(client.mayStart(STEP, JOB)).toBe(false);
    });

    it('wait no longer because queries of the client run', async () => {
        owes(stranger, 1n);
        expect(await starts(JOB)).toBe(true);
        expect(await starts(stranger)).toBe(false);
    });

    it('are not looked for while every query has credit, and each is looked for once', async () => {
        client.noteJob(stranger, { promised: 0n, cumulative: 0n });
        expect(client.canStart(STEP, () => true, JOB)).toBe(true);
        expect(await starts(JOB)).toBe(true);
        expect(asked).toEqual([]);

        owes(stranger, 1n);
        client.endQuery(STEP, 0n, JOB);
        expect(await starts(JOB)).toBe(true);
        const next = starts(JOB);
        client.endQuery(STEP, 0n, JOB);
        expect(await next).toBe(true);
        expect(asked.sort()).toEqual([stranger, JOB].map((job) => job.toString('hex')).sort());
    });

    it('are looked for among those first that leave the most unpaid, four at once', async () => {
        const jobs = [1n, 5n, 3n, 2n, 4n, 6n].map((steps) => {
            const job = randomBytes(32);
            set(job, 'escrow');
            owes(job, steps);
            return job.toString('hex');
        });
        void starts(JOB);
        expect(asked).toEqual([jobs[5], jobs[1], jobs[4], jobs[2]]);
        await settled();
        expect(asked).toEqual([jobs[5], jobs[1], jobs[4], jobs[2], jobs[3], jobs[0], JOB.toString('hex')]);
    });

    describe('and whose history nobody reads', () => {
        beforeEach(() => jest.useFakeTimers());
        afterEach(() => jest.useRealTimers());

        it.each([
            ['it fails', new Error('The API does not answer')],
            ['it does not tell', undefined],
        ])('count as those of the client while %s, and are looked for again later', async (_, origin) => {
            origins.set(stranger.toString('hex'), origin as Error);
            owes(stranger, 1n);
            let outcome: boolean | undefined;
            const start = () => starts(JOB, 20).then((isStarted) => (outcome = isStarted));
            void start();
            await jest.advanceTimersByTimeAsync(29_000);
            expect(outcome).toBe(false);
            const name = stranger.toString('hex');
            expect(asked.filter((one) => one === name)).toHaveLength(1);

            set(stranger, 'stranger');
            void start();
            await jest.advanceTimersByTimeAsync(2_000);
            expect(outcome).toBe(true);
            expect(asked.filter((one) => one === name)).toHaveLength(2);
        });
    });
});
