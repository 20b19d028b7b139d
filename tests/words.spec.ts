import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { normaliseWords, seedOfWords } from '@cocoon-market/wrappers';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';
import { send } from '../offchain/cli/actor';

describe('The words of a wallet', () => {
    let words: string[];

    beforeAll(async () => {
        do {
            words = await mnemonicNew();
        } while (words[0] === words[1] || new Set(words).size < 24);
    });

    const refusal = async (text: string) =>
        seedOfWords(text).then(
            () => 'taken',
            (error: Error) => error.message,
        );

    it('open their wallet', async () => {
        const { secretKey } = await mnemonicToPrivateKey(words);

        expect(await seedOfWords(words.join(' '))).toEqual(secretKey.subarray(0, 32));
    });

    it('open the same wallet with other spaces and capitals', async () => {
        const written = `\n ${words.join('  ').toUpperCase()}\t\n`;

        expect(normaliseWords(written)).toBe(words.join(' '));
        expect(await seedOfWords(written)).toEqual(await seedOfWords(words.join(' ')));
    });

    it.each([
        [0, 'these are 0'],
        [12, 'these are 12'],
        [23, 'these are 23'],
    ])('are refused when they are %i', async (count, said) => {
        expect(await refusal(words.slice(0, count).join(' '))).toContain(`A wallet has 24 words, ${said}`);
    });

    it('are refused with a 25th', async () => {
        expect(await refusal([...words, words[0]].join(' '))).toContain('these are 25');
    });

    it('are refused with a typing error, which is named by its place and not repeated', async () => {
        const wrong = [...words.slice(0, 6), `${words[6]}zz`, ...words.slice(7)];

        const said = await refusal(wrong.join(' '));

        expect(said).toBe('Word 7 is not in the list of wallet words: it has a typing error');
    });

    it('are refused when two have changed places, and none is repeated', async () => {
        // One order in 256 passes the checksum of any wallet: the first of these that does not is asked.
        const orders = Array.from({ length: 6 }, (_, i) => {
            const order = [...words];
            [order[i], order[i + 1]] = [order[i + 1], order[i]];
            return order.join(' ');
        });

        const said = await Promise.all(orders.map(refusal));

        const refused = said.filter((one) => one.includes('two are in the wrong order'));
        expect(refused.length).toBeGreaterThanOrEqual(4);
        expect(refused[0]).toBe("These 24 words are not a wallet's: one is wrong, or two are in the wrong order");
    });
});

describe('Whatever reads words', () => {
    const folder = mkdtempSync(join(tmpdir(), 'words-'));
    const file = join(folder, 'wallet');
    let words: string[];

    beforeAll(async () => {
        words = await mnemonicNew();
    });

    afterAll(() => rmSync(folder, { recursive: true }));

    it('makes keys of them by the one function that checks them', () => {
        const sources = execFileSync('git', ['ls-files', '*.ts', '*.js', '*.mjs'], { encoding: 'utf8' })
            .trim()
            .split('\n');
        const making = /mnemonicTo\w+|mnemonicValidate|deriveMnemonic/;

        const places = sources.filter((path) => !path.startsWith('tests/') && making.test(readFileSync(path, 'utf8')));

        expect(places).toEqual(['localnet/main.ts', 'wrappers/words.ts']); // the first only makes new ones
        expect(readFileSync('localnet/main.ts', 'utf8')).toContain('const words = await mnemonicNew();');
    });

    it.each([
        ['a typing error', (words: string[]) => [`${words[0]}q`, ...words.slice(1)], ': Word 1 is not in the list'],
        ['23 words', (words: string[]) => words.slice(1), ': A wallet has 24 words, these are 23'],
        ['one word', () => ['abandon'], ' holds neither 24 words nor a seed of 64 hex digits'],
    ])('refuses %s in a wallet file of cocoon, and names the file', async (_, change, complaint) => {
        writeFileSync(file, change(words).join(' '), { mode: 0o600 });

        const sent = send({} as never, { config: '', wallet: file, yes: true }, 0n, () => Promise.resolve());

        await expect(sent).rejects.toThrow(`${file}${complaint}`);
    });
});
