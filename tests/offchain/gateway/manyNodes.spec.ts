/** What the gateway remembers of nodes that it asked: any number may be announced, one after the other. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Bans } from '../../../offchain/gateway/bans';
import { Nodes } from '../../../offchain/gateway/nodes';

const MODEL = 'a/b';
const ASKED = 600; // nodes, one after the other; a gateway remembers 500

const account = (byte: string) => `0:${byte.repeat(32)}`;

/** Of another network than the gateway's, so that each node is asked once and not used. */
const INFO = {
    ...{ network: 1, node: account('01'), provider: account('02'), payout: account('03') },
    ...{ receiptKey: '04'.repeat(32), encryptionKey: '05'.repeat(32), attestation: { tier: 'open' } },
    ...{ wire: ['cocoon-1'], channelCodes: [], processes: [] },
    offers: [{ model: MODEL, rates: { prompt: '1', cached: '1', completion: '1', reasoning: '1' }, features: [] }],
    limits: { minStep: '1', maxStep: '9', maxParallel: 1, maxAnswer: 1, minNotice: 1, minDeposit: '1' },
};

const rates = { prompt: 9n, cached: 9n, completion: 9n, reasoning: 9n };

function nodesOf(workers: string[] | undefined): Nodes {
    const config = { models: { [MODEL]: { maxPrice: rates } }, workers, network: 2, registry: {}, endpoint: [] };
    const rules = { discovery: { enabled: true, allowPrivate: true }, attestation: {}, routing: {}, job: {} };
    return new Nodes({ ...config, ...rules } as never, () => 0, {} as never, undefined, {} as never);
}

describe('A gateway that asks one node after the other', () => {
    const server = createServer((request, response) => {
        if (request.url!.startsWith('/busy')) {
            response.write('begin');
        } else {
            response.end(JSON.stringify(INFO));
        }
    });
    const at = (name: string | number) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;

    beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));

    afterAll(() => {
        server.closeAllConnections();
        server.close();
    });

    it('forgets those that it has not asked for longest, but none that is configured or answers', async () => {
        const nodes = nodesOf([at('configured')]);
        const head = { job: Buffer.alloc(32), boot: Buffer.alloc(16), number: 1 } as never;
        const configured = nodes.client(at('configured'));
        const busy = nodes.client(at('busy'));
        const answer = (await busy.query(head, Buffer.alloc(32), new AbortController().signal))[Symbol.asyncIterator]();
        expect((await answer.next()).value.toString()).toBe('begin');
        const first = nodes.client(at(0));
        for (let i = 0; i < ASKED; i++) {
            expect(await nodes.check(at(i), MODEL)).toBe('is on network 1, not 2');
        }
        expect(nodes.lastInfo(at(0))).toBeUndefined();
        expect(nodes.lastInfo(at(ASKED - 1))).toBeDefined();
        expect(nodes.client(at(0))).not.toBe(first);
        expect(nodes.client(at('configured'))).toBe(configured);
        expect(nodes.client(at('busy'))).toBe(busy);
        await nodes.close();
    });

    it('remembers nothing of those that are only announced', () => {
        const bans = new Bans(600, () => 1000);
        bans.ban(at('banned'), 'it cheated');
        for (const name of ['banned', 'one', 'two']) {
            bans.isCool(at(name));
            bans.banReason(at(name));
            bans.hasFailedTooOften(at(name));
        }
        expect(bans.banReason(at('banned'))).toBe('it cheated');
        expect([...Reflect.get(bans, 'all').keys()]).toEqual([at('banned')]);
    });
});
