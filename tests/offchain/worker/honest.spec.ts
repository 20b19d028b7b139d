/**
 * What an honest worker refuses so that its key never signs one number twice: see docs/worker.md.
 *
 * Longer than 350 lines because these refusals and the restoring of a store share one worker.
 */
import { Fail, Reason, signingKey } from '@cocoon-market/wrappers';
import { copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChatMessage, RecordType, signReceipt } from '../../../offchain/link';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { StaleStore } from '../../../offchain/store/worker';
import { readKeys, restoreStore, startWorker, Worker, WorkerSeeds } from '../../../offchain/worker';
import { FakeWallet } from '../support/chain';
import { TestClient } from '../support/client';
import { account, configFor, Fixture, SEEDS, startFixture } from '../support/worker';

let fixture: Fixture;
let client: TestClient;
let others: Worker[];

const file = (name: string) => join(fixture.folder, name);

const backup = () => copyFileSync(file('worker.db'), file('backup.db'));
const backupWithLog = () => {
    backup();
    copyFileSync(file('worker.db-wal'), file('backup.db-wal'));
};

/** Puts the copy where the store was, as an operator in a hurry would. */
function putBack(): void {
    ['worker.db', 'worker.db-wal', 'worker.db-shm'].forEach((name) => rmSync(file(name), { force: true }));
    copyFileSync(file('backup.db'), file('worker.db'));
    if (existsSync(file('backup.db-wal'))) {
        copyFileSync(file('backup.db-wal'), file('worker.db-wal'));
    }
}

/** Another worker in the fixture's folder. */
async function start(overrides = {}, seeds: WorkerSeeds = SEEDS): Promise<Worker> {
    const { chain, backend, folder } = fixture;
    const wallet = new FakeWallet(chain, account(0x33));
    const worker = await startWorker(configFor(folder, overrides), { chain, backend, wallet, seeds });
    others.push(worker);
    return worker;
}

/** The key file that the fixture's worker would have had. */
function writeSeeds(): void {
    const hex = Object.entries(SEEDS).map(([name, seed]) => [name, seed.toString('hex')]);
    writeFileSync(file('keys.json'), JSON.stringify(Object.fromEntries(hex)), { mode: 0o600 });
}

beforeEach(async () => {
    others = [];
    fixture = await startFixture();
    client = await TestClient.withJob(fixture.worker.url, fixture.chain);
});

afterEach(async () => {
    await Promise.all(others.map((worker) => worker.close()));
    await fixture.stop();
});

describe('A store that may not be the newest', () => {
    it('does not sign when it came back from a copy made while the worker ran', async () => {
        await client.ask(1, 'one');
        backupWithLog();
        await client.ask(2, 'two');
        await fixture.worker.close();
        putBack();

        await expect(start()).rejects.toThrow('The store is not the newest: 2 receipts are missing');
        await expect(start()).rejects.toThrow(StaleStore);
    });

    it('does not sign when it came back from a copy made while the worker rested', async () => {
        await fixture.worker.close();
        backup();
        client.url = (await start()).url;
        await client.register();
        await client.ask(1, 'one');
        await others.pop()!.close();
        putBack();

        await expect(start()).rejects.toThrow('The store is not the newest: 2 receipts are missing');
    });

    it('signs when it came back and nothing was signed since', async () => {
        await client.ask(1, 'one');
        await fixture.worker.close();
        backup();
        putBack();

        client.url = (await start()).url;
        await client.register();
        expect((await client.ask(2, 'two')).text).toBe('two');
    });

    it('does not sign when it is empty, or another one', async () => {
        await client.ask(1, 'one');
        await fixture.worker.close();
        await expect(start({ store: file('other.db') })).rejects.toThrow('signed with another store');

        rmSync(file('worker.db'));
        rmSync(file('worker.db-wal'), { force: true });
        await expect(start()).rejects.toThrow('signed with another store');
    });

    it('does not sign when the mark beside its key is missing or damaged', async () => {
        await client.ask(1, 'one');
        await fixture.worker.close();
        const mark = readFileSync(file('keys.json.mark'));
        rmSync(file('keys.json.mark'));
        await expect(start()).rejects.toThrow('keys.json.mark is missing');

        writeFileSync(file('keys.json.mark'), '');
        await expect(start()).rejects.toThrow('keys.json.mark is missing');

        writeFileSync(file('keys.json.mark'), mark.subarray(1));
        await expect(start()).rejects.toThrow('is damaged');
        writeFileSync(file('keys.json.mark'), mark);
        await start();
    });

    it('signs with a mark that a process left empty because it ended right after it had created it', async () => {
        await fixture.worker.close();
        rmSync(file('worker.db'));
        rmSync(file('worker.db-wal'), { force: true });
        writeFileSync(file('keys.json.mark'), '');
        client = await TestClient.withJob((await start()).url, fixture.chain);

        expect((await client.ask(1, 'one')).result).toBeDefined();
    });

    it('is given away by a receipt that a client shows: the worker stops and the key is retired', async () => {
        await client.ask(1, 'one');
        await fixture.worker.close();
        backup();
        const mark = readFileSync(file('keys.json.mark'));
        client.url = (await start()).url;
        await client.register();
        const { receipts } = await client.ask(2, 'two');
        await others.pop()!.close();
        putBack();
        writeFileSync(file('keys.json.mark'), mark); // restored together with the store

        const stale = await start();
        client.url = stale.url;
        const { status, body } = await client.register({ newest: [receipts.get(RecordType.Result)!] });

        expect(status).toBe(503);
        expect(body.error!.code).toBe('shutting_down');
        await expect(stale.failed).rejects.toThrow('A client holds a receipt of this key');
        await stale.close();
        await expect(start()).rejects.toThrow('The receipt key was retired');
    });

    it('is given away by the result of highest index when a later number ended before it', async () => {
        fixture.backend.script = (request) =>
            (request.body as { messages: ChatMessage[] }).messages[0].content === 'slow'
                ? [{ type: 'delta', content: 'slow', tokens: 1 }, { type: 'pause' }, { type: 'end', finish: 'stop' }]
                : [
                      { type: 'delta', content: 'fast', tokens: 1 },
                      { type: 'end', finish: 'stop' },
                  ];
        const slow = client.ask(1, 'slow');
        await fixture.backend.atPause();
        const fast = await client.ask(2, 'fast');
        backupWithLog();
        const mark = readFileSync(file('keys.json.mark'));
        fixture.backend.go();
        const { receipts } = await slow;
        await fixture.worker.close();
        putBack();
        writeFileSync(file('keys.json.mark'), mark); // the whole machine came back

        const restored = await start();
        client.url = restored.url;
        const shown = [fast.receipts.get(RecordType.Result)!, receipts.get(RecordType.Result)!];
        expect((await client.register({ newest: shown })).body.error!.code).toBe('shutting_down');
        await expect(restored.failed).rejects.toThrow('A client holds a receipt of this key');
    });

    it('gets no query of a session of the process before it', async () => {
        await client.ask(1, 'one');
        client.url = (await fixture.restart()).url;

        expect((await client.ask(2, 'two')).refusal!.code).toBe('unknown_session');
        await client.register();
        expect((await client.ask(2, 'two')).text).toBe('two');
    });

    it('signs nothing more for a job whose voucher counts more results than it knows, and claims that voucher', async () => {
        await client.ask(1, 'one');
        const voucher = client.voucher(client.owed() + 1000n, 2);

        expect((await client.pay(voucher)).status).toBe(200);

        expect((await client.ask(2, 'two')).refusal!.code).toBe('wrong_terms');
        expect((await client.ask(3, 'x', { model: 'other' })).refusal!.code).toBe('wrong_terms');
        client.url = (await fixture.restart()).url;
        await client.register();
        expect((await client.ask(2, 'two')).refusal!.code).toBe('wrong_terms');
        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1 });
        const other = await TestClient.withJob(client.url, fixture.chain);
        expect((await other.ask(1, 'one')).text).toBe('one');
    });

    it('signs no accept of the query that brings such a voucher', async () => {
        await client.ask(1, 'one');

        const answer = await client.ask(2, 'two', { voucher: client.voucher(client.owed() + 1000n, 2) });

        expect([answer.refusal!.code, answer.receipts.size]).toEqual(['wrong_terms', 0]);
    });

    it('signs no end of a query that runs when such a voucher comes, nor later', async () => {
        fixture.backend.script = () => [
            { type: 'delta', content: 'word', tokens: 1 },
            { type: 'pause' },
            { type: 'end', finish: 'stop' },
        ];
        const query = client.seal(1, 'one');
        const answer = client.send(query, { pays: false });
        await fixture.backend.atPause();
        await client.pay(client.voucher(5n, 1));
        fixture.backend.go();

        expect((await answer).receipts.size).toBe(1); // the accept
        client.url = (await fixture.restart()).url;
        await client.register();
        expect((await client.fetch(query)).refusal!.code).toBe('running');
    });

    it('is not made out of receipts that the store knows, or that this node did not sign for this job', async () => {
        const { receipts } = await client.ask(1, 'one');
        const [accept, result] = [receipts.get(RecordType.Accept)!, receipts.get(RecordType.Result)!];
        expect((await client.register({ newest: [result] })).status).toBe(200);
        expect((await client.register({ newest: [accept] })).status).toBe(200);

        const forged = Buffer.from(result);
        forged[40] ^= 1;
        expect((await client.register({ newest: [forged] })).body.error!.code).toBe('bad_request');
        const other = await TestClient.withJob(client.url, fixture.chain);
        expect((await other.register({ newest: [result] })).body.error!.code).toBe('bad_request');
        await client.register();
        expect((await client.ask(2, 'two')).text).toBe('two');
    });

    it('is not made out of a fail on chain that answered a demand for a number with a decline', async () => {
        const { decline } = await client.ask(1, 'one', { model: 'other' });
        expect(decline).toBeDefined();
        await fixture.worker.close();
        const store = await SqliteWorkerStore.open(file('worker.db'));
        const demanded = { job: client.job, number: 1, request: Buffer.alloc(32, 7) };
        const fail = { ...demanded, reason: Reason.Stopped, signedAt: fixture.chain.now() };
        const receipt = signReceipt(Fail, fail, signingKey(SEEDS.receiptKey));
        await store.queries.deny({ ...demanded, receipt });
        await store.close();
        client.url = (await start()).url;

        expect((await client.register({ newest: [receipt] })).status).toBe(200);
        expect((await client.ask(2, 'two')).text).toBe('two');
    });

    it('takes no job whose channel has paid before the job was known here', async () => {
        const late = new TestClient(client.url, fixture.chain);
        await late.draft();
        await late.open();
        fixture.chain.change(late.channel, { paid: 1n });
        const { body } = await late.register();

        expect(body.error).toEqual({
            code: 'wrong_channel',
            message: 'The channel has paid vouchers of a job that is not known here',
        });
        fixture.chain.change(late.channel, { paid: 0n });
        expect((await late.register()).status).toBe(200);
    });
});

describe('cocoon worker restore', () => {
    const restore = (keyFile = file('new.json'), from = file('backup.db')) =>
        restoreStore(configFor(fixture.folder), { backup: from === '' ? undefined : from, keyFile });

    /** A backup with one paid and one open query, a third query since, and no worker. */
    async function disaster(): Promise<void> {
        writeSeeds();
        await client.ask(1, 'one');
        await client.pay();
        await fixture.worker.close();
        const store = await SqliteWorkerStore.open(file('worker.db'));
        const { hash } = client.seal(2, 'open');
        await store.queries.accept({
            ...{ job: client.job, number: 2, request: hash, ceiling: 5_000_000n, promptEstimate: 4 },
            accept: Buffer.alloc(148),
        });
        await store.close();
        backup();
        client.url = (await start()).url;
        await client.register();
        await client.ask(3, 'three');
        await others.pop()!.close();
    }

    it('retires the old key, makes a new one, and keeps the wallet and the store that was there', async () => {
        await disaster();
        const restored = await restore();

        const [old, fresh] = [readKeys(file('keys.json')), readKeys(file('new.json'))];
        expect(fresh).toMatchObject({ wallet: old.wallet, encryptionKey: old.encryptionKey });
        expect(restored).toMatchObject({ receiptKey: signingKey(fresh.receiptKey).publicKey, results: 1 });
        expect(restored.receiptKey).not.toEqual(signingKey(old.receiptKey).publicKey);
        expect(existsSync(restored.replaced!)).toBe(true);
        await expect(start()).rejects.toThrow('The receipt key was retired');
    });

    it('leaves a node that serves new jobs, takes and claims old vouchers, and signs nothing for old jobs', async () => {
        await disaster();
        await restore();
        const worker = await start({ keyFile: file('new.json') }, readKeys(file('new.json')));
        const fresh = await TestClient.withJob(worker.url, fixture.chain);
        expect((await fresh.ask(1, 'hello')).text).toBe('hello');

        client.url = worker.url;
        expect((await client.send(client.seal(4, 'four'))).refusal!.code).toBe('wrong_terms');
        expect((await client.register()).body.error!.code).toBe('wrong_terms');
        expect((await client.fetch(client.seal(2, 'open'))).refusal!.code).toBe('running'); // accepted, and no end signed
        const newer = client.voucher(client.owed() + 1000n, client.count());
        expect((await client.pay(newer)).status).toBe(200);
        expect(await worker.claimNow()).toMatchObject({ claimed: 2, failed: 0 });
        expect(fixture.chain.paidBy(client.channel)).toBe(newer.cumulative);
    });

    it('takes and claims vouchers of a channel that has paid more since the backup than its vouchers promise', async () => {
        await disaster();
        const { balance } = await fixture.chain.account(client.channel);
        fixture.chain.change(client.channel, { paid: client.owed(), balance: balance - client.owed() });
        await restore();
        const worker = await start({ keyFile: file('new.json') }, readKeys(file('new.json')));
        client.url = worker.url;
        const newer = client.voucher(client.owed() + 1000n, client.count());

        expect((await client.pay(newer)).status).toBe(200);
        expect(await worker.claimNow()).toMatchObject({ claimed: 1, amount: 1000n, failed: 0 });
    });

    it('without a backup leaves an empty store that the old key cannot use', async () => {
        await disaster();
        expect(await restore(file('new.json'), '')).toMatchObject({ results: 0 });

        await expect(start()).rejects.toThrow('The receipt key was retired');
        await start({ keyFile: file('new.json') }, readKeys(file('new.json')));
    });

    it('changes nothing when the backup is no store, or the new key file is there', async () => {
        await disaster();
        writeFileSync(file('text'), 'not a store');
        await expect(restore(file('new.json'), file('text'))).rejects.toThrow('is not a store');
        await expect(restore(file('keys.json'))).rejects.toThrow('exists already');

        expect(existsSync(file('new.json'))).toBe(false);
        expect(existsSync(file('worker.db.restoring'))).toBe(false);
        await start();
    });

    it('reads no more of a backup than it can, whose size has no bound', async () => {
        await disaster();
        writeFileSync(file('large'), '');
        truncateSync(file('large'), 2 ** 31 + 1); // takes no room on the disk

        await expect(restore(file('new.json'), file('large'))).rejects.toThrow('is not a store');
    });
});
