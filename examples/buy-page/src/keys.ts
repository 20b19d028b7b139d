/** The spend key: made in this browser, and kept in its store. */
import type { Store } from '@cocoon-market/client';
import { signingKey, type SigningKey } from '@cocoon-market/wrappers';

const SEED_BYTES = 32;

/** The key under this name; a new one, which is stored before it is returned, if there is none. */
export async function spendKey(store: Store, name: string): Promise<SigningKey> {
    const stored = await store.get(name);
    const seed =
        stored === undefined
            ? Buffer.from(crypto.getRandomValues(new Uint8Array(SEED_BYTES)))
            : Buffer.from(stored, 'hex');
    if (seed.length !== SEED_BYTES) {
        throw new Error('The spend key of this browser cannot be read. Withdraw with your wallet, and set a new key');
    }
    if (stored === undefined) {
        await store.put(name, seed.toString('hex'));
    }
    return signingKey(seed);
}
