/** The vocabularies of model families, each read from its file when it is first needed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { BytePairCounter, Merges } from './bytePairs';

const contraction = "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const upper = '\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}';
const lower = '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}';
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const symbols = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]';

const expressions = (...sources: string[]): RegExp[] => sources.map((source) => new RegExp(source, 'gu'));

const wordsAndNumbers = (numbers: string): string =>
    `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`;

/** How each family cuts a text before it merges: the expressions of its published tokenizer. */
const families = {
    qwen: { splits: () => expressions(wordsAndNumbers('\\p{N}')), normalize: (text: string) => text.normalize('NFC') },
    llama3: { splits: () => expressions(wordsAndNumbers('\\p{N}{1,3}')) },
    o200k: {
        splits: () =>
            expressions(
                `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+(?:${contraction})?|` +
                    `[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*(?:${contraction})?|` +
                    `\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
            ),
    },
    deepseek: {
        splits: () =>
            expressions(
                '\\p{N}{1,3}',
                '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
                `${symbols}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${spaces}`,
            ),
    },
} satisfies Record<string, { splits: () => RegExp[]; normalize?: (text: string) => string }>;

/** The families whose vocabularies are here. */
export type Family = keyof typeof families;
export const familyNames = Object.keys(families) as Family[];

const loaded = new Map<Family, BytePairCounter>();

/** The counter of a family; its first use takes about 50 ms. */
export function familyCounter(family: Family): BytePairCounter {
    let counter = loaded.get(family);
    if (counter === undefined) {
        const { splits, normalize }: { splits: () => RegExp[]; normalize?: (text: string) => string } =
            families[family];
        counter = new BytePairCounter(readMerges(family), splits(), normalize);
        loaded.set(family, counter);
    }
    return counter;
}

/** The file has the low, middle and high bytes of all first tokens, then those of all second tokens. */
function readMerges(family: Family): Merges {
    const planes = brotliDecompressSync(readFileSync(join(__dirname, 'vocabularies', `${family}.merges.br`)));
    const length = planes.length / 6;
    const tokens = (plane: number) =>
        Int32Array.from(
            { length },
            (_, i) =>
                planes[plane * length + i] |
                (planes[(plane + 1) * length + i] << 8) |
                (planes[(plane + 2) * length + i] << 16),
        );
    return new Merges(tokens(0), tokens(3));
}
