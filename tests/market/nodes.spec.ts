/** A market is opened and listed through the client that a program has already. */
import { TonClient } from '@ton/ton';
import { Market } from '@cocoon-market/wrappers/market';
import { World } from '../indexer/support/world';

describe('A market', () => {
    let world: World;
    let client: TonClient;
    beforeAll(async () => {
        world = await World.start();
        client = new TonClient({ endpoint: world.net.url });
        await world.node(await world.provider('first'));
    });
    afterAll(() => world.net.close());

    const place = () => ({ globalId: world.net.networkId, registry: world.registry.toRawString() });

    it('lists its providers with their open nodes', async () => {
        const market = await Market.open(place(), client, { now: () => world.net.now() });

        const [provider, ...others] = await market.providers();

        expect(others).toEqual([]);
        expect(provider).toMatchObject({ isKnown: true, nodes: [{ number: 0, reasons: [] }] });
    });
});
