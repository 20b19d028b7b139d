/** Scripts killed at any step and run again: the same addresses, and nothing twice. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FreshWallet, freshWallet, NetworkProcess, runBlueprint } from './support/network';
import { randomSigningKey } from '../support/keys';

const folder = mkdtempSync(join(tmpdir(), 'cocoon-interrupted-'));

let network: NetworkProcess;
let owner: FreshWallet;

beforeAll(async () => {
    network = await NetworkProcess.start();
    owner = await freshWallet('v4');
    await network.fund(owner, '50');
});

afterAll(async () => {
    await network.stop();
    rmSync(folder, { recursive: true });
});

const blueprint = (script: string, args: string[], killedAt?: string) => {
    const consent = script.startsWith('check') ? [] : ['--yes'];
    return runBlueprint({ network, wallet: owner, deployments: folder }, [script, ...args, ...consent], killedAt);
};

/** How often an account came to life. */
async function births(address: string): Promise<number> {
    const transactions = await network.client.transactions();
    const own = transactions.filter(({ account }) => account === address);
    return own.filter(({ endStatus }, i) => endStatus === 'active' && (i === 0 || own[i - 1].endStatus !== 'active'))
        .length;
}

/** How many orders the owner's wallet has taken from outside since the network had so many transactions. */
async function ordersTaken(since: number): Promise<number> {
    const transactions = await network.client.transactions(since);
    const wallet = owner.address.toRawString();
    return transactions.filter(({ account, inMessage }) => account === wallet && inMessage?.type === 'external-in')
        .length;
}

const keys = [1, 2, 3].map(() => randomSigningKey().publicKey.toString('hex')).join(',');
const record = () => JSON.parse(readFileSync(join(folder, 'local.json'), 'utf8')) as { registry: string };

describe('An interrupted run', () => {
    it('of deployMarket, killed before, while and after it sends, ends in one market', async () => {
        for (const moment of ['Network local', 'Costs:', 'Sent 2 of 2']) {
            const { code } = await blueprint('deployMarket', ['--committee', keys], moment);
            expect(code).toBeNull();
        }
        rmSync(join(folder, 'local.json'), { force: true });

        const { code, output } = await blueprint('deployMarket', ['--committee', keys]);
        const again = await blueprint('deployMarket', ['--committee', keys]);

        expect([code, output]).toEqual([0, expect.stringContaining('Nothing to do: the market is deployed')]);
        expect(again.code).toBe(0);
        expect(await births(record().registry)).toBe(1);
        const launches = (await network.client.transactions()).filter(
            ({ account, inMessage }) => account === record().registry && inMessage?.opcode === 0xc0c00101,
        );
        expect(launches).toHaveLength(1);
    });

    it('of joinMarket and applyFleet, killed between orders of four, registers every node once', async () => {
        const manifest = join(folder, 'fleet.yaml');
        writeFileSync(manifest, manifestOf(11));
        await blueprint('joinMarket', ['--stake', '0.5'], 'Sent 1 of 1');
        await blueprint('joinMarket', ['--stake', '0.5']);

        for (const moment of ['Sent 4 of 12', 'Sent 4 of']) {
            const { code } = await blueprint('applyFleet', ['--manifest', manifest], moment);
            expect(code).toBeNull();
        }
        const finished = await blueprint('applyFleet', ['--manifest', manifest]);
        const again = await blueprint('applyFleet', ['--manifest', manifest]);

        expect(finished).toMatchObject({ code: 0, output: expect.stringContaining('11 with 11 GPUs') });
        expect(again).toMatchObject({ code: 0, output: expect.stringContaining('Nothing to do: 0 changes.') });
    });

    const spendKey = randomSigningKey().publicKey.toString('hex');
    const tomorrow = `${Math.floor(Date.now() / 1000) + 86_400}`;
    const terms = ['--deposit', '0.05', '--notice', '1h', '--until', tomorrow, '--order', '0'];
    const limits = ['--job-limit', '0.1', '--day-limit', '0.3', '--deposit', '0.4'];
    const rules = join(folder, 'rules.json');
    const steps: [script: string, args: () => string[]][] = [
        ['setUpEscrow', () => ['--spend-key', spendKey, ...limits]],
        ['openJob', () => ['--payout', owner.text, '--voucher-key', spendKey, ...terms]],
        ['addStake', () => ['--up-to', '5']],
        ['unbondStake', () => ['--keep', '4.9']],
        ['proposeRules', () => ['--profile', rules]],
        ['executeChange', () => []],
        ['adoptRules', () => []],
        ['publishLibrary', () => ['--rent', '9.6']],
        ['transferGovernor', () => ['--to', owner.address.toRawString().replace(/.$/, '0')]],
    ];

    it.each(steps)('of %s, killed once it has sent, sends nothing when it is run again', async (script, args) => {
        writeFileSync(
            rules,
            readFileSync('params/local.json', 'utf8').replace('"baseStake": "0.2"', '"baseStake": "0.3"'),
        );
        if (script === 'executeChange') {
            await network.client.advance(600);
        }
        const since = await network.client.height();

        const killed = await blueprint(script, args(), 'Sent 1 of 1');
        const finished = await blueprint(script, args());

        expect(killed.code).toBeNull();
        expect(finished).toMatchObject({ code: 0, output: expect.stringContaining('Nothing to do: ') });
        expect(await ordersTaken(since)).toBe(1);
    });

    it('leaves a record that matches, whatever was killed', async () => {
        const { code, output } = await blueprint('checkDeployment', []);

        expect([code, output]).toEqual([0, expect.stringContaining('network, record and checkout  all match')]);
    });
});

function manifestOf(nodes: number): string {
    const key = () => randomSigningKey().publicKey.toString('hex');
    const lines = Array.from(
        { length: nodes },
        (_, i) =>
            `      n${i}: { endpoint: "https://${randomBytes(4).toString('hex')}.example.net", receiptKey: "${key()}", encryptionKey: "${key()}" }`,
    );
    return `offers:
  Qwen/Qwen3-8B: { prompt: 1, cached: 1, completion: 1, reasoning: 1 }
hardware:
  small: { class: 0, gpus: 1, vram: 24, model: RTX 4090 }
sites:
  one:
    region: one
    uptime: 99
    hardware: small
    offers: [Qwen/Qwen3-8B]
    nodes:
${lines.join('\n')}
`;
}
