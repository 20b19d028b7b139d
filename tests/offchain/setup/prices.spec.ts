import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Stage } from '../../../demo/stage';
import { withPrices, readFleet } from '../../../offchain/fleet';
import { readWorkerConfig } from '../../../offchain/worker/config';
import { OwnedNode } from './support';

let stage: Stage;
let node: OwnedNode;
let port = 31_000;

beforeAll(async () => (stage = await Stage.open()));
afterAll(() => stage.close());
const manifest = () => readFileSync(node.path('fleet.yaml'), 'utf8');

async function onChain(): Promise<bigint[]> {
    const { provider } = readWorkerConfig(node.path('worker.json'));
    const [{ offers }] = await readFleet(stage.chain, provider);
    return [offers[0].prompt, offers[0].cached, offers[0].completion, offers[0].reasoning];
}

describe('cocoon worker prices', () => {
    beforeEach(async () => {
        const registry = (await stage.launch()).address.toRawString();
        node = await OwnedNode.create(stage, registry, ++port);
    });

    it('changes chain, manifest and running worker, and no comment', async () => {
        const before = `# my own note\n${manifest()}`;
        writeFileSync(node.path('fleet.yaml'), before);
        const calls: string[] = [];
        const worker = createServer((request, response) => {
            calls.push(`${request.method} ${request.url}`);
            response.end('{}');
        }).listen(node.path('worker.sqlite.sock'));
        await once(worker, 'listening');

        const text = await node.sign('prices', '--prompt', '0.25', '--reasoning', '0.9');
        worker.close();

        expect(manifest()).toBe(
            before.replace('prompt: 0.2,', 'prompt: 0.25,').replace('reasoning: 0.8', 'reasoning: 0.9'),
        );
        expect(await onChain()).toEqual([250_000_000n, 100_000_000n, 800_000_000n, 900_000_000n]);
        expect(readWorkerConfig(node.path('worker.json')).offers[0].rates.prompt).toBe(250_000_000n);
        expect(calls).toEqual(['POST /reload']);
        expect(text).toContain('The worker has taken them');
    });

    it('leaves the manifest as it is until the chain has the prices, and is finished by running it again', async () => {
        const before = manifest();
        const printed = await node.run('prices', '--prompt', '0.3', '--print');

        expect(printed).toContain('ton://transfer/');
        expect(manifest()).toBe(before);
        expect(readFileSync(node.path('fleet.yaml.next'), 'utf8')).toContain('prompt: 0.3,');
        expect((await onChain())[0]).toBe(200_000_000n);

        await node.sign('prices');

        expect((await onChain())[0]).toBe(300_000_000n);
        expect(manifest()).toBe(before.replace('prompt: 0.2,', 'prompt: 0.3,'));
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
    });

    it('finishes what was interrupted after the chain had it, and sends nothing then', async () => {
        const before = manifest();
        await node.sign('prices', '--prompt', '0.3');
        const after = manifest();
        writeFileSync(node.path('fleet.yaml'), before); // as if it had been killed before it replaced the manifest
        writeFileSync(node.path('fleet.yaml.next'), after);
        const sent = stage.network.transactions.length;

        await node.run('prices');

        expect(manifest()).toBe(after);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('takes back what is on its way by the price that was', async () => {
        const before = manifest();
        await node.run('prices', '--prompt', '0.3', '--print');
        await node.sign('prices', '--prompt', '0.2');

        expect(manifest()).toBe(before);
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
    });

    it.each([
        ['a typing error', ['--prompt', '0.2.1'], '--prompt: "0.2.1" is not an amount'],
        ['a price more than ten times the present one', ['--prompt', '2.1'], 'add --any-price'],
        [
            'a model that it does not offer',
            ['--model', 'x', '--prompt', '1'],
            'does not offer x. It offers cocoon-tiny',
        ],
        ['a model without a price', ['--model', 'cocoon-tiny'], 'Missing: a price'],
    ])('refuses %s and changes nothing', async (_, args, complaint) => {
        const [before, sent] = [manifest(), stage.network.transactions.length];

        await expect(node.sign('prices', ...args)).rejects.toThrow(complaint);

        expect(manifest()).toBe(before);
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('takes ten times the present price, the largest without a second look', async () => {
        await node.sign('prices', '--prompt', '2');

        expect((await onChain())[0]).toBe(2_000_000_000n);
    });

    it("refuses a wallet that is neither the owner's nor the operator's", async () => {
        const other = await OwnedNode.create(
            stage,
            readWorkerConfig(node.path('worker.json')).registry!.toRawString(),
            ++port,
        );

        await expect(node.run('prices', '--prompt', '0.3', '--wallet', other.wallet, '--yes')).rejects.toThrow(
            'may not do this: it takes the owner',
        );
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
    });
});

describe('A manifest with other prices', () => {
    it('differs in nothing else', () => {
        const text = 'offers:\n    # first\n    "a/b": {prompt:  1, completion: "2"} # last\n';

        expect(withPrices('fleet.yaml', text, 'a/b', { prompt: 5n, completion: 1_500_000_000n })).toBe(
            'offers:\n    # first\n    "a/b": {prompt:  0.000000005, completion: 1.5} # last\n',
        );
    });

    it('needs the model in it', () => {
        expect(() => withPrices('fleet.yaml', 'offers: {a: {prompt: 1}}', 'b', { prompt: 1n })).toThrow('offers are a');
    });
});
