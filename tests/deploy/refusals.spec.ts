import { freePort } from '../../demo/ports';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Provider, readAddress } from '@cocoon-market/wrappers';
import { Address, Cell, loadStateInit, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { faucetFor, identify } from '../../scripting/network';
import { run as checkDeployment } from '../../scripts/checkDeployment';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as executeChange } from '../../scripts/executeChange';
import { run as joinMarket } from '../../scripts/joinMarket';
import { run as pauseMarket } from '../../scripts/pauseMarket';
import { run as proposeRules } from '../../scripts/proposeRules';
import { run as setUpEscrow } from '../../scripts/setUpEscrow';
import { freshWallet } from './support/network';
import { providerOf, ScriptStage } from './support/scripts';
import { until } from '../offchain/support/until';
import { randomSigningKey } from '../support/keys';

const KEYS = [1, 2, 3].map(() => randomSigningKey().publicKey.toString('hex')).join(',');
const SPEND_KEY = randomSigningKey().publicKey.toString('hex');
const LIMITS = ['--spend-key', SPEND_KEY, '--job-limit', '1', '--day-limit', '2'];

let stage: ScriptStage;
const folder = mkdtempSync(join(tmpdir(), 'cocoon-refusals-'));

beforeAll(async () => {
    process.env.COCOON_DEPLOYMENTS = folder;
    stage = await ScriptStage.open();
    await stage.run(deployMarket, ['--committee', KEYS, '--yes']);
});

afterAll(async () => {
    await stage.close();
    rmSync(folder, { recursive: true });
});

/** The refusal of a script; fails when anything was sent. */
async function refusal(play: () => Promise<unknown>): Promise<string> {
    const before = stage.network.transactions.length;
    const said = await play().then(
        () => 'nothing was refused',
        (error: Error) => error.message,
    );
    expect(stage.network.transactions).toHaveLength(before);
    return said;
}

describe('Scripts refuse, and send nothing:', () => {
    it('a network that is not the one named', async () => {
        const mainnet = await ScriptStage.open({ networkId: -239 });

        const said = await refusal(() => mainnet.run(pauseMarket, ['--yes']));

        expect(said).toContain("Wrong network: the endpoint's id is -239 (mainnet), Blueprint was told testnet (-3)");
        expect(said).toContain('→ give --mainnet');
        await mainnet.close();
    });

    it('a testnet that was called mainnet, whose v5r1 wallet would be another', async () => {
        const provider = await providerOf(stage.network.url, stage.wallet, 'mainnet');

        const said = await refusal(() => pauseMarket(provider, ['--yes']));

        expect(provider.sender().address!.equals(stage.wallet.address)).toBe(false);
        expect(said).toContain('→ give --testnet, or --custom-type testnet beside --custom');
    });

    it('a wallet without coins, with where to get them', async () => {
        const poor = await freshWallet('v5r1');

        const said = await refusal(() => stage.run(joinMarket, ['--stake', '1', '--yes'], poor));

        expect(said).toContain(`The wallet ${poor.text} holds 0 TON and needs 1.`);
        expect(said).toContain(`→ npm run localnet -- faucet ${poor.text} 1.`);
    });

    it('a wallet that is not the governor', async () => {
        const stranger = await freshWallet('v4');
        await stage.network.faucet(stranger.address, toNano(2));

        const said = await refusal(() => stage.run(pauseMarket, ['--yes'], stranger));

        expect(said).toContain(`Only the governor, ${stage.wallet.text}, may do this; this wallet is ${stranger.text}`);
        expect(said).toContain(`add --print --from ${stage.wallet.text}`);
    });

    it('a spend key that anyone could sign for', async () => {
        const weak = `01${'00'.repeat(31)}`;

        const said = await refusal(() => stage.run(setUpEscrow, ['--spend-key', weak, ...LIMITS.slice(2), '--yes']));

        expect(said).toContain(
            '--spend-key: This Ed25519 public key is of small order or not canonical: anyone could sign for it',
        );
    });

    it('library code that nobody published', async () => {
        const said = await refusal(() => stage.run(setUpEscrow, [...LIMITS, '--channel', 'library', '--yes']));

        expect(said).toContain('The channel code is not published on local');
        expect(said).toContain('→ run publishLibrary, or use --channel plain');
    });

    it('to send when nobody can agree', async () => {
        expect(await refusal(() => stage.run(pauseMarket, []))).toContain(
            '→ add --yes to send, or --dry-run to stop here',
        );
    });

    it('a change before its time', async () => {
        await stage.run(proposeRules, ['--profile', 'mainnet', '--yes']);

        const said = await refusal(() => stage.run(executeChange, ['--yes']));

        expect(said).toContain('Too early: it is ');
    });

    it.each([
        ['1,5', '--stake: "1,5" is not an amount in TON'],
        ['1.5.2', '--stake: "1.5.2" is not an amount in TON'],
        ['1e3', '--stake: "1e3" is not an amount in TON'],
        ['0.0000000001', '--stake: "0.0000000001" is not an amount in TON'],
        ['O.5', '--stake: "O.5" is not an amount in TON'],
        ['0.1', "A stake of 0.1 TON is below the market's base stake of 0.2 TON"],
    ])('the stake %s', async (amount, complaint) => {
        expect(await refusal(() => stage.run(joinMarket, ['--stake', amount, '--yes']))).toContain(complaint);
    });

    it.each([
        [['--stakes', '1'], "Unknown option '--stakes'\n  → the flags of this script are --registry, --stake,"],
        [[], 'Missing: --stake TON\n  → give it, or run the script in a terminal to be asked'],
        [['--stake'], "Option '--stake <value>' argument missing"],
        [['--stake', '1', 'more'], "Unexpected argument 'more'"],
    ])('the arguments %j', async (args, complaint) => {
        expect(await refusal(() => stage.run(joinMarket, args))).toContain(complaint);
    });

    it('an address of another network', async () => {
        const elsewhere = stage.wallet.address.toString();

        const said = await refusal(() => stage.run(joinMarket, ['--stake', '1', '--payout', elsewhere, '--yes']));

        expect(said).toContain(`--payout: "${elsewhere}" is an address of mainnet, this is testnet`);
    });

    it('to go on without a record, or with one of a market that is not there', async () => {
        process.env.COCOON_DEPLOYMENTS = join(folder, 'empty');
        const without = await refusal(() => stage.run(pauseMarket, ['--yes']));
        const nowhere = ['--registry', `0:${'1'.repeat(64)}`, '--yes'];
        const wrong = await refusal(() => stage.run(pauseMarket, nowhere));
        process.env.COCOON_DEPLOYMENTS = folder;

        expect(without).toContain('No market is known on local');
        expect(wrong).toContain('There is no registry at');
    });

    it('to compare a network that began anew with its record', async () => {
        const anew = await ScriptStage.open();

        const said = await refusal(() => anew.run(checkDeployment, []));

        expect(said).toContain('but there is no registry on local');
        expect(said).toContain('→ check the network. After a restart of a local one, remove its record');
        await anew.close();
    });

    it('a record that is none', async () => {
        process.env.COCOON_DEPLOYMENTS = join(folder, 'broken');
        const { mkdirSync } = await import('node:fs');
        mkdirSync(process.env.COCOON_DEPLOYMENTS);
        writeFileSync(join(process.env.COCOON_DEPLOYMENTS, 'local.json'), '{}');

        const said = await refusal(() => stage.run(checkDeployment, []));
        process.env.COCOON_DEPLOYMENTS = folder;

        expect(said).toContain('is not a record of a deployment');
        expect(said).toContain('→ restore it from version control');
    });
});

describe("A node of one's own on this machine, at mainnet's id", () => {
    it('is mainnet: a market is not deployed with the rules of a rehearsal, which it would have for ever', async () => {
        const mainnet = await ScriptStage.open({ networkId: -239, type: 'mainnet', version: 'v4' });
        process.env.COCOON_DEPLOYMENTS = join(folder, 'own');

        const said = await mainnet.run(deployMarket, ['--committee', KEYS, '--dry-run']);
        process.env.COCOON_DEPLOYMENTS = folder;

        expect(said).toMatch(/^\s*Network mainnet, wallet/);
        expect(said).toMatch(/profile +params\/mainnet\.json\n/);
        expect(said).toMatch(/changes wait +7d\n/);
        await mainnet.close();
    });
});

describe('joinMarket run again', () => {
    it('waits for a Join that is under way, and stakes nothing twice', async () => {
        const { blockchain } = stage.network;
        const printed = await stage.run(joinMarket, ['--stake', '1', '--print', '--json']);
        const [first] = JSON.parse(printed.split('\n').pop()!) as Record<
            'address' | 'value' | 'body' | 'stateInit',
            string
        >[];
        const to = Address.parse(first.address);
        const stateInit = loadStateInit(Cell.fromBase64(first.stateInit).beginParse());
        const body = Cell.fromBase64(first.body);
        const message = { from: stage.wallet.address, to, value: BigInt(first.value), body, stateInit };
        const steps = await blockchain.sendMessageIter(internal(message));
        await steps.next(); // the Provider asks the Registry
        const provider = blockchain.openContract(Provider.fromAddress(to));
        expect(await provider.getProviderState()).toMatchObject({ rulesVersion: 0n, stake: toNano('1') });

        const running = stage.run(joinMarket, ['--stake', '1', '--yes']);
        const looks = stage.network.disturbances.calls;
        const before = looks.get('runGetMethod') ?? 0;
        await until(() => (looks.get('runGetMethod') ?? 0) > before + 10);
        for await (const _ of steps) {
            // the Registry answers
        }

        expect(await running).toContain('Nothing to do: this wallet is a provider.');
        expect(await provider.getProviderState()).toMatchObject({ rulesVersion: 1n, stake: toNano('1') });
    });
});

describe('A half-finished deployment', () => {
    it('is launched by the next run, at the same address, and the record written', async () => {
        const half = await ScriptStage.open();
        process.env.COCOON_DEPLOYMENTS = join(folder, 'half');
        const plan = await half.run(deployMarket, ['--committee', KEYS, '--dry-run']);
        const [, planned] = /registry +(\S+) \(not deployed\)/.exec(plan)!;
        const orders = await half.run(deployMarket, ['--committee', KEYS, '--print', '--json']);
        const [first] = JSON.parse(orders.split('\n').pop()!) as { stateInit: string; body: string }[];
        const { Cell, loadStateInit } = await import('@ton/core');
        const { internal } = await import('@ton/sandbox');
        await half.network.blockchain.sendMessage(
            internal({
                from: half.wallet.address,
                to: Address.parse(planned),
                value: toNano('0.2'),
                stateInit: loadStateInit(Cell.fromBase64(first.stateInit).beginParse()),
                body: Cell.fromBase64(first.body),
            }),
        );

        const output = await half.run(deployMarket, ['--committee', KEYS, '--yes']);
        process.env.COCOON_DEPLOYMENTS = folder;

        expect(output).toContain(`${planned} (deployed, not launched)`);
        expect(output).toContain('Sent 1 of 1');
        expect(output).toContain('rules           version 1');
        await half.close();
    });
});

describe('An endpoint', () => {
    let server: Server | undefined;

    afterEach(() => {
        server?.closeAllConnections();
        server?.close();
    });

    async function serve(answer: ((body: string) => string) | undefined): Promise<string> {
        server = createServer((_, response) => {
            if (answer !== undefined) {
                response.end(answer(''));
            }
        }).listen(0, '127.0.0.1');
        await once(server, 'listening');
        return `http://127.0.0.1:${(server.address() as { port: number }).port}/api/v2/jsonRPC`;
    }

    it('that is down is named, with what to do', async () => {
        const provider = await providerOf(`http://127.0.0.1:${await freePort()}/`, stage.wallet);

        await expect(pauseMarket(provider, ['--yes'])).rejects.toThrow(/does not answer: ECONNREFUSED\n {2}→ is it up/);
    });

    it('that is slow is not waited for without end', async () => {
        const provider = await providerOf(await serve(undefined), stage.wallet);

        await expect(identify(provider, 200)).rejects.toThrow(/did not answer within 0.2 s\n {2}→ is it up/);
    });

    it.each(['<html>Bad Gateway</html>', '{"ok":true,"result":{}}', ''])(
        'that answers %j is no TON API',
        async (text) => {
            const provider = await providerOf(await serve(() => text), stage.wallet);

            await expect(pauseMarket(provider, ['--yes'])).rejects.toThrow(/answers, but not as a TON HTTP API/);
        },
    );
});

describe('Addresses', () => {
    const account = new Address(0, Buffer.alloc(32, 7));
    const [testnet, mainnet] = [{ testOnly: true }, { testOnly: false }];

    it('are taken in the form of their network, and raw on every one', () => {
        const raw = account.toRawString();

        expect(readAddress(account.toString({ testOnly: true }), testnet).equals(account)).toBe(true);
        expect(readAddress(account.toString(), mainnet).equals(account)).toBe(true);
        expect(readAddress(raw, testnet).equals(account)).toBe(true);
        expect(readAddress(raw, mainnet).equals(account)).toBe(true);
    });

    it.each([
        [account.toString({ testOnly: true }), mainnet, 'is an address of testnet, this is mainnet'],
        [account.toString(), testnet, 'is an address of mainnet, this is testnet'],
        [account.toString().replace(/.$/, 'A'), mainnet, 'has a typing error: its checksum does not fit'],
        [new Address(-1, account.hash).toString(), mainnet, 'is in workchain -1'],
        [`-1:${'0'.repeat(64)}`, mainnet, 'is in workchain -1'],
    ])('%s is refused', (text, network, complaint) => {
        expect(() => readAddress(text, network)).toThrow(complaint);
    });
});

describe('Where coins come from', () => {
    it.each([
        ['testnet', 'ask the faucet https://t.me/testgiver_ton_bot'],
        ['mainnet', 'buy TON and send 2 to it'],
    ] as const)('on %s is said', async (name, remedy) => {
        const provider = await providerOf(stage.network.url, stage.wallet);

        const said = faucetFor({ name, globalId: 0, testOnly: false, chain: undefined }, provider, 'ADDRESS', '2');

        expect(said).toContain(remedy);
    });
});
