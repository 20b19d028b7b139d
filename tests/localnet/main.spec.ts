import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { TonClient } from '@ton/ton';
import { LocalnetClient } from '../../localnet';
import { stranger } from './support';

const ROOT = path.join(__dirname, '..', '..');

describe('Local network: as a process of its own', () => {
    let child: ChildProcess | undefined;

    function run(...args: string[]): ChildProcess {
        // Not through npx, which does not pass signals on.
        const tsNode = path.join(ROOT, 'node_modules', '.bin', 'ts-node');
        child = spawn(process.execPath, [tsNode, '--transpile-only', 'localnet/main.ts', ...args], { cwd: ROOT });
        return child;
    }

    afterEach(() => child?.kill('SIGKILL'));

    it('says where it listens, serves, and ends on SIGTERM', async () => {
        const running = run('--port', '0', '--prices', '2025', '--network-id=-3');

        const [line] = (await once(createInterface(running.stdout!), 'line')) as [string];
        const url = /http:\S+/.exec(line)![0];
        await new LocalnetClient(url).faucet(stranger, 5n);
        const balance = await new TonClient({ endpoint: url }).getBalance(stranger);
        running.kill('SIGTERM');
        const [code] = (await once(running, 'exit')) as [number];

        expect(line).toMatch(
            /^localnet listens on http:\/\/127\.0\.0\.1:\d+\/api\/v2\/jsonRPC \(prices 2025, network id -3\)$/,
        );
        expect(balance).toBe(5n);
        expect(code).toBe(0);
    });

    it('refuses a price level that it does not know', async () => {
        const running = run('--prices', '2024');
        let complaint = '';
        running.stderr!.on('data', (chunk) => (complaint += chunk));

        const [code] = (await once(running, 'close')) as [number];

        expect(code).toBe(1);
        expect(complaint).toContain('--prices must be one of 2025, 2026, tenfold, not 2024');
    });
});
