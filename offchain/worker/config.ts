/** The configuration of a worker: a JSON file, and a key file that only its owner may read. */
import { z } from 'zod';
import { reasonOf, Remedied } from '../process/errors';
import { hex } from '../process/fields';
import { newSeed, readSecret, writeSecret } from '../process/keyFiles';
import { readSettings } from '../process/settings';
import { withManifestOffers } from './manifestOffers';
import { workerConfig } from './schema';

export type WorkerConfig = z.output<typeof workerConfig>;
export type WorkerConfigInput = z.input<typeof workerConfig>;

/** The config in a JSON file; paths in it start at its folder. Throws an error that names every wrong field. */
export function readWorkerConfig(path: string): WorkerConfig {
    const config = readConfig(path, withOffers);
    if (config.offers.length === 0) {
        const remedy = 'name the fleet\'s file as "manifest", or write "offers"';
        throw new Remedied(`${path} offers no model`, { remedy });
    }
    return config;
}

/**
 * As {@link readWorkerConfig}, for commands about money: they work whatever the manifest says of models and prices, and
 * also if it no longer has the node. Then there are no offers.
 */
export function readMoneyConfig(path: string): WorkerConfig {
    return readConfig(path, (file, from) => {
        try {
            return withOffers(file, from);
        } catch (error) {
            if (error instanceof Remedied) {
                return { ...(file as object), offers: [] };
            }
            throw error;
        }
    });
}

function readConfig(path: string, complete: typeof withOffers): WorkerConfig {
    const { settings, from } = readSettings(workerConfig, path, 'worker', {}, (file, resolve) => {
        assertNoFormer(file, path);
        return complete(file, resolve);
    });
    const { attestation, manifest } = settings;
    const isFile = typeof attestation === 'string' && attestation !== 'open';
    return {
        ...settings,
        ...(isFile && { attestation: from(attestation) }),
        ...(manifest !== undefined && { manifest: from(manifest) }),
    };
}

// By settings of earlier releases: what takes their place.
const FORMER: Readonly<Record<string, string>> = { backend: '"backends", a list: "backends": [{"kind": …}]' };

function assertNoFormer(file: unknown, path: string): void {
    const former = Object.keys(FORMER).find((name) => typeof file === 'object' && file !== null && name in file);
    if (former !== undefined) {
        const remedy = `write ${FORMER[former]} (docs/worker.md names the settings)`;
        throw new Remedied(`${path} has the setting "${former}" of an earlier release`, { remedy });
    }
}

function withOffers(file: unknown, from: (file: string) => string): unknown {
    return withManifestOffers(file, from, (keyFile) => readKeys(keyFile).receiptKey);
}

const seeds = z.object({ receiptKey: hex(32), encryptionKey: hex(32), wallet: hex(32) });

/** The three seeds of a worker, 32 bytes each. */
export type WorkerSeeds = z.output<typeof seeds>;

/** Writes three seeds, new ones except for `existing`, to a new key file. Throws if the file exists. */
export function writeKeys(path: string, existing: Partial<WorkerSeeds> = {}): WorkerSeeds {
    const made = { receiptKey: newSeed(), encryptionKey: newSeed(), wallet: newSeed(), ...existing };
    const texts = Object.fromEntries(Object.entries(made).map(([name, seed]) => [name, seed.toString('hex')]));
    writeSecret(path, JSON.stringify(texts, null, 4));
    return made;
}

/** A key file that cannot be used. */
export class KeyFileError extends Remedied {}

/**
 * The seeds of a key file.
 * @throws {KeyFileError} if there is none, others may read it, or it holds something else; it never repeats its text
 */
export function readKeys(path: string): WorkerSeeds {
    try {
        return seedsIn(path);
    } catch (error) {
        const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const { what, remedy = 'make keys with "cocoon worker keygen --out FILE", or name the file as "keyFile"' } =
            error instanceof Remedied ? error : { what: reasonOf(error) };
        throw new KeyFileError(isAbsent ? `There is no key file ${path}` : what, { remedy, cause: error });
    }
}

function seedsIn(path: string): WorkerSeeds {
    const text = readSecret(path);
    let json: unknown;
    try {
        json = JSON.parse(text);
    } catch {
        // Without its cause, which quotes the text.
        throw new Error(`${path} is not JSON`);
    }
    const parsed = seeds.safeParse(json);
    if (!parsed.success) {
        throw new Error(`${path} does not hold three seeds of 32 bytes`);
    }
    return parsed.data;
}
