/** The stores of worker and gateway in PostgreSQL. */
import type { GatewaySchema } from './gatewayTables';
import { openPostgres, type PostgresOptions } from './postgresEngine';
import { postgresGatewayTables, postgresWorkerTables } from './postgresTables';
import { RequestClaims } from './requestClaims';
import { SqlGatewayStore } from './sqlGateway';
import { SqlWorkerStore } from './sqlWorker';

export async function openPostgresWorker(url: string, options: PostgresOptions = {}): Promise<SqlWorkerStore> {
    return new SqlWorkerStore(await openPostgres(url, postgresWorkerTables, options));
}

export async function openPostgresGateway(url: string, options: PostgresOptions = {}): Promise<SqlGatewayStore> {
    const engine = await openPostgres<GatewaySchema>(url, postgresGatewayTables, options);
    const { db, cluster } = engine;
    const claims = cluster.isShared ? new RequestClaims(db as never, cluster.lease) : undefined;
    return new SqlGatewayStore(engine, claims);
}
