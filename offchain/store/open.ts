/** Opens a store as its setting says: a SQLite file, or a PostgreSQL database. Only what opens it is loaded. */
import type { MemberOptions } from './cluster';
import type { GatewayStore } from './gateway';
import { isPostgres } from '../process/storeAddress';
import type { WorkerStore } from './worker';
import type { StoreEvents } from './writeQueue';

export interface OpenOptions extends StoreEvents {
    /** Lets a PostgreSQL database be written by several processes, each of which says this of itself. */
    member?: MemberOptions | undefined;
}

/** Throws {@link StoreInUse} if another process has the store. */
export async function openWorkerStore(store: string, options: OpenOptions = {}): Promise<WorkerStore> {
    if (isPostgres(store)) {
        const { openPostgresWorker } = await import('./postgresStores');
        return openPostgresWorker(store, options);
    }
    const { SqliteWorkerStore } = await import('./sqliteWorker');
    return SqliteWorkerStore.open(store, options);
}

/** Throws {@link StoreInUse} if another process has the store. */
export async function openGatewayStore(store: string, options: OpenOptions = {}): Promise<GatewayStore> {
    if (isPostgres(store)) {
        const { openPostgresGateway } = await import('./postgresStores');
        return openPostgresGateway(store, options);
    }
    const { openGatewayStore: openFile } = await import('./sqliteGateway');
    return openFile(store, options);
}
