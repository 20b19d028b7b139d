import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomSigningKey } from '@cocoon-market/wrappers';
import { Address, beginCell, Dictionary, loadMessageRelaxed } from '@ton/core';
import { sortArguments } from '../../deploy/argv';
import { moment } from '../../deploy/flags';
import { scriptLines } from '../../deploy/list';
import { multisigOrder } from '../../deploy/output';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as joinMarket } from '../../scripts/joinMarket';
import { run as openJob } from '../../scripts/openJob';
import { run as setUpEscrow } from '../../scripts/setUpEscrow';
import { run as withdrawEscrow } from '../../scripts/withdrawEscrow';
import { ScriptStage } from './support/scripts';

const hex = () => randomSigningKey().publicKey.toString('hex');
const COMMITTEE = [hex(), hex(), hex()].join(',');
const SPEND_KEY = hex();

describe('The word of a script', () => {
    let stage: ScriptStage;
    const folder = mkdtempSync(join(tmpdir(), 'records-'));
    const refusalOf = (work: Promise<string>) => work.catch((error: unknown) => (error as Error).message);

    beforeAll(async () => {
        process.env.COCOON_DEPLOYMENTS = folder;
        stage = await ScriptStage.open();
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

        expect(said).toContain('Not as asked: the market is deployed\n  - committee: another one decides');
    });

    it('is not given for a provider with less stake or another payout', async () => {
        const [same, other] = [joinMarket, joinMarket];
        expect(await stage.run(same, ['--stake', '1', '--yes'])).toContain('Nothing to do: this wallet is a provider');

        const said = await refusalOf(stage.run(other, ['--stake', '2', '--payout', `0:${'22'.repeat(32)}`, '--yes']));

        expect(said).toMatch(
            /Not as asked: this wallet is a provider\n {2}- stake: it is 1 TON.*\n {2}- payout: it is /,
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
});

describe('A script that reads', () => {
    const scripts = readdirSync('scripts').map((file) => file.replace('.ts', ''));
    const reads = scripts.filter((name) => /\bcheck\(\{/.test(readFileSync(`scripts/${name}.ts`, 'utf8')));

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
        expect(lines.filter((line) => !line.startsWith('  '))).toHaveLength(5);
        expect(lines.find((line) => line.includes('setUpEscrow'))).toContain("Deploys the client's escrow");
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
});
