/** Changes prices in the text of a manifest and nothing else: comments, order and spacing stay as they are. */
import { formatTon, type Rates, tokenKinds } from '@cocoon-market/wrappers';
import { isScalar, parseDocument, type Scalar } from 'yaml';
import { ManifestError } from './manifest';

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
