/** Errors of reading and buying at a market. Each has a code for programs, and a remedy for people. */

/** What went wrong, for programs. */
export type MarketErrorCode =
    | 'malformed-record' // the deployment record lacks a field, or a field is of another type
    | 'wrong-address' // an address has a typing error, or is of another network or workchain
    | 'wrong-network' // the endpoint is of another network than the record
    | 'no-configuration' // the endpoint does not return the configuration of the network
    | 'no-registry' // no contract is active at the address of the record
    | 'foreign-code' // a contract does not run the code of this release
    | 'dear-fees' // a contract asks for more than 5 TON of fees
    | 'wrong-catalogue' // the catalogue is not the one that the registry names
    | 'unknown-model' // no node sells the model
    | 'no-node' // nodes sell the model, and none fits
    | 'unfit-node' // the node cannot take a job, or not at this price
    | 'unfit-escrow' // the escrow cannot open this job
    | 'contradiction' // the endpoint contradicts itself
    | 'wrong-voucher'; // the voucher would sign away what the job does not have

/**
 * Something is wrong with a market, an endpoint or a request. Nothing was signed or sent.
 *
 * @example
 * ```ts
 * import { MarketError } from '@cocoon-market/wrappers/market';
 *
 * const error = new MarketError('no-registry', 'There is no registry', 'Check the network.');
 * if (error.code !== 'no-registry' || error.remedy !== 'Check the network.') throw error;
 * ```
 */
export class MarketError extends Error {
    constructor(
        readonly code: MarketErrorCode,
        reason: string,
        readonly remedy: string, // what to do, as a sentence
    ) {
        super(`${reason}. ${remedy}`);
        this.name = 'MarketError';
    }
}

/**
 * No node sells this model. `near`: ids that are sold or in the catalogue and look alike, the most alike first.
 *
 * @example
 * ```ts
 * import { UnknownModel } from '@cocoon-market/wrappers/market';
 *
 * const { near, remedy } = new UnknownModel('qwen3-32b', ['Qwen/Qwen3-32B', 'openai/gpt-oss-20b']);
 * if (near[0] !== 'Qwen/Qwen3-32B') throw new Error(remedy);
 * ```
 */
export class UnknownModel extends MarketError {
    readonly near: string[];

    constructor(
        readonly model: string,
        candidates: readonly string[],
    ) {
        const near = nearest(model, candidates);
        const remedy =
            near.length === 0 ? 'Nothing is sold here now.' : `Do you mean ${near.map(quoted).join(' or ')}?`;
        super('unknown-model', `No node sells ${quoted(model)}`, remedy);
        this.near = near;
        this.name = 'UnknownModel';
    }
}

const MAX_NEAR = 5;
const MAX_SHOWN = 80; // characters of a name

const quoted = (name: string) => JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name);

/** The names that share most pairs of characters with the text, the nearest first. */
function nearest(text: string, names: readonly string[]): string[] {
    const pairs = pairsOf(text.slice(0, MAX_SHOWN));
    const scored = names.map((name) => ({ name, score: likeness(pairs, pairsOf(name)) }));
    return scored
        .sort((one, other) => other.score - one.score || (one.name < other.name ? -1 : 1))
        .slice(0, MAX_NEAR)
        .map(({ name }) => name);
}

function pairsOf(text: string): Set<string> {
    const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, ' ');
    return new Set(Array.from({ length: Math.max(plain.length - 1, 0) }, (_, i) => plain.slice(i, i + 2)));
}

function likeness(one: Set<string>, other: Set<string>): number {
    const shared = [...one].filter((pair) => other.has(pair)).length;
    return (2 * shared) / Math.max(one.size + other.size, 1);
}
