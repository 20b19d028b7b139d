/** An index that followed live, and one that is made from nothing, say the same, whatever happened on the way. */
import { toNano } from '@ton/core';
import { Indexer } from '../../offchain/indexer/indexer';
import { HttpSource } from '../../offchain/indexer/source';
import { nodeChanges } from '@cocoon-market/wrappers';
import { listingWith, modelOf, type JoinedMarket } from '../support/stake';
import { drawing, Killed, unreliable } from './support/lying';
import { HistoryError, rebuilt, TestIndex } from './support';
import { World } from './support/world';

let world: World;

beforeAll(async () => {
    world = await World.start();
}, 60_000);

afterAll(() => world.close());

const ROUNDS = Number(process.env.INDEX_ROUNDS ?? 4);

it('the live index agrees byte for byte with a new one after random traffic, other histories, bad pages and kills', async () => {
    const seed = Number(process.env.INDEX_SEED ?? 7);
    const draw = drawing(seed);
    const traffic = await Traffic.start(world, draw);
    const live = await TestIndex.open(world);
    const source = unreliable(new HttpSource(world.settings), drawing(seed + 1), 5);
    const parts = { source, store: live.store, registry: world.registry, network: world.net.networkId };
    let [kills, refusals, undone] = [0, 0, 0];
    let last = '';
    const follow = async () => {
        for (let tries = 0; tries < 60; tries++) {
            try {
                undone += (await new Indexer(parts).pass()).undone; // a new process each time
                return;
            } catch (error) {
                last = String(error);
                if (error instanceof Killed) {
                    kills++;
                } else if (error instanceof HistoryError) {
                    refusals++;
                } else {
                    throw error;
                }
            }
        }
        throw new Error(`The index never caught up: ${last}`);
    };
    for (let round = 0; round < ROUNDS; round++) {
        await traffic.run(6);
        const goBack = await world.snapshot();
        await traffic.run(6);
        await follow();
        if (round % 2 === 0) {
            const height = world.net.transactions.length;
            await goBack();
            while (world.net.transactions.length <= height) {
                await traffic.run(3); // another history takes the place of what the index has read
            }
        }
        await follow();
    }
    expect(kills).toBeGreaterThan(0);
    expect(undone).toBeGreaterThan(0);
    expect(kills + refusals).toBeGreaterThan(1);
    expect(await live.export()).toBe(await rebuilt(world));
    await live.close();
}, 300_000);

class Traffic {
    private constructor(
        private readonly world: World,
        private readonly draw: () => number,
        private readonly providers: JoinedMarket[],
    ) {}

    static async start(world: World, draw: () => number): Promise<Traffic> {
        const shared = await world.wallet('a shared payout');
        const providers = [await world.provider('first', shared), await world.provider('second', shared)];
        for (const provider of providers) {
            await world.node(provider, { hardware: { gpuClass: 0, gpus: 1, vram: 80, model: 'NVIDIA H100' } });
        }
        await world.client('announced');
        await world.client('silent');
        return new Traffic(world, draw, providers);
    }

    async run(steps: number): Promise<void> {
        for (let step = 0; step < steps; step++) {
            this.world.net.advance(1 + Math.floor(this.draw() * 250));
            await this.step();
        }
    }

    private pick<T>(elements: readonly T[]): T {
        return elements[Math.floor(this.draw() * elements.length)];
    }

    private async step(): Promise<void> {
        const { world } = this;
        const chance = this.draw();
        const provider = this.pick(this.providers);
        const client = this.pick(world.clients);
        const helper = await world.wallet('helper');
        const job = world.jobs.length > 0 ? this.pick(world.jobs) : undefined;
        const amount = BigInt(Math.floor(this.draw() * 400_000_000)) + 1n;
        if (job === undefined || chance < 0.2) {
            const stranger = await world.wallet('no payout of the market');
            await world.open(client, [provider.payout, stranger, provider.payout], { byOwner: this.draw() < 0.3 });
        } else if (chance < 0.4) {
            await world.claim(job, amount, { by: this.draw() < 0.5 ? job.payout : helper });
        } else if (chance < 0.5) {
            await world.claim(job, amount, { last: true });
        } else if (chance < 0.55) {
            await world.end(job);
        } else if (chance < 0.62) {
            await world.leave(job);
        } else if (chance < 0.68) {
            await world.refund(job, helper);
        } else if (chance < 0.75) {
            await world.demand(world.clients[0].owner, this.pick(['a', 'b']), Math.floor(this.draw() * 1000));
        } else if (chance < 0.85) {
            const offers = [{ ...listingWith().offers[0], model: modelOf(this.pick(['a', 'b'])), prompt: amount }];
            await world.change(provider, 0, nodeChanges.offers(this.draw() < 0.2 ? [] : offers));
        } else if (chance < 0.9) {
            const value = amount + toNano('1');
            await provider.provider.sendAddStake(provider.owner.getSender(), { value, amount });
        } else if (chance < 0.95) {
            await helper.send({ to: job.payout.address, value: amount }); // no channel
        } else {
            await world.fault(provider, 0, 1 + Math.floor(this.draw() * 200));
        }
    }
}
