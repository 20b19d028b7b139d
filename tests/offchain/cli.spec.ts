/** What `cocoon` says when a file that it is given is not there, is there already, or holds something else. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../offchain/cli';

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-files-'));
});

afterEach(() => {
    rmSync(folder, { recursive: true });
    process.exitCode = 0;
});

const file = (name: string): string => join(folder, name);

/** The line that a command fails with; it must fail. */
async function failure(...args: string[]): Promise<string> {
    const said = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
        await main(['node', 'cocoon', ...args]);
        expect(process.exitCode).toBe(1);
        expect(said).toHaveBeenCalledTimes(1);
        return String(said.mock.calls[0][0]);
    } finally {
        said.mockRestore();
    }
}

/** What a command prints; it must end well. */
async function said(...args: string[]): Promise<string> {
    const lines: string[] = [];
    const keep = (text: unknown) => lines.push(String(text)) > 0;
    let code: unknown;
    const spies = [
        jest.spyOn(console, 'error').mockImplementation(keep),
        jest.spyOn(console, 'log').mockImplementation(keep),
        jest.spyOn(process.stdout, 'write').mockImplementation(keep),
        jest.spyOn(process, 'exit').mockImplementation((given) => {
            code = given;
            throw new Error('the process ends');
        }),
    ];
    try {
        await main(['node', 'cocoon', ...args]);
        expect(code ?? process.exitCode ?? 0).toBe(0);
        return lines.filter((line) => !line.includes('the process ends')).join('\n');
    } finally {
        spies.forEach((spy) => spy.mockRestore());
    }
}

describe('cocoon', () => {
    it('says its version, which is that of its package', async () => {
        const { version } = JSON.parse(readFileSync('offchain/package.json', 'utf8')) as { version: string };

        expect(await said('--version')).toBe(`${version}\n`);
    });

    it('names every command in its help, each with what that says of itself', async () => {
        const help = await said('--help');

        for (const name of ['worker', 'gateway', 'attest', 'dispute', 'committee', 'rerun']) {
            const [, about] = new RegExp(`^  ${name} +(.*)$`, 'm').exec(help)!;
            expect(await said(name, '--help')).toContain(about);
        }
    });
});

describe('cocoon, given a file', () => {
    it.each([
        ['worker run', '"cocoon worker init" writes one; name it with --config'],
        ['worker status', '"cocoon worker init" writes one; name it with --config'],
        ['gateway up', 'docs/gateway.md shows one; name it with --config'],
        ['dispute find', 'docs/gateway.md shows one; name it with --config'],
        ['dispute state EQ', 'name a configuration of gateway or worker with --config'],
        ['keys list', 'name the running gateway with --url, or the file of its settings with --config'],
    ])('says to %s without its configuration what to do', async (command, remedy) => {
        expect(await failure(...command.split(' '), '--config', file('no.json'))).toBe(
            `cocoon: There is no file ${file('no.json')}\n  → ${remedy}`,
        );
    });

    it('says what it may not do with one that it cannot reach, and not that there is none', async () => {
        writeFileSync(file('plain'), '');

        const said = await failure('worker', 'status', '--config', join(file('plain'), 'worker.json'));

        expect(said).toMatch(/^cocoon: ENOTDIR: /); // as EACCES, which does not happen to root
    });

    it.each(['worker run', 'gateway up', 'dispute state EQ'])('names the one that %s cannot parse', async (command) => {
        writeFileSync(file('half.json'), '{');

        expect(await failure(...command.split(' '), '--config', file('half.json'))).toMatch(
            `cocoon: ${file('half.json')} is not JSON: `,
        );
    });

    it('refuses a setting of the worker that it does not know, at every depth', async () => {
        writeFileSync(file('typo.json'), JSON.stringify({ pay_out: 'x', claim: { thresholds: '1' } }));

        const said = await failure('worker', 'status', '--config', file('typo.json'));

        expect(said).toContain(`${file('typo.json')} is no worker's configuration`);
        expect(said).toContain('Unrecognized key: "pay_out"');
        expect(said).toContain('Unrecognized key: "thresholds"');
    });

    it('refuses a setting of the gateway that it does not know', async () => {
        writeFileSync(file('typo.json'), JSON.stringify({ keepHour: 1 }));

        expect(await failure('gateway', 'up', '--config', file('typo.json'))).toContain(
            '\n✖ Unrecognized key: "keepHour"',
        );
    });

    it.each(['worker', 'gateway', 'committee'])('writes no key of %s over another', async (who) => {
        writeFileSync(file('key'), 'kept');

        expect(await failure(who, 'keygen', '--out', file('key'))).toBe(
            `cocoon: ${file('key')} exists already, and nothing is written over it: name another file`,
        );
        expect(readFileSync(file('key'), 'utf8')).toBe('kept');
    });

    it.each(['worker', 'gateway', 'committee'])('shows with --keep the key of %s that is there', async (who) => {
        const keygen = () => said(who, 'keygen', '--keep', '--out', file('key'));

        const made = await keygen();
        const seed = readFileSync(file('key'), 'utf8');
        const again = await keygen();

        expect(made).toMatch(/[0-9a-f]{64}/);
        expect(again).toBe(made);
        expect(readFileSync(file('key'), 'utf8')).toBe(seed);
    });

    it.each(['worker', 'gateway', 'committee'])('takes nothing else for a key of %s with --keep', async (who) => {
        writeFileSync(file('key'), '', { mode: 0o600 }); // as a machine leaves it that lost its power

        expect(await failure(who, 'keygen', '--keep', '--out', file('key'))).toMatch(
            /is not JSON|does not hold a seed/,
        );
        expect(readFileSync(file('key'), 'utf8')).toBe('');
    });

    it('says which folder is missing for a new key', async () => {
        expect(await failure('gateway', 'keygen', '--out', file('nowhere/key'))).toBe(
            `cocoon: There is no ${file('nowhere/key')}: check the name and its folder`,
        );
        expect(existsSync(file('nowhere'))).toBe(false);
    });

    it('says where it looked when no chain answers', async () => {
        writeFileSync(file('chain.json'), JSON.stringify({ network: -3, endpoint: 'http://127.0.0.1:1/' }));

        const said = await failure('dispute', 'state', `0:${'11'.repeat(32)}`, '--config', file('chain.json'));

        expect(said).toMatch(
            /^cocoon: http:\/\/127\.0\.0\.1:1 does not answer: ECONNREFUSED: look at "endpoint" in the configuration/,
        );
    });

    it.each([
        ['dispute find', '/admin/evidence', []],
        ['receipt show 1-1', '/admin/receipt/1-1', { id: '1-1' }],
    ])(
        'asks with %s a gateway that listens at all addresses at the one of this machine',
        async (command, path, answer) => {
            const asked: unknown[] = [];
            const gateway = createServer(({ url, headers }, response) => {
                asked.push([url, headers.host]);
                response.end(JSON.stringify(answer));
            });
            await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
            const { port } = gateway.address() as AddressInfo;
            const place = {
                network: -3,
                endpoint: 'http://127.0.0.1:1/',
                escrow: `0:${'00'.repeat(32)}`,
                keyFile: 'k',
            };
            const rest = { store: file('none.db'), workers: ['http://127.0.0.1:2'], models: {} };
            writeFileSync(file('all.json'), JSON.stringify({ ...place, ...rest, listen: { host: '0.0.0.0', port } }));

            await said(...command.split(' '), '--config', file('all.json'));
            gateway.close();

            expect(asked).toEqual([[path, `127.0.0.1:${port}`]]);
        },
    );

    it('says once how a gateway is found that does not answer, and refuses a --url that is none', async () => {
        expect(await failure('gateway', 'jobs', '--url', 'http://127.0.0.1:1')).toBe(
            'cocoon: no gateway answers at http://127.0.0.1:1 (ECONNREFUSED): start "cocoon gateway up", or give --url',
        );
        expect(await failure('gateway', 'jobs', '--url', 'here')).toBe(
            'cocoon: --url takes a URL such as http://127.0.0.1:10000, not "here"',
        );
    });

    it('says how an opened query and its number are found', async () => {
        expect(await failure('rerun', file('no.json'))).toContain('"cocoon gateway open-query" writes one');
        expect(await failure('gateway', 'open-query', '1', 'first', '--out', file('out'))).toContain('x-cocoon-query');
        expect(existsSync(file('out'))).toBe(false);
    });
});
