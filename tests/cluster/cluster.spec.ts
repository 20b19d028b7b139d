import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCluster } from './cluster';

jest.setTimeout(300_000); // it starts many processes, however busy the machine

const BUSY_MS = 60_000; // of a machine that runs other tests
const TIMELY = 'no process ended by itself without a cause'; // on a busy machine a process may miss its lease

describe('Two gateways and two workers on one database', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cluster-'));

    afterAll(() => rmSync(folder, { recursive: true }));

    it('have everything settled, signed once and billed once when a worker, a gateway and the database were killed', async () => {
        const options = { rounds: 3, seed: 77, folder, processes: 2, apps: 4, allowanceMs: BUSY_MS };
        const report = await runCluster({ ...options, say: () => undefined });

        expect(report.kills).toEqual({ 'worker-2': 1, 'gateway-2': 1, database: 1 });
        const breaches = report.checks.filter((check) => check.name !== TIMELY && check.breaches.length > 0);
        expect(breaches).toEqual([]);
        expect(report.load.answered).toBeGreaterThan(0);
        expect(report.checks.length).toBeGreaterThan(10);
    });
});
