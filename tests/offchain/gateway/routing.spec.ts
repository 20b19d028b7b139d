import { Address, beginCell } from '@ton/core';
import { type Attestation, listingCell, Node, Reason } from '@cocoon-market/wrappers';
import { storeNodeAnnounced } from '../../../wrappers/bodies';
import { bytesToNumber } from '../../../wrappers/bytes';
import { nodeLines } from '../../../offchain/cli/gatewayNodes';
import { nodeView } from '../../../offchain/gateway/views';
import type { GatewayConfigInput } from '../../../offchain/gateway';
import { modelHash } from '../../../offchain/link';
import { useMarket } from '../../support/market';
import { listingWith } from '../../support/stake';
import { ask, Bench, FakeWorker, MODEL, RATES, startBench, testMeasurement, until } from './support';

const CHEAP = { ...RATES, completion: 500_000_000n };
const DEAR = { ...RATES, completion: 1_000_000_000n };
const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }];

/** Announces a worker's node with its rates, and has the worker say that it is that node. */
async function announce(
    bench: Bench,
    worker: FakeWorker,
    byte: number,
    rates: typeof RATES,
    attestation?: Attestation,
): Promise<string> {
    const provider = new Address(0, Buffer.alloc(32, byte));
    const node = (await Node.ofProvider(provider, 0)).address.toRawString();
    const listing = listingWith({
        offers: [{ model: bytesToNumber(modelHash(MODEL)), ...rates }],
        service: { region: 'eu', uptime: 1, endpoint: worker.url },
        ...(attestation && { attestation }),
    });
    const content = listingCell(listing);
    const event = { $$type: 'NodeAnnounced', provider: bytesToNumber(provider.hash), number: 0n, content } as const;
    const body = beginCell().store(storeNodeAnnounced(event)).endCell();
    bench.chain.events.push({ lt: BigInt(byte), at: 1, body });
    worker.info = (info) => ({
        ...info,
        ...{ node, provider: provider.toRawString(), offers: [{ ...info.offers[0], rates, features: ['tools'] }] },
    });
    return node;
}

/** What a node lists, and what is asked. */
interface Listed {
    limits?: { maxStep: bigint };
    offer?: { context?: number; features?: string[] };
    body?: object;
}

describe('Two nodes of unlike price and speed, found by events of the chain', () => {
    const market = useMarket();
    let bench: Bench;
    let nodes: string[];

    const start = async (
        { discovery, ...config }: Partial<GatewayConfigInput> = {},
        workers = 2,
        attestation?: Attestation,
    ) => {
        const routed = { workers: undefined, registry: `0:${'9'.repeat(64)}`, routing: { slowSeconds: 0.1 } };
        bench = await startBench(market(), {
            workers,
            config: { ...routed, discovery: { allowPrivate: true, ...discovery }, ...config },
            deps: { checks: { objection: async () => undefined } },
            before: async (one) => {
                nodes = [
                    await announce(one, one.workers[0], 1, CHEAP, attestation),
                    await announce(one, one.workers[1], 2, DEAR, attestation),
                ];
            },
        });
    };
    const served = () => bench.workers.map(({ asked }) => asked.length);
    const send = async (body: object = {}) => {
        const before = served();
        const answer = await bench.post({ ...ask, ...body });
        return { ...answer, by: served().map((count, i) => count - before[i]) };
    };
    /** What a worker does with each query from now on. */
    const script = (worker: FakeWorker, next: () => object) => {
        worker.scripts.shift = () => next();
    };

    afterEach(() => bench.close());

    it('one slows, one lies, one vanishes: routing follows, and no request fails', async () => {
        await start();
        const [cheap, dear] = bench.workers;
        const statuses = new Set<number>();
        const note = <T extends { status: number }>(answer: T): T => {
            statuses.add(answer.status);
            return answer;
        };

        bench.workers.forEach((worker) => script(worker, () => ({ frames: ['fast'] })));

        // The cheaper one serves while both are as fast.
        for (let time = 0; time < 5; time++) {
            expect(note(await send()).by).toEqual([1, 0]);
        }

        // It slows: a job is opened at the other, which gets nearly everything.
        script(cheap, () => ({ frames: ['slow'], wait: () => new Promise((resolve) => setTimeout(resolve, 800)) }));
        for (let time = 0; time < 3; time++) note(await send());
        await until(() => dear.jobs.size > 0);
        await until(() => bench.gateway.book.all.length === 2 && bench.gateway.book.all[1].session !== undefined);
        const before = served();
        for (let time = 0; time < 10; time++) note(await send());
        expect(served()[1] - before[1]).toBeGreaterThanOrEqual(6);

        // It costs what the request allows, though the node is slow.
        const { body, by } = note(await send({ provider: { max_price: { completion: 500_000_000 } } }));
        expect(by).toEqual([1, 0]);
        expect(BigInt(body.usage.cost_nanoton)).toBeLessThan(2000n);
        expect(note(await send({ provider: { sort: 'price' } })).by).toEqual([1, 0]);
        expect(note(await send({ provider: { sort: 'latency' } })).by).toEqual([0, 1]);
        expect(note(await send({ provider: { only: [nodes[1]] } })).by).toEqual([0, 1]);
        expect(note(await send({ provider: { order: [cheap.url] } })).by).toEqual([1, 0]);
        expect(note(await send({ provider: { ignore: [nodes[0]] } })).by).toEqual([0, 1]);

        script(cheap, () => ({ frames: ['slow'], wait: () => new Promise((resolve) => setTimeout(resolve, 100)) }));

        // The other refuses the tools that it lists: it is not asked for them any more.
        script(dear, () => ({ failAtOnce: Reason.Unsupported }));
        const first = { tools, provider: { order: [dear.url] } };
        for (let time = 0; time < 3; time++) expect(note(await send(first)).by).toEqual([1, 1]);
        script(dear, () => ({ frames: ['fast'] }));
        for (let time = 0; time < 4; time++) expect(note(await send({ tools })).by).toEqual([1, 0]);

        // The slow one vanishes: what it would answer goes to the other.
        script(cheap, () => ({ frames: ['fast'] }));
        await cheap.stop();
        const last = served();
        for (let time = 0; time < 6; time++) note(await send());
        expect(served()[1] - last[1]).toBe(6);

        expect([...statuses]).toEqual([200]);
    }, 40_000);

    it('"provider" is obeyed before the first job, stays in the gateway, and is refused when no node fits', async () => {
        await start();

        const { by } = await send({ provider: { only: [nodes[1]], require_parameters: true } });
        expect(by).toEqual([0, 1]);
        expect(bench.workers[1].asked[0].body).not.toHaveProperty('provider');

        const denied = await send({ provider: { data_collection: 'deny' } });
        expect([denied.status, denied.body.error.code]).toEqual([400, 'no_allowed_provider']);
        expect(denied.body.error.message).toContain('provider.data_collection');

        const wrong = await send({ provider: { sort: 'name' } });
        expect([wrong.status, wrong.body.error.param]).toEqual([400, 'provider.sort']);
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('cheaper nodes that cannot be used hide no other, however few are asked at once', async () => {
        await start({ discovery: { maxNodes: 1 } });
        const { info } = bench.workers[0];
        bench.workers[0].info = (own) => ({ ...info(own), network: 1 });
        expect(await send()).toMatchObject({ status: 200, by: [0, 1] });

        await bench.restart();
        const provider = { only: [nodes[1]] };
        bench.workers[0].info = info;
        expect(await send({ provider })).toMatchObject({ status: 200, by: [0, 1] });
    });

    it.each([
        ['take only steps that are too small for it', { limits: { maxStep: 1n } }],
        ['list a context that is too short for it', { offer: { context: 1 } }],
        ['do not list what it needs', { offer: { features: [] }, body: { tools } }],
    ])('cheaper nodes that %s hide no other from a request', async (_, { limits, offer, body }: Listed) => {
        await start({ discovery: { maxNodes: 1 } });
        const [cheap] = bench.workers;
        const { info } = cheap;
        cheap.info = (own) => {
            const listed = info(own);
            return {
                ...listed,
                offers: [{ ...listed.offers[0], tokenizer: 'qwen', ...offer }],
                limits: { ...listed.limits, ...limits },
            };
        };

        expect(await send(body)).toMatchObject({ status: 200, by: [0, 1] });
    });

    it('a cheaper node that refused a request hides no other from it', async () => {
        await start({ discovery: { maxNodes: 1 } });
        script(bench.workers[0], () => ({ decline: Reason.TooLarge }));

        expect(await send()).toMatchObject({ status: 200, by: [1, 1] });
    });

    it('a cheaper node that refused the last seven requests of a key hides no other from it when no job is open', async () => {
        await start({ discovery: { maxNodes: 1 } });
        const [cheap] = bench.workers;
        script(cheap, () => ({ decline: Reason.TooLarge }));
        for (let time = 0; time < 7; time++) await send({ provider: { order: [cheap.url] } });
        for (const job of bench.gateway.book.open()) await bench.gateway.closing.leave(job);

        expect(await send()).toMatchObject({ status: 200, by: [0, 1] });
    });

    it('cheaper nodes that cannot be used hide no other from a request that does not want one of the configuration', async () => {
        await start({}, 3);
        const [cheap, , configured] = bench.workers;
        const { info } = cheap;
        cheap.info = (own) => ({ ...info(own), network: 1 });
        await bench.restart({
            workers: [configured.url],
            discovery: { enabled: true, allowPrivate: true, maxNodes: 1 },
        });

        expect(await send({ provider: { only: nodes } })).toMatchObject({ status: 200, by: [0, 1, 0] });
    });

    it('cheaper nodes that announce an attestation which they do not have hide no other', async () => {
        const { policy, attest } = testMeasurement();
        const config = { discovery: { maxNodes: 1 }, attestation: { ...policy, allowOpen: true } };
        await start(config, 2, { tier: 'testca', certificate: 1n, expiresAt: market().now + 999 });
        const [, dear] = bench.workers;
        jest.replaceProperty(dear, 'node', Address.parse(nodes[1]));
        attest(dear, market().now + 999);

        expect(await send({ provider: { data_collection: 'deny' } })).toMatchObject({ status: 200, by: [0, 1] });
    });

    it('a node that refused what it lists gets no other job for it, whoever asks for that node first', async () => {
        await start();
        const [cheap, dear] = bench.workers;
        bench.workers.forEach((worker) => script(worker, () => ({ frames: ['fast'] })));
        await send();
        const first = { tools, provider: { order: [dear.url] } };
        script(dear, () => ({ failAtOnce: Reason.Unsupported }));
        for (let time = 0; time < 3; time++) expect((await send(first)).by).toEqual([1, 1]);
        const jobs = () => [cheap.jobs.size, dear.jobs.size];
        expect(jobs()).toEqual([1, 1]);

        for (let time = 0; time < 3; time++) expect(await send(first)).toMatchObject({ status: 200, by: [1, 1] });

        expect(jobs()).toEqual([1, 1]);
        expect(bench.gateway.book.all).toHaveLength(2);
    });

    it('"gateway nodes" shows who fits with prices and share, and why the others do not', async () => {
        await start();
        const { info } = bench.workers[1];
        bench.workers[1].info = (own) => ({ ...info(own), network: -3 });
        await send();

        const views = nodeView.array().parse(await bench.admin('nodes'));

        expect(views).toMatchObject([
            { worker: bench.workers[0].url, node: nodes[0], fits: true, share: 1, jobs: 1, features: ['tools'] },
            { worker: bench.workers[1].url, node: nodes[1], fits: false, share: 0, region: 'eu', jobs: 0 },
        ]);
        expect(views[0].rates?.completion).toBe('500000000');
        expect(views[1].rates?.completion).toBe('1000000000');
        expect(views[1].reason).toContain('is on network -3');
        expect(nodeLines(views[0])).toMatch(/100 % {2}fits\n.*0\.5 TON out.*answers 100 %, 1 jobs/);
        expect(nodeLines(views[1])).toContain('  no  is on network -3');
    });

    it('a worker that says it is another node than the chain announces there is not used', async () => {
        await start();
        const { info } = bench.workers[0];
        bench.workers[0].info = (said) => ({ ...info(said), node: `0:${'7'.repeat(64)}` });

        expect((await send()).by).toEqual([0, 1]);
    });
});

describe('A node that does not say what it is', () => {
    const market = useMarket();

    it('is asked once a second, however many names the requests prefer', async () => {
        const bench = await startBench(market(), { workers: 2 });
        const from = performance.now();
        let times = 0;
        bench.worker.info = () => {
            times++;
            throw new Error('down');
        };
        const order = Array.from({ length: 64 }, (_, i) => `https://node${i}.example`);
        const request = { ...ask, provider: { order, allow_fallbacks: false } };
        const answers = await Promise.all(Array.from({ length: 5 }, () => bench.post(request)));

        expect(answers.map(({ body }) => body.error.code)).toEqual(Array(5).fill('no_allowed_provider'));
        expect(times).toBeGreaterThan(0);
        expect(times).toBeLessThanOrEqual(2 + (performance.now() - from) / 1000);
        await bench.close();
    });
});
