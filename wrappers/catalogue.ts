/** The published list of models. The Registry has its hash; offers and terms have the hash of a model's id. */
import { bytesToNumber } from './bytes';
import { sha256 } from './platform/node';

/** One model that may be offered. */
export interface CatalogueModel {
    id: string; // what an app puts into its request, and what is hashed
    family: string;
    source: string; // where weights and licence are
    license: string;
    context: number; // tokens
}

/** The hash of a model in offers and terms: SHA-256 of its catalogue id. */
export function modelKey(id: string): bigint {
    return bytesToNumber(sha256(Buffer.from(id, 'utf8')));
}

/** The same of a model that is named by its catalogue id, or by the 64 hex digits of its hash. */
export function modelKeyOf(model: string): bigint {
    return /^[0-9a-f]{64}$/.test(model) ? BigInt(`0x${model}`) : modelKey(model);
}

/** The hash of a catalogue in the Registry: SHA-256 of the published file. */
export function catalogueHash(file: Buffer): bigint {
    return bytesToNumber(sha256(file));
}

/** Models of a published file. Throws when it is not a catalogue, or names a model twice. */
export function parseCatalogue(file: Buffer): CatalogueModel[] {
    const { models } = JSON.parse(file.toString('utf8')) as { models: CatalogueModel[] };
    const fields: Record<keyof CatalogueModel, string> = {
        id: 'string',
        family: 'string',
        source: 'string',
        license: 'string',
        context: 'number',
    };
    models.forEach((model, i) => {
        for (const [name, type] of Object.entries(fields)) {
            if (typeof model[name as keyof CatalogueModel] !== type) {
                throw new Error(`model ${i + 1} of the catalogue has no ${name}`);
            }
        }
        if (models.findIndex(({ id }) => id === model.id) !== i) {
            throw new Error(`the catalogue names ${model.id} twice`);
        }
    });
    return models;
}
