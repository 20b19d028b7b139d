/** What the chain's API says of messages, when it says what nobody can read. */
import { beginCell, Cell, loadTransaction, type Message, storeTransaction, type Transaction } from '@ton/core';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { type Emitted, TonHttpChain } from '../../../offchain/chain';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { account } from '../support/worker';

const ACCOUNT = account(0x5a);

let localnet: Localnet;
let spoiled: Server; // the same API, but every transaction sends an event, and the data of one is spoiled
let spoil: string; // its lt

/** A transaction that also sends an event. */
function withEvent(data: string): string {
    const transaction: Transaction = loadTransaction(Cell.fromBase64(data).beginParse());
    const event: Message = {
        info: {
            type: 'external-out',
            src: ACCOUNT,
            dest: null,
            createdLt: transaction.lt + 1n,
            createdAt: transaction.now,
        },
        body: beginCell().storeUint(1, 32).endCell(),
    };
    transaction.outMessages.set(0, event);
    return beginCell().store(storeTransaction(transaction)).endCell().toBoc().toString('base64');
}

beforeAll(async () => {
    localnet = await startLocalnet();
    for (const coins of [1n, 2n, 3n]) {
        await localnet.faucet(ACCOUNT, coins * 1_000_000_000n);
    }
    spoil = String(localnet.transactions.filter(({ account: of }) => of === ACCOUNT.toRawString())[1].lt);
    spoiled = createServer((asked, response) => {
        void (async () => {
            const chunks: Buffer[] = [];
            for await (const chunk of asked) chunks.push(chunk as Buffer);
            const headers = { 'content-type': 'application/json' };
            const { body } = await request(localnet.url, { method: 'POST', headers, body: Buffer.concat(chunks) });
            const answer = (await body.json()) as { result: { transaction_id: { lt: string }; data: string }[] };
            for (const each of Array.isArray(answer.result) ? answer.result : []) {
                each.data = each.transaction_id.lt === spoil ? 'bm8gY2VsbA==' : withEvent(each.data);
            }
            response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
        })();
    });
    await new Promise<void>((resolve) => spoiled.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
    spoiled.close();
    await localnet.close();
});

it('A transaction that cannot be read is named as such, and those beside it are read', async () => {
    const endpoint = `http://127.0.0.1:${(spoiled.address() as AddressInfo).port}/api/v2/jsonRPC`;
    const found: Emitted[] = [];
    for await (const message of new TonHttpChain({ endpoint, network: -239 }).emitted(ACCOUNT, 0n)) {
        found.push(message);
    }

    expect(found.map(({ unreadable }) => unreadable !== undefined)).toEqual([false, true, false]);
    expect(String(found[1].lt)).toBe(spoil);
});
