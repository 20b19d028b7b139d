/** The stores of worker and gateway in PostgreSQL. */
import { openPostgres, type PostgresOptions } from './postgresEngine';
import { postgresGatewayTables, postgresWorkerTables } from './postgresTables';
import { SqlGatewayStore } from './sqlGateway';
import { SqlWorkerStore } from './sqlWorker';

export async function openPostgresWorker(url: string, options: PostgresOptions = {}): Promise<SqlWorkerStore> {
    return new SqlWorkerStore(await openPostgres(url, postgresWorkerTables, options));
}

export async function openPostgresGateway(url: string, options: PostgresOptions = {}): Promise<SqlGatewayStore> {
    return new SqlGatewayStore(await openPostgres(url, postgresGatewayTables, options));
}
