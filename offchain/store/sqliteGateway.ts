/** The gateway's store in one SQLite file: what every query needs has prepared statements. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import type { GatewayStore, StoredEnding, StoredQuery, WholeQuery } from './gateway';
import { type GatewaySchema, gatewayTables } from './gatewayTables';
import { QueryRows } from './queryRows';
import { requireStored, SqlGatewayStore } from './sqlGateway';
import { openSqlite, type SqliteEngine } from './sqliteEngine';
import type { StoreEvents } from './writeQueue';

/** Opens or creates the gateway's SQLite file. Throws if another process has it. */
export async function openGatewayStore(path: string, events: StoreEvents = {}): Promise<GatewayStore> {
    return new SqliteGatewayStore(await openSqlite(path, gatewayTables, events));
}

class SqliteGatewayStore extends SqlGatewayStore {
    private readonly rows: QueryRows;
    private readonly group: SqliteEngine<GatewaySchema>['writes'];

    constructor(engine: SqliteEngine<GatewaySchema>) {
        super(engine);
        this.group = engine.writes;
        this.rows = new QueryRows(engine.db.file, engine.writes);
    }

    override async saveVoucher(channel: Buffer, voucher: SignedVoucher): Promise<void> {
        requireStored(await this.group.runHot(() => this.rows.saveVoucher(channel, voucher)));
    }

    override async addQuery(query: StoredQuery, whole?: Pick<WholeQuery, 'session' | 'sealed'>): Promise<void> {
        await this.group.runHot(() => this.rows.addQuery(query, whole));
    }

    override async saveAccept(job: number, number: number, accept: Buffer): Promise<void> {
        await this.group.runHot(() => this.rows.saveAccept(job, number, accept));
    }

    override async endQuery(job: number, number: number, ending: StoredEnding): Promise<void> {
        await this.group.runHot(() => this.rows.endQuery({ job, number }, ending));
    }
}
