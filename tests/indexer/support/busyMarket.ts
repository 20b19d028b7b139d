/** A market with days of traffic: several providers and models, prices that move, claims, refunds, a fault. */
import { toNano } from '@ton/core';
import { nodeChanges } from '@cocoon-market/wrappers';
import { type JoinedMarket, modelOf } from '../../support/stake';
import type { IndexStore } from '../../../offchain/indexer/store';
import { World, type WorldClient, type WorldJob } from './world';

const DAY = 86_400;

export const HOSTILE = {
    gpu: '<script>hole = true</script>',
    region: '=cmd|calc',
    endpoint: 'https://evil.example/\u202etxt.exe\u0007"onload="hole=true',
};

export const MODELS = ['Qwen/Qwen3-32B', 'deepseek-ai/DeepSeek-V3.1', 'Qwen/Qwen3-8B', 'a model of nobody'] as const;

const mTON = 1_000_000n;

function offer(model: string, prompt: bigint, completion: bigint) {
    return { model: modelOf(model), prompt, cached: prompt / 4n, completion, reasoning: completion };
}

export interface BusyMarket {
    world: World;
    providers: JoinedMarket[];
    clients: WorldClient[];
}

/** Makes it; takes about a second for each day. */
export async function makeBusyMarket({ days = 12 } = {}): Promise<BusyMarket> {
    const world = await World.start();
    const providers: JoinedMarket[] = [];
    const listings = [
        { gpus: 4, vram: 80, model: 'NVIDIA H100', region: 'eu-north', models: [0, 1], tdx: true },
        { gpus: 2, vram: 141, model: 'NVIDIA H200', region: 'us-east', models: [1], tdx: true },
        { gpus: 1, vram: 24, model: 'NVIDIA RTX 4090', region: 'eu-north', models: [2], tdx: false },
    ];
    for (const [i, { gpus, vram, model, region, models, tdx }] of listings.entries()) {
        const provider = await world.provider(`provider ${i}`, undefined, toNano('300'));
        providers.push(provider);
        await world.node(provider, {
            hardware: { gpuClass: 0, gpus, vram, model },
            service: { region, uptime: 9900, endpoint: `https://gpu-${i}.example/v1` },
            offers: models.map((m) => offer(MODELS[m], 90n * mTON, (m === 2 ? 60n : 380n) * mTON)),
            ...(tdx && { attestation: { tier: 'tdx', certificate: 1n, expiresAt: world.net.now() + 90 * DAY } }),
        });
    }
    await world.node(providers[2], {
        hardware: { gpuClass: 0, gpus: 1, vram: 24, model: HOSTILE.gpu },
        service: { region: HOSTILE.region, uptime: 10_000, endpoint: HOSTILE.endpoint },
        offers: [offer(MODELS[0], 2n ** 64n - 1n, 2n ** 64n - 1n), offer(MODELS[3], 0n, 0n)],
    });
    const clients = [await world.client('bob'), await world.client('carol')];
    for (let day = 0; day < days; day++) {
        await runDay(world, providers, clients, day);
        if (day < days - 1) {
            world.net.advance(DAY);
        }
    }
    await world.claim(world.jobs.at(-1)!, toNano('7'), { by: clients[0].owner }); // the channel holds less
    await world.fault(providers[1], 0, 9);
    await world.demand(clients[0].owner, MODELS[0], 120_000);
    await world.demand(clients[1].owner, MODELS[0], 30_000);
    await world.demand(clients[1].owner, 'a model that nobody sells', 5000);
    return { world, providers, clients };
}

async function runDay(world: World, providers: JoinedMarket[], clients: WorldClient[], day: number): Promise<void> {
    const open = world.jobs.filter((job) => !ended.has(job));
    for (const [i, job] of open.entries()) {
        await world.claim(job, toNano('0.05') + BigInt(((day * 7 + i * 5) % 11) * 31_000_000));
        if ((day + i) % 3 === 0) {
            await world.end(job);
            ended.add(job);
        }
    }
    const payouts = providers.slice(0, 1 + (day % 3)).map(({ payout }) => payout);
    const jobs = await world.open(clients[day % 2], payouts, { byOwner: day % 4 === 3, deposit: toNano('5') });
    await world.claim(jobs[0], toNano('0.1') + BigInt(day * 13_000_000));
    if (day % 4 === 1) {
        await world.leave(jobs[0]);
        world.net.advance(3601);
        await world.refund(jobs[0], await world.wallet('helper'));
        ended.add(jobs[0]);
    }
    if (day % 3 === 2) {
        const more = BigInt(day) * 6n;
        const offers = [0, 1].map((m) => offer(MODELS[m], (90n + more) * mTON, (380n - 3n * more) * mTON));
        await world.change(providers[0], 0, nodeChanges.offers(offers));
    }
}

const ended = new WeakSet<WorldJob>();

/** Puts a node with texts of 10 kB into an index, as no contract of today would let anyone announce it. */
export async function addHugeTexts(store: IndexStore, world: World, { provider }: JoinedMarket, at: number) {
    const owner = provider.address.toRawString();
    const hardware = { gpuClass: 0, gpus: 1, vram: 1, model: '\u202e<b>'.repeat(2500) };
    const service = { region: 'r'.repeat(10_000), uptime: 1, endpoint: 'e'.repeat(10_000) };
    const body = { number: 9, node: `0:${'9'.repeat(64)}`, hardware, service, offers: [] };
    const subject = `${owner}/0000000009`;
    const fact = { log: `registry/${world.registry.toRawString()}`, lt: Buffer.alloc(8, 0xfe), n: 0, kind: 'node' };
    await store.db
        .insertInto('facts')
        .values({ ...fact, subject, object: owner, at, body: JSON.stringify(body) })
        .execute();
    return () => store.db.deleteFrom('facts').where('subject', '=', subject).execute();
}
