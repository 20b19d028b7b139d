/** What a process of a worker does while another one is slow or has stopped. */
import { pino } from 'pino';
import { Processes } from '../../../offchain/worker/processes';
import { Refused } from '../../../offchain/worker/refusal';
import { StaleStore } from '../../../offchain/store/worker';
import { waitUntil } from '../../../offchain/process/tasks';

const own = { number: 1, url: undefined, holder: '', isGuarded: true };
let reads: number;
let lapsed: { number: number }[];
let stale: StaleStore | undefined;

const store = {
    cluster: {
        ...{ number: 1, isShared: true },
        members: async () => {
            reads++;
            await new Promise((resolve) => setTimeout(resolve, 20));
            return [own];
        },
        lapsed: async () => lapsed.splice(0),
    },
    takeOver: async () => true,
    adopt: async () => false,
    followOthers: async () => {
        if (stale !== undefined) {
            throw stale;
        }
    },
};
const parts = { log: pino({ level: 'silent' }), intake: { refresh: async () => false } };

beforeEach(() => {
    reads = 0;
    lapsed = [];
    stale = undefined;
});

it('Requests for the jobs of a process that stopped read the list of processes once', async () => {
    const processes = await Processes.read(store as never);
    const claim = () => processes.claimJob({ job: Buffer.alloc(32), member: 2 } as never);
    const claims = await Promise.allSettled(Array.from({ length: 50 }, claim));
    expect(claims.every((one) => one.status === 'rejected' && one.reason instanceof Refused)).toBe(true);
    expect(reads).toBe(2);
    await expect(claim()).rejects.toThrow(Refused);
    expect(reads).toBe(3);
});

it('A second process that stops is taken over while the queries of the first are still recovered', async () => {
    const processes = await Processes.read(store as never);
    let isRecovered!: () => void;
    let runs = 0;
    const onTakeover = () => {
        runs++;
        return runs === 1 ? new Promise<void>((resolve) => (isRecovered = resolve)) : Promise.resolve();
    };
    lapsed = [{ number: 2 }];
    processes.start(parts as never, { onTakeover, onIntake: async () => undefined });
    try {
        await waitUntil(() => runs === 1, { maxMs: 5000 });
        lapsed = [{ number: 3 }];
        await waitUntil(() => lapsed.length === 0, { maxMs: 3000 });
        expect([lapsed, runs]).toEqual([[], 1]);
        isRecovered();
        await waitUntil(() => runs === 2, { maxMs: 3000 });
        expect(runs).toBe(2);
    } finally {
        isRecovered();
        await processes.stop();
    }
});

it('A recovery that fails is done again at the next look', async () => {
    const processes = await Processes.read(store as never);
    let runs = 0;
    const onTakeover = async () => {
        if (++runs === 1) {
            throw new Error('the database was away');
        }
    };
    lapsed = [{ number: 2 }];
    processes.start(parts as never, { onTakeover, onIntake: async () => undefined });
    await waitUntil(() => runs === 2, { maxMs: 5000 });
    await processes.stop();
    expect(runs).toBe(2);
});

it('A process ends when the database went back or its key was retired', async () => {
    const processes = await Processes.read(store as never);
    stale = new StaleStore('1 receipt is missing');
    const error = await new Promise((fatal) =>
        processes.start({ ...parts, fatal } as never, {
            onTakeover: async () => undefined,
            onIntake: async () => undefined,
        }),
    );
    await processes.stop();
    expect(error).toBe(stale);
});
