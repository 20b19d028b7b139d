/** Accounts that are deleted: the state of a shard has nothing of them, so an endpoint lists nothing. */
import { Cell, internal, loadTransaction, SendMode, toNano } from '@ton/core';
import { TonClient, WalletContractV4 } from '@ton/ton';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { keys, stranger } from './support';

let localnet: Localnet;
let client: TonClient;

beforeAll(async () => {
    localnet = await startLocalnet({ prices: '2025', clock: 'manual' });
    client = new TonClient({ endpoint: localnet.url });
});

afterAll(() => localnet.close());

/** A wallet that has sent everything away, and its last transaction. */
async function deletedWallet(walletId: number) {
    const contract = WalletContractV4.create({ workchain: 0, publicKey: keys.publicKey, walletId });
    const { address } = contract;
    await localnet.faucet(address, toNano(1));
    await client.open(contract).sendTransfer({
        ...{ seqno: 0, secretKey: keys.secretKey, timeout: 0xffffffff },
        sendMode: SendMode.CARRY_ALL_REMAINING_BALANCE | SendMode.DESTROY_ACCOUNT_IF_ZERO,
        messages: [internal({ to: stranger, value: 0n, bounce: false })],
    });
    const { boc } = localnet.transactions.filter(({ account }) => account === address.toRawString()).at(-1)!;
    return { address, last: loadTransaction(Cell.fromBase64(boc).beginParse()) };
}

it('Transactions of an account that is deleted are listed no more, and found by name', async () => {
    const { address, last } = await deletedWallet(2);
    const start = { lt: last.lt.toString(), hash: last.hash().toString('base64') };

    const state = await client.getContractState(address);
    const named = await client.getTransactions(address, { limit: 9, ...start, inclusive: true });

    expect(last.endStatus).toBe('non-existing');
    expect(state).toMatchObject({ state: 'uninitialized', lastTransaction: null });
    expect(await client.getTransactions(address, { limit: 9 })).toEqual([]);
    expect(named.map(({ lt }) => lt)).toEqual([last.lt, last.prevTransactionLt]);
});

it('An account that comes back begins a new history', async () => {
    const { address } = await deletedWallet(3);
    await localnet.faucet(address, toNano(1));

    const all = await client.getTransactions(address, { limit: 9 });

    expect(all.map(({ prevTransactionLt }) => prevTransactionLt)).toEqual([0n]);
});
