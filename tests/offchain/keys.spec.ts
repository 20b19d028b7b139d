/** `cocoon keys` on the store of a gateway that does not run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../offchain/cli';

describe('cocoon keys, without a running gateway', () => {
    let folder: string;
    const run = async (...args: string[]) => {
        const lines: string[] = [];
        const keep = (line: unknown) => void lines.push(String(line));
        const spies = [
            jest.spyOn(console, 'log').mockImplementation(keep),
            jest.spyOn(console, 'error').mockImplementation(keep),
        ];
        await main(['node', 'cocoon', 'keys', ...args, '--config', join(folder, 'gateway.json')]);
        spies.forEach((spy) => spy.mockRestore());
        return lines.join('\n');
    };

    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), 'keys-'));
        const settings = {
            ...{ network: -3, endpoint: 'http://127.0.0.1:1/', escrow: `0:${'00'.repeat(32)}`, keyFile: 'k' },
            ...{ store: 'gateway.sqlite', workers: ['http://127.0.0.1:2'], models: {}, listen: { port: 1 } },
        };
        writeFileSync(join(folder, 'gateway.json'), JSON.stringify(settings));
    });
    afterEach(() => {
        rmSync(folder, { recursive: true });
        process.exitCode = 0;
    });

    it('makes a key, limits it, lists it and revokes it', async () => {
        const made = JSON.parse(
            await run('create', '--name', 'bob', '--daily', '1.5', '--models', 'a,b', '--json'),
        ) as {
            secret: string;
        };
        expect(made).toMatchObject({
            ...{
                name: 'bob',
                models: ['a', 'b'],
                daily: { limit: '1500000000', spent: '0' },
                monthly: { limit: null },
            },
            secret: expect.stringMatching(/^sk-cocoon-[\w-]{43}$/) as unknown,
        });

        await run('limit', 'bob', '--daily', 'none', '--monthly', '30', '--expires', '2027-01-31');
        const list = await run('list', '--json');
        expect(JSON.parse(list)).toMatchObject([
            { daily: { limit: null }, monthly: { limit: '30000000000' }, expiresAt: Date.UTC(2027, 0, 31) / 1000 },
        ]);
        expect(list).not.toContain(made.secret);
        expect(await run('list')).toContain('this month 0 TON of 30 TON');

        expect(await run('revoke', 'bob')).toContain('revoked');
    });

    it('says what is wrong with a name, an amount, a date, or nothing to change', async () => {
        expect(await run('create', '--name', 'a b')).toContain('a name has 1 to 64 letters');
        expect(await run('create', '--name', 'a', '--daily', 'much')).toContain('is not an amount in TON');
        expect(await run('create', '--name', 'a', '--expires', 'soon')).toContain('is no date');
        expect(await run('limit', 'a')).toContain('say what changes');
        expect(await run('limit', 'a', '--daily', '1')).toContain('There is no key "a"');
        expect(await run('list')).toBe('no keys: requests from this machine need none');
    });
});
