import { Allowances, JobNotes, NoteAllowance } from '../../../offchain/worker/allowance';

const job = (number: number): Buffer => {
    const hash = Buffer.alloc(32);
    hash.writeUInt32BE(number);
    return hash;
};

describe('What a job may have signed that brings nothing', () => {
    it('stays used up while the job is not in memory', () => {
        const allowances = new Allowances();
        for (let i = 0; i < 64; i++) allowances.of(job(1)).unpaid.spend();
        for (let other = 2; other < 5000; other++) allowances.of(job(other));

        expect(allowances.of(job(1)).unpaid.isEmpty).toBe(true);
        expect(allowances.of(job(1)).fails.isEmpty).toBe(false);
    });

    it('is whole for a new job, which has settled nothing and comes after no other', () => {
        const { ownNotes, settled, last, unpaid, fails, specialFails } = new Allowances().of(job(1));

        expect({ ownNotes, settled, last }).toStrictEqual({
            ownNotes: { bytes: 0 },
            settled: { amount: undefined },
            last: { until: -Infinity },
        });
        expect([unpaid, fails, specialFails].map(({ isEmpty }) => isEmpty)).toEqual([false, false, false]);
    });

    it('is forgotten of the job that was used longest ago, once there are 20,000', () => {
        const allowances = new Allowances();
        const [first, second] = [allowances.of(job(1)), allowances.of(job(2))];
        for (let other = 3; other <= 20_000; other++) allowances.of(job(other));
        expect(allowances.of(job(1))).toBe(first);
        allowances.of(job(20_001));

        expect(allowances.of(job(1))).toBe(first);
        expect(allowances.of(job(2))).not.toBe(second);
    });
});

describe('What a client may have stored that is not billed by its size', () => {
    const DAY_MS = 86_400_000;
    let now: number; // milliseconds

    beforeEach(() => {
        now = 0;
        jest.spyOn(performance, 'now').mockImplementation(() => now);
    });

    afterEach(() => jest.restoreAllMocks());

    it('is 64 MB at once, to the byte', () => {
        const notes = new NoteAllowance();
        notes.spend(63_999_999);
        expect(notes.isEmpty).toBe(false);
        notes.spend(1);
        expect(notes.isEmpty).toBe(true);
    });

    it('comes back evenly over a day, and never to more than 64 MB', () => {
        const notes = new NoteAllowance();
        notes.spend(96_000_000); // by queries that ran at once
        now = DAY_MS / 2;
        expect(notes.isEmpty).toBe(true);
        now += 1000;
        expect(notes.isEmpty).toBe(false);
        now += 100 * DAY_MS;
        notes.spend(63_999_999);
        expect(notes.isEmpty).toBe(false);
        notes.spend(1);
        expect(notes.isEmpty).toBe(true);
    });

    it('grows by 64 GB with each TON that vouchers promise, and keeps that', () => {
        const notes = new JobNotes(new NoteAllowance(), { bytes: 0 });
        notes.spend(64_000_000);
        notes.earn(1_000_000_000n);
        now = DAY_MS;
        notes.spend(63_999_999_999);
        expect(notes.isEmpty).toBe(false);
        notes.spend(1);
        expect(notes.isEmpty).toBe(true);
    });

    it('is what a job has paid itself, whatever other jobs that name its escrow have used', () => {
        const client = new NoteAllowance();
        const [job, other, next] = [0, 0, 0].map(() => new JobNotes(client, { bytes: 0 }));
        other.spend(64_000_000);
        job.earn(1000n);
        job.spend(64_000);
        expect([job.isEmpty, other.isEmpty, next.isEmpty]).toEqual([false, true, false]);

        for (const notes of [job, next]) notes.spend(1);
        expect([job.isEmpty, next.isEmpty]).toEqual([true, true]);
        job.earn(1n);
        expect([job.isEmpty, other.isEmpty, next.isEmpty]).toEqual([false, true, true]);
    });

    it('stays of a job that is not in memory, and is for a new job only what its client has left', () => {
        const client = new NoteAllowance();
        const allowances = new Allowances();
        const notes = (number: number) => new JobNotes(client, allowances.of(job(number)).ownNotes);
        notes(1).earn(1n); // 64 bytes
        client.spend(64_000_000);
        notes(2).spend(1);

        expect([notes(1).isEmpty, notes(2).isEmpty]).toEqual([false, true]);
        notes(1).spend(65);
        expect(notes(1).isEmpty).toBe(true);
    });

    it('is given back by what a job pays as far as it had used it, so that jobs together have no more', () => {
        const client = new NoteAllowance();
        const [job, other] = [0, 0].map(() => new JobNotes(client, { bytes: 0 }));
        job.spend(64_000_000);
        job.earn(1_000_000n);
        expect(client.isEmpty).toBe(false);

        job.earn(1_000_000n);
        other.spend(64_000_000);
        expect([client.isEmpty, other.isEmpty]).toEqual([true, true]);
        job.spend(64_000_000);
        expect(job.isEmpty).toBe(false);
        job.spend(1);
        expect(job.isEmpty).toBe(true);
    });
});
