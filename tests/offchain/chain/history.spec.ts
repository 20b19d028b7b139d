/** What a list of transactions must be like, so that one endpoint cannot hold up its readers or deceive them. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HotWallet, TonHttpChain } from '../../../offchain/chain';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { endlessPages } from '../support/endless';
import { account } from '../support/worker';

const COIN = 1_000_000_000n;
const SENT = 3;

interface Call {
    method: string;
    params: { address: string; limit: number; lt?: string; hash?: string; to_lt?: string };
}
interface Row {
    transaction_id: { lt: string };
}

let localnet: Localnet;
let wallet: HotWallet;
let chain: TonHttpChain;
let proxy: Server;
let calls = 0;
let ask: (params: Call['params']) => object; // what reaches the network instead of these parameters
let answer: (rows: Row[]) => Row[];

beforeAll(async () => {
    localnet = await startLocalnet();
    const honest = new TonHttpChain({ endpoint: localnet.url, network: -239 });
    wallet = new HotWallet(honest, Buffer.alloc(32, 7), 5);
    await localnet.faucet(wallet.address, COIN);
    await localnet.faucet(account(0x5a), COIN);
    for (let i = 0; i < SENT; i++) {
        await wallet.send([{ to: account(0x5b), value: 1_000_000n, bounce: false }]);
    }
    proxy = createServer((incoming, response) => {
        void (async () => {
            const chunks: Buffer[] = [];
            for await (const chunk of incoming) chunks.push(chunk as Buffer);
            const call = JSON.parse(Buffer.concat(chunks).toString()) as Call;
            const isList = call.method === 'getTransactions';
            calls += isList ? 1 : 0;
            const body = JSON.stringify(isList ? { ...call, params: ask(call.params) } : call);
            const real = await fetch(localnet.url, {
                ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body },
            });
            const told = (await real.json()) as { result: Row[] };
            response.setHeader('content-type', 'application/json');
            response.end(JSON.stringify(isList ? { ...told, result: answer(told.result) } : told));
        })();
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/api/v2/jsonRPC`;
    chain = new TonHttpChain({ endpoint, network: -239 });
});

beforeEach(() => {
    calls = 0;
    ask = (params) => params;
    answer = (rows) => rows;
});

afterAll(async () => {
    proxy.closeAllConnections();
    proxy.close();
    await localnet.close();
});

const readers = {
    history: () => chain.history(wallet.address, 0n),
    accepted: () => chain.accepted(wallet.address),
    emitted: () => chain.emitted(wallet.address, 0n),
};
type Reader = keyof typeof readers;
const names = Object.keys(readers) as Reader[];

async function read(reader: Reader): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const one of readers[reader]()) found.push(one);
    return found;
}

it('An honest list is read to its first transaction with one call', async () => {
    expect(await read('history')).toHaveLength(SENT + 1);
    expect(calls).toBe(1);
    expect(await read('accepted')).toHaveLength(SENT);
});

it('A list ends at the cursor, also when the endpoint goes on', async () => {
    const [, second] = (await read('history')) as { lt: bigint }[];
    ask = ({ address, limit }) => ({ address, limit });
    const found: bigint[] = [];
    for await (const { lt } of chain.history(wallet.address, second.lt)) found.push(lt);

    expect(found).toHaveLength(1);
});

it.each(names)('%s: an endpoint that repeats transactions is refused, and not asked again for ever', async (reader) => {
    ask = ({ address }) => ({ address, limit: 3 });
    await expect(read(reader)).rejects.toThrow('leaves out or repeats transactions');
    expect(calls).toBeLessThan(4);
});

it.each(names)('%s: an endpoint that leaves out a transaction is refused', async (reader) => {
    answer = (rows) => rows.filter((_, i) => i !== 1);
    await expect(read(reader)).rejects.toThrow('leaves out or repeats transactions');
});

it.each(names)('%s: transactions of another account are refused', async (reader) => {
    ask = (params) => ({ ...params, address: account(0x5a).toString() });
    await expect(read(reader)).rejects.toThrow('lists transactions of another account');
});

describe('A list that an endpoint makes up without an end', () => {
    beforeEach(() => {
        ask = ({ address, limit }) => ({ address, limit });
        answer = endlessPages();
    });

    it('is read for so many seconds', async () => {
        const list = chain.accepted(wallet.address, { seconds: 0.1 });

        await expect(list[Symbol.asyncIterator]().next()).rejects.toThrow('were not read to their end');
    });

    it('is read no further once nobody needs it', async () => {
        const stopping = new AbortController();
        for await (const { unreadable } of chain.emitted(wallet.address, 0n, { signal: stopping.signal })) {
            expect(unreadable).toBeDefined();
            break;
        }
        stopping.abort();
        const list = chain.emitted(wallet.address, 0n, { signal: stopping.signal });

        await expect(list[Symbol.asyncIterator]().next()).rejects.toThrow('were not read to their end');
    });
});
