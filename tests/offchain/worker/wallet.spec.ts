/** The worker's wallet on a local network: its ledger, and sweeps that are cut by a crash. */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { channelInit, type JobParameters, Provider } from '@cocoon-market/wrappers';
import type { Address, Cell, Contract } from '@ton/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Chain, HotWallet, type Order, TonHttpChain, type Transfer } from '../../../offchain/chain';
import { startWorker, type Worker, type WorkerParts } from '../../../offchain/worker';
import { ScriptedBackend } from '../support/backend';
import { TestClient } from '../support/client';
import { account, configFor, SEEDS } from '../support/worker';

const COIN = 1_000_000_000n;
const OWNER = account(0x55);
const REGISTRY = account(0x66);

let network: Localnet;
let chain: Chain;
let wallet: HotWallet;
let folder: string;
let worker: Worker;
let provider: Address;

beforeEach(async () => {
    network = await startLocalnet({ clock: 'manual' });
    chain = new TonHttpChain({ network: -239, endpoint: network.url });
    const deployed = await Provider.ofOwner(REGISTRY, OWNER);
    provider = deployed.address;
    const [open, read] = [chain.open.bind(chain), chain.account.bind(chain)];
    chain.account = async (address) => ({
        ...(await read(address)),
        ...(address.equals(provider) && { state: 'active', code: deployed.init!.code }),
    });
    const ownedBy = { getProviderState: async () => ({ owner: OWNER }) };
    chain.open = ((contract: Contract) =>
        contract.address.equals(provider) ? ownedBy : open(contract)) as unknown as typeof chain.open;
    wallet = new HotWallet(chain, SEEDS.wallet, 5);
    folder = mkdtempSync(join(tmpdir(), 'cocoon-wallet-'));
    await network.faucet(wallet.address, 3n * COIN);
    await start();
});

afterEach(async () => {
    await worker.close();
    await network.close();
    rmSync(folder, { recursive: true });
});

async function start(parts: WorkerParts = {}): Promise<void> {
    const config = configFor(folder, {
        ...{ endpoint: network.url, provider: provider.toRawString(), registry: REGISTRY.toRawString() },
        sweep: { to: OWNER.toRawString(), above: (100n * COIN).toString() },
    });
    const given = { chain, wallet, seeds: SEEDS, now: () => network.now(), node: async () => undefined };
    worker = await startWorker(config, { backend: new ScriptedBackend(), ...given, ...parts });
}

const restart = async (parts: WorkerParts = {}) => {
    await worker.close();
    await start(parts);
};

/** Opens channels as an escrow would. */
async function withJob(): Promise<TestClient> {
    const payer = new HotWallet(chain, Buffer.alloc(32, 99), 5);
    await network.faucet(payer.address, 2n * COIN);
    const openChannel = async (escrow: Address, job: JobParameters, code: Cell, deposit: bigint) => {
        const { address: to, data } = channelInit(escrow, job, code);
        await payer.send([{ to, value: deposit, init: { code, data: data! }, bounce: false }]);
        return to;
    };
    return TestClient.withJob(worker.url, { network: -239, now: () => network.now(), openChannel });
}

const balanceOf = async (address: Address) => (await chain.account(address)).balance;
const confirm = async () => {
    for (let look = 0; look < 4; look++) await worker.claimNow();
};

it('has a ledger that is its balance to the nanoTON, over funding, claims, a last claim, a sweep and a restart', async () => {
    const [one, other] = [await withJob(), await withJob()];
    await one.ask(1, 'one two three');
    await other.ask(1, 'four five');
    await worker.claimNow();
    await one.ask(2, 'six');
    await one.end();
    await confirm();
    const { amount } = await worker.sweepNow();
    await restart();
    await network.faucet(wallet.address, 7n);

    const { totals, wallet: stored, unread } = await worker.earnings('client');
    const money = stored!;
    expect(unread).toBeNull();
    expect(totals).toMatchObject({ claimed: totals.earned, confirming: 0n, unclaimed: 0n, lost: 0n });
    expect(totals.earned).toBe(one.owed() + other.owed());
    expect(money.balance).toBe(await balanceOf(wallet.address));
    expect(money).toMatchObject({ received: 3n * COIN + 7n, swept: amount, sent: 0n });
    expect(amount).toBe(await balanceOf(OWNER));
    expect(3n * COIN + 7n + totals.claimed - money.claimCosts - amount).toBe(money.balance);
    expect(money.claimCosts).toBeGreaterThan(0n);
    expect(money.claimCosts).toBeLessThan(20_000_000n);
});

/** A wallet whose process dies after the order was stored: before it was sent, or after. */
const dying = (dies: 'before' | 'after'): WorkerParts['wallet'] =>
    Object.assign(Object.create(wallet) as HotWallet, {
        send: async (transfers: Transfer[], note?: (order: Order) => Promise<void>) => {
            const end = () => Promise.reject(new Error('the process died'));
            await wallet.send(transfers, async (order) => {
                await note?.(order);
                if (dies === 'before') await end();
            });
            return end();
        },
    });

it('sweeps once when the process dies after the order was sent', async () => {
    await restart({ wallet: dying('after') });
    await expect(worker.sweepNow()).rejects.toThrow('the process died');
    const swept = await balanceOf(OWNER);
    expect(swept).toBeGreaterThan(2n * COIN);
    await restart();

    expect(await worker.sweepNow()).toMatchObject({ sent: false, amount: 0n });
    expect(await balanceOf(OWNER)).toBe(swept);
    expect((await worker.earnings('day')).wallet!.swept).toBe(swept);
});

it('sweeps when the order of a process that died can be executed no more, and not before', async () => {
    await restart({ wallet: dying('before') });
    await expect(worker.sweepNow()).rejects.toThrow('the process died');
    await restart();
    expect(await worker.sweepNow()).toMatchObject({
        sent: false,
        reason: expect.stringContaining('on its way') as string,
    });

    network.advance(130);
    expect(await worker.sweepNow()).toMatchObject({ sent: true });
    expect(await balanceOf(OWNER)).toBeGreaterThan(2n * COIN);
});

describe('The ledger of the wallet', () => {
    const ledger = async () => (await worker.earnings('day')).wallet;
    /** A chain that says of the wallet what it says of another account. */
    const lyingWith = (other: Address): Chain =>
        Object.assign(Object.create(chain) as Chain, {
            history: (_: Address, cursor: bigint) => chain.history(other, cursor),
            lastTransaction: () => chain.lastTransaction(other),
        });

    it('takes nothing of a list that an endpoint contradicts', async () => {
        const other = account(0x5a);
        await network.faucet(other, 900n * COIN);
        await ledger();
        const lying = Object.create(lyingWith(other), { others: { value: [lyingWith(other), chain] } }) as Chain;
        await restart({ chain: lying });

        expect((await ledger())?.balance).toBe(3n * COIN);
        await expect(worker.sweepNow()).rejects.toThrow("of the worker's wallet");
        expect(await balanceOf(OWNER)).toBe(0n);
    });

    it('is built anew when the chain has contradicted it for ten minutes', async () => {
        await ledger();
        const other = account(0x5a);
        await network.faucet(other, 900n * COIN);
        const lie = { chain: lyingWith(other) };
        await restart(lie);
        await ledger(); // does not go on where the truth ended
        network.advance(600);
        expect((await ledger())?.balance).toBe(900n * COIN);

        await restart();
        expect((await ledger())?.balance).toBe(900n * COIN);
        network.advance(599);
        expect((await ledger())?.balance).toBe(900n * COIN);
        network.advance(1);
        expect((await ledger())?.balance).toBe(await balanceOf(wallet.address));
    });

    it('holds up no claim while an endpoint does not come to the end of its list', async () => {
        let isListing = true;
        const endless = Object.assign(Object.create(chain) as Chain, {
            history: async function* () {
                for await (const first of chain.history(wallet.address, 0n)) {
                    while (isListing) {
                        await new Promise((resolve) => setTimeout(resolve, 1));
                        yield { ...first, previous: first };
                    }
                }
            },
        });
        await restart({ chain: endless });
        const client = await withJob();
        await client.ask(1, 'one two three');

        expect(await worker.claimNow()).toMatchObject({ claimed: 1, failed: 0 });
        isListing = false;
    });
});
