// Longer than 350 lines because nodes are found, ordered and looked up by the same few events.
import { Address, beginCell, Cell } from '@ton/core';
import pino from 'pino';
import { Directory } from '../../../offchain/market/directory';
import { allowsPrivate } from '../../../offchain/gateway/config';
import { MarketNodes } from '../../../offchain/gateway/marketNodes';
import { fairOrder } from '../../../offchain/market/order';
import { type Emitted } from '../../../offchain/chain';
import { modelHash } from '../../../offchain/link';
import { isOnThisMachine, mayBePublic, isPublicAddress, publicLookup } from '../../../offchain/process/publicAddress';
import { listingCell, type MarketEvent, Node, nodeChanges, readMarketEvent } from '@cocoon-market/wrappers';
import { workerUrl } from '@cocoon-market/wrappers/market';
import { storeNodeAnnounced } from '../../../wrappers/bodies';
import { changeNode, joinedMarket, listingWith, modelOf, nodeMarket, registerNode } from '../../support/stake';

const silent = pino({ level: 'silent' });
const model = 'a';
const offer = { model: modelOf(model), prompt: 100n, cached: 50n, completion: 400n, reasoning: 400n };
const provider = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const listed = (from: number, number: number, endpoint: string, change: object = {}): MarketEvent => ({
    type: 'node',
    provider: provider(from),
    number,
    change: { service: { region: 'eu', uptime: 1, endpoint }, offers: [offer], ...change },
});

describe('Events of a registry', () => {
    const bodiesOf = (externals: { body: Cell }[]) => externals.map(({ body }) => readMarketEvent(body));

    it('a node that joins is read with its endpoint, offers and tier', async () => {
        const { result } = await registerNode(await joinedMarket());

        const [event] = bodiesOf(result.externals);

        expect(event).toMatchObject({
            type: 'node',
            number: 0,
            change: {
                service: listingWith().service,
                offers: listingWith().offers,
                attestation: { tier: 'open' },
            },
        });
    });

    it('a change says only what it changes', async () => {
        const market = await nodeMarket();
        const offers = [{ ...offer, prompt: 7n }];

        const { externals } = await changeNode(market, nodeChanges.offers(offers));

        const [event] = bodiesOf(externals);
        expect(event).toMatchObject({ type: 'node', number: 0 });
        expect(event).toHaveProperty('change', { offers });
        expect(String(event?.type === 'node' && event.provider)).toBe(market.provider.address.toString());
    });

    it('demand is read with its client, model, queries and end', async () => {
        const { registry, stranger, blockchain } = await nodeMarket();
        const demand = { model: modelOf('b'), queriesPerDay: 12, endsAt: blockchain.now! + 60 };
        const value = await registry.getAnnounceDemandValue(false);

        const { externals } = await registry.sendAnnounceDemand(stranger.getSender(), { value, ...demand });

        const [event] = bodiesOf(externals);
        expect(event).toMatchObject({ type: 'demand', ...demand });
        expect(String(event?.type === 'demand' && event.client)).toBe(stranger.address.toString());
    });
});

describe('The directory of nodes', () => {
    it('has a node with what the newest event of each part says, in whatever order they come', async () => {
        const directory = new Directory();
        const later = { type: 'node', provider: provider(1), number: 0, change: { offers: [] } } satisfies MarketEvent;

        await directory.take(later, 9n);
        await directory.take(listed(1, 0, 'https://one.example'), 5n);

        expect(directory.at('https://one.example')).toHaveLength(1);
        expect(directory.sellers(modelHash(model))).toEqual([]);
    });

    it('names the account of the node, which its provider and number give', async () => {
        const directory = new Directory();

        await directory.take(listed(1, 3, 'https://one.example/'), 5n);

        const { address } = await Node.ofProvider(provider(1), 3);
        expect(directory.sellers(modelHash(model))).toEqual([
            expect.objectContaining({ node: address.toRawString(), url: 'https://one.example', region: 'eu' }),
        ]);
    });

    it('has no node that was stopped', async () => {
        const directory = new Directory();
        await directory.take(listed(1, 0, 'https://one.example'), 5n);

        await directory.take({ type: 'node', provider: provider(1), number: 0, change: { stopped: true } }, 6n);

        expect(directory.sellers(modelHash(model))).toEqual([]);
    });

    it('has a node that moved at its new URL alone, beside others there', async () => {
        const directory = new Directory();
        await directory.take(listed(1, 0, 'https://one.example'), 5n);
        await directory.take(listed(2, 0, 'https://two.example'), 5n);

        await directory.take(listed(1, 0, 'https://two.example'), 6n);

        expect(directory.at('https://one.example')).toEqual([]);
        expect(directory.at('https://two.example')).toHaveLength(2);
    });

    it('takes 500 nodes of one provider, and not one more', async () => {
        const directory = new Directory();
        for (let number = 0; number <= 500; number++) {
            await directory.take(listed(1, number, `https://n${number}.example`), 1n);
        }
        await directory.take(listed(2, 0, 'https://other.example'), 1n);

        expect(directory.size).toBe(501);
    });

    it('has room for another node of a provider once one has closed, in whatever order that is read', async () => {
        const directory = new Directory();
        const closed = (number: number): MarketEvent => ({
            ...{ type: 'node', provider: provider(1), number, change: { stopped: true } },
        });
        await directory.take(closed(0), 7n);
        for (let number = 0; number <= 500; number++) {
            await directory.take(listed(1, number, `https://n${number}.example`), 1n);
        }
        await directory.take(closed(1), 7n);
        await directory.take(listed(1, 501, 'https://n501.example'), 8n);

        expect(directory.size).toBe(500);
        expect(directory.at('https://n501.example')).toHaveLength(1);
        expect([0, 1].flatMap((number) => directory.at(`https://n${number}.example`))).toEqual([]);
    });

    it.each([
        ['https://gpu.example:18090/', 'https://gpu.example:18090'],
        ['http://gpu.example/path/', 'http://gpu.example/path'],
        ['ftp://gpu.example', undefined],
        ['https://user:word@gpu.example', undefined],
        ['https://gpu.example/?to=1', undefined],
        ['nothing', undefined],
        [`https://${'x'.repeat(100)}.example`, undefined],
    ])('reads the endpoint %s as %s', (endpoint, url) => {
        expect(workerUrl(endpoint)).toBe(url);
    });
});

describe('Finding nodes', () => {
    const registry = provider(9);

    /** A chain whose events are these; each may be given as what was read already. */
    function chainOf(emitted: (cursor: bigint) => AsyncIterable<Emitted>, others: unknown[] = []) {
        return { emitted: (_: Address, cursor: bigint) => emitted(cursor), others } as never;
    }
    async function* nothing(): AsyncGenerator<Emitted> {}

    const find = (chain: never, options: object = {}) =>
        new MarketNodes(chain, registry, { maxNodes: 8, allowPrivate: false, log: silent, ...options });

    let nodeBody: Cell;
    beforeAll(async () => {
        const listing = listingWith({
            offers: [offer],
            service: { region: 'eu', uptime: 1, endpoint: 'https://one.example' },
        });
        const { result } = await registerNode(await joinedMarket(), { listing });
        nodeBody = result.externals[0].body;
    });

    async function* once(cursor: bigint): AsyncGenerator<Emitted> {
        if (cursor < 7n) {
            yield { lt: 7n, at: 1, body: nodeBody };
        }
    }

    it('knows the sellers of a model by one reading', async () => {
        const nodes = find(chainOf(once));
        await nodes.refresh();

        expect(await nodes.workers(model)).toEqual(['https://one.example']);
        expect(nodes.announced('https://one.example')).toHaveLength(1);
    });

    it('knows a seller that is announced after the others were asked for', async () => {
        let empty = true;
        const nodes = find(chainOf((cursor) => (empty ? nothing() : once(cursor))));
        await nodes.refresh();
        expect(await nodes.workers(model)).toEqual([]);
        empty = false;
        await nodes.refresh();

        expect(await nodes.workers(model)).toEqual(['https://one.example']);
    });

    it('an empty answer later drops nothing', async () => {
        let empty = false;
        const nodes = find(chainOf((cursor) => (empty ? nothing() : once(cursor))));
        await nodes.refresh();
        empty = true;
        await nodes.refresh();

        expect(await nodes.workers(model)).toEqual(['https://one.example']);
    });

    it('an endpoint that fails is passed over for the next one, and an empty one hides nothing', async () => {
        // eslint-disable-next-line require-yield
        async function* fails(): AsyncGenerator<Emitted> {
            throw new Error('the API is away');
        }
        const others = [
            { emitted: fails },
            { emitted: nothing },
            { emitted: (_: Address, cursor: bigint) => once(cursor) },
        ];
        const nodes = find(chainOf(nothing, others));
        await nodes.refresh();
        await nodes.refresh();

        expect(await nodes.workers(model)).toEqual(['https://one.example']);
    });

    it('an endpoint that has no node is passed over for the next one, also while a question waits', async () => {
        const others = [{ emitted: nothing }, { emitted: (_: Address, cursor: bigint) => once(cursor) }];
        const nodes = find(chainOf(nothing, others));
        const asked = nodes.workers(model);
        await nodes.refresh();

        expect(await asked).toEqual(['https://one.example']);
        expect(await nodes.workers(model)).toEqual(['https://one.example']);
    });

    it('an endpoint that lists events without an end keeps the next one from being read for a moment only', async () => {
        let isOver = false;
        async function* endless(): AsyncGenerator<Emitted> {
            for (let at = 10n ** 9n; !isOver; at--) {
                await new Promise((resolve) => setTimeout(resolve, 5));
                yield { lt: at, at: 1, body: Cell.EMPTY };
            }
        }
        const others = [{ emitted: endless }, { emitted: (_: Address, cursor: bigint) => once(cursor) }];
        const options = { maxNodes: 8, allowPrivate: false, log: silent };
        const nodes = new MarketNodes(chainOf(nothing, others), registry, options, 20);

        await nodes.refresh();

        expect(await nodes.workers(model)).toEqual(['https://one.example']);
        isOver = true;
    });

    it('an endpoint that makes up hundreds of cheaper nodes hides none that another names', async () => {
        async function* madeUp(): AsyncGenerator<Emitted> {
            for (let number = 1; number <= 300; number++) {
                const listing = listingWith({
                    offers: [{ ...offer, prompt: 1n, completion: 1n }],
                    service: { region: 'eu', uptime: 1, endpoint: `https://n${number}.example` },
                });
                const content = listingCell(listing);
                const event = { $$type: 'NodeAnnounced', provider: BigInt(number), number: 0n, content } as const;
                yield { lt: BigInt(number), at: 1, body: beginCell().store(storeNodeAnnounced(event)).endCell() };
            }
        }
        const others = [{ emitted: madeUp }, { emitted: (_: Address, cursor: bigint) => once(cursor) }];
        const own = 'https://one.example';
        for (const maxNodes of [1, 8]) {
            const nodes = find(chainOf(nothing, others), { maxNodes });
            await nodes.refresh();
            await nodes.refresh();

            expect(await nodes.workers(model)).toContain(own);
            expect(await nodes.workers(model, ({ url }) => url === own)).toContain(own); // it was busy a moment ago
        }
    });

    it('a reading that breaks off has added what it had, and is made again', async () => {
        const cursors: bigint[] = [];
        async function* breaks(cursor: bigint): AsyncGenerator<Emitted> {
            cursors.push(cursor);
            yield* once(cursor);
            throw new Error('the connection broke');
        }
        const nodes = find(chainOf(breaks));

        await expect(nodes.refresh()).rejects.toThrow('broke');
        await expect(nodes.refresh()).rejects.toThrow('broke');

        expect(await nodes.workers(model)).toEqual(['https://one.example']);
        expect(cursors).toEqual([0n, 0n]);
    });

    it('an event that cannot be read does not hide the others', async () => {
        async function* mixed(): AsyncGenerator<Emitted> {
            yield { lt: 8n, at: 1, body: nodeBody, unreadable: new Error('a broken cell') };
            yield { lt: 7n, at: 1, body: nodeBody };
        }
        const nodes = find(chainOf(mixed));
        await nodes.refresh();

        expect(await nodes.workers(model)).toHaveLength(1);
    });

    it("gives each provider's cheapest node first, so that a provider with many nodes hides no other", () => {
        const at = (from: number, url: string, prompt: bigint) => ({
            ...{ node: url, provider: `${from}`, url, region: '', tier: 'open' as const },
            offers: [{ model: modelHash(model), rates: { ...offer, prompt, completion: 0n } }],
        });
        const order = fairOrder([at(1, 'b', 2n), at(1, 'a', 1n), at(2, 'z', 9n), at(1, 'c', 3n)], modelHash(model));

        expect(order.map(({ url }) => url)).toEqual(['a', 'z', 'b', 'c']);
    });
});

describe('Addresses that a stranger names', () => {
    it.each(['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.0', '2606:4700::1111'])('%s is public', (address) => {
        expect(isPublicAddress(address)).toBe(true);
    });

    it.each([
        ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.0', '172.31.255.255'],
        ...['192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '::1', '::', '::ffff:10.0.0.1', 'fe80::1'],
        ...['fc00::1', '64:ff9b::a00:1', '2002:a00:1::', '2001:db8::1', 'no address'],
    ])('%s is not', (address) => {
        expect(isPublicAddress(address)).toBe(false);
    });

    it.each([
        ['http://gpu.example', true],
        ['http://8.8.8.8:80', true],
        ['http://2130706433/', false], // 127.0.0.1 as one number
        ['http://[::1]:80/', false],
        ['http://localhost:8080', false],
        ['http://printer.local', false],
    ])('%s may be public: %s', (url, expected) => {
        expect(mayBePublic(url)).toBe(expected);
    });

    it.each([
        { chain: 'a test network on this machine', network: -3, endpoint: ['http://127.0.0.1:8081/'], expected: true },
        {
            chain: "mainnet by a node of one's own",
            network: -239,
            endpoint: ['http://127.0.0.1:8081/'],
            expected: false,
        },
        { chain: 'a test network elsewhere', network: -3, endpoint: ['https://testnet.example/'], expected: false },
    ])('may be private on $chain: $expected, unless the configuration says', ({ network, endpoint, expected }) => {
        const settings = { discovery: { everySeconds: 60, maxNodes: 8 }, network, endpoint };

        expect(allowsPrivate(settings)).toBe(expected);
        expect(allowsPrivate({ ...settings, discovery: { ...settings.discovery, allowPrivate: !expected } })).toBe(
            !expected,
        );
    });

    it.each([
        ['http://127.0.0.1:8080/v1', true],
        ['http://127.0.0.2/', true],
        ['http://localhost', true],
        ['http://[::1]:80/', true],
        ['http://127.0.0.1.example/', false],
        ['http://127.example/', false],
        ['http://10.0.0.1/', false],
        ['no URL', false],
    ])('%s leads to this machine: %s', (url, expected) => {
        expect(isOnThisMachine(url)).toBe(expected);
    });

    it.each([true, false])('a name that leads to a private address is not connected to (all: %s)', async (all) => {
        const answer = await new Promise((resolve) => {
            publicLookup('localhost', { all }, (error, address) => resolve({ code: error?.code, address }));
        });
        expect(answer).toEqual({ code: 'PRIVATE_ADDRESS', address: [] });
    });
});
