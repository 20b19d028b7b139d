import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Address, toNano } from '@ton/core';
import { TonClient } from '@ton/ton';
import { LocalnetClient } from '@cocoon-market/localnet';
import { program } from '../../tooling/programs';
import { stranger } from './support';

const ROOT = path.join(__dirname, '..', '..');

jest.setTimeout(180_000); // each test starts processes, however busy the machine

describe('Local network: as a process of its own', () => {
    let child: ChildProcess | undefined;

    function run(...args: string[]): ChildProcess {
        // Not through npm, which does not pass signals on.
        child = spawn(process.execPath, [program('localnet'), ...args], {
            cwd: ROOT,
        });
        return child;
    }

    async function output(running: ChildProcess): Promise<string> {
        let text = '';
        running.stdout!.on('data', (chunk) => (text += chunk));
        await once(running, 'close');
        return text;
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

    it('gives coins to the v4 and v5r1 wallets of new words', async () => {
        const network = run('--port', '0');
        const [line] = (await once(createInterface(network.stdout!), 'line')) as [string];
        const url = /http:\S+/.exec(line)![0];
        const words = await output(run('wallet'));
        const [, v5r1, v4] = /^WALLET_MNEMONIC="(?:[a-z]+ ){23}[a-z]+"\nv5r1: (\S+)\nv4: (\S+)\n$/.exec(words)!;

        for (const address of [v5r1, v4]) {
            const { port } = new URL(url);
            expect(await output(run('faucet', address, '2.5', '--port', port))).toBe(`gave 2.5 TON to ${address}\n`);
        }

        const client = new TonClient({ endpoint: url });
        expect(await client.getBalance(Address.parse(v5r1))).toBe(toNano('2.5'));
        expect(await client.getBalance(Address.parse(v4))).toBe(toNano('2.5'));
        network.kill('SIGTERM');
        await once(network, 'exit');
    });

    it('lets time pass', async () => {
        const network = run('--port', '0', '--clock', 'manual', '--now', '1800000000');
        const [line] = (await once(createInterface(network.stdout!), 'line')) as [string];
        const { href, port } = new URL(/http:\S+/.exec(line)![0]);

        expect(await output(run('advance', '600', '--port', port))).toBe('it is 2027-01-15T08:10:00.000Z now\n');

        expect(await new LocalnetClient(href).now()).toBe(1_800_000_600);
        network.kill('SIGTERM');
        await once(network, 'exit');
    });

    it.each(['1.5', '10m'])('lets no time pass for %s seconds', async (seconds) => {
        const running = run('advance', seconds);
        let said = '';
        running.stderr!.on('data', (chunk) => (said += chunk));

        const [code] = (await once(running, 'close')) as [number];

        expect(code).toBe(1);
        expect(said).toContain('advance takes a whole number of seconds');
    });

    it.each([
        ['2,5', 'is not an amount in TON'],
        ['0.0000000001', 'is not an amount in TON'],
    ])('gives no coins for the amount %s', async (amount, complaint) => {
        const running = run('faucet', stranger.toString(), amount);
        let said = '';
        running.stderr!.on('data', (chunk) => (said += chunk));

        const [code] = (await once(running, 'close')) as [number];

        expect(code).toBe(1);
        expect(said).toContain(complaint);
    });

    it('says what to do where no network runs, and where something else listens', async () => {
        const other = createServer().listen(0, '127.0.0.1');
        await once(other, 'listening');
        const port = String((other.address() as AddressInfo).port);
        const failing = async (...args: string[]) => {
            const running = run(...args);
            let said = '';
            running.stderr!.on('data', (chunk) => (said += chunk));
            return [...((await once(running, 'close')) as [number]).slice(0, 1), said];
        };

        expect(await failing('--port', port)).toEqual([
            1,
            `port ${port} is taken, perhaps by a network that runs already: give --port\n`,
        ]);
        other.close();
        await once(other, 'close');

        expect(await failing('advance', '5', '--port', port)).toEqual([
            1,
            `no network runs at port ${port}: start "npm run localnet", or give --port\n`,
        ]);
    });

    it('says in its help how it is started in a checkout', async () => {
        expect(await output(run('--help'))).toMatch(/^Usage: npm run localnet -- \[command\] \[options\]\n/);
    });

    it.each([
        [['--prices', '2024'], '--prices must be one of 2025, 2026, tenfold, not 2024'],
        [['--port', '70000'], '--port must be a whole number from 0 to 65535, not 70000'],
        [['--calls', '0'], '--calls must be a whole number from 1 to 9007199254740991, not 0'],
        [['--speed', '2'], "Unknown option '--speed'"],
        [['wallet', 'v4'], 'wallet takes nothing but --network-id'],
    ])('refuses %j', async (args, reason) => {
        const running = run(...args);
        let complaint = '';
        running.stderr!.on('data', (chunk) => (complaint += chunk));

        const [code] = (await once(running, 'close')) as [number];

        expect(code).toBe(1);
        expect(complaint).toContain(reason);
    });
});
