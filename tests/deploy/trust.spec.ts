// Longer than 350 lines because one local network with a market on it serves all of its tests.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Escrow, formatTon } from '@cocoon-market/wrappers';
import { Address, beginCell, Cell, contractAddress, Dictionary, loadMessageRelaxed, toNano } from '@ton/core';
import { createShardAccount } from '@ton/sandbox';
import { sortArguments } from '../../scripting/argv';
import { moment } from '../../scripting/flags';
import { allScripts, scriptLines } from '../../scripting/list';
import { exported, multisigOrder, table } from '../../scripting/output';
import { GROUPS } from '../../scripting/script';
import { ScriptError } from '../../scripting/scriptError';
import type { ScriptSession } from '../../scripting/session';
import { run as addStake } from '../../scripts/addStake';
import { run as checkProvider } from '../../scripts/checkProvider';
import { run as claimJob } from '../../scripts/claimJob';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as depositEscrow } from '../../scripts/depositEscrow';
import { run as fundWallet } from '../../scripts/fundWallet';
import { run as joinMarket } from '../../scripts/joinMarket';
import { run as leaveJob } from '../../scripts/leaveJob';
import { run as openJob } from '../../scripts/openJob';
import { run as refundJob } from '../../scripts/refundJob';
import { run as setUpEscrow } from '../../scripts/setUpEscrow';
import { run as topUpRegistry } from '../../scripts/topUpRegistry';
import { run as withdrawEscrow } from '../../scripts/withdrawEscrow';
import { loadProvider$Data, storeProvider$Data } from '../../wrappers/bodies';
import { fleetOf } from './support/fleet';
import { type FreshWallet, freshWallet } from './support/network';
import { ScriptStage } from './support/scripts';
import { GREEDY } from '../support/greedy';
import { randomSigningKey } from '../support/keys';

const hex = () => randomSigningKey().publicKey.toString('hex');
const COMMITTEE = [hex(), hex(), hex()].join(',');
const SPEND_KEY = hex();
const FLEET = fleetOf(hex(), hex());

describe('The word of a script', () => {
    let stage: ScriptStage;
    const folder = mkdtempSync(join(tmpdir(), 'records-'));
    const recorded = () => JSON.parse(readFileSync(join(folder, 'local.json'), 'utf8')) as { registry: string };
    let rich: FreshWallet;
    let opened: string;
    const refusalOf = (work: Promise<string>) => work.catch((error: unknown) => (error as Error).message);

    beforeAll(async () => {
        process.env.COCOON_DEPLOYMENTS = folder;
        stage = await ScriptStage.open();
        rich = await freshWallet('v4');
        await stage.network.faucet(rich.address, toNano('50'));
        await stage.run(deployMarket, ['--profile', 'testnet', '--committee', COMMITTEE, '--yes']);
        await stage.run(joinMarket, ['--stake', '1', '--yes']);
        const limits = ['--job-limit', '1', '--day-limit', '5', '--deposit', '4'];
        await stage.run(setUpEscrow, ['--spend-key', SPEND_KEY, ...limits, '--yes']);
    });

    afterAll(async () => {
        delete process.env.COCOON_DEPLOYMENTS;
        rmSync(folder, { recursive: true });
        await stage.close();
    });

    it('is given for a market that is there as asked', async () => {
        const again = await stage.run(deployMarket, ['--profile', 'testnet', '--committee', COMMITTEE, '--yes']);

        expect(again).toContain('Nothing to do: the market is deployed');
    });

    it('is not given for a market with another committee', async () => {
        const said = await refusalOf(stage.run(deployMarket, ['--profile', 'testnet', '--committee', hex(), '--yes']));

        expect(said).toContain('Not as requested: the market is deployed\n  - committee: another one decides');
    });

    it('is not given for a provider with less stake or another payout', async () => {
        const [same, other] = [joinMarket, joinMarket];
        expect(await stage.run(same, ['--stake', '1', '--yes'])).toContain('Nothing to do: this wallet is a provider');

        const said = await refusalOf(stage.run(other, ['--stake', '2', '--payout', `0:${'22'.repeat(32)}`, '--yes']));

        expect(said).toMatch(
            /Not as requested: this wallet is a provider\n {2}- stake: it is 1 TON.*\n {2}- payout: it is /,
        );
    });

    it('refuses before it sends what the contract would refuse', async () => {
        const seqno = stage.network.transactions.length;
        const job = ['--payout', `0:${'22'.repeat(32)}`, '--voucher-key', hex(), '--deposit', '0.5', '--until', '20d'];

        const said = await refusalOf(stage.run(openJob, [...job, '--notice', '8d', '--order', '0', '--yes']));
        const taken = await stage.run(openJob, [...job, '--notice', '7d', '--order', '0', '--dry-run']);

        expect(said).toMatch(/would be refused: Err\w+ \(\d+\)/);
        expect(taken).toContain('Dry run: nothing was sent');
        expect(stage.network.transactions).toHaveLength(seqno);
    });

    it.each<[string, Parameters<ScriptStage['run']>[0], string, string[]]>([
        ['refundJob', refundJob, '--job', []],
        ['leaveJob', leaveJob, '--job', []],
        ['claimJob', claimJob, '--job', ['--cumulative', '1', '--count', '1', '--signature', '00'.repeat(64)]],
        ['joinMarket', joinMarket, '--registry', ['--stake', '1']],
        ['addStake', addStake, '--registry', ['--up-to', '9']],
        ['addStake --provider', addStake, '--provider', ['--up-to', '9']],
        ['topUpRegistry', topUpRegistry, '--registry', ['--up-to', '9']],
    ])('refuses a stranger’s contract: %s asks it for no value and sends nothing', async (...row) => {
        const [, script, flag, others] = row;
        const address = contractAddress(0, { code: GREEDY, data: Cell.EMPTY });
        const account = createShardAccount({ address, code: GREEDY, data: Cell.EMPTY, balance: 1n });
        await stage.network.blockchain.setShardAccount(address, account);
        const sent = stage.network.transactions.length;

        const said = await refusalOf(stage.run(script, [flag, address.toRawString(), ...others, '--yes']));

        expect(said).toMatch(/is no (job of this release|provider of this market)|does not run the registry/);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('is given for a provider of the market that is named', async () => {
        const [at] = /[-_\w]{48}/.exec(await stage.run(checkProvider, []))!;

        expect(await stage.run(addStake, ['--provider', at, '--up-to', '1', '--yes'])).toContain('Nothing to do');
    });

    it('refuses a provider of the market’s code with a stake that somebody made up: it would ask for it', async () => {
        const [named] = /[-_\w]{48}/.exec(await stage.run(checkProvider, []))!;
        const { accountState } = await stage.network.blockchain.getContract(Address.parse(named));
        const { code, data } = (accountState as { state: { code: Cell; data: Cell } }).state;
        const fields = { ...loadProvider$Data(data.beginParse()), stake: toNano('20'), owner: rich.address };
        const state = { code, data: beginCell().store(storeProvider$Data(fields)).endCell() };
        const address = contractAddress(0, state);
        const account = createShardAccount({ address, ...state, balance: toNano('0.1') });
        await stage.network.blockchain.setShardAccount(address, account);
        const sent = stage.network.transactions.length;

        const added = ['--provider', address.toRawString(), '--up-to', '21', '--yes'];
        const said = await refusalOf(stage.run(addStake, added));

        expect(said).toContain('is no provider of this market');
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('is not given for a provider with more stake', async () => {
        const said = await refusalOf(stage.run(joinMarket, ['--stake', '0.9', '--yes']));

        expect(said).toContain(
            'Not as requested: this wallet is a provider\n  - stake: it is 1 TON; unbondStake takes it',
        );
    });

    it("is not given for another's market, nor for one of another profile", async () => {
        const said = await refusalOf(
            stage.run(deployMarket, ['--profile', 'mainnet', '--yes'], await freshWallet('v4')),
        );

        const lines = said.split('\n').flatMap((line) => /^ {2}- (\w+):/.exec(line)?.[1] ?? []);
        expect(lines).toEqual(['governor', 'profile', 'delay']);
    });

    it('expects fees near those that are paid, beside the most', async () => {
        const said = await stage.run(setUpEscrow, [
            ...['--spend-key', SPEND_KEY, '--job-limit', '2', '--day-limit', '5', '--deposit', '4', '--yes'],
        ]);

        const [, expected] = /Expects: fees of about ([\d.]+) TON/.exec(said)!;
        const [, paid] = /TON stays, ([\d.]+) TON were fees/.exec(said)!;
        expect(Number(paid)).toBeGreaterThan(0);
        expect(Number(expected) / Number(paid)).toBeGreaterThan(0.5);
        expect(Number(expected) / Number(paid)).toBeLessThan(2);
    });

    it('names what came home, and no negative payment', async () => {
        const said = await stage.run(withdrawEscrow, ['--keep', '3', '--yes', '--json']);

        expect(said).toMatch(/Expects: about 1\.0\d* TON come back, 0\.99\d* TON more than is sent/);
        expect(said).toMatch(/The wallet holds 0\.9\d* TON more than before/);
        expect(said).not.toMatch(/-\d[\d.]* TON|"-\d/);
        expect(JSON.parse(said.split('\n').at(-1)!)).toMatchObject({ received: expect.stringMatching(/^9\d{8}$/) });
    });

    it.each(['0', '0.01'])('is given before all but %s TON leave, however small what stays', async (keep) => {
        const said = await refusalOf(stage.run(withdrawEscrow, ['--keep', keep, '--dry-run']));

        expect(said).toMatch(/Expects: about 2\.9\d* TON come back/);
        expect(said).toContain('Dry run: nothing was sent.');
    });

    it('is not given for a job that is open with another deposit', async () => {
        const end = `${stage.network.now() + 86_400}`;
        const job = ['--payout', `0:${'22'.repeat(32)}`, '--voucher-key', hex(), '--notice', '1h', '--until', end];
        const open = (deposit: string) =>
            refusalOf(stage.run(openJob, [...job, '--deposit', deposit, '--order', '0', '--yes', '--json']));

        const first = await open('0.5');
        opened = (JSON.parse(first.split('\n').at(-1)!) as { job: string }).job;
        const same = await open('0.5');
        const [less, more] = [await open('0.49'), await open('0.51')];

        expect(same).toContain(`Nothing to do: the job is open at ${opened}`);
        expect(less).toMatch(/Not as requested: the job is open.*\n {2}- deposit: the job holds 0\.5\d* TON/);
        expect(more).toMatch(/Not as requested: the job is open.*\n {2}- deposit: the job holds 0\.5\d* TON/);
    });

    it.each([
        ['an escrow', depositEscrow, [], async () => (await Escrow.ofOwner(stage.wallet.address)).address],
        ['the registry', topUpRegistry, [], async () => Address.parseRaw(recorded().registry)],
        ['a wallet in use', fundWallet, undefined, async () => stage.wallet.address],
    ] as const)('is given for %s only once it holds what was asked', async (_, script, flags, where) => {
        const at = await where();
        const [sender, to] = flags === undefined ? [rich, ['--to', at.toRawString()]] : [stage.wallet, []];
        const holds = async () => (await stage.network.blockchain.getContract(at)).balance;
        const upTo = (await holds()) + (await holds()) / 100n; // a hundredth of it is no rest to forget
        const bring = () => stage.run(script, [...to, '--up-to', formatTon(upTo), '--yes'], sender);

        await bring();
        const [held, height] = [await holds(), stage.network.transactions.length];
        const again = await bring();

        expect(held).toBeGreaterThanOrEqual(upTo);
        expect(again).toContain('Nothing to do: ');
        expect(stage.network.transactions).toHaveLength(height);
    });

    it('is given by every script that reads without a wallet', async () => {
        const manifest = join(folder, 'fleet.yaml');
        writeFileSync(manifest, FLEET);
        const owner = stage.wallet.address.toRawString();
        const provider = await stage.run(checkProvider, ['--json']);
        const [whose] = [['--provider', (JSON.parse(provider.split('\n').at(-1)!) as { provider: string }).provider]];
        const runs: Record<string, string[]> = {
            checkDeployment: [],
            checkEscrow: ['--owner', owner],
            checkFleet: whose,
            checkJob: ['--job', opened],
            checkLibrary: [],
            checkProvider: whose,
            checkWallet: ['--wallet', stage.wallet.text],
            planFleet: [...whose, '--manifest', manifest],
            showChange: [],
        };
        expect(Object.keys(runs)).toEqual(allScripts().flatMap(({ name, sends }) => (sends ? [] : [name])));

        for (const [name, flags] of Object.entries(runs)) {
            const { run } = (await import(`../../scripts/${name}`)) as { run: Parameters<ScriptStage['run']>[0] };
            const said = await refusalOf(stage.runWithoutWallet(run, flags));
            expect([name, said]).toEqual([name, expect.not.stringMatching(/wallet'|no wallet|Nobody|asked/)]);
            expect([name, said]).toEqual([
                name,
                expect.stringMatching(name === 'checkLibrary' ? /not published/ : /^ {2}\w+/m),
            ]);
        }
    });
});

describe('A script that reads', () => {
    const scripts = allScripts().map(({ name }) => name);
    const reads = allScripts().flatMap(({ name, sends }) => (sends ? [] : [name]));

    it('is called so that it asks for no wallet, and no other is', () => {
        const asked = scripts.filter((name) => sortArguments(['run', name, '--testnet']).includes('--deeplink'));

        expect(asked).toEqual(reads);
        expect(reads.length).toBeGreaterThan(5);
    });

    it('takes the wallet that it is given', () => {
        expect(sortArguments(['run', 'checkWallet', '--testnet', '--mnemonic'])).not.toContain('--deeplink');
    });
});

describe('A moment on a command line', () => {
    const at = (text: string) => moment.required('').read(text, { testOnly: true, network: 'local' })(1000);

    it.each([
        ['30d', 1000 + 30 * 86_400],
        ['90m', 1000 + 5400],
        ['2026-12-31', Date.UTC(2026, 11, 31) / 1000],
        ['2026-12-31T18:00', Date.UTC(2026, 11, 31, 18) / 1000],
        ['1800000000', 1_800_000_000],
    ])('may be %s', (text, seconds) => {
        expect(at(text)).toBe(seconds);
    });

    it.each(['tomorrow', '2026-02-30', '12', '30 years', ''])('may not be %j', (text) => {
        expect(() => at(text)).toThrow(/is no time|is not a date/);
    });
});

describe('The list of scripts', () => {
    it('names each script once, in a group, with what it does', () => {
        const lines = scriptLines();
        const names = lines.filter((line) => line.startsWith('  ')).map((line) => line.trim().split(' ')[0]);

        expect([...names].sort()).toEqual(
            readdirSync('scripts')
                .map((file) => file.replace('.ts', ''))
                .sort(),
        );
        expect(lines.filter((line) => !line.startsWith('  '))).toEqual(
            Object.values(GROUPS).map((title) => `${title}:`),
        );
        expect(lines.find((line) => line.includes('setUpEscrow'))).toContain("Deploys the client's escrow");
    });
});

describe('Each script', () => {
    it('has the name of its file, a group of the list and a sentence', () => {
        for (const [i, { name, group, about }] of allScripts().entries()) {
            expect(`${name}.ts`).toBe(readdirSync('scripts')[i]);
            expect(Object.keys(GROUPS)).toContain(group);
            expect(about).toMatch(/^[A-Z].{20,}\.$/);
        }
    });

    it('that sends can print its messages for another wallet, and ask nobody', () => {
        const flags = allScripts().flatMap(({ sends, flags: known }) => (sends ? [Object.keys(known)] : []));

        expect(flags.length).toBeGreaterThan(25);
        flags.forEach((known) => expect(known).toEqual(expect.arrayContaining(['print', 'from', 'dryRun', 'yes'])));
    });

    const account = new Address(0, Buffer.alloc(32, 7));
    const addresses = allScripts().flatMap(({ name, flags }) =>
        Object.entries(flags).flatMap(([flag, { takes, read }]) =>
            takes.startsWith('ADDRESS') ? [{ flag: `${name} --${flag}`, read }] : [],
        ),
    );

    it.each([
        ['another network', account.toString({ testOnly: false }), 'is an address of mainnet, this is testnet'],
        ['the masterchain', new Address(-1, account.hash).toString({ testOnly: true }), 'is in workchain -1'],
        ['the masterchain in raw form', new Address(-1, account.hash).toRawString(), 'is in workchain -1'],
        ['nowhere', `${account.toString({ testOnly: true }).slice(0, -1)}_`, 'has a typing error'],
    ])('refuses an address of %s in each of its flags', (_, text, said) => {
        expect(addresses.length).toBeGreaterThan(80);
        for (const { flag, read } of addresses) {
            let refusal = 'none';
            try {
                read(text, { testOnly: true, network: 'testnet' });
            } catch (error) {
                refusal = (error as Error).message;
            }
            expect([flag, refusal]).toEqual([flag, expect.stringContaining(said)]);
        }
    });

    it('names no account by a flag that takes any text', () => {
        const texts = allScripts().flatMap(({ name, flags }) =>
            Object.entries(flags).flatMap(([flag, { takes }]) => (takes === 'TEXT' ? [`${name} --${flag}`] : [])),
        );

        expect(texts).toEqual([
            'announceDemand --model',
            'claimJob --signature',
            'deployMarket --profile',
            'proposeRules --profile',
        ]);
    });
});

describe('A table that is printed', () => {
    it('moves no cursor and hides nothing, whatever a stranger wrote on chain', () => {
        expect(table([['node 0', 'http://a/\u001b[2J\u202e']])).toBe('  node 0  http://a/\\u001b[2J\\u202e');
        expect(table([['node 0', 'http://a/\n  node 1  b']])).toBe('  node 0  http://a/\\u000a  node 1  b');
    });
});

describe('A refusal that is printed', () => {
    it('moves no cursor and hides nothing, whatever an endpoint says of its failure', () => {
        const refusal = new ScriptError('http://a refuses (422): \u001b[2J\u009b31m', 'use another');

        expect(inspect(refusal)).toBe('✗ http://a refuses (422): \\u001b[2J\\u009b31m\n  → use another');
    });
});

describe('A message that is printed', () => {
    it('is also an order of a multisig-v2 wallet, which sends the same', () => {
        const [to, body] = [new Address(0, Buffer.alloc(32, 9)), beginCell().storeUint(7, 32).endCell()];

        const order = multisigOrder({ to, value: 5n, body, bounce: false });

        const actions = order.beginParse().loadDictDirect(Dictionary.Keys.Uint(8), Dictionary.Values.Cell());
        expect(actions.keys()).toEqual([0]);
        const action = actions.get(0)!.beginParse();
        expect([action.loadUint(32).toString(16), action.loadUint(8)]).toEqual(['f1381e5b', 1]);
        const { info, body: sent } = loadMessageRelaxed(action.loadRef().beginParse());
        expect(info).toMatchObject({ type: 'internal', bounce: false, value: { coins: 5n } });
        expect(sent.equals(body)).toBe(true);
    });

    it('by whatever script carries that order beside address, value and body', () => {
        const message = {
            to: new Address(0, Buffer.alloc(32, 9)),
            value: 5n,
            body: beginCell().storeUint(7, 32).endCell(),
        };
        const session = { format: String, network: { testOnly: true } } as unknown as ScriptSession;

        const printed = exported(session, message);

        expect(Object.keys(printed)).toEqual(['message', 'address', 'value', 'body', 'multisigOrder', 'link']);
        expect(printed.multisigOrder).toBe(multisigOrder(message).toBoc().toString('base64'));
    });
});
