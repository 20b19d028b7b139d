/** What `npx blueprint run` lists: scripts whose names and help texts say what they do and what they take. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkProvider } from '@ton/blueprint';
import { readGuide } from './support/guide';
import { ROOT } from './support/shell';

const NAMES = readdirSync(join(ROOT, 'scripts')).map((file) => file.replace('.ts', ''));
const VERBS =
    /^(accept|add|adopt|announce|apply|cancel|check|claim|deploy|deposit|end|execute|fund|join|leave|open|pause|plan|propose|publish|refund|resume|set|setUp|show|topUp|transfer|unbond|unjail|withdraw)([A-Z]\w*)?$/;
const SENDING = ['--from', '--dry-run', '--print', '--yes', '--json', '--help'];

type Script = (provider: NetworkProvider, args: string[]) => Promise<void>;

async function scriptOf(name: string): Promise<Script> {
    return ((await import(`../../scripts/${name}`)) as { run: Script }).run;
}

// Help and complaints about flags need no network.
const NO_NETWORK = {} as NetworkProvider;

async function helpOf(name: string): Promise<string> {
    const print = jest.spyOn(console, 'log').mockImplementation(() => undefined);
    try {
        await (
            await scriptOf(name)
        )(NO_NETWORK, ['--help']);
        return print.mock.calls.flat().join('\n');
    } finally {
        print.mockRestore();
    }
}

/** Flags of a help text, each with what is said of it. */
function flagsIn(help: string): Map<string, string> {
    return new Map(
        Array.from(help.matchAll(/^ {2}(--[a-z-]+)(?: \S+)? {2,}(\S.*)$/gm), ([, flag, about]) => [flag, about]),
    );
}

describe.each(NAMES)('The script %s', (name) => {
    it('is named after what it does, and its help begins with that in a sentence', async () => {
        const [about, , usage] = (await helpOf(name)).split('\n');

        expect(name).toMatch(VERBS);
        expect(about).toMatch(/^[A-Z].{20,}\.$/);
        expect(usage).toBe(`npx blueprint run ${name} --testnet --mnemonic [flags]`);
    });

    it('names in its help every flag that it takes, and no other', async () => {
        const run = await scriptOf(name);
        const named = [...flagsIn(await helpOf(name)).keys()];

        const refusal = await run(NO_NETWORK, ['--no-such-flag']).catch((error: Error) => error.message);

        expect(refusal).toContain(`the flags of this script are ${named.join(', ')}`);
    });

    it('takes the flags that all scripts like it take', async () => {
        const sends = /= script\(/.test(readFileSync(join(ROOT, 'scripts', `${name}.ts`), 'utf8'));

        const named = [...flagsIn(await helpOf(name)).keys()];

        expect(named.slice(sends ? -SENDING.length : -2)).toEqual(sends ? SENDING : SENDING.slice(-2));
    });
});

describe('The operations guide', () => {
    const commands = readGuide(join(ROOT, 'docs/operations.md'))
        .flatMap((block) => (block.kind === 'run' ? block.commands.replace(/\\\n/g, ' ').split('\n') : []))
        .flatMap((line) => Array.from(line.matchAll(/blueprint run (\w+) \$NET([^|)]*)/g)));

    it('uses or mentions every script', () => {
        const used = new Set(commands.map(([, name]) => name));
        const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');

        expect(NAMES.filter((name) => !used.has(name) && !text.includes(`\`${name}`))).toEqual([]);
    });

    it('uses no flag that the help of its script does not name', async () => {
        expect(commands.length).toBeGreaterThan(30);
        for (const [, name, rest] of commands) {
            const known = flagsIn(await helpOf(name));
            const used = rest.match(/--[a-z-]+/g) ?? [];
            expect(used.filter((flag) => !known.has(flag))).toEqual([]);
        }
    });
});

describe("The guide's lines that make keys", () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-keys-'));
    const lines = readGuide(join(ROOT, 'docs/operations.md'))
        .flatMap((block) => (block.kind === 'run' ? block.commands.replace(/\\\n/g, ' ').split('\n') : []))
        .filter((line) => /keygen|^keys /.test(line))
        .map((line) => line.replaceAll('temp/operations', '.').replace(/ \$NET.*/, ''));
    const listed = () =>
        ['committee', 'new-committee', 'worker.public.json'].map((file) => readFileSync(join(folder, file), 'utf8'));

    /** Runs them where the command that makes keys fails as \`broken\` says. */
    const run = (broken: string) =>
        execFileSync(
            'bash',
            ['-c', `npx() { case "$*" in ${broken}) return 1;; esac; echo "$@"; }\n${lines.join('\n')}\ntrue`],
            {
                cwd: folder,
            },
        );

    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(['*-1.key*', '*-2.key*', '*-3.key*', '*worker*'])('leave whole lists when %s fails', (broken) => {
        expect(lines).toHaveLength(5);
        run('none');
        const whole = listed();

        run(broken);

        expect(whole[0].trim().split('\n')).toHaveLength(3);
        expect(listed()).toEqual(whole);
    });
});

describe('npx blueprint run', () => {
    it('answers --help without a network, and exits with 0', () => {
        const said = execFileSync('npx', ['blueprint', 'run', 'applyFleet', '--help'], {
            cwd: ROOT,
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore'],
        });

        expect(flagsIn(said).get('--manifest')).toMatch(/^the fleet, a YAML file .* \(needed\)$/);
    });
});
