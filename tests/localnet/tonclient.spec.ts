import { Address, beginCell, Cell, contractAddress, external, internal, storeMessage, toNano } from '@ton/core';
import { internal as paid } from '@ton/sandbox';
import { TonClient } from '@ton/ton';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { failureOf, keys, post, rpc, stranger, transfer, walletV4, walletV5 } from './support';

describe('Local network: TonClient', () => {
    let localnet: Localnet;
    let client: TonClient;

    beforeAll(async () => {
        localnet = await startLocalnet({ prices: '2025', clock: 'manual' });
        client = new TonClient({ endpoint: localnet.url });
    });

    afterAll(() => localnet.close());

    describe('accounts', () => {
        it('shows an account that never existed as uninitialized and empty', async () => {
            const state = await client.getContractState(stranger);

            expect(state).toMatchObject({ state: 'uninitialized', balance: 0n, code: null, lastTransaction: null });
            expect(state.timestampt).toBe(localnet.now());
        });

        it('answers a get method of an account without code with exit code -13', async () => {
            const { exit_code } = await client.runMethodWithError(stranger, 'seqno');

            expect(exit_code).toBe(-13);
        });

        it('shows exactly what the faucet paid', async () => {
            const account = new Address(0, Buffer.alloc(32, 1));

            await localnet.faucet(account, toNano('1.5'));

            expect(await client.getBalance(account)).toBe(toNano('1.5'));
            expect(await client.isContractDeployed(account)).toBe(false);
            expect(await rpc(localnet.url, 'getAddressBalance', { address: account.toString() })).toBe('1500000000');
            expect(await rpc(localnet.url, 'getAddressState', { address: account.toString() })).toBe('uninitialized');
        });

        it('pays the same account by its raw and its friendly address', async () => {
            const account = new Address(0, Buffer.alloc(32, 2));

            await rpc(localnet.url, 'localnet_faucet', { address: account.toRawString(), amount: 5 });
            await rpc(localnet.url, 'localnet_faucet', {
                address: account.toString({ bounceable: false }),
                amount: '6',
            });

            expect(await client.getBalance(account)).toBe(11n);
        });
    });

    describe.each([
        ['v4', walletV4()],
        ['v5r1', walletV5()],
    ])('wallet %s', (_, contract) => {
        it('deploys with its first transfer, counts it and delivers it', async () => {
            const wallet = client.open(contract as ReturnType<typeof walletV4>);
            const before = await client.getBalance(stranger);
            await localnet.faucet(wallet.address, toNano(2));

            await transfer(wallet, 0, stranger, toNano('0.5'));

            expect(await client.isContractDeployed(wallet.address)).toBe(true);
            expect(await wallet.getSeqno()).toBe(1);
            expect((await client.getBalance(stranger)) - before).toBe(toNano('0.5'));
        });

        it('takes a second transfer without its code', async () => {
            const wallet = client.open(contract as ReturnType<typeof walletV4>);

            await transfer(wallet, 1, stranger, 1n);

            expect(await wallet.getSeqno()).toBe(2);
        });
    });

    describe('get methods', () => {
        async function deploy(code: bigint, bits: number) {
            const init = { code: beginCell().storeUint(code, bits).endCell(), data: Cell.EMPTY };
            const to = contractAddress(0, init);
            const value = toNano(1);
            await localnet.blockchain.sendMessage(paid({ from: stranger, to, value, stateInit: init }));
            return to;
        }

        it('return numbers, null, cells and tuples', async () => {
            // DROP, -5 PUSHINT, NULL, NEWC ENDC, 1 PUSHINT, 2 PUSHINT, 2 TUPLE
            const contract = await deploy(0x307b6dc8c971726f02n, 72);

            const { stack } = await client.runMethod(contract, 'anything');

            expect(stack.readNumber()).toBe(-5);
            expect(stack.readBigNumberOpt()).toBeNull();
            expect(stack.readCell().equals(Cell.EMPTY)).toBe(true);
            const tuple = stack.pop();
            expect(tuple).toEqual({ type: 'tuple', items: [1n, 2n] });
        });

        it('take numbers, cells and slices', async () => {
            const contract = await deploy(0x30n, 8); // DROP leaves the arguments
            const cell = beginCell().storeAddress(stranger).endCell();

            const { stack } = await client.runMethod(contract, 'anything', [
                { type: 'int', value: -(2n ** 200n) },
                { type: 'cell', cell },
                { type: 'slice', cell },
            ]);

            expect(stack.readBigNumber()).toBe(-(2n ** 200n));
            expect(stack.readCell().equals(cell)).toBe(true);
            expect(stack.readAddress().equals(stranger)).toBe(true);
        });

        it('answer with the exit code if they fail', async () => {
            const wallet = walletV4();

            const { exit_code } = await client.runMethodWithError(wallet.address, 'no_such_method');

            expect(exit_code).toBe(11);
        });
    });

    describe('transactions', () => {
        const wallet = walletV4();
        const pages = () => client.getTransactions(wallet.address, { limit: 100 });

        it('come newest first and link to one another', async () => {
            const all = await pages();

            expect(all.map((tx) => tx.inMessage!.info.type)).toEqual(['external-in', 'external-in', 'internal']);
            expect(all[0].prevTransactionLt).toBe(all[1].lt);
            expect(all[1].prevTransactionLt).toBe(all[2].lt);
            const state = await client.getContractState(wallet.address);
            expect(state.lastTransaction).toEqual({
                lt: all[0].lt.toString(),
                hash: all[0].hash().toString('base64'),
            });
        });

        it('page from a given one, which is itself part of the page only if asked for', async () => {
            const all = await pages();
            const start = { lt: all[1].lt.toString(), hash: all[1].hash().toString('base64') };

            const inclusive = await client.getTransactions(wallet.address, { limit: 2, ...start, inclusive: true });
            const exclusive = await client.getTransactions(wallet.address, { limit: 2, ...start });

            expect(inclusive.map(({ lt }) => lt)).toEqual([all[1].lt, all[2].lt]);
            expect(exclusive.map(({ lt }) => lt)).toEqual([all[2].lt]);
        });

        it('stop at the limit, and before to_lt', async () => {
            const all = await pages();

            const limited = await client.getTransactions(wallet.address, { limit: 1 });
            const recent = await client.getTransactions(wallet.address, { limit: 9, to_lt: all[2].lt.toString() });

            expect(limited.map(({ lt }) => lt)).toEqual([all[0].lt]);
            expect(recent.map(({ lt }) => lt)).toEqual([all[0].lt, all[1].lt]);
        });

        it('are found one by one', async () => {
            const [newest] = await pages();

            const found = await client.getTransaction(
                wallet.address,
                newest.lt.toString(),
                newest.hash().toString('base64'),
            );

            expect(found!.hash()).toEqual(newest.hash());
        });

        it('are found from the message that links two of them', async () => {
            const [newest] = await pages();
            const sent = newest.outMessages.get(0)!.info;
            const lt = sent.type === 'internal' ? sent.createdLt.toString() : '';

            const result = await client.tryLocateResultTx(wallet.address, stranger, lt);
            const source = await client.tryLocateSourceTx(wallet.address, stranger, lt);

            expect(result.prevTransactionLt).toBeLessThan(result.lt);
            expect(result.inMessage!.info).toMatchObject({ type: 'internal', createdLt: BigInt(lt) });
            expect(source.hash()).toEqual(newest.hash());
        });

        it('are none for an account that never existed', async () => {
            expect(await client.getTransactions(new Address(0, Buffer.alloc(32, 9)), { limit: 5 })).toEqual([]);
        });

        it('cannot be paged from one that the account never had', async () => {
            const start = { lt: '1', hash: Buffer.alloc(32).toString('base64') };

            const failure = await failureOf(client.getTransactions(wallet.address, { limit: 5, ...start }));

            expect(failure).toMatchObject({ status: 500, error: expect.stringContaining('lt not in db') });
        });
    });

    describe('blocks', () => {
        it('hold one transaction each', async () => {
            const { latestSeqno } = await client.getMasterchainInfo();
            const [shard] = await client.getWorkchainShards(latestSeqno);
            const last = localnet.transactions.at(-1)!;

            const held = await client.getShardTransactions(shard.workchain, shard.seqno, shard.shard);

            expect(latestSeqno).toBe(localnet.transactions.length);
            expect(held).toEqual([
                expect.objectContaining({
                    lt: last.lt.toString(),
                    hash: Buffer.from(last.hash, 'hex').toString('base64'),
                }),
            ]);
            expect(held[0].account.toRawString()).toBe(last.account);
        });
    });

    describe('fees', () => {
        it('estimates exactly what the transfer then costs, and changes nothing by it', async () => {
            const wallet = client.open(walletV4());
            const messages = [internal({ to: stranger, value: 1n, bounce: false })];
            const body = wallet.createTransfer({ seqno: 2, secretKey: keys.secretKey, messages, sendMode: 1 });
            const before = await wallet.getBalance();

            const { source_fees } = await client.estimateExternalMessageFee(wallet.address, {
                body,
                initCode: null,
                initData: null,
                ignoreSignature: false,
            });
            expect(await wallet.getSeqno()).toBe(2);
            await wallet.send(body);

            const { in_fwd_fee, storage_fee, gas_fee, fwd_fee } = source_fees;
            const paid = before - 1n - (await wallet.getBalance());
            expect(BigInt(in_fwd_fee + storage_fee + gas_fee + fwd_fee)).toBe(paid);
        });
    });

    describe('refusals', () => {
        it('names the exit code of a wallet that refuses a used seqno', async () => {
            const failure = await failureOf(transfer(client.open(walletV4()), 0, stranger, 1n));

            expect(failure.status).toBe(500);
            expect(failure.error).toMatch(/^LITE_SERVER_UNKNOWN: cannot apply external message to current state/);
            expect(failure.error).toMatch(/rejected by transaction [0-9A-F]{64}:\nexitcode=33, steps=23, gas_used=0\n/);
            expect(failure.error).toContain('terminating vm with exit code 33');
        });

        it('goes on serving the account that refused', async () => {
            const wallet = client.open(walletV4());

            await transfer(wallet, await wallet.getSeqno(), stranger, 1n);

            expect(await wallet.getSeqno()).toBe(4);
        });

        it('cannot unpack an account that never existed', async () => {
            const unpaid = new Address(0, Buffer.alloc(32, 3));

            const failure = await failureOf(client.sendMessage(external({ to: unpaid, body: Cell.EMPTY })));

            expect(failure).toMatchObject({
                status: 500,
                error: expect.stringMatching(/Failed to unpack account state$/),
            });
        });

        it('refuses before execution what cannot pay for its import', async () => {
            const poor = new Address(0, Buffer.alloc(32, 4));
            await localnet.faucet(poor, 1n);

            const failure = await failureOf(client.sendMessage(external({ to: poor, body: Cell.EMPTY })));

            expect(failure.error).toMatch(/rejected by account [0-9A-F]{64} before smart-contract execution$/);
        });

        it('refuses an internal message from outside, which would be coins from nowhere', async () => {
            const forged = beginCell().store(storeMessage(paid({ from: stranger, to: stranger, value: toNano(1) })));

            const failure = await failureOf(client.sendFile(forged.endCell().toBoc()));

            expect(failure).toMatchObject({ status: 500, error: expect.stringContaining('ext_in_msg_info$10') });
        });

        it.each([
            ['a boc that is none', 'sendBoc', { boc: 'AAAA' }, 500, 'not a valid bag of cells'],
            ['a malformed address', 'getAddressInformation', { address: 'EQnope' }, 422, 'Incorrect address: EQnope'],
            ['a missing address', 'getAddressInformation', {}, 422, 'address: '],
            ['a limit that is none', 'getTransactions', { address: stranger.toString(), limit: 0 }, 422, 'limit: '],
            [
                'an unknown stack item',
                'runGetMethod',
                { address: stranger.toString(), method: 'seqno', stack: [['tvm.Moon', '1']] },
                422,
                'Unsupported stack item: tvm.Moon',
            ],
            ['an unknown method', 'getMoon', {}, 422, 'known are getAddressInformation'],
            ['a configuration parameter that is not set', 'getConfigParam', { config_id: 77 }, 500, '77'],
            ['a block to come', 'shards', { seqno: 1e6 }, 500, 'seqno not in db'],
            [
                'a faucet payment of nothing',
                'localnet_faucet',
                { address: stranger.toString(), amount: 0 },
                422,
                'amount',
            ],
            ['time that goes back', 'localnet_advance', { seconds: -1 }, 422, 'seconds'],
        ])('answers %s with an error that says so', async (_, method, params, status, error) => {
            const failure = await post(localnet.url, JSON.stringify({ id: 'x', jsonrpc: '2.0', method, params }));

            expect(failure.status).toBe(status);
            expect(failure.answer).toMatchObject({ ok: false, code: status, id: 'x' });
            expect(failure.answer.error).toContain(error);
        });

        it.each([
            ['text', 'hello', 'text/plain', 422],
            ['an unknown content type', '{}', 'application/xml', 415],
            ['broken JSON', '{"method"', 'application/json', 400],
            ['nothing', '', 'application/json', 400],
            ['JSON that is no call', '[1]', 'application/json', 422],
            ['a call without a method', '{"params":{}}', 'application/json', 422],
            ['parameters that are no object', '{"method":"shards","params":[1]}', 'application/json', 422],
            ['more than a megabyte', JSON.stringify({ method: 'x'.repeat(2 ** 20) }), 'application/json', 413],
        ])('answers %s with an error and stays up', async (_, body, type, status) => {
            const failure = await post(localnet.url, body, type);

            expect(failure.status).toBe(status);
            expect(failure.answer.ok).toBe(false);
            expect((await client.getMasterchainInfo()).latestSeqno).toBeGreaterThan(0);
        });
    });
});
