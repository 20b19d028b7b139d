/** Opens a store as its setting says: a SQLite file, or a PostgreSQL database. Only what opens it is loaded. */
import type { GatewayStore } from './gateway';
import { isPostgres } from '../process/storeAddress';
import type { WorkerStore } from './worker';
import type { StoreEvents } from './writeQueue';

/** Throws {@link StoreInUse} if another process has the store. */
export async function openWorkerStore(store: string, events: StoreEvents = {}): Promise<WorkerStore> {
    if (isPostgres(store)) {
        const { openPostgresWorker } = await import('./postgresStores');
        return openPostgresWorker(store, events);
    }
    const { SqliteWorkerStore } = await import('./sqliteWorker');
    return SqliteWorkerStore.open(store, events);
}

/** Throws {@link StoreInUse} if another process has the store. */
export async function openGatewayStore(store: string, events: StoreEvents = {}): Promise<GatewayStore> {
    if (isPostgres(store)) {
        const { openPostgresGateway } = await import('./postgresStores');
        return openPostgresGateway(store, events);
    }
    const { openGatewayStore: openFile } = await import('./sqliteGateway');
    return openFile(store, events);
}
