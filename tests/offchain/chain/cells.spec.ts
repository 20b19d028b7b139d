/**
 * Answers of an endpoint that are few bytes on the wire, and more cells or entries than memory holds.
 *
 * Longer than 350 lines because all forms of what is too much are best read together.
 */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address, beginCell, Cell, type Contract, type ContractProvider, type Transaction } from '@ton/core';
import { Registry } from '@cocoon-market/wrappers';
import { TonClient } from '@ton/ton';
import { json } from 'node:stream/consumers';
import { type Emitted, type EndpointSettings, TonHttpChain } from '../../../offchain/chain';
import { GLOBAL_ID_PARAM } from '../../../offchain/chain/endpoint';
import { HttpSource } from '../../../offchain/indexer/source';
import { ScriptSession } from '../../../scripting/session';
import { unfolding } from '../../support/unfolding';
import { serverOf } from '../support/server';

const NETWORK = -239;
const address = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const chainAt = (...endpoint: (string | EndpointSettings)[]) => new TonHttpChain({ network: NETWORK, endpoint });

/** An account whose transactions an action reads. */
class Account implements Contract {
    constructor(readonly address: Address) {}

    getPage(provider: ContractProvider): Promise<Transaction[]> {
        return provider.getTransactions(this.address, 9n, Buffer.alloc(32));
    }
}

/** A bag of so many cells, each of which refers to the next one, in base64. */
function chainOfCells(cells: number): string {
    const bag = Buffer.alloc(22 + 5 * cells - 3);
    bag.write('b5ee9c720304', 'hex'); // numbers of three bytes, sizes of four
    bag.writeUIntBE(cells, 6, 3);
    bag.writeUIntBE(1, 9, 3); // root
    bag.writeUInt32BE(5 * cells - 3, 15);
    for (let i = 0; i < cells - 1; i++) {
        bag[22 + 5 * i] = 1;
        bag.writeUIntBE(i + 1, 24 + 5 * i, 3);
    }
    return bag.toString('base64');
}

/** A bag of one cell that names so many roots, with so many bytes after it, in base64. */
function bagOfOneCell({ roots, bytes }: { roots: number; bytes: number }): string {
    const bag = Buffer.from(chainOfCells(1), 'base64');
    bag.writeUIntBE(roots, 9, 3);
    return Buffer.concat([bag, Buffer.alloc(bytes)]).toString('base64');
}

/** A server that gives every call this result, but names its network. */
const answering = (given: unknown) =>
    serverOf(async (request, response) => {
        const call = (await json(request)) as { params: { config_id?: number } };
        const bytes = beginCell().storeInt(NETWORK, 32).endCell().toBoc().toString('base64');
        const result = call.params.config_id === GLOBAL_ID_PARAM ? { config: { bytes } } : given;
        response.writeHead(200).end(JSON.stringify({ ok: true, result }));
    });

/** A transaction of a few cells with 8192 messages, as an endpoint lists it. */
function unfoldingTransaction() {
    const message = beginCell().storeUint(0b11, 2).storeAddress(address(1)).storeUint(0, 100).endCell();
    const messages = unfolding(15, 13, beginCell().storeRef(message).endCell());
    const head = beginCell()
        .storeUint(7, 4)
        .storeBuffer(address(1).hash)
        .storeUint(9, 64)
        .storeUint(0, 256 + 64 + 51);
    const transaction = head.storeRef(beginCell().storeBit(0).storeMaybeRef(messages).endCell()).endCell();
    const id = { lt: '9', hash: transaction.hash().toString('base64') };
    const listed = { data: transaction.toBoc().toString('base64'), utime: 1, transaction_id: id, fee: '0' };
    return { ...listed, ...{ storage_fee: '0', other_fee: '0', out_msgs: [] } };
}

describe('The client of the chain', () => {
    let network: Localnet;

    beforeAll(async () => {
        network = await startLocalnet({});
        await network.faucet(address(1), 1_000_000_000n);
    });

    afterAll(() => network.close());

    it('reads no bag of a million cells into memory, and asks the second endpoint', async () => {
        const large = await answering({ data: chainOfCells(1_000_000) });

        await expect(chainAt(large.url).account(address(1))).rejects.toThrow('more than 131072 cells');
        const { balance } = await chainAt(large.url, network.url).account(address(1));

        expect(balance).toBe(1_000_000_000n);
        large.close();
    });

    it('reads no thousand bags of a thousand cells into memory', async () => {
        const large = await answering({
            stack: Array(10).fill(Array(100).fill(['cell', { bytes: chainOfCells(1000) }])),
        });

        await expect(chainAt(large.url).account(address(1))).rejects.toThrow('more than 131072 cells');
        large.close();
    });

    it('says of a transaction that it cannot be read which has more messages than any memory holds', async () => {
        const { url, close } = await answering([unfoldingTransaction()]);

        const chain = chainAt({ url, callsPerSecond: 10 });
        const { value } = await chain.emitted(address(1), 0n).next();

        expect((value as Emitted).unreadable?.message).toBe('Dictionaries have more than 4096 entries');
        const page = chain.open(new Account(address(1))).getPage();
        await expect(page).rejects.toThrow('Dictionaries have more than 4096 entries');
        close();
    });

    it('reads no such transaction for a script, which would ask its own client', async () => {
        const { url, close } = await answering([unfoldingTransaction()]);
        const chain = chainAt({ url, callsPerSecond: 10 });
        const provider = { api: () => new TonClient({ endpoint: url }) };
        const session = Object.assign(Object.create(ScriptSession.prototype) as ScriptSession, {
            ...{ network: { chain }, provider, actsAs: address(2) },
        });

        await expect(session.changedAt(address(1))).rejects.toThrow('Dictionaries have more than 4096 entries');
        await expect(session.arrivalSince(address(1), 0n)).rejects.toThrow('Dictionaries have more than 4096 entries');
        close();
    });

    it('reads transactions that are larger than any real one neither', async () => {
        const listed = { ...unfoldingTransaction(), data: chainOfCells(40_000) };
        const large = await answering([listed]);

        const list = async () => {
            for await (const _ of chainAt({ url: large.url }).emitted(address(1), 0n));
        };

        await expect(list()).rejects.toThrow('more than 32768 cells in a transaction');
        large.close();
    });

    it('reads no such transaction behind spaces either', async () => {
        const listed = { ...unfoldingTransaction(), data: `${' '.repeat(40)}${chainOfCells(40_000)}` };
        const large = await answering([listed]);

        const list = chainAt({ url: large.url, callsPerSecond: 10 }).emitted(address(1), 0n).next();

        await expect(list).rejects.toThrow('more than 32768 cells in a transaction');
        large.close();
    });

    it('does not read code and data of an account that is larger than any contract of this project', async () => {
        const small = chainOfCells(512);
        const large = chainOfCells(513);
        const id = { '@type': 'ton.blockIdExt', workchain: 0, shard: '0', seqno: 1, root_hash: '', file_hash: '' };
        const last = { '@type': 'internal.transactionId', lt: '1', hash: Buffer.alloc(32).toString('base64') };
        const state = { balance: '7', state: 'active', last_transaction_id: last, block_id: id, sync_utime: 9 };
        const { url, close } = await answering({ ...state, code: small, data: large });

        const account = await chainAt({ url, callsPerSecond: 10 }).account(address(1));

        expect(account).toMatchObject({ state: 'active', balance: 7n, code: expect.any(Cell), data: undefined });
        close();
    });

    it('believes no getter that returns more than any contract of this project', async () => {
        const stack = [['cell', { bytes: chainOfCells(4097) }]];
        const { url, close } = await answering({ gas_used: 1, exit_code: 0, stack });
        const chain = chainAt({ url, callsPerSecond: 10 });

        const rules = chain.open(Registry.fromAddress(address(1))).getRules();

        await expect(rules).rejects.toThrow('more than 4096 cells');
        close();
    });

    it('believes no parameter of a network that has more cells than any that is read, and asks the second endpoint', async () => {
        const large = await answering({ config: { bytes: chainOfCells(4097) } });

        await expect(chainAt(large.url).prices()).rejects.toThrow('more than 4096 cells');
        expect(await chainAt(large.url, network.url).prices()).toEqual(await chainAt(network.url).prices());
        large.close();
    });

    it.each([
        ['transactions', Array(500_000).fill(0), '256 values in one list'],
        [
            'currencies of an account',
            { sync_utime: 1, balance: '0', extra_currencies: Array(500_000).fill(0) },
            '256 values in one list',
        ],
        ['values in lists of lists', Array(20).fill(Array(250).fill(Array(250).fill(0))), '1048576 values'],
    ])('believes no list of millions of %s, each of which is an error in memory', async (_, given, reason) => {
        const large = await answering(given);
        const chain = chainAt({ url: large.url, callsPerSecond: 10 });

        await expect(chain.account(address(1))).rejects.toThrow(`more than ${reason}`);
        await expect(chain.newest(address(1), 1)).rejects.toThrow(`more than ${reason}`);
        large.close();
    });

    it('parses no answer of millions of objects, which are gigabytes in memory, and asks the second endpoint', async () => {
        const large = await serverOf((_, response) =>
            response.end(`{"ok":true,"result":[${'{"34":0},'.repeat(1_000_000)}0]}`),
        );
        const parse = jest.spyOn(JSON, 'parse');

        const { balance } = await chainAt(large.url, network.url).account(address(1));

        expect(balance).toBe(1_000_000_000n);
        expect(Math.max(...parse.mock.calls.map(([text]) => text.length))).toBeLessThan(100_000);
        parse.mockRestore();
        large.close();
    });

    it.each([
        ['roots', () => bagOfOneCell({ roots: 5_000_000, bytes: 15_000_000 })],
        ['bytes', () => bagOfOneCell({ roots: 1, bytes: 300 * 131_073 })],
    ])('reads no bag of one cell that has millions of %s, and asks the second endpoint', async (_, bag) => {
        const large = await answering({ data: bag() });

        await expect(chainAt(large.url).account(address(1))).rejects.toThrow('more than 131072 cells');
        expect((await chainAt(large.url, network.url).account(address(1))).balance).toBe(1_000_000_000n);
        large.close();
    });

    it('makes no field of each character of a text in the place of a transaction', async () => {
        const { url, close } = await answering(['text']);
        const chain = chainAt({ url, callsPerSecond: 10 });
        const data = JSON.stringify({ method: 'getTransactions', params: {} });

        const { data: answer } = (await chain.api.adapter()({ data } as never)) as { data: object };

        expect(answer).toEqual({ ok: true, result: ['text'] });
        close();
    });

    it('reads no number of a getter that is longer than any', async () => {
        const { url, close } = await answering({ gas_used: 1, exit_code: 0, stack: [['num', '7'.repeat(4097)]] });
        const chain = chainAt({ url, callsPerSecond: 10 });

        const rules = chain.open(Registry.fromAddress(address(1))).getRules();

        await expect(rules).rejects.toThrow('a text of more than 4096 characters');
        close();
    });

    it.each<[string, (url: string) => Promise<unknown>]>([
        ['a parameter', (url) => chainAt(url).prices()],
        [
            'a getter',
            (url) =>
                chainAt(url)
                    .open(Registry.fromAddress(address(1)))
                    .getRules(),
        ],
        ['a listed transaction', (url) => new HttpSource({ network: NETWORK, endpoint: url }).page(address(1))],
    ])('makes no bytes of an object in the place of %s, which would be as many as its length says', async (_, read) => {
        const bytes = { length: 50_000_000 };
        const stack = [['cell', { bytes }]];
        const { url, close } = await answering({ config: { bytes }, gas_used: 1, exit_code: 0, stack, data: bytes });
        const from = jest.spyOn(Buffer, 'from');

        await expect(read(url)).rejects.toThrow('an object that has a length');
        expect(from.mock.calls.flat()).not.toContainEqual(bytes);
        from.mockRestore();
        close();
    });

    it('reads a page of which a message of a stranger says what begins a bag of too many cells', async () => {
        const text = Buffer.from('b5ee9c720700000000000000', 'hex').toString('base64');
        const id = { lt: '9', hash: Buffer.alloc(32).toString('base64') };
        const message = { message: text, msg_data: { '@type': 'msg.dataText', text } };
        const listed = { ...unfoldingTransaction(), data: 'AAAA', transaction_id: id, in_msg: message };
        const { url, close } = await answering([listed]);

        const { value } = await chainAt(url).emitted(address(1), 8n).next();

        expect(value).toMatchObject({ lt: 9n });
        close();
    });

    it('reads what a getter returns of which a cell contains what begins such a bag', async () => {
        const b64 = Buffer.from('b5ee9c720700000000000000', 'hex').toString('base64');
        const cell = { bytes: Cell.EMPTY.toBoc().toString('base64'), object: { data: { b64, len: 96 }, refs: [] } };
        const result = { gas_used: 1, exit_code: 0, stack: [['cell', cell]] };
        const { url, close } = await answering(result);

        expect(await chainAt(url).api.call('runGetMethod', {})).toEqual(result);
        close();
    });

    it('repeats no hash of a transaction to an endpoint that is longer than any', async () => {
        const id = { lt: '9', hash: 'a'.repeat(1_000_000) };
        const { url, close } = await answering([{ ...unfoldingTransaction(), data: 'AAAA', transaction_id: id }]);

        const list = chainAt({ url, callsPerSecond: 10 }).emitted(address(1), 0n).next();

        await expect(list).rejects.toThrow('by 1000000 characters, which is no hash');
        close();
    });

    it('believes a page of a hundred transactions of which each sends 255 messages', async () => {
        const names = ['@type', 'hash', 'source', 'destination', 'value', 'fwd_fee', 'ihr_fee', 'import_fee', 'opcode'];
        const more = ['created_lt', 'body_hash', 'comment', 'message', 'bounce', 'bounced', 'ihr_disabled'];
        const fields = Object.fromEntries([...names, ...more].map((name) => [name, '0']));
        const message = {
            ...fields,
            extra_currencies: [],
            msg_data: { '@type': 'msg.dataRaw', body: '', init_state: '' },
        };
        const listed = {
            data: chainOfCells(2),
            transaction_id: { lt: '1', hash: '' },
            out_msgs: Array(255).fill(message),
        };
        const { url, close } = await answering(Array(100).fill(listed));

        const source = new HttpSource({ network: NETWORK, endpoint: [{ url, callsPerSecond: 10 }] });
        expect(await source.page(address(1))).toHaveLength(100);
        close();
    });

    it('has no more of a page in memory than memory holds, where an index reads large messages of a stranger', async () => {
        const listed = { data: chainOfCells(30_000), transaction_id: { lt: '1', hash: '' } };
        const { url, close } = await answering(Array(5).fill(listed));

        const page = await new HttpSource({ network: NETWORK, endpoint: url }).page(address(1));

        expect(page).toHaveLength(3);
        close();
    });

    it('reads no logical time of a transaction that is longer than any, for an index either', async () => {
        const { url, close } = await answering([
            { data: chainOfCells(2), transaction_id: { lt: '7'.repeat(21), hash: '' } },
        ]);

        const page = new HttpSource({ network: NETWORK, endpoint: url }).page(address(1));

        await expect(page).rejects.toThrow('gives a transaction that cannot be read');
        close();
    });

    it('repeats only the beginning of an error of megabytes, which would fill a disk with logs', async () => {
        const { url, close } = await serverOf((_, response) => {
            response.writeHead(200).end(JSON.stringify({ ok: false, error: 'x'.repeat(4 << 20), code: 400 }));
        });

        const error = await chainAt(url)
            .account(address(1))
            .catch((reason: Error) => reason);

        expect((error as Error).message).toContain('refuses (400): xxx');
        expect((error as Error).message.length).toBeLessThan(1200);
        close();
    });
});
