/** Changes prices in the text of a manifest and nothing else: comments, order and spacing stay as they are. */
import { formatTon, type Rates, tokenKinds } from '@cocoon-market/wrappers';
import { isScalar, parseDocument, type Scalar } from 'yaml';
import { ManifestError } from './manifest';

/** What a cached and a reasoning token cost unless their own prices say otherwise: half a prompt's, and an answer's. */
export const followingPrices = ({ prompt, completion }: Pick<Rates, 'prompt' | 'completion'>) => ({
    cached: prompt / 2n,
    reasoning: completion,
});

/**
 * Changes of a model's prices, with those that follow from them: a cached or reasoning price that followed until now
 * does so further, and one of its own stays.
 */
export function withFollowing(requested: Partial<Rates>, present: Rates): Partial<Rates> {
    const [former, latter] = [present, { ...present, ...requested }].map(followingPrices);
    const [newPrompt, newCompletion] = [requested.prompt !== undefined, requested.completion !== undefined];
    return {
        ...(newPrompt && present.cached === former.cached && { cached: latter.cached }),
        ...(newCompletion && present.reasoning === former.reasoning && { reasoning: latter.reasoning }),
        ...requested,
    };
}

/** The text with other prices of a model, in nanoTON per million tokens. Throws if it does not offer the model. */
export function withPrices(file: string, text: string, model: string, prices: Partial<Rates>): string {
    const document = parseDocument(text, { schema: 'failsafe' });
    const edits = tokenKinds.flatMap((kind) => {
        const price = prices[kind];
        const node = document.getIn(['offers', model, kind], true);
        if (price === undefined) {
            return [];
        }
        if (!isScalar(node) || !node.range) {
            throw new ManifestError(`${file} has no price "${kind}" of ${model}`, `offers are ${offersIn(document)}`);
        }
        const [from, to] = (node as Scalar & { range: [number, number, number] }).range;
        return { from, to, price: formatTon(price) };
    });
    return edits
        .sort((a, b) => b.from - a.from)
        .reduce((changed, { from, to, price }) => changed.slice(0, from) + price + changed.slice(to), text);
}

function offersIn(document: ReturnType<typeof parseDocument>): string {
    const { offers = {} } = (document.toJS() ?? {}) as { offers?: object };
    return Object.keys(offers).join(', ') || 'none';
}
