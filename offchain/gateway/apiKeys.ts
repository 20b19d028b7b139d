/**
 * The API keys of this gateway's users. Only hashes are stored. A key has 256 random bits, so its hash needs no salt.
 * Once a key exists, also a revoked one, every request to /v1 needs a key.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { nano, whole } from '../process/fields';
import type { PeopleStore, StoredApiKey } from '../store/people';
import { GatewayError } from './errors';

const PREFIX = 'sk-cocoon-';
const SECRET_BYTES = 32;
const HEADER = /^Bearer +(\S+) *$/i;

export const keyName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, {
    error: 'a name has 1 to 64 letters, digits, dots, hyphens, underscores or @, and begins with a letter or digit',
});

/** What a key may do. An absent field is left as it is, null means no limit. */
export const keyLimits = z.strictObject({
    daily: nano.nullable().optional(), // nanoTON in a day (UTC)
    monthly: nano.nullable().optional(), // nanoTON in a month (UTC)
    models: z.array(z.string().min(1)).min(1).nullable().optional(),
    expiresAt: whole(1).nullable().optional(), // unix seconds
});
export type KeyLimits = z.output<typeof keyLimits>;

/** A new key, as the command line asks for it. */
export const newKey = keyLimits.extend({ name: keyName });
export type NewKey = z.output<typeof newKey>;

export class ApiKeys {
    private byName: Map<string, StoredApiKey>;
    private reads = 0; // begun
    private newest = 0; // only a read that began later than this one may replace the keys: the others may miss a save

    private constructor(
        private readonly store: PeopleStore,
        private readonly now: () => number, // unix seconds
        keys: StoredApiKey[],
    ) {
        this.byName = new Map(keys.map((key) => [key.name, key]));
    }

    static async load(store: PeopleStore, now: () => number): Promise<ApiKeys> {
        return new ApiKeys(store, now, await store.apiKeys());
    }

    /** Reads what another process that shares the store changed. */
    async refresh(): Promise<void> {
        const begun = ++this.reads;
        const keys = await this.store.apiKeys();
        if (begun > this.newest) {
            this.newest = begun;
            this.byName = new Map(keys.map((key) => [key.name, key]));
        }
    }

    /** True once a key was created, also after it was revoked: nobody gets in because a key was taken back. */
    get areRequired(): boolean {
        return this.byName.size > 0;
    }

    /** True if somebody has a key that is neither revoked nor expired. */
    get hasUsable(): boolean {
        return this.usable > 0;
    }

    /** How many keys are neither revoked nor expired. */
    get usable(): number {
        return [...this.byName.values()].filter((key) => this.objection(key) === undefined).length;
    }

    /** All keys, by name. */
    get all(): StoredApiKey[] {
        return [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    }

    get(name: string): StoredApiKey | undefined {
        return this.byName.get(name);
    }

    /** The key that a request's Authorization header carries; undefined if none is needed. Throws 401. */
    authenticate(header: string | undefined): StoredApiKey | undefined {
        if (!this.areRequired) {
            return undefined;
        }
        const secret = HEADER.exec(header ?? '')?.[1];
        if (secret === undefined) {
            throw unauthorized(
                'This gateway needs an API key: send the header "Authorization: Bearer sk-cocoon-…"; ' +
                    'its owner makes a key with "cocoon keys create"',
            );
        }
        const hash = hashOf(secret);
        // Every key is compared, in constant time, so that how long it takes says nothing of any key.
        const key = [...this.byName.values()].filter((each) => timingSafeEqual(each.hash, hash)).at(0);
        const objection = key === undefined ? 'is not one of this gateway' : this.objection(key);
        if (objection !== undefined) {
            throw unauthorized(`This API key ${objection}: its owner makes a new one with "cocoon keys create"`);
        }
        return key;
    }

    /** The limits of now of a key that was shown before. Throws 401 if it is revoked, expired or replaced since. */
    current(key: StoredApiKey): StoredApiKey {
        return this.unchanged(key, this.byName.get(key.name));
    }

    /** {@link current}, with what another process that shares the store changed until now. */
    async stored(key: StoredApiKey): Promise<StoredApiKey> {
        return this.store.cluster.isShared ? this.unchanged(key, await this.store.apiKey(key.name)) : this.current(key);
    }

    private unchanged(key: StoredApiKey, now: StoredApiKey | undefined): StoredApiKey {
        const objection = now?.hash.equals(key.hash) === true ? this.objection(now) : 'was revoked';
        if (now === undefined || objection !== undefined) {
            throw unauthorized(`This API key ${objection}: its owner makes a new one with "cocoon keys create"`);
        }
        return now;
    }

    /** Makes a key. Its secret is returned here and exists nowhere else. Throws 409 if the name is in use. */
    create(fields: NewKey): Promise<{ key: StoredApiKey; secret: string }> {
        return this.changing(() => this.createNow(fields));
    }

    private async createNow({ name, daily, monthly, models, expiresAt }: NewKey) {
        const existing = this.byName.get(name);
        if (existing !== undefined && existing.revokedAt === null) {
            const remedy = 'name another, revoke it first, or change it with "cocoon keys limit"';
            throw new GatewayError(409, 'key_exists', `There is a key "${name}" already: ${remedy}`, { param: 'name' });
        }
        const secret = PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
        const key: StoredApiKey = {
            ...{ name, hash: hashOf(secret), daily: daily ?? null, monthly: monthly ?? null, models: models ?? null },
            ...{ createdAt: this.now(), expiresAt: expiresAt ?? null, revokedAt: null },
        };
        await this.save(key);
        return { key, secret };
    }

    /** No request with this key is answered from now on. Answers that run already end by themselves. */
    revoke(name: string): Promise<StoredApiKey> {
        return this.changing(async () => {
            const key = this.require(name);
            return key.revokedAt === null ? this.save({ ...key, revokedAt: this.now() }) : key;
        });
    }

    /** Changes the limits that are named. They hold from the next request. */
    limit(name: string, limits: KeyLimits): Promise<StoredApiKey> {
        return this.changing(async () => {
            const key = this.require(name);
            if (key.revokedAt !== null) {
                const message = `The key "${name}" is revoked: create a new one of this name`;
                throw new GatewayError(409, 'key_revoked', message);
            }
            const changes = Object.entries(limits).filter(([, value]) => value !== undefined);
            return this.save({ ...key, ...(Object.fromEntries(changes) as object) });
        });
    }

    // Otherwise a process could write over what another one changed, such as a revocation.
    private changing<T>(change: () => Promise<T>): Promise<T> {
        const { cluster } = this.store;
        return cluster.exclusive('apiKeys', async () => {
            if (cluster.isShared) {
                await this.refresh();
            }
            return change();
        });
    }

    private require(name: string): StoredApiKey {
        const key = this.byName.get(name);
        if (key === undefined) {
            const message = `There is no key "${name.slice(0, 64)}": "cocoon keys list" lists them`;
            throw new GatewayError(404, 'unknown_key', message);
        }
        return key;
    }

    private async save(key: StoredApiKey): Promise<StoredApiKey> {
        this.byName.set(key.name, key);
        this.newest = Infinity;
        try {
            await this.store.saveApiKey(key);
        } finally {
            this.newest = this.reads;
        }
        return key;
    }

    private objection({ revokedAt, expiresAt }: StoredApiKey): string | undefined {
        if (revokedAt !== null) {
            return 'was revoked';
        }
        return expiresAt !== null && expiresAt <= this.now() ? 'has expired' : undefined;
    }
}

/** Throws 403 if a key may not use a model. */
export function requireAllowed({ name, models }: StoredApiKey, model: string): void {
    if (models !== null && !models.includes(model)) {
        const message = `The key "${name}" may not use this model; it may use ${models.join(', ')}`;
        throw new GatewayError(403, 'model_not_allowed', message, { param: 'model' });
    }
}

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

const unauthorized = (message: string) => new GatewayError(401, 'invalid_api_key', message);
