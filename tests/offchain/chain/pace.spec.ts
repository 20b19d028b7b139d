/** Lists of transactions that take long to read, as an endpoint may make them up. */
import { Address, beginCell, Cell } from '@ton/core';
import { json } from 'node:stream/consumers';
import { performance } from 'node:perf_hooks';
import { TonHttpChain } from '../../../offchain/chain';
import { GLOBAL_ID_PARAM } from '../../../offchain/chain/endpoint';
import { serverOf } from '../support/server';

const NETWORK = -239;
const ACCOUNT = new Address(0, Buffer.alloc(32, 1));
const READ_MS = 50; // for each transaction, as one of thousands of cells takes

/** A chain whose endpoint lists so many transactions of the account in one page, none of which can be read. */
async function chainThatLists(transactions: number): Promise<{ chain: TonHttpChain; close: () => unknown }> {
    const data = Cell.EMPTY.toBoc().toString('base64');
    const page = Array.from({ length: transactions }, (_, i) => ({
        ...{ data, utime: 1, fee: '0', storage_fee: '0', other_fee: '0', out_msgs: [] },
        transaction_id: { lt: String(1000 - i), hash: Buffer.alloc(32, i).toString('base64') },
    }));
    const bytes = beginCell().storeInt(NETWORK, 32).endCell().toBoc().toString('base64');
    const { url, close } = await serverOf(async (request, response) => {
        const { params } = (await json(request)) as { params: { config_id?: number; lt?: string } };
        const listed = params.lt === undefined ? page : [];
        const result = params.config_id === GLOBAL_ID_PARAM ? { config: { bytes } } : listed;
        response.end(JSON.stringify({ ok: true, result }));
    });
    return { chain: new TonHttpChain({ network: NETWORK, endpoint: [{ url, callsPerSecond: 10 }] }), close };
}

describe('A list of transactions of thousands of cells', () => {
    beforeEach(() => {
        jest.spyOn(Cell, 'fromBase64').mockImplementation((bag) => {
            const [cell] = Cell.fromBoc(Buffer.from(bag, 'base64'));
            const isTransaction = cell.equals(Cell.EMPTY);
            for (const end = performance.now() + READ_MS; isTransaction && performance.now() < end;);
            return cell;
        });
    });

    afterEach(() => jest.restoreAllMocks());

    it('leaves most of the time to all else', async () => {
        const { chain, close } = await chainThatLists(8);
        const list = chain.emitted(ACCOUNT, 0n);
        await list.next();
        const before = performance.eventLoopUtilization();

        let count = 1;
        for await (const { unreadable } of list) count += unreadable === undefined ? 0 : 1;

        expect(count).toBe(8);
        expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.7);
        close();
    });

    it('is read no longer than a list may be, in the middle of a page, too', async () => {
        const { chain, close } = await chainThatLists(50);
        const list = chain.emitted(ACCOUNT, 0n, { seconds: 1 });
        let count = 0;

        const read = async () => {
            for await (const _ of list) count++;
        };

        await expect(read()).rejects.toThrow('were not read to their end');
        expect(count).toBeLessThan(50);
        close();
    });
});
