import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { amountToBytes } from '../../../offchain/store/database';
import { type GatewaySchema, gatewayTables, voucherOf } from '../../../offchain/store/gatewayTables';
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

describe('the newest voucher in a row of the store of a gateway', () => {
    const none = { cumulative: null, count: null, signature: null };
    const whole = { cumulative: amountToBytes(7n), count: 2, signature: Buffer.alloc(64, 1) };
    const read = { cumulative: 7n, count: 2, signature: Buffer.alloc(64, 1) };
    const lacking = { cumulative: 0n, count: 0, signature: Buffer.alloc(0) };

    it('is none where nothing of it is stored', () => {
        expect(voucherOf(none)).toBeNull();
        expect(voucherOf(whole)).toEqual(read);
    });

    it.each(['cumulative', 'count', 'signature'] as const)(
        'that lacks its %s, or has nothing else, is one that no key has signed',
        (part) => {
            expect(voucherOf({ ...whole, [part]: null })).toEqual({ ...read, [part]: lacking[part] });
            expect(voucherOf({ ...none, [part]: whole[part] })).toEqual({ ...lacking, [part]: read[part] });
        },
    );
});
