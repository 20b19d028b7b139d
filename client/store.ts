/**
 * Where a client keeps what it must not forget: keys of jobs, numbers of queries, vouchers, receipts. A value is
 * written before what follows from it leaves, so a program that ends at any moment can go on.
 */

import { ClientError } from './errors';

/** A small store of texts. Two methods are enough. */
export interface Store {
    /** The value of a key; undefined if there is none. */
    get(key: string): Promise<string | undefined>;
    /** Resolves once the value would survive the end of the program. */
    put(key: string, value: string): Promise<void>;
    /**
     * Takes the store for this program alone; resolves with what gives it back, or with undefined if another program
     * has it. Two programs with one store would use the same query numbers.
     */
    lock?(): Promise<(() => void | Promise<void>) | undefined>;
}

/** A store that ends with the program: for tests, and for jobs whose money may be lost. */
export function memoryStore(): Store {
    const values = new Map<string, string>();
    return {
        get: async (key) => values.get(key),
        put: async (key, value) => void values.set(key, value),
    };
}

/** The part of a page's localStorage that is used. */
interface Texts {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
}

interface Locks {
    request(
        name: string,
        options: { ifAvailable: boolean },
        use: (lock: unknown) => Promise<void> | undefined,
    ): Promise<void>;
}

/** A page's own store; one tab has it at a time. @param name of the store among those of the page's origin */
export function localStore(name = 'cocoon', texts: Texts = pageStorage()): Store {
    return {
        get: async (key) => texts.getItem(`${name}/${key}`) ?? undefined,
        put: async (key, value) => texts.setItem(`${name}/${key}`, value),
        lock: () => lockOfPage(name),
    };
}

function pageStorage(): Texts {
    const { localStorage } = globalThis as { localStorage?: Texts };
    if (localStorage === undefined) {
        throw missing('localStorage');
    }
    return localStorage;
}

const missing = (what: string) =>
    new ClientError(
        'bad_options',
        `There is no ${what} here`,
        'Use fileStore of @cocoon-market/client/file in Node.js, or memoryStore.',
    );

const failed = (message: string, cause: unknown) =>
    new ClientError('store_failed', message, 'Free some space, allow this page to store data, and try again.', {
        cause,
    });

/** Holds a lock of the browser until it is given back. Old browsers have none: then nothing is locked. */
async function lockOfPage(name: string): Promise<(() => void) | undefined> {
    const { locks } = ((globalThis as { navigator?: unknown }).navigator ?? {}) as { locks?: Locks };
    if (locks === undefined) {
        return () => undefined;
    }
    return new Promise((resolve, reject) => {
        const use = (lock: unknown) => {
            if (lock === null) {
                resolve(undefined);
                return undefined;
            }
            return new Promise<void>((release) => resolve(release));
        };
        locks.request(`cocoon ${name}`, { ifAvailable: true }, use).catch(reject);
    });
}

/** The parts of IndexedDB that are used; the compiler of this package knows no types of browsers. */
interface Pending<T> {
    result: T;
    error: Error | null;
    onsuccess: (() => void) | null;
    onerror: (() => void) | null;
}
interface Table {
    get(key: string): Pending<string | undefined>;
    put(value: string, key: string): Pending<unknown>;
}
interface Transaction {
    objectStore(name: string): Table;
    error: Error | null;
    oncomplete: (() => void) | null;
    onabort: (() => void) | null;
}
interface Database {
    createObjectStore(name: string): void;
    transaction(name: string, mode: 'readonly' | 'readwrite', options: { durability: 'strict' }): Transaction;
}
interface Databases {
    open(name: string, version: number): Pending<Database> & { onupgradeneeded: (() => void) | null };
}

const TABLE = 'values';

const resultOf = <T>(pending: Pending<T>): Promise<T> =>
    new Promise((resolve, reject) => {
        pending.onsuccess = () => resolve(pending.result);
        pending.onerror = () => reject(failed('The store does not answer', pending.error));
    });

/** A store in IndexedDB, which a page and its workers share, and which holds more than localStorage. */
export function indexedStore(name = 'cocoon'): Store {
    const { indexedDB } = globalThis as unknown as { indexedDB?: Databases };
    if (indexedDB === undefined) {
        throw missing('IndexedDB');
    }
    let opened: Promise<Database> | undefined;
    const open = () => {
        const request = indexedDB.open(name, 1);
        request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
        return resultOf(request);
    };
    const begin = async (mode: 'readonly' | 'readwrite') =>
        (await (opened ??= open())).transaction(TABLE, mode, { durability: 'strict' });
    return {
        get: async (key) => resultOf((await begin('readonly')).objectStore(TABLE).get(key)),
        put: async (key, value) => {
            const transaction = await begin('readwrite');
            const done = new Promise<void>((resolve, reject) => {
                transaction.oncomplete = () => resolve();
                transaction.onabort = () => reject(failed('The store did not take a value', transaction.error));
            });
            transaction.objectStore(TABLE).put(value, key);
            await done;
        },
        lock: () => lockOfPage(name),
    };
}
