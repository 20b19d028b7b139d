/** What the gateway's store does with the jobs of other members, as its cluster says which of them live. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OneMember } from '../../../offchain/store/cluster';
import type { GatewayStore, StoredJob } from '../../../offchain/store/gateway';
import { type GatewaySchema, gatewayTables } from '../../../offchain/store/gatewayTables';
import { openSqlite, type SqliteEngine } from '../../../offchain/store/sqliteEngine';
import { SqlGatewayStore } from '../../../offchain/store/sqlGateway';
import { newJob, query } from './gatewayConformance';

let folder: string;
let engine: SqliteEngine<GatewaySchema>;
let live: Set<number>; // numbers of members
let lapsed: Set<number>; // whose rows nobody has taken over
let vacant: Set<number>; // whose rows were taken over

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
    engine = await openSqlite<GatewaySchema>(join(folder, 'gateway.db'), gatewayTables, {});
    [live, lapsed, vacant] = [new Set([1, 2]), new Set(), new Set()];
});

afterEach(async () => {
    await engine.close();
    rmSync(folder, { recursive: true });
});

/** The store as this member of the cluster has it. */
function member(number: number): GatewayStore {
    const cluster = Object.assign(new OneMember(), {
        number,
        members: async () => [...live].map((each) => ({ number: each, url: undefined, holder: '', isGuarded: false })),
        takeOver: async (_transaction?: unknown, other = 0) => lapsed.delete(other),
        isVacant: async (_transaction?: unknown, other = 0) => vacant.has(other),
    });
    return new SqlGatewayStore({ ...engine, cluster });
}

const channel = (byte: number) => Buffer.alloc(32, byte);
const numbers = (jobs: StoredJob[]) => jobs.map(({ number }) => number);

describe('A member of a cluster of gateways', () => {
    let [a, b]: GatewayStore[] = [];

    beforeEach(() => {
        [a, b] = [member(1), member(2)];
    });

    it('knows its own unended jobs from those of others, by number', async () => {
        for (const number of [3, 1]) {
            await a.addJob(newJob(number, { phase: 'open' }));
            await b.addJob(newJob(number + 1, { phase: 'open' }));
        }
        await a.addJob(newJob(9, { phase: 'ended' }));
        expect([numbers(await a.unended()), numbers(await a.unendedOfOthers())]).toEqual([
            [1, 3],
            [2, 4],
        ]);
    });

    it('takes the unended jobs of a lapsed one, by number, and none of one that lives', async () => {
        await a.addJob(newJob(3, { phase: 'open', channel: channel(1) }));
        await a.addJob(newJob(1, { phase: 'failed', channel: channel(2) }));
        await a.addJob(newJob(2, { phase: 'ended' }));
        await b.addJob(newJob(4));
        await member(3).addJob(newJob(5));
        expect(await b.takeOver(1)).toEqual([]);
        expect(numbers(await b.unended())).toEqual([4]);

        lapsed.add(1);
        const moved = await b.takeOver(1);
        expect(moved.map((job) => [job.number, job.member])).toEqual([
            [1, 2],
            [3, 2],
        ]);
        expect(numbers(await b.unended())).toEqual([1, 3, 4]);
        expect((await b.job(2))!.member).toBe(1);
        expect((await b.job(5))!.member).toBe(3);
    });

    it('looks again at jobs that are over of its own and of members that are gone, and at no other', async () => {
        for (const [i, store] of [a, b, member(3)].entries()) {
            await store.addJob(newJob(i + 1, { phase: 'ended' }));
        }
        expect(numbers(await a.over(undefined, 9))).toEqual([3, 1]);
    });

    it('reopens a job of another once the number of that one is vacant', async () => {
        await a.addJob(newJob(1, { phase: 'ended' }));
        await a.addJob(newJob(2, { phase: 'ended' }));
        const ended = (await b.job(1))!;
        expect(await b.revive(ended, { phase: 'settling' })).toBe(false);
        expect(await b.job(1)).toEqual(ended);

        vacant.add(1).add(3);
        expect(await b.revive({ ...ended, member: 3 }, { phase: 'settling' })).toBe(false);
        expect(await b.revive(ended, { phase: 'settling' })).toBe(true);
        expect(await b.job(1)).toMatchObject({ phase: 'settling', member: 2 });
        expect(await b.job(2)).toMatchObject({ phase: 'ended', member: 1 });
        expect(await b.revive((await b.job(1))!, { phase: 'ended' })).toBe(true); // its own
    });

    it('counts a query to the member that has its job, not to one whose order of that number failed', async () => {
        await b.addJob(newJob(1, { phase: 'open', channel: channel(2) }));
        await a.addJob(newJob(1, { phase: 'failed', channel: channel(1) }));
        await b.addQuery(query(1, 1, { apiKey: 'bob' }));
        expect(await a.openCosts()).toMatchObject([{ number: 1, member: 2 }]);
    });
});
