import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { amountToBytes } from '../../../offchain/store/database';
import { type GatewaySchema, gatewayTables, voucherOf } from '../../../offchain/store/gatewayTables';
import { openGatewayStore } from '../../../offchain/store/open';
import { openSqlite } from '../../../offchain/store/sqliteEngine';
import { SqlGatewayStore } from '../../../offchain/store/sqlGateway';
import { describeGatewayStore, query, result } from './gatewayConformance';

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describeGatewayStore('a gateway store in SQLite', () => openGatewayStore(join(folder, 'gateway.db')));

describeGatewayStore('a gateway store in SQLite without the statements of a file', async () => {
    return new SqlGatewayStore(await openSqlite<GatewaySchema>(join(folder, 'gateway.db'), gatewayTables, {}));
});

describe('a gateway that forgets', () => {
    const whole = (bytes: number) => ({ session: Buffer.alloc(32), sealed: Buffer.alloc(bytes, 1) });

    it('large queries needs room for a few of them: its log stays small', async () => {
        const path = join(folder, 'gateway.db');
        let logBytes = 0;
        const onCommit = () => void (logBytes = Math.max(logBytes, statSync(`${path}-wal`).size));
        const store = await openGatewayStore(path, { onCommit });
        for (let number = 1; number <= 20; number++) {
            await store.addQuery(query(1, number), whole(1 << 20));
            await store.endQuery(1, number, result({ answer: Buffer.alloc(1 << 20, 2) }));
        }
        logBytes = 0;
        await store.forget(90_000);

        expect(logBytes).toBeGreaterThan(2 << 20);
        expect(logBytes).toBeLessThan(20 << 20); // of 40
        expect(await store.wholeQuery(1, 20)).toBeUndefined();
        await store.close();
    });

    it('many queries lets other writes go before most of them', async () => {
        const store = await openGatewayStore(join(folder, 'gateway.db'));
        const numbers = Array.from({ length: 1200 }, (_, i) => i + 1);
        await Promise.all(numbers.map((number) => store.addQuery(query(1, number), whole(9))));
        await Promise.all(numbers.map((number) => store.endQuery(1, number, result())));
        const forgotten = store.forget(90_000);
        await store.saveAccept(1, 1, Buffer.from('accept'));
        expect(await store.wholeQuery(1, 1200)).toBeDefined();

        await forgotten;
        const kept = await Promise.all(numbers.map((number) => store.wholeQuery(1, number)));
        expect(kept.filter((one) => one !== undefined)).toEqual([]);
        await store.close();
    });

    it('nothing yet of thousands of queries lets requests go on while it looks for what is old', async () => {
        const store = await openGatewayStore(join(folder, 'gateway.db'));
        const numbers = Array.from({ length: 3500 }, (_, i) => i + 1);
        await Promise.all(numbers.map((number) => store.addQuery(query(1, number, { askedAt: 90_000 }), whole(9))));
        let turns = 0; // of the event loop
        let isOver = false;
        const countTurns = () => {
            turns++;
            if (!isOver) {
                setImmediate(countTurns);
            }
        };
        setImmediate(countTurns);
        await store.forget(90_000).finally(() => (isOver = true));

        expect(turns).toBeGreaterThanOrEqual(3); // 1000 are read at once
        await store.close();
    });
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
