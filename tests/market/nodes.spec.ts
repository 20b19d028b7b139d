/** A market is opened, listed and priced through the client that a program has already. */
import { Address, type Transaction } from '@ton/core';
import { TonClient } from '@ton/ton';
import { codeHash, type Listing, modelKey, nodeChanges, Registry } from '@cocoon-market/wrappers';
import {
    Market,
    type MarketClient,
    MarketError,
    type MarketPlace,
    type SellingNode,
    UnknownModel,
} from '@cocoon-market/wrappers/market';
import { World } from '../indexer/support/world';
import { STAKE } from '../support/stake';

const MODEL = 'Qwen/Qwen3-32B';
const rates = { prompt: 100_000n, cached: 50_000n, completion: 400_000n, reasoning: 400_000n };
const offer = (changes: Partial<typeof rates> = {}, model = MODEL) => ({
    model: modelKey(model),
    ...rates,
    ...changes,
});
const MAX = 2n ** 64n - 1n;
const namesOf = (nodes: SellingNode[]) => nodes.map(({ address }) => address.toRawString());

/** The same client, whose lists of transactions `change` spoils. */
function spoiled(client: TonClient, change: (page: Transaction[]) => Transaction[]): MarketClient {
    return {
        open: (contract) => client.open(contract),
        getTransactions: async (address, from) => change(await client.getTransactions(address, from)),
    };
}

describe('A market', () => {
    let world: World;
    let client: TonClient;
    let place: MarketPlace;
    let market: Market;
    const now = () => world.net.now();
    const open = (deployment: unknown, from: MarketClient = client) =>
        Market.open(deployment as MarketPlace, from, { now });

    beforeAll(async () => {
        world = await World.start();
        client = new TonClient({ endpoint: world.net.url });
        place = { globalId: world.net.networkId, registry: world.registry.toRawString() };
        const provider = await world.provider('first', undefined, 10n * STAKE);
        const list = (listing: Partial<Listing>) => world.node(provider, listing);
        const service = { region: 'us', uptime: 9000, endpoint: 'https://cheap.example' };
        await list({ offers: [offer()] });
        await list({ offers: [offer({ completion: 300_000n, reasoning: 300_000n })], service });
        await list({ offers: [offer({ prompt: 0n, cached: 0n, completion: 0n, reasoning: 0n })] });
        await list({ offers: [offer({ prompt: MAX, cached: MAX, completion: MAX, reasoning: MAX })] });
        await list({ offers: [offer({}, 'another')], service: { ...service, endpoint: 'javascript:alert(1)' } });
        market = await open(place);
    });
    afterAll(() => world.net.close());

    it.each<[string, string, (deployment: MarketPlace) => unknown]>([
        ['that is no object', 'malformed-record', () => null],
        ['without a network', 'malformed-record', ({ registry }) => ({ registry })],
        ['without a registry', 'malformed-record', ({ globalId }) => ({ globalId })],
        ['with a hash that is none', 'malformed-record', (record) => ({ ...record, registryCode: 'f00' })],
        ['with a typing error', 'wrong-address', (record) => ({ ...record, registry: `${record.registry}0` })],
        ['of the masterchain', 'wrong-address', (record) => ({ ...record, registry: `-1:${'11'.repeat(32)}` })],
        [
            'with the address form of another network',
            'wrong-address',
            ({ globalId, registry }) => ({
                globalId,
                registry: Address.parse(registry).toString({ testOnly: globalId === -239 }),
            }),
        ],
        ['of another network', 'wrong-network', ({ registry }) => ({ globalId: -7, registry })],
        ['without an account', 'no-registry', (record) => ({ ...record, registry: `0:${'11'.repeat(32)}` })],
        ['of other code', 'foreign-code', (record) => ({ ...record, registryCode: 'ab'.repeat(32) })],
    ])('is not opened by a record %s, and the error says what to do', async (_, code, change) => {
        const error = await open(change(place)).catch((reason: unknown) => reason);

        expect(error).toBeInstanceOf(MarketError);
        expect(error).toMatchObject({ code, remedy: expect.stringMatching(/^[A-Z].*\.$/) });
    });

    it('is not opened where another contract is', async () => {
        const { provider } = await world.provider('second');

        await expect(open({ ...place, registry: provider.address.toRawString() })).rejects.toMatchObject({
            code: 'foreign-code',
        });
    });

    it('is opened by a whole record of its deployment, and by a friendly address', async () => {
        const { init } = await Registry.ofGovernor(world.market.governor.address, 0);
        const testOnly = place.globalId !== -239;
        const registry = world.registry.toString({ testOnly });

        const opened = await open({ ...place, registry, registryCode: codeHash(init!.code), commit: 'x' });

        expect(opened.registry.equals(world.registry)).toBe(true);
    });

    it('lists its providers with their open nodes', async () => {
        const [{ nodes, isKnown, owner }] = await market.providers();

        expect(isKnown).toBe(true);
        expect(owner.equals((await world.wallet('first')).address)).toBe(true);
        expect(nodes).toHaveLength(5);
    });

    it('lists the nodes that fit, the cheapest first', async () => {
        const numbers = (await market.nodes({ model: MODEL })).map(({ number }) => number);

        expect(numbers).toEqual([1, 0]);
    });

    it('says of every other node why it does not fit, whatever it asks and names', async () => {
        const reasons = new Map((await market.match({ model: MODEL })).map((node) => [node.number, node.reasons]));

        expect(reasons.get(2)).toEqual([expect.stringContaining('It asks nothing')]);
        expect(reasons.get(3)).toEqual([expect.stringContaining('more than 1 TON for each prompt token')]);
        expect(reasons.get(4)).toEqual(['It does not offer the model', 'It lists no worker that can be asked']);
    });

    it.each<[string, object, number[]]>([
        ['a price that only one asks', { maxPrice: 400_000n }, [1]],
        ['a price that nobody asks', { maxPrice: 399_999n }, []],
        ['a price of a typical query', { tokens: { prompt: 10, completion: 10 }, maxPrice: 4n }, [1]],
        ['a region', { region: 'eu-north' }, [0]],
        ['a tier that none has', { tier: 'testca' }, []],
    ])('leaves out nodes by %s', async (_, filter, numbers) => {
        expect((await market.nodes({ model: MODEL, ...filter })).map(({ number }) => number)).toEqual(numbers);
    });

    it('reads only what is new, and a change of a node is seen', async () => {
        const calls = jest.fn();
        const opened = await open(place, {
            open: (contract) => client.open(contract),
            getTransactions: (...args) => {
                calls();
                return client.getTransactions(...args);
            },
        });
        await opened.nodes();
        await opened.nodes();
        expect(calls).toHaveBeenCalledTimes(1);

        const back = await world.snapshot();
        const provider = await world.provider('third');
        await world.node(provider, { offers: [offer({ prompt: 1n })] });
        await world.change(provider, 0, nodeChanges.offers([offer({ completion: 1n, reasoning: 1n })]));
        expect((await opened.nodes({ model: MODEL }))[0].offers[0].rates.completion).toBe(1n);
        expect(calls).toHaveBeenCalledTimes(2);

        await back(); // another history
        const other = await world.provider('fourth');
        await world.node(other, { offers: [offer()] });
        expect((await opened.nodes({ model: MODEL }))[0].offers[0].rates.completion).toBe(1n); // it may be behind
        for (const prompt of [1n, 100_000n]) {
            await world.change(other, 0, nodeChanges.offers([offer({ prompt })]));
        }
        expect((await opened.nodes({ model: MODEL })).map(({ price }) => price)).toEqual([
            400_000n,
            500_000n,
            500_000n,
        ]);
        await back();
    });

    it('is the same at an endpoint that pages twice, and at one that skips, reorders or lies nothing is believed', async () => {
        const twice = await open(
            place,
            spoiled(client, (page) => [...page, ...page]),
        );
        expect(namesOf(await twice.match())).toEqual(namesOf(await (await open(place)).match()));

        const spoil: ((page: Transaction[]) => Transaction[])[] = [
            (page) => page.filter((_, i) => i !== 1),
            (page) => page.slice(1),
            (page) => [...page].reverse(),
            () => [],
            (page) => page.map((each, i) => (i === 2 ? { ...each, hash: () => Buffer.alloc(32) } : each)),
            (page) => page.map((each, i) => (i === 2 ? { ...each, address: 5n } : each)),
        ];
        for (const change of spoil) {
            const lying = await open(place, spoiled(client, change));
            await expect(lying.nodes()).rejects.toMatchObject({ code: 'contradiction' });
        }
    });

    it('has a quote of the cheapest node that fits, and says which names are like one that nobody sells', async () => {
        const quote = await market.quote({ model: MODEL, tokens: { prompt: 1_000, completion: 500 } });
        expect(quote).toMatchObject({ query: 250n, node: { number: 1 } });

        const absent = await market
            .quote({ model: 'qwen3-32b', tokens: { prompt: 1, completion: 1 } })
            .catch((reason: unknown) => reason);
        expect(absent).toBeInstanceOf(UnknownModel);
        expect((absent as UnknownModel).near[0]).toBe(MODEL);
        expect((absent as UnknownModel).message).toContain('Do you mean "Qwen/Qwen3-32B"');

        const dear = market.quote({ model: MODEL, tokens: { prompt: 1_000, completion: 500 }, maxPrice: 249n });
        await expect(dear).rejects.toMatchObject({ code: 'no-node' });
    });

    it.each<[string, object]>([
        ['queriesADay', { queriesADay: 0 }],
        ['queriesADay', { queriesADay: 1.5 }],
        ['tier', { tier: 'TDX' }],
        ['max_price', { max_price: 1n }],
        ['maxPrice', { maxPrice: 1 }],
        ['tokens.prompt', { tokens: { prompt: -1, completion: 1 } }],
        ['tokens.output', { tokens: { prompt: 1, completion: 1, output: 1 } }],
    ])('takes no request with a wrong %s, which would exclude nothing', async (field, change) => {
        const request = { model: MODEL, tokens: { prompt: 1, completion: 1 }, ...change };

        await expect(market.quote(request)).rejects.toMatchObject({ name: 'InvalidField', field: `request.${field}` });
    });

    it('takes no filter with a misspelt field', async () => {
        const misspelt: object = { max_price: 1n };

        await expect(market.nodes(misspelt)).rejects.toMatchObject({ field: 'filter.max_price' });
    });

    it('takes a catalogue only if it is the one that the registry names', async () => {
        const catalogue = Buffer.from('{"models":[]}');

        await expect(Market.open(place, client, { catalogue })).rejects.toMatchObject({ code: 'wrong-catalogue' });
    });
});
