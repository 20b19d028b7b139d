import pino from 'pino';
import { type CountedJob, DisputedJobs } from '../../../offchain/worker/disputedJobs';
import { type EndpointWord, type ChannelVote, voteOf } from '../../../offchain/worker/votes';

const ALLOWANCE = 1000n;
const job = (number: number) => Buffer.alloc(32, number);

let lines: { level: number; job: string; messages?: object }[];
let seconds: number;
let disputes: DisputedJobs;

beforeEach(() => {
    lines = [];
    seconds = 0;
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    disputes = new DisputedJobs(ALLOWANCE, log, () => seconds);
});

const vote = (...all: EndpointWord['word'][]) =>
    voteOf(all.map((word, i) => ({ endpoint: `${i}.example`, word, snapshot: undefined })));
const DISPUTED = vote('yes', 'no');
const DENIED = vote('no', 'no');
const SHOWN = vote('yes', 'yes');

const note = (number: number, vote: ChannelVote, counted?: CountedJob) =>
    disputes.note(job(number), { vote, amount: 1n, ...(counted && { entry: counted }) });

/** A job that is disputed, with so many nanoTON exposed, and in ceilings. */
function dispute(number: number, exposed: bigint, ceilings = 0n) {
    const counted = { exposed, ceilings };
    note(number, DISPUTED, counted);
    return counted;
}

describe('The allowance of disputed jobs', () => {
    it('is one for all of them, to the nanoTON', () => {
        dispute(1, 300n, 100n);
        dispute(2, 200n);

        expect([1, 2].map((number) => disputes.mayServe(job(number), 400n))).toEqual([true, true]);
        expect([1, 2].map((number) => disputes.mayServe(job(number), 401n))).toEqual([false, false]);
    });

    it('does not bound a job about which the endpoints agree', () => {
        dispute(1, ALLOWANCE);

        expect(disputes.mayServe(job(2), 10n ** 12n)).toBe(true);
    });

    it('follows a job as it changes, also after it left the memory and came back', () => {
        const counted = dispute(1, 0n);
        counted.exposed = 600n;
        expect(disputes.mayServe(job(1), 401n)).toBe(false);

        disputes.attach(job(1), { exposed: 900n, ceilings: 0n });
        expect(disputes.mayServe(job(1), 100n)).toBe(true);
        expect(disputes.mayServe(job(1), 101n)).toBe(false);
    });

    it('counts a job from its registration on, which is before it is in memory', () => {
        note(1, DISPUTED);
        disputes.attach(job(1), { exposed: 600n, ceilings: 0n });

        expect(disputes.mayServe(job(1), 401n)).toBe(false);
    });

    it('is free again when the endpoints agree', () => {
        dispute(1, ALLOWANCE);
        dispute(2, 0n);
        expect(disputes.mayServe(job(2), 1n)).toBe(false);
        note(1, SHOWN);

        expect(disputes.verdictOf(job(1))).toBe('agreed');
        expect(disputes.mayServe(job(2), ALLOWANCE)).toBe(true);
    });

    it('is not freed by the word of one endpoint while the other does not answer', () => {
        dispute(1, ALLOWANCE);
        note(1, vote('yes', undefined));

        expect(disputes.verdictOf(job(1))).toBe('disputed');
    });

    it('is not freed by an endpoint that denies what it showed before: it would have every job served anew', () => {
        const counted = dispute(1, ALLOWANCE);
        note(1, DENIED, counted);
        dispute(2, 0n);

        expect(disputes.verdictOf(job(1))).toBe('denied');
        expect(disputes.mayServe(job(2), 1n)).toBe(false);
    });

    it('is not used by a job that was denied from the start', () => {
        note(1, DENIED, { exposed: ALLOWANCE, ceilings: 0n });
        dispute(2, 0n);

        expect(disputes.mayServe(job(2), ALLOWANCE)).toBe(true);
    });

    /** Ends a job with so many nanoTON exposed; returns what a query of another disputed job may cost then. */
    function remainingAfterEnd(exposed: bigint): bigint {
        dispute(1, exposed);
        disputes.end(job(1));
        dispute(2, 0n);
        let ceiling = 0n;
        while (disputes.mayServe(job(2), ceiling + 1n)) ceiling++;
        return ceiling;
    }

    it('goes on to count a job that ends with something unconfirmed', () => {
        expect(remainingAfterEnd(600n)).toBe(400n);
    });

    it('forgets a job that ends with nothing unconfirmed', () => {
        expect(remainingAfterEnd(0n)).toBe(ALLOWANCE);
    });
});

describe('A job whose channel is disputed when it is registered', () => {
    it('is taken unless the allowance is used up', () => {
        const counted = dispute(1, ALLOWANCE - 1n);
        expect(disputes.mayTake(job(2))).toBe(true);
        counted.exposed = ALLOWANCE;

        expect(disputes.mayTake(job(2))).toBe(false);
        expect(disputes.mayTake(job(1))).toBe(true); // known already
    });

    it('is taken unless 64 others are disputed', () => {
        for (let number = 1; number <= 63; number++) dispute(number, 0n);
        expect(disputes.mayTake(job(64))).toBe(true);
        dispute(64, 0n);
        expect(disputes.mayTake(job(65))).toBe(false);
        disputes.end(job(1));

        expect(disputes.mayTake(job(65))).toBe(true);
    });
});

describe('The owner', () => {
    const ERROR = 50;
    const WARNING = 40;

    it('reads once what each endpoint says: a warning about a new channel, an error if it goes on', () => {
        note(1, DISPUTED);
        expect(lines.map(({ level }) => level)).toEqual([WARNING]);
        dispute(1, 0n);
        dispute(1, 0n);

        expect(lines.map(({ level }) => level)).toEqual([WARNING, ERROR]);
        expect(lines[1]).toMatchObject({ messages: { '1.example': 'no such channel' } });
    });

    it('reads of each change', () => {
        const counted = dispute(1, 0n);
        note(1, DENIED, counted);
        note(1, DENIED, counted);
        note(1, SHOWN, counted);

        expect(lines.map(({ level }) => level)).toEqual([ERROR, ERROR, 30]);
    });

    it('sees disputes since the first of them began, and what an ended job may have lost', () => {
        expect(disputes.view()).toBeUndefined();
        dispute(1, 600n);
        seconds = 10;
        dispute(2, 0n);
        seconds = 15;
        expect(disputes.view()).toMatchObject({ jobs: 2, seconds: 15, used: 600n, allowance: ALLOWANCE });
        note(2, SHOWN);
        disputes.end(job(1));

        expect(disputes.view()).toMatchObject({ jobs: 1, seconds: 15, used: 600n });
        dispute(1, 0n);
        disputes.end(job(1));
        expect(disputes.view()).toBeUndefined();
    });
});

describe('Disputed jobs that no client asks for', () => {
    it('are compared again in turn', () => {
        for (const number of [1, 2, 3]) dispute(number, 0n);

        expect(disputes.inTurn(2)).toEqual([job(1), job(2)]);
        expect(disputes.inTurn(2)).toEqual([job(3), job(1)]);
    });
});
