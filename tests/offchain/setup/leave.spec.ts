import { Node, Provider } from '@cocoon-market/wrappers';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Stage } from '../../../demo/stage';
import { readFleet } from '../../../offchain/fleet';
import { readWorkerConfig, type WorkerConfig } from '../../../offchain/worker/config';
import { OwnedNode } from './support';

const WEEK = 7 * 86_400;

let stage: Stage;
let registry: string;
let node: OwnedNode;
let config: WorkerConfig;
let port = 32_000;

beforeAll(async () => {
    stage = await Stage.open();
    registry = (await stage.launch()).address.toRawString();
});
afterAll(() => stage.close());
beforeEach(async () => {
    node = await OwnedNode.create(stage, registry, ++port);
    config = readWorkerConfig(node.path('worker.json'));
});

const isOpen = async () => (await readFleet(stage.chain, config.provider))[0].open;

/** A running worker, as far as this command talks to one: `open` jobs, one less with each look. */
async function workerWith(open: number) {
    const calls: string[] = [];
    const server = createServer((request, response) => {
        calls.push(`${request.method} ${request.url}`);
        response.end(JSON.stringify({ jobs: { open: Math.max(0, open--) } }));
    }).listen(node.path('worker.sqlite.sock'));
    await once(server, 'listening');
    return { calls, close: () => server.close() };
}

describe('cocoon worker leave', () => {
    it('closes the node, says how long the worker is needed, asks for the stake, and sweeps at the end', async () => {
        const first = await node.sign('leave', '--unbond');

        expect(await isOpen()).toBe(false);
        expect(first).toContain('Keep the worker running until');
        const provider = stage.chain.open(Provider.fromAddress(config.provider));
        expect((await provider.getProviderState()).stake).toBe(0n); // a provider without nodes needs none
        expect((await provider.getStakeSlot(0n)).amount).toBe(60_000_000_000n);

        const { unlockAt } = await provider.getStakeSlot(0n);
        expect(first).toContain(
            `60 TON may be withdrawn from ${new Date(Number(unlockAt) * 1000).toISOString()} on: run`,
        );

        stage.network.advance(4 * WEEK);
        const before = await stage.balanceOf(node.owner.address);
        expect(await node.run('leave', '--print')).toContain('WithdrawStake');
        expect(await stage.balanceOf(node.owner.address)).toBe(before);
        const last = await node.sign('leave');

        expect(last).toContain('Nobody can make a demand any more');
        expect((await provider.getStakeSlot(0n)).amount).toBe(0n);
        expect(await stage.balanceOf(node.owner.address)).toBeGreaterThan(before + 60_000_000_000n);
    });

    it('drains a running worker before it closes the node', async () => {
        const worker = await workerWith(2);
        await node.sign('leave');
        worker.close();

        expect(worker.calls.slice(0, 2)).toEqual(['POST /drain', 'GET /status']);
        expect(await isOpen()).toBe(false);
    });

    it('leaves the node open while jobs are, unless it must go at once', async () => {
        const worker = await workerWith(1000);
        await expect(node.sign('leave', '--wait', '1')).rejects.toThrow('jobs are still open after 1 s');
        expect(await isOpen()).toBe(true);

        await node.sign('leave', '--now');
        worker.close();
        expect(await isOpen()).toBe(false);
    });

    it('asks before the worker drains', async () => {
        const worker = await workerWith(1);

        await expect(node.run('leave', '--wallet', node.wallet)).rejects.toThrow('End all jobs and close the node');
        worker.close();
        expect(worker.calls).toEqual([]);
    });

    it('drains a real worker, and goes on when somebody else has cleared the node meanwhile', async () => {
        const worker = await node.startWorker();
        await node.sign('leave');
        expect(await worker.intake()).toMatchObject({ intake: 'draining' });
        await worker.close();

        stage.network.advance(4 * WEEK);
        const stranger = await stage.wallet(`stranger at ${port}`);
        const closed = stage.chain.open(Node.fromAddress(config.node));
        await closed.sendClear(stranger.sender(), { value: await closed.getClearValue() });
        expect((await stage.chain.account(config.node)).state).not.toBe('active');
        const before = await stage.balanceOf(node.owner.address);

        expect(await node.run('leave', '--unbond', '--print', '--wallet', node.wallet)).toContain('Unbond');
        expect(await node.run('leave', '--print')).toContain('A sweep sends');
        expect(await stage.balanceOf(node.owner.address)).toBe(before); // nothing was sent
        await expect(node.run('leave')).rejects.toThrow("from the worker's wallet to the owner?");
        await node.sign('leave');
        expect(await stage.balanceOf(node.owner.address)).toBeGreaterThan(before);
    });

    it('prints for an owner elsewhere, and closes nothing itself', async () => {
        const text = await node.run('leave', '--print');

        expect(text).toMatch(/These messages close the node .*:\n.*CloseNode/);
        expect(text).not.toContain('is closed');
        expect(await isOpen()).toBe(true);
        expect(existsSync(node.path('worker.sqlite'))).toBe(false); // nothing was opened
    });

    it('closes no other node of the provider, whatever number an endpoint gives this one', async () => {
        const { getNodeState } = Node.prototype;
        const lie = jest.spyOn(Node.prototype, 'getNodeState').mockImplementation(async function (this: Node, of) {
            return { ...(await getNodeState.call(this, of)), number: 7n };
        });

        await expect(node.sign('leave').finally(() => lie.mockRestore())).rejects.toThrow(
            'node 7 of the provider, whose address is another',
        );

        expect(node.lines.join('\n')).not.toContain('CloseNode');
        expect(await isOpen()).toBe(true);
    });
});
