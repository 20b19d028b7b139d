import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedBackend } from '../../../offchain/backend';
import { Tokenizer, type TokenizerFile } from '../../../offchain/backend/embedded/tokenizer';
import { Transformer, type TransformerConfig } from '../../../offchain/backend/embedded/transformer';
import { readWeights } from '../../../offchain/backend/embedded/safetensors';

const embedded = join(__dirname, '../../../offchain/backend/embedded');
const read = (name: string) => readFileSync(join(embedded, 'weights', name));
const config = JSON.parse(read('config.json').toString('utf8')) as TransformerConfig & {
    parameters: number;
    sha256: Record<string, string>;
};

describe('Committed model', () => {
    it.each([
        ['weights/weights.safetensors', 'weights.safetensors'],
        ['weights/tokenizer.json', 'tokenizer.json'],
        ['training/questions.md', 'training/questions.md'],
    ])('was made together with %s', (path, name) => {
        const digest = createHash('sha256')
            .update(readFileSync(join(embedded, path)))
            .digest('hex');

        expect(digest).toBe(config.sha256[name]);
    });

    it('has the shapes and the number of parameters that its config says', () => {
        const weights = readWeights(read('weights.safetensors'));
        const numbers = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);

        expect(() => new Transformer(config, weights)).not.toThrow();
        expect(numbers).toBe(config.parameters);
    });

    it('refuses a config of another shape', () => {
        const weights = readWeights(read('weights.safetensors'));

        expect(() => new Transformer({ ...config, hidden: 4 }, weights)).toThrow('layers.0.gate');
    });

    it('refuses to load weights that were cut short', () => {
        const copy = mkdtempSync(join(tmpdir(), 'cocoon-tiny-'));
        cpSync(join(embedded, 'weights'), copy, { recursive: true });
        truncateSync(join(copy, 'weights.safetensors'), 100_000);

        expect(() => new EmbeddedBackend(copy)).toThrow('damaged');
        rmSync(copy, { recursive: true });
    });

    it('turns any text into tokens and back', () => {
        const tokenizer = new Tokenizer(JSON.parse(read('tokenizer.json').toString('utf8')) as TokenizerFile);
        const text = `What's  a\tvoucher?\r\n\n  Ж漢 👋🏽 ${'é'.repeat(50)} ${'x'.repeat(100)} 12345 <|end|>`;

        const bytes = tokenizer.encode(text).flatMap((token) => [...tokenizer.bytes(token)]);

        expect(Buffer.from(bytes).toString('utf8')).toBe(text);
    });
});
