/** `npm run play`: it starts, answers, keeps what it was told to keep, and leaves no process behind. */
import { ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import type { Playground } from '../../demo/lasting';
import { program } from '../../tooling/programs';

const ROOT = join(__dirname, '../..');
const ARGS = [program('play')];

jest.setTimeout(180_000);

/** Resolves with what the playground prints when it runs. */
async function ready(child: ChildProcess): Promise<Playground> {
    let [out, err] = ['', ''];
    child.stderr!.on('data', (bytes: Buffer) => (err += bytes.toString()));
    child.stdout!.on('data', (bytes: Buffer) => (out += bytes.toString()));
    while (!out.includes('\n')) {
        const [end] = (await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])) as unknown[];
        if (typeof end === 'number' || end === null) {
            throw new Error(`The playground ended before it ran: ${err}`);
        }
    }
    return JSON.parse(out) as Playground;
}

describe('The playground', () => {
    let folder: string;
    const refusedWith = (...args: string[]) => {
        const { status, stdout, stderr } = spawnSync(process.execPath, [...ARGS, ...args], {
            cwd: ROOT,
            encoding: 'utf8',
        });
        expect([status, stdout]).toEqual([1, '']);
        return stderr;
    };

    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), 'playground-'));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it('answers, says what was spent, ends with exit code 0 and leaves no process', async () => {
        const child = spawn(process.execPath, [...ARGS, '--state', folder, '--port', '0', '--json'], { cwd: ROOT });
        try {
            const { baseUrl, model, workerUrl, resumed } = await ready(child);
            const openai = new OpenAI({ baseURL: baseUrl, apiKey: 'any', maxRetries: 0 });
            const messages = [{ role: 'user' as const, content: 'What is a voucher?' }];
            const { choices, usage } = await openai.chat.completions.create({ model, messages, max_tokens: 30 });

            expect(resumed).toBe(false);
            expect(choices[0].message.content).toContain('voucher');
            expect(usage).toHaveProperty('cost_nanoton');
            expect(refusedWith('--state', folder)).toContain('Another playground uses');

            const ended = once(child, 'exit');
            child.kill('SIGINT');
            expect(await ended).toEqual([0, null]);
            for (const url of [`${baseUrl}/models`, `${workerUrl}/v1/node`]) {
                await expect(fetch(url)).rejects.toThrow('fetch failed');
            }
        } finally {
            if (child.exitCode === null) {
                child.kill('SIGTERM');
                await once(child, 'exit');
            }
        }
    });

    it('refuses a folder of something else, and options that it does not have', () => {
        writeFileSync(join(folder, 'letter.txt'), 'to somebody');
        expect(refusedWith('--state', folder)).toContain('holds something else than a playground');
        expect(refusedWith('--port', '65536')).toContain('--port is a number from 0 to 65535');
        expect(refusedWith('--forever')).toContain("Unknown option '--forever'");
    });
});
