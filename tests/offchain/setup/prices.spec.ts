import { type Contract, toNano } from '@ton/core';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Stage } from '../../../demo/stage';
import type { Chain } from '../../../offchain/chain';
import { catalogueIds, parseManifest, readFleet, withPrices } from '../../../offchain/fleet';
import { repricingOf } from '../../../offchain/setup/repricing';
import { lockFile } from '../../../offchain/store/keyLock';
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

/** The manifest before and after a command that was killed once the chain had its prices. */
async function killedAfterTheChain(): Promise<[string, string]> {
    const before = manifest();
    await node.run('prices', '--prompt', '0.3', '--print');
    const pending = readFileSync(node.path('fleet.yaml.next'), 'utf8');
    await node.sign('prices', '--continue');
    const after = manifest();
    writeFileSync(node.path('fleet.yaml'), before);
    writeFileSync(node.path('fleet.yaml.next'), pending);
    return [before, after];
}

describe('cocoon worker prices', () => {
    beforeEach(async () => {
        const registry = (await stage.launch()).address.toRawString();
        node = await OwnedNode.create(stage, registry, ++port);
    });

    it('changes chain, manifest and running worker, and no comment', async () => {
        const before = `# my own note\n${manifest()}`;
        writeFileSync(node.path('fleet.yaml'), before);
        const worker = await node.startWorker();

        const text = await node.sign('prices', '--prompt', '0.25', '--reasoning', '0.9');
        const { rates } = worker.nodeInfo.offers[0];
        await worker.close();

        expect(manifest()).toBe(
            before
                .replace('prompt: 0.2, cached: 0.1', 'prompt: 0.25, cached: 0.125')
                .replace('reasoning: 0.8', 'reasoning: 0.9'),
        );
        expect(await onChain()).toEqual([250_000_000n, 125_000_000n, 800_000_000n, 900_000_000n]);
        expect(readWorkerConfig(node.path('worker.json')).offers[0].rates.prompt).toBe(250_000_000n);
        expect(rates).toMatchObject({ prompt: 250_000_000n, completion: 800_000_000n, reasoning: 900_000_000n });
        expect(text).toContain('node-1, cocoon-tiny: prompt 0.2 → 0.25, cached 0.1 → 0.125, reasoning 0.8 → 0.9');
        expect(text).toContain('The worker has taken them');
    });

    it('asks the owner for no more than a change can cost, though the endpoint says that the provider wants it', async () => {
        const { provider } = readWorkerConfig(node.path('worker.json'));
        const [{ receiptKey }] = await readFleet(stage.chain, provider);
        const changed = manifest().replace('prompt: 0.2', 'prompt: 0.3');
        const liar = Object.create(stage.chain, {
            open: {
                value: <T extends Contract>(contract: T) =>
                    new Proxy(stage.chain.open(contract), {
                        get: (opened, name) =>
                            name === 'getChangeNodeValue'
                                ? async () => toNano('1000')
                                : (Reflect.get(opened, name) as unknown),
                    }),
            },
        }) as Chain;
        const asked = (chain: Chain) =>
            repricingOf(chain, { provider, receiptKey }, parseManifest('fleet.yaml', changed, catalogueIds));

        await expect(asked(liar)).rejects.toThrow('asks for 1000 TON with ChangeNode');
        expect((await asked(stage.chain)).messages[0].value).toBeLessThan(toNano('0.2'));
    });

    it('has the prices of cached and reasoning tokens follow as init set them, and says which one stays', async () => {
        await node.sign('prices', '--prompt', '0.4', '--completion', '0.9');
        expect(await onChain()).toEqual([400_000_000n, 200_000_000n, 900_000_000n, 900_000_000n]);

        await node.sign('prices', '--cached', '0.3');
        const text = await node.sign('prices', '--prompt', '0.5');
        expect(text).toContain('cached stays 0.3 TON, because it has a price of its own (--cached)');
        expect(await onChain()).toEqual([500_000_000n, 300_000_000n, 900_000_000n, 900_000_000n]);
    });

    it('leaves the manifest as it is until the chain has the prices, and finishes what was interrupted', async () => {
        const before = manifest();
        const printed = await node.run('prices', '--prompt', '0.3', '--print');

        expect(printed).toContain('ton://transfer/');
        expect(manifest()).toBe(before);
        expect(readFileSync(node.path('fleet.yaml.next'), 'utf8')).toContain('prompt: 0.3,');
        expect((await onChain())[0]).toBe(200_000_000n);

        expect(await node.run('prices')).toContain('node-1, cocoon-tiny: prompt 0.2 → 0.3');
        expect((await onChain())[0]).toBe(200_000_000n); // without a price it only shows
        await node.sign('prices', '--continue');

        expect((await onChain())[0]).toBe(300_000_000n);
        expect(manifest()).toBe(before.replace('prompt: 0.2, cached: 0.1', 'prompt: 0.3, cached: 0.15'));
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
    });

    it('finishes what was interrupted after the chain had it, and sends nothing then', async () => {
        const [before, after] = await killedAfterTheChain();
        const sent = stage.network.transactions.length;

        await node.run('prices', '--continue');

        expect([before, manifest()]).toEqual([after.replace('0.3, cached: 0.15', '0.2, cached: 0.1'), after]);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('takes nothing back that an interrupted change brought onto the chain', async () => {
        await killedAfterTheChain();

        await expect(node.sign('prices', '--completion', '0.9')).rejects.toThrow('finish it with --continue');
        expect((await onChain())[0]).toBe(300_000_000n);
    });

    it('gives up what is on its way', async () => {
        const before = manifest();
        await node.run('prices', '--prompt', '0.3', '--print');
        await node.run('prices', '--discard');

        expect(manifest()).toBe(before);
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
    });

    it('lets no unfinished change take the place of a later edit', async () => {
        await node.run('prices', '--prompt', '0.3', '--print');
        const edited = manifest().replace('completion: 0.8', 'completion: 1.5');
        writeFileSync(node.path('fleet.yaml'), edited);

        await expect(node.sign('prices', '--continue')).rejects.toThrow('was edited after fleet.yaml.next was made');
        await node.run('prices', '--discard');
        await node.sign('prices', '--continue');

        expect(manifest()).toBe(edited);
        expect(await onChain()).toEqual([200_000_000n, 100_000_000n, 1_500_000_000n, 800_000_000n]);
    });

    it('guards every price that the manifest would change, not only the one that is named', async () => {
        writeFileSync(node.path('fleet.yaml'), manifest().replace('completion: 0.8', 'completion: 0.008'));
        const sent = stage.network.transactions.length;

        await expect(node.sign('prices', '--prompt', '0.25')).rejects.toThrow('completion 0.8 → 0.008: that is far');
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('asks before it stores or sends anything', async () => {
        const sent = stage.network.transactions.length;

        await expect(node.run('prices', '--prompt', '0.3', '--wallet', node.wallet)).rejects.toThrow('give --yes');
        expect(existsSync(node.path('fleet.yaml.next'))).toBe(false);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('changes prices once at a time', async () => {
        const lock = lockFile(`${node.path('fleet.yaml')}.lock`); // of a command that waits for a signature

        await expect(node.sign('prices', '--prompt', '0.3')).rejects.toThrow('wait until it has ended');
        expect(await node.run('prices')).toContain('prompt 0.2');
        lock.close();
    });

    it.each([
        ['a typing error', ['--prompt', '0.2.1'], '--prompt: "0.2.1" is not an amount'],
        [
            'a price more than ten times the present one',
            ['--prompt', '2.1'],
            'prompt 0.2 → 2.1, cached 0.1 → 1.05: that is far',
        ],
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
