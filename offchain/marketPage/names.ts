/** Names of models. A chain has only the SHA-256 of an id, so a name proves itself. */
import { modelKey, modelKeyOf, numberToHex } from '@cocoon-market/wrappers';
import { catalogueIds } from '../fleet/catalogue';

const SHORT = 12; // digits of a hash without a name

export class NameBook {
    private readonly byHash: ReadonlyMap<string, string>;

    /** `more`: ids besides those of the catalogue. */
    constructor(more: readonly string[] = []) {
        this.byHash = new Map([...catalogueIds, ...more].map((id) => [numberToHex(modelKey(id)), id]));
    }

    /** The id of a hash, if its name is known here. */
    idOf(hash: string): string | null {
        return this.byHash.get(hash) ?? null;
    }

    /** The id, or the beginning of the hash. */
    display(hash: string): string {
        return this.byHash.get(hash) ?? `${hash.slice(0, SHORT)}…`;
    }

    /** The hash of an id or a hash. */
    hashOf(name: string): string {
        return numberToHex(modelKeyOf(/^[0-9a-f]{64}$/i.test(name) ? name.toLowerCase() : name));
    }

    /** Where the page of a model is. */
    path(hash: string): string {
        const id = this.byHash.get(hash);
        return `/models/${id === undefined ? hash : id.split('/').map(encodeURIComponent).join('/')}`;
    }
}
