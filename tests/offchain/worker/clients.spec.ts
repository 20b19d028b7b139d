import { randomBytes } from 'node:crypto';
import { ClientAccount } from '../../../offchain/worker/clients';

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
