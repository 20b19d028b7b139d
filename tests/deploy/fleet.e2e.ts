/** A fleet of hundreds of nodes in several regions, through the scripts, on a local network. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FreshWallet, freshWallet, NetworkProcess, runBlueprint } from './support/network';
import { randomSigningKey } from '../support/keys';

const REGIONS = ['eu-central', 'eu-west', 'us-east', 'us-west', 'asia-east', 'asia-south'];
const PER_REGION = 50;

const key = () => randomSigningKey().publicKey.toString('hex');

function manifestOf(prompt: string, nodes: Map<string, string[]>): string {
    const sites = [...nodes].map(
        ([region, lines]) => `  ${region}:
    region: ${region}
    uptime: 99.5
    hardware: h100
    offers: [Qwen/Qwen3-32B]
    nodes:
${lines.join('\n')}`,
    );
    return `offers:
  Qwen/Qwen3-32B: { prompt: ${prompt}, cached: 0.1, completion: 0.8, reasoning: 0.8 }
hardware:
  h100: { class: 3, gpus: 8, vram: 80, model: NVIDIA H100 SXM }
sites:
${sites.join('\n')}
`;
}

describe('A fleet of 300 nodes in 6 regions', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-fleet-'));
    const file = join(folder, 'fleet.yaml');
    const nodes = new Map(
        REGIONS.map((region) => [
            region,
            Array.from({ length: PER_REGION }, (_, i) => {
                const endpoint = `https://${i}.${region}.example.net`;
                return `      ${region}-${i}: { endpoint: "${endpoint}", receiptKey: "${key()}", encryptionKey: "${key()}" }`;
            }),
        ]),
    );
    let network: NetworkProcess;
    let wallet: FreshWallet;

    /** Runs a script, which must end well, and returns what it printed. */
    async function run(...args: string[]): Promise<string> {
        const { code, output } = await runBlueprint({ network, wallet, deployments: folder }, args);
        expect([code, code === 0 ? '' : output]).toEqual([0, '']);
        return output;
    }

    beforeAll(async () => {
        network = await NetworkProcess.start();
        wallet = await freshWallet('v5r1');
        await network.fund(wallet, '2000');
        await run('deployMarket', '--committee', [key(), key(), key()].join(','), '--yes');
        await run('joinMarket', '--stake', '1', '--yes');
        writeFileSync(file, manifestOf('0.2', nodes));
    });

    afterAll(async () => {
        await network.stop();
        rmSync(folder, { recursive: true });
    });

    it('is planned: what to register, and the stake, the fees and the time it takes', async () => {
        const said = await run('planFleet', '--manifest', file);

        REGIONS.forEach((region) => expect(said).toMatch(new RegExp(`site ${region} +50 nodes, 400 GPUs`)));
        expect(said).toContain('… and 290 more');
        expect(said).toMatch(/register +300 nodes, 840 TON of shares/);
        expect(said).toMatch(/stake +840\.2 TON required, 839\.2 TON to add/);
        expect(said).toMatch(/plan +300 changes/);
        expect(said).toMatch(/fees +at most \d+\.\d+ TON/);
    });

    it('is applied in orders as large as the wallet takes', async () => {
        const said = await run('applyFleet', '--manifest', file, '--yes');

        expect(said).toMatch(/Sent 301 of 301/);
        expect(said.match(/^Sent /gm)!.length).toBeLessThanOrEqual(4);
        expect(said).toMatch(/nodes +300 with 2400 GPUs/);
    });

    it('has 0 changes when it is applied again', async () => {
        const before = await network.client.height();

        const said = await run('applyFleet', '--manifest', file, '--yes');

        expect(said).toContain('Nothing to do: 0 changes.');
        expect(await network.client.height()).toBe(before);
    });

    it('changes, loses and gains single nodes', async () => {
        const [first, ...rest] = nodes.get('us-east')!;
        const added = first
            .replace('us-east-0', 'us-east-new')
            .replace('//0.', '//new.')
            .replaceAll(/"[0-9a-f]{64}"/g, () => `"${key()}"`);
        const moved = rest[0].replace('//1.', '//moved.');
        writeFileSync(file, manifestOf('0.2', new Map([...nodes, ['us-east', [moved, ...rest.slice(1), added]]])));

        const said = await run('applyFleet', '--manifest', file, '--close-missing', '--yes');
        const again = await run('applyFleet', '--manifest', file, '--close-missing', '--yes');

        expect(said).toContain('+ us-east-new  https://new.us-east.example.net');
        expect(said).toMatch(/~ us-east-1 {2}node \d+: service/);
        expect(said).toMatch(/- node \d+ {2}https:\/\/0\.us-east\.example\.net/);
        expect(said).toMatch(/nodes +300 with 2400 GPUs/);
        expect(again).toContain('Nothing to do: 0 changes.');
    });
});
