// cspell:ignore NOTADB
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { clientKeys, gatewayConfig, startGateway } from '../../../offchain/gateway';
import { lockKey } from '../../../offchain/store/keyLock';

const KEY = Buffer.alloc(32, 0x5a);
const OTHER = Buffer.alloc(32, 0x5b);

let folder: string;
let home: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-lock-'));
    home = join(folder, 'home');
    mkdirSync(home, { mode: 0o700 });
});

afterEach(() => rmSync(folder, { recursive: true }));

const file = (name = 'keys.json') => join(folder, name);
const locked = 'Another process signs with this receipt key';

describe('The lock of a receipt key', () => {
    it('cannot be taken by a process that listens on a public name of the machine', async () => {
        const server = createServer();
        if (process.platform === 'linux') {
            server.listen(`\0cocoon-market receipt key ${KEY.toString('hex')}`);
            await once(server, 'listening');
        }
        lockKey(KEY, file(), home).release();
        server.close();
    });

    it('keeps a second owner out, by the key file and by a copy of it, and lets one in once it is released', () => {
        const lock = lockKey(KEY, file(), home);

        expect(() => lockKey(OTHER, file(), home)).toThrow(locked);
        expect(() => lockKey(KEY, file('copy.json'), home)).toThrow(locked);
        lockKey(OTHER, file('other.json'), home).release();
        lock.release();

        lockKey(KEY, file('copy.json'), home).release();
    });

    it('is on files that nobody else may open, also where they were there before', () => {
        writeFileSync(`${file()}.lock`, '', { mode: 0o644 });
        chmodSync(`${file()}.lock`, 0o644);

        lockKey(KEY, file(), home).release();

        const own = join(home, '.cocoon-market');
        for (const path of [`${file()}.lock`, join(own, `${KEY.toString('hex')}.lock`)]) {
            expect(statSync(path).mode & 0o777).toBe(0o600);
        }
        expect(statSync(own).mode & 0o777).toBe(0o700);
    });

    it('does not trust a folder that others may write to, nor need a home', () => {
        mkdirSync(join(home, '.cocoon-market'));
        chmodSync(join(home, '.cocoon-market'), 0o777);

        lockKey(KEY, file(), home).release();
        lockKey(KEY, file(), '/proc/nowhere').release();

        expect(() => statSync(join(home, '.cocoon-market', `${KEY.toString('hex')}.lock`))).toThrow('ENOENT');
    });

    it('says where it may not write, and guesses nothing of another failure', () => {
        const unwritable = lockAt(join(folder, 'none', 'keys.json'));
        expect(unwritable.message).toMatch(/cannot be locked$/);
        expect(unwritable.cause).toMatchObject({ code: 'ENOENT' });

        writeFileSync(`${file()}.lock`, 'not a database, and long enough to be looked at '.repeat(30));
        const damaged = lockAt(file());
        expect(damaged.message).not.toContain('may write');
        expect(damaged.cause).toMatchObject({ code: 'SQLITE_NOTADB' });
    });

    function lockAt(path: string): Error {
        try {
            lockKey(KEY, path, home).release();
        } catch (error) {
            return error as Error;
        }
        throw new Error('It was locked');
    }

    it('of a spend key keeps a second gateway out, before it reads anything of the first', async () => {
        const seed = Buffer.alloc(32, 7);
        writeFileSync(file('spend.key'), seed.toString('hex'), { mode: 0o600 });
        const lock = lockKey(clientKeys(seed).spend.publicKey, file('spend.key'), home);
        const config = gatewayConfig.parse({
            ...{
                network: -3,
                endpoint: 'http://127.0.0.1:1/',
                escrow: new Address(0, KEY).toString({ testOnly: true }),
            },
            ...{
                keyFile: file('spend.key'),
                store: file('gateway.sqlite'),
                workers: ['http://127.0.0.1:1'],
                models: {},
            },
        });

        await expect(startGateway(config)).rejects.toThrow('Another gateway uses this spend key');
        lock.release();
    });
});
