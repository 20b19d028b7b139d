import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GatewaySchema, gatewayTables } from '../../../offchain/store/gatewayTables';
import { openGatewayStore } from '../../../offchain/store/open';
import { openSqlite } from '../../../offchain/store/sqliteEngine';
import { SqlGatewayStore } from '../../../offchain/store/sqlGateway';
import { describeGatewayStore } from './gatewayConformance';

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describeGatewayStore('a gateway store in SQLite', () => openGatewayStore(join(folder, 'gateway.db')));

describeGatewayStore('a gateway store in SQLite without the statements of a file', async () => {
    return new SqlGatewayStore(await openSqlite<GatewaySchema>(join(folder, 'gateway.db'), gatewayTables, {}));
});
