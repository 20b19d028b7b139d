/** `cocoon worker doctor` as a command: what it prints, and its exit code. */
import { join } from 'node:path';
import { workerCommand } from '../../../offchain/cli/worker';
import type { DoctorReport } from '../../../offchain/worker';
import { ExaminedWorker } from '../support/examined';

let worker: ExaminedWorker;

beforeEach(async () => {
    worker = await ExaminedWorker.start();
});

afterEach(() => worker.stop());

describe('cocoon worker doctor', () => {
    const run = async (...flags: string[]) => {
        const printed: string[] = [];
        const log = jest.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
        const { exitCode: codeBefore } = process;
        try {
            const path = join(worker.folder, 'worker.json');
            await workerCommand({ chain: worker.chain }).parseAsync(['doctor', '--config', path, ...flags], {
                from: 'user',
            });
            return { code: process.exitCode, text: printed.join('\n') };
        } finally {
            log.mockRestore();
            process.exitCode = codeBefore;
        }
    };

    it('prints each finding with its remedy, and exits with 0 if no check failed and else with 1', async () => {
        await worker.examine(); // which writes the configuration
        expect(await run()).toMatchObject({ code: 0, text: expect.stringMatching(/^✓ wallet {9}\S+ holds 1 TON$/m) });

        await worker.examine({ coins: 0n });
        const { code, text } = await run();
        expect(code).toBe(1);
        expect(text).toMatch(/^✗ wallet .*holds 0 TON.*\n {2}→ send 0\.3 TON to \S+: /m);
        expect(text.split('\n').at(-1)).toMatch(/^\d+ checks: 1 failed, \d+ warnings?$/);
    });

    it('prints all findings as one line of JSON', async () => {
        await worker.examine({ provider: { jailed: true } });
        const { code, text } = await run('--json');

        expect(code).toBe(1);
        const { passed, findings } = JSON.parse(text) as DoctorReport;
        expect(passed).toBe(false);
        expect(findings.filter(({ state }) => state === 'failed')).toMatchObject([{ check: 'stake' }]);
    });
});
