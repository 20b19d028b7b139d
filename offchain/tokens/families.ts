/** Which tokenizer a model's name stands for. */
import { EMBEDDED_MODEL } from '../backend/embedded/tokenizer';
import { BYTES } from './bytes';
import { type Family, familyNames } from './vocabularies';

/** Names of tokenizers that are here, as an offer lists them. */
export const tokenizerNames = [...familyNames, EMBEDDED_MODEL, BYTES] as const;
export type TokenizerName = (typeof tokenizerNames)[number];

const END = '(?=[-_:]|$)';

// Only names whose vocabulary is certain. Distilled models have the vocabulary of the model that was trained on.
const patterns: [RegExp, Family][] = [
    [new RegExp(`^deepseek-r1-(0528-|distill-)?qwen(2\\.5|3)?${END}`), 'qwen'],
    [/^deepseek-r1-distill-llama-/, 'llama3'],
    [new RegExp(`(^|[-_])llama-?3([._][123])?${END}`), 'llama3'],
    [new RegExp(`^(qwen(1\\.5|2|2\\.5|3)${END}|qwq${END}|qvq${END})`), 'qwen'],
    [/^deepseek-(v3(\.[12])?|r1)(-(0324|0528|base|zero|chat|exp|terminus))*$/, 'deepseek'],
    [/^deepseek-(v3(\.[12])?(:|$)|r1:671b)/, 'deepseek'],
    [new RegExp(`^gpt-oss${END}`), 'o200k'],
];

/** The tokenizer of a model by its name, such as `Qwen/Qwen3-32B`; `bytes` if the name does not tell. */
export function tokenizerOfModel(model: string): TokenizerName {
    if (model === EMBEDDED_MODEL) {
        return EMBEDDED_MODEL;
    }
    const name = model.toLowerCase().split('/').at(-1)!;
    return patterns.find(([pattern]) => pattern.test(name))?.[1] ?? BYTES;
}
