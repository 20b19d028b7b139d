import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address, beginCell, Cell, contractAddress, toNano } from '@ton/core';
import { Executor, internal } from '@ton/sandbox';
import { TonClient } from '@ton/ton';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { rpc, stranger, transfer, walletV4 } from './support';

// DROP, LDREF, DROP, 2 PUSHINT, SETLIBCODE: publishes the first reference of a message's body for every account.
const PUBLISHER = beginCell().storeUint(0x30d43072fb06n, 48).endCell();
// DROP, 7 PUSHINT: what every get method answers once the library is found.
const ANSWERS_SEVEN = beginCell().storeUint(0x3077, 16).endCell();

function librarySlot(code: Cell): Cell {
    return beginCell().storeUint(2, 8).storeBuffer(code.hash()).endCell({ exotic: true });
}

async function publish(localnet: Localnet, library: Cell, workchain: number): Promise<Address> {
    const init = { code: PUBLISHER, data: Cell.EMPTY };
    const to = contractAddress(workchain, init);
    const body = beginCell().storeRef(library).endCell();
    const message = internal({ from: stranger, to, value: toNano(100), stateInit: init, body });
    await localnet.blockchain.sendMessage(message);
    return to;
}

async function deployByLibrary(localnet: Localnet, code: Cell): Promise<Address> {
    const init = { code: librarySlot(code), data: Cell.EMPTY };
    const to = contractAddress(0, init);
    await localnet.blockchain.sendMessage(internal({ from: stranger, to, value: toNano(1), stateInit: init }));
    return to;
}

async function libraryHashes(localnet: Localnet, library: Cell): Promise<string[]> {
    const answer = await rpc(localnet.url, 'getLibraries', { libraries: [library.hash().toString('hex')] });
    return (answer as { result: { hash: string }[] }).result.map(({ hash }) => hash);
}

describe('Local network: libraries', () => {
    let localnet: Localnet;
    let client: TonClient;

    beforeEach(async () => {
        localnet = await startLocalnet({ clock: 'manual' });
        client = new TonClient({ endpoint: localnet.url });
    });

    afterEach(() => localnet.close());

    it('run the code of a contract that a masterchain account published', async () => {
        await publish(localnet, ANSWERS_SEVEN, -1);

        const contract = await deployByLibrary(localnet, ANSWERS_SEVEN);

        expect((await client.runMethod(contract, 'anything')).stack.readNumber()).toBe(7);
        expect(await libraryHashes(localnet, ANSWERS_SEVEN)).toEqual([ANSWERS_SEVEN.hash().toString('base64')]);
    });

    it('do not exist when a basechain account publishes them', async () => {
        await publish(localnet, ANSWERS_SEVEN, 0);

        const contract = await deployByLibrary(localnet, ANSWERS_SEVEN);

        expect((await client.runMethodWithError(contract, 'anything')).exit_code).not.toBe(0);
        expect(await libraryHashes(localnet, ANSWERS_SEVEN)).toEqual([]);
    });

    it('go and come with a snapshot', async () => {
        const before = await localnet.snapshot();
        await publish(localnet, ANSWERS_SEVEN, -1);
        const after = await localnet.snapshot();

        await localnet.restore(before);
        const gone = await libraryHashes(localnet, ANSWERS_SEVEN);
        await localnet.restore(after);

        expect(gone).toEqual([]);
        expect(await libraryHashes(localnet, ANSWERS_SEVEN)).toHaveLength(1);
    });

    it("go with a snapshot for messages too, with the sandbox's own executor", async () => {
        const replaced = Executor.prototype.runTransaction as typeof Executor.prototype.runTransaction & {
            original: typeof Executor.prototype.runTransaction;
        };
        Executor.prototype.runTransaction = replaced.original;
        try {
            const before = await localnet.snapshot();
            await publish(localnet, ANSWERS_SEVEN, -1);
            await deployByLibrary(localnet, ANSWERS_SEVEN);
            const found = localnet.transactions.at(-1)!;
            await localnet.restore(before);
            await deployByLibrary(localnet, ANSWERS_SEVEN);

            expect(found.computeExitCode).toBe(0);
            expect(localnet.transactions[before.transactions.length].computeExitCode).not.toBe(0);
        } finally {
            Executor.prototype.runTransaction = replaced;
        }
    });
});

describe('Local network: snapshots and files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'localnet-'));

    afterAll(() => rmSync(folder, { recursive: true }));

    it('restores accounts, time and log', async () => {
        const localnet = await startLocalnet({ clock: 'manual' });
        const client = new TonClient({ endpoint: localnet.url });
        const wallet = client.open(walletV4());
        await localnet.faucet(wallet.address, toNano(2));
        const snapshot = await localnet.snapshot();

        await transfer(wallet, 0, stranger, toNano(1));
        localnet.advance(1000);
        await localnet.restore(snapshot);

        expect(localnet.now()).toBe(snapshot.time);
        expect(localnet.transactions).toHaveLength(1);
        expect(await client.getBalance(wallet.address)).toBe(toNano(2));
        expect(await client.isContractDeployed(wallet.address)).toBe(false);
        await transfer(wallet, 0, stranger, toNano(1));
        expect(await wallet.getSeqno()).toBe(1);
        await localnet.close();
    });

    it('goes on after a restart where it stopped, later by the time it was down', async () => {
        const state = join(folder, 'state.json');
        const first = await startLocalnet({ state });
        await first.faucet(stranger, 5n);
        first.advance(10_000);
        const stoppedAt = first.now();
        await first.close();

        const second = await startLocalnet({ state });

        expect(await new TonClient({ endpoint: second.url }).getBalance(stranger)).toBe(5n);
        expect(second.transactions).toHaveLength(1);
        expect(second.now() - stoppedAt).toBeGreaterThanOrEqual(0);
        expect(second.now() - stoppedAt).toBeLessThan(60);
        await second.close();
        expect(JSON.parse(readFileSync(state, 'utf8'))).toHaveProperty('state.transactions.length', 1);
    });

    it.each([
        ['a whole journal', () => ''],
        ['a line that was cut off', (line: string) => line.slice(0, 100)],
        ['a line twice', (line: string) => `${line}\n`],
    ])('has after a kill everything that it answered: %s', async (name, damage) => {
        const state = join(folder, `killed ${name}.json`);
        const running = await startLocalnet({ state, clock: 'manual' });
        await running.faucet(stranger, 5n);
        running.advance(1000);
        await running.faucet(stranger, 6n);
        const now = running.now();
        const copy = `${state}.copy`; // what a kill leaves
        copyFileSync(state, copy);
        const journal = readFileSync(`${state}.log`, 'utf8');
        const last = journal.trimEnd().split('\n').at(-1)!;
        writeFileSync(`${copy}.log`, journal + damage(last));
        await running.close();

        const next = await startLocalnet({ state: copy, clock: 'manual' });
        expect(next.transactions).toHaveLength(2);
        expect(await new TonClient({ endpoint: next.url }).getBalance(stranger)).toBe(11n);
        expect(next.now()).toBe(now);
        await next.faucet(stranger, 7n);
        await next.close();

        const third = await startLocalnet({ state: copy, clock: 'manual' });
        expect(third.transactions).toHaveLength(3);
        expect(await new TonClient({ endpoint: third.url }).getBalance(stranger)).toBe(18n);
        await third.close();
    });

    it('does not lose in a file what a snapshot restored', async () => {
        const state = join(folder, 'restored.json');
        const running = await startLocalnet({ state, clock: 'manual' });
        await running.faucet(stranger, 5n);
        const snapshot = await running.snapshot();
        await running.faucet(stranger, 6n);
        await running.restore(snapshot);
        await running.faucet(stranger, 1n);
        copyFileSync(state, `${state}.copy`);
        copyFileSync(`${state}.log`, `${state}.copy.log`);
        await running.close();

        const next = await startLocalnet({ state: `${state}.copy`, clock: 'manual' });

        expect(next.transactions).toHaveLength(2);
        expect(await new TonClient({ endpoint: next.url }).getBalance(stranger)).toBe(6n);
        await next.close();
    });

    it.each([
        ['other prices', '2025', 'this state was saved with other prices or another network id'],
        ['no state in it', '2026', 'does not hold the state of a local network'],
    ] as const)('refuses a file with %s', async (what, prices, complaint) => {
        const state = join(folder, `${prices}.json`);
        await (await startLocalnet({ state })).close();
        if (what === 'no state in it') {
            writeFileSync(state, '{}');
        }

        await expect(startLocalnet({ state, prices })).rejects.toThrow(complaint);
    });
});

describe('Local network: at scale', () => {
    it('pages through hundreds of transactions of one account, each exactly once', async () => {
        const localnet = await startLocalnet({ clock: 'manual' });
        for (let i = 0; i < 300; i++) {
            await localnet.faucet(stranger, BigInt(i + 1));
        }
        const client = new TonClient({ endpoint: localnet.url });

        const seen: bigint[] = [];
        let from: { lt?: string; hash?: string } = {};
        for (;;) {
            const page = await client.getTransactions(stranger, { limit: 25, ...from });
            if (page.length === 0) {
                break;
            }
            seen.push(
                ...page.map(({ inMessage }) => (inMessage?.info.type === 'internal' ? inMessage.info.value.coins : 0n)),
            );
            const last = page[page.length - 1];
            from = { lt: last.lt.toString(), hash: last.hash().toString('base64') };
        }

        expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => BigInt(300 - i)));
        await localnet.close();
    });
});
