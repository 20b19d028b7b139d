import { Finish } from '@cocoon-market/wrappers';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMBEDDED_MODEL, EmbeddedBackend } from '../../../offchain/backend';
import { rerunCommand } from '../../../offchain/cli/rerun';
import { ModelRequest, openQuery, toWire } from '../../../offchain/link';
import { rerun, UNDECIDED_REASON } from '../../../offchain/rerun';
import { ECHO, ScriptedBackend } from '../support/backend';
import { Made, makeOpening } from '../support/opening';
import { chatRequest } from '../support/requests';

const embedded = new EmbeddedBackend();
const tiny = chatRequest({
    model: EMBEDDED_MODEL,
    messages: [{ role: 'user', content: 'What is a voucher?' }],
    maxTokens: 24,
    temperature: 0,
});
const echo = chatRequest({ model: ECHO, messages: [{ role: 'user', content: 'one two' }], maxTokens: 9 });

/** What the embedded model answers, and how that ended. */
async function answerOf(request: ModelRequest): Promise<{ text: string; finish: Finish }> {
    let [text, finish] = ['', Finish.Length];
    for await (const event of embedded.stream(request, new AbortController().signal)) {
        text += event.type === 'delta' ? (event.content ?? '') : '';
        finish = event.type === 'end' && event.finish === 'stop' ? Finish.Stop : finish;
    }
    return { text, finish };
}

const repeat = (request: ModelRequest, made: Made, backend: EmbeddedBackend | ScriptedBackend) =>
    rerun(openQuery(makeOpening(request, made)), backend);

describe('rerun', () => {
    it('on the embedded backend matches what the model answers', async () => {
        const { text, finish } = await answerOf(tiny);
        expect(await repeat(tiny, { texts: [text], finish }, embedded)).toMatchObject({
            verdict: 'match',
            same: text.length,
        });
    });

    it('on the embedded backend finds another answer to be a mismatch, at temperature 0 or with a seed', async () => {
        const { text } = await answerOf(tiny);
        const made = { texts: [text.slice(0, 10), 'something else'] };

        expect(await repeat(tiny, made, embedded)).toMatchObject({ verdict: 'mismatch', same: 10 });
        const withFields = (fields: object) => ({ ...tiny, body: { ...tiny.body, ...fields } }) as ModelRequest;
        expect(await repeat(withFields({ temperature: 1, seed: 5 }), made, embedded)).toMatchObject({
            verdict: 'mismatch',
        });
        expect(await repeat(withFields({ temperature: 1 }), { texts: ['\u0001'] }, embedded)).toMatchObject({
            verdict: 'undecided',
        });
    });

    it('takes an answer that was cut for what it is: it must begin alike', async () => {
        const { text } = await answerOf(tiny);
        const cut = { texts: [text.slice(0, 12)], finish: Finish.CutByClient };

        expect((await repeat(tiny, cut, embedded)).verdict).toBe('match');
        expect((await repeat(tiny, { ...cut, finish: Finish.Stop }, embedded)).verdict).toBe('mismatch');
    });

    it('on any other backend is undecided unless the answers are equal, and says why', async () => {
        const backend = new ScriptedBackend();
        expect((await repeat(echo, { texts: ['one ', 'two'] }, backend)).verdict).toBe('match');
        expect(await repeat(echo, { texts: ['one ', 'three'] }, backend)).toEqual({
            verdict: 'undecided',
            reason: UNDECIDED_REASON,
            same: 5,
            delivered: 9,
            repeated: 7,
        });
    });
});

describe('cocoon rerun', () => {
    let folder: string;
    let printed: string[];

    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), 'cocoon-rerun-'));
        printed = [];
        jest.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
    });

    afterEach(() => {
        jest.restoreAllMocks();
        process.exitCode = undefined;
        rmSync(folder, { recursive: true });
    });

    async function run(opening: unknown, ...args: string[]): Promise<void> {
        const file = join(folder, 'query.json');
        writeFileSync(file, JSON.stringify(opening));
        await rerunCommand()
            .exitOverride()
            .parseAsync([file, ...args], { from: 'user' });
    }

    it('says match with exit code 0 and mismatch with 2', async () => {
        const { text, finish } = await answerOf(tiny);
        await run(toWire(makeOpening(tiny, { texts: [text], finish })));
        expect([process.exitCode, printed[0]]).toEqual([0, expect.stringMatching(/^match: query 7 of job /)]);

        await run(toWire(makeOpening(tiny, { texts: ['no'] })), '--json');
        expect(process.exitCode).toBe(2);
        expect(JSON.parse(printed[1])).toMatchObject({ verdict: 'mismatch', model: EMBEDDED_MODEL });
    });

    it('refuses a file that is no opening, or does not hold together, before anything is repeated', async () => {
        await expect(run({})).rejects.toThrow('is no opening');
        const opening = makeOpening(tiny);
        await expect(run(toWire({ ...opening, number: 8 }))).rejects.toThrow('The result is of another query');
        expect(printed).toEqual([]);
    });
});
