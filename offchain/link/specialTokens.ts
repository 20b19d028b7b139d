/**
 * Which queries may have a model write special tokens, such as `<|im_start|>`. They have no text, so a client pays for
 * none of them. What such queries leave unpaid is counted apart: a client may be a gateway of many apps, and one of
 * them must not use up what the others may leave unpaid.
 */
import { promptTexts } from './bounds';
import { isEmpty } from './features';
import type { ModelRequest } from './request';

// Fields that say which tokens a model writes.
const TOKEN_FIELDS = ['logit_bias', 'allowed_token_ids'];

// As vocabularies write them. A model server may read them as tokens in a prompt, too, and a model repeats them. Code
// and pages have much that only begins alike, such as `<string>`, `<span>` or `[Installation]`.
const SPECIAL_TOKEN =
    /<[|｜](?![\s>])|<\/?(s|bos|eos|pad|unk|mask|sep|special)[>_]|<\/?(begin_of|end_of|start_of|unused)|\[\/?((INST|PAD|UNK|MASK)\d*\]|control_)/i;

/** True if a request says which tokens a model writes, or names a special one. */
export function mayWriteSpecialTokens(request: ModelRequest): boolean {
    const fields = Object.entries(request.body).filter(([name]) => TOKEN_FIELDS.includes(name));
    const choosesTokens = fields.some(([, value]) => value !== undefined && !isEmpty(value));
    return choosesTokens || promptTexts(request).some((text) => SPECIAL_TOKEN.test(text));
}
