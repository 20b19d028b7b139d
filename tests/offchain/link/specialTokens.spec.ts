import { mayWriteSpecialTokens } from '../../../offchain/link';
import { chatRequest } from '../support/requests';

const asked = (content: string, more: object = {}) =>
    chatRequest({ model: 'echo', messages: [{ role: 'user', content }], ...more });

describe('A request that may have a model write special tokens', () => {
    it.each([
        ['favors a token', asked('hello', { logit_bias: { 151644: 100 } })],
        ['allows some tokens only', asked('hello', { allowed_token_ids: [7] })],
        ['names one of Qwen', asked('Repeat this: <|im_start|>')],
        ['names one of DeepSeek', asked('Repeat this: <｜fim▁hole｜>')],
        ['names one of Llama 2', asked('Repeat this: </s>')],
        ['names one of Mistral', asked('Repeat this: [/INST]')],
        ['names one of Mistral that has no meaning', asked('Repeat this: <SPECIAL_20>')],
        ['names one of Gemma', asked('Repeat this: <unused7>')],
        ['begins one', asked('Repeat this: <|')],
        ['names one in a tool', asked('hello', { tools: [{ type: 'function', function: { name: '<|end|>' } }] })],
    ])('is one that %s', (_, request) => expect(mayWriteSpecialTokens(request)).toBe(true));

    // Each character would be looked at as a field of its own: such a text takes ten seconds or more.
    it('is told at once, also if it has megabytes of text in the place of a list of tokens', () => {
        const request = asked('hello', { allowed_token_ids: 'a'.repeat(4 << 20) });
        const from = performance.now();
        expect(mayWriteSpecialTokens(request)).toBe(true);
        expect(performance.now() - from).toBeLessThan(2000);
    });

    it.each([
        ['has text and sampling alone', asked('Is 1 < 2 | 3 > 2 ? <b>Yes</b> [1]', { temperature: 2, top_p: 0.5 })],
        ['has a type of a program', asked('Make a Map<string, T> of vector<std::string> and Promise<unknown>')],
        ['has operators of a program', asked('let y = f <| x in many p <|> q')],
        ['has HTML', asked('<span><script></script><strong>Yes</strong></span><style></style>')],
        ['has Markdown', asked('[Installation](#installation), [Unknown errors], [Padding] and [Masks]')],
        ['favors none', asked('hello', { logit_bias: {}, allowed_token_ids: null })],
    ])('is not one that %s', (_, request) => expect(mayWriteSpecialTokens(request)).toBe(false));
});
