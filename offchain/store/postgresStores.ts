/** The stores of worker and gateway in PostgreSQL. */
import { openPostgres } from './postgresEngine';
import { postgresGatewayTables, postgresWorkerTables } from './postgresTables';
import { SqlGatewayStore } from './sqlGateway';
import { SqlWorkerStore } from './sqlWorker';
import type { StoreEvents } from './writeQueue';

export async function openPostgresWorker(url: string, events: StoreEvents = {}): Promise<SqlWorkerStore> {
    return new SqlWorkerStore(await openPostgres(url, postgresWorkerTables, events));
}

export async function openPostgresGateway(url: string, events: StoreEvents = {}): Promise<SqlGatewayStore> {
    return new SqlGatewayStore(await openPostgres(url, postgresGatewayTables, events));
}
