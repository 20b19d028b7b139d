/** Every script that sends, in the order of a market's life: printed for a wallet elsewhere, sent, and run again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Voucher, voucherFor } from '@cocoon-market/wrappers';
import { Address, Cell, Dictionary, loadMessageRelaxed, toNano } from '@ton/core';
import { allScripts } from '../../scripting/list';
import { fleetOf } from './support/fleet';
import { type FreshWallet, freshWallet } from './support/network';
import { ScriptStage } from './support/scripts';
import { randomSigningKey } from '../support/keys';

const folder = mkdtempSync(join(tmpdir(), 'cocoon-walk-'));
const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
};
const key = randomSigningKey();
const hex = () => randomSigningKey().publicKey.toString('hex');
const spendKey = key.publicKey.toString('hex');
const committee = [hex(), hex(), hex()].join(',');

let stage: ScriptStage;
let other: FreshWallet;
let job: string;
let until: string;

beforeAll(async () => {
    process.env.COCOON_DEPLOYMENTS = folder;
    stage = await ScriptStage.open({ coins: '200' });
    other = await freshWallet('v4');
    await stage.network.faucet(other.address, toNano('5'));
    until = `${stage.network.now() + 10 * 86_400}`;
});

afterAll(async () => {
    await stage.close();
    rmSync(folder, { recursive: true });
});

const rules = () =>
    file('rules.json', readFileSync('params/local.json', 'utf8').replace('"baseStake": "0.2"', '"baseStake": "0.3"'));
const catalogue = () => {
    const [first] = (JSON.parse(readFileSync('params/catalogue.json', 'utf8')) as { models: object[] }).models;
    return file('catalogue.json', JSON.stringify({ about: 'One model.', models: [first] }));
};
const fleet = () => file('fleet.yaml', fleetOf(spendKey, spendKey));
const voucher = () => {
    const hash = Voucher.hash(voucherFor(stage.network.networkId, Address.parse(job), toNano('0.1'), 1));
    return ['--cumulative', '0.1', '--count', '1', '--signature', key.sign(hash).toString('hex')];
};
const ofJob = () => ['--job', job];

interface Step {
    script: string;
    flags: () => string[];
    after?: number; // seconds that pass before
    by?: () => FreshWallet;
    again?: true; // sends each time
}

const STEPS: Step[] = [
    { script: 'deployMarket', flags: () => ['--committee', committee] },
    { script: 'joinMarket', flags: () => ['--stake', '1'] },
    { script: 'addStake', flags: () => ['--up-to', '2'] },
    { script: 'setPayout', flags: () => ['--payout', other.text] },
    { script: 'setOperator', flags: () => ['--operator', other.text] },
    { script: 'applyFleet', flags: () => ['--manifest', fleet()] },
    { script: 'endKey', flags: () => ['--node', '0'] },
    { script: 'unbondStake', flags: () => ['--keep', '1.5'] },
    { script: 'cancelUnbonding', flags: () => [] },
    { script: 'proposeRules', flags: () => ['--profile', rules()] },
    { script: 'executeChange', flags: () => [], after: 600 },
    { script: 'adoptRules', flags: () => [] },
    { script: 'proposeCommittee', flags: () => ['--keys', spendKey] },
    { script: 'cancelChange', flags: () => [] },
    { script: 'setCatalogue', flags: () => ['--catalogue', catalogue()] },
    { script: 'pauseMarket', flags: () => [] },
    { script: 'resumeMarket', flags: () => [] },
    {
        script: 'announceDemand',
        flags: () => ['--model', 'cocoon-tiny', '--queries', '9', '--for', '30d'],
        again: true,
    },
    { script: 'topUpRegistry', flags: () => ['--up-to', '1'] },
    { script: 'fundWallet', flags: () => ['--to', other.text, '--up-to', '6'] },
    {
        script: 'setUpEscrow',
        flags: () => ['--spend-key', spendKey, '--job-limit', '1', '--day-limit', '2', '--deposit', '1'],
    },
    { script: 'depositEscrow', flags: () => ['--up-to', '2'] },
    {
        script: 'openJob',
        flags: () => [
            ...['--payout', other.text, '--voucher-key', spendKey, '--deposit', '0.5'],
            ...['--notice', '1h', '--until', until, '--order', '0'],
        ],
    },
    { script: 'claimJob', flags: () => [...ofJob(), ...voucher()] },
    { script: 'leaveJob', flags: ofJob },
    { script: 'refundJob', flags: ofJob, after: 3700 },
    { script: 'withdrawEscrow', flags: () => ['--keep', '0.5'] },
    { script: 'unbondStake', flags: () => ['--keep', '1.5'] },
    { script: 'withdrawStake', flags: () => [], after: 98_000 },
    { script: 'publishLibrary', flags: () => ['--rent', '9.6'] },
    { script: 'topUpLibrary', flags: () => ['--up-to', '12'] },
    { script: 'transferGovernor', flags: () => ['--to', other.text] },
    { script: 'acceptGovernor', flags: () => [], by: () => other },
];
/** What finds nothing to send in this market. */
const IDLE = ['proposeCode', 'unjail', 'withdrawSurplus'];

async function runOf(script: string) {
    return ((await import(`../../scripts/${script}`)) as { run: Parameters<ScriptStage['run']>[0] }).run;
}

const lastLine = (said: string) => JSON.parse(said.split('\n').at(-1)!) as unknown;

interface Printed {
    address: string;
    value: string;
    body: string;
    multisigOrder: string;
}

/** Address, value and body that the multisig's order sends. */
function ordered({ multisigOrder }: Printed): [string, string, string] {
    const actions = Cell.fromBase64(multisigOrder)
        .beginParse()
        .loadDictDirect(Dictionary.Keys.Uint(8), Dictionary.Values.Cell());
    expect(actions.keys()).toEqual([0]);
    const { info, body } = loadMessageRelaxed(actions.get(0)!.refs[0].beginParse());
    if (info.type !== 'internal') {
        throw new Error('not an internal message');
    }
    return [info.dest.toString({ testOnly: true }), info.value.coins.toString(), body.toBoc().toString('base64')];
}

describe('A script that sends', () => {
    it('is one of those below', () => {
        const sending = allScripts().flatMap(({ name, sends }) => (sends ? [name] : []));

        expect([...new Set([...STEPS.map(({ script }) => script), ...IDLE])].sort()).toEqual(sending);
    });

    it.each(STEPS.map((step) => [step.script, step] as const))(
        '%s prints the orders of a multisig, sends, and has nothing to do when it is run again',
        async (script, { flags, after = 0, by = () => stage.wallet, again }) => {
            stage.network.advance(after);
            const [run, args, wallet] = [await runOf(script), flags(), by()];
            const height = stage.network.transactions.length;

            const orders = await stage.runWithoutWallet(run, [...args, '--from', wallet.text, '--print', '--json']);
            const printed = lastLine(orders) as Printed[];
            expect(stage.network.transactions).toHaveLength(height);
            expect(printed.map(ordered)).toEqual(printed.map(({ address, value, body }) => [address, value, body]));
            expect(printed.length).toBeGreaterThan(0);

            const said = lastLine(await stage.run(run, [...args, '--yes', '--json'], wallet)) as { job?: string };
            job = script === 'openJob' ? said.job! : job;
            expect(said).toMatchObject({ sent: printed.length });

            const settled = stage.network.transactions.length;
            const second = await stage.run(run, [...args, '--yes'], wallet);
            expect(second).toContain(again === true ? 'Sent 1 of 1' : 'Nothing to do: ');
            expect(stage.network.transactions.length > settled).toBe(again === true);
        },
    );

    it.each(IDLE)('%s has nothing to do here, and says so without a wallet', async (script) => {
        const flags = script === 'proposeCode' ? ['--kind', 'node'] : [];

        const said = await stage.runWithoutWallet(await runOf(script), [...flags, '--from', stage.wallet.text]);

        expect(said).toContain('Nothing to do: ');
    });
});
