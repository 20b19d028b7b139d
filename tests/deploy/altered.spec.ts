/** What is altered on chain behind a record's back, one thing at a time: checkDeployment stops and names it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registryChanges, Registry } from '@cocoon-market/wrappers';
import type { LedgerState } from '@cocoon-market/localnet';
import { Address, beginCell, type StateInit } from '@ton/core';
import { run as acceptGovernor } from '../../scripts/acceptGovernor';
import { run as checkDeployment } from '../../scripts/checkDeployment';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as executeChange } from '../../scripts/executeChange';
import { run as proposeCommittee } from '../../scripts/proposeCommittee';
import { run as proposeRules } from '../../scripts/proposeRules';
import { run as setCatalogue } from '../../scripts/setCatalogue';
import { run as transferGovernor } from '../../scripts/transferGovernor';
import { type FreshWallet, freshWallet } from './support/network';
import { ScriptStage } from './support/scripts';
import { randomSigningKey } from '../support/keys';

// In their order on chain, so that the last of them can be replaced by one that is the last again.
const [LAST, ...KEYS] = [1, 2, 3, 4]
    .map(() => randomSigningKey().publicKey.toString('hex'))
    .sort()
    .reverse();
KEYS.reverse();
// More unbonding than the windows need, so that each of them can grow alone.
const PROFILE = readFileSync('params/local.json', 'utf8').replace('"unbonding": "4h"', '"unbonding": "5h"');
const DELAY = 600; // seconds, of params/local.json
const TON = 1_000_000_000n;

const folder = mkdtempSync(join(tmpdir(), 'cocoon-altered-'));
let stage: ScriptStage;
let next: FreshWallet;
let registry: string;
let untouched: LedgerState;

beforeAll(async () => {
    stage = await ScriptStage.open();
    next = await freshWallet('v4');
    await stage.network.faucet(next.address, 2n * TON);
    await recorded(() =>
        stage.run(deployMarket, ['--profile', profileWith('5h', '5h'), '--committee', KEYS.join(','), '--yes']),
    );
    ({ registry } = JSON.parse(readFileSync(join(folder, 'local.json'), 'utf8')) as { registry: string });
    untouched = await stage.network.snapshot();
});

afterAll(async () => {
    await stage.close();
    rmSync(folder, { recursive: true });
});

/** With the record at hand; other runs know the market by its address and leave the record as it is. */
async function recorded<T>(play: () => Promise<T>): Promise<T> {
    process.env.COCOON_DEPLOYMENTS = folder;
    try {
        return await play();
    } finally {
        process.env.COCOON_DEPLOYMENTS = join(folder, 'elsewhere');
    }
}

const act = (script: Parameters<ScriptStage['run']>[0], ...args: string[]) =>
    stage.run(script, ['--registry', registry, ...args, '--yes']);

async function execute(): Promise<void> {
    stage.network.advance(DELAY);
    await act(executeChange);
}

/** The profile of the market with one text in another's place. */
function profileWith(from: string, to: string): string {
    expect(PROFILE).toContain(from);
    const file = join(folder, 'rules.json');
    writeFileSync(file, PROFILE.replace(from, to));
    return file;
}

async function newRules(from: string, to: string): Promise<void> {
    await act(proposeRules, '--profile', profileWith(from, to));
    await execute();
}

async function newCommittee(...args: string[]): Promise<void> {
    await act(proposeCommittee, ...args);
    await execute();
}

async function newInsurance(): Promise<void> {
    await act(proposeRules, '--profile', profileWith('10m', '10m'), '--insurance', next.text);
    await execute();
}

async function newCatalogue(): Promise<void> {
    const file = join(folder, 'catalogue.json');
    const [first] = (JSON.parse(readFileSync('params/catalogue.json', 'utf8')) as { models: object[] }).models;
    writeFileSync(file, JSON.stringify({ about: 'One model.', models: [first] }));
    await act(setCatalogue, '--catalogue', file);
}

async function newGovernor(): Promise<void> {
    await act(transferGovernor, '--to', next.text);
    await stage.run(acceptGovernor, ['--registry', registry, '--yes'], next);
}

/** A version of the node's code that this checkout did not build. */
async function newCode(): Promise<void> {
    const { blockchain } = stage.network;
    const change = registryChanges.code('node', beginCell().storeUint(7, 8).endCell());
    const opened = blockchain.openContract(Registry.fromAddress(Address.parseRaw(registry)));
    await opened.sendProposeChange(blockchain.sender(stage.wallet.address), { value: TON, change });
    await execute();
}

/** Another code that does the same in the registry's own account, where no message could bring it. */
async function newRegistry(): Promise<void> {
    const contract = await stage.network.blockchain.getContract(Address.parseRaw(registry));
    const { account } = contract;
    const { state } = account.account!.storage;
    const { code } = (state as { state: StateInit }).state;
    (state as { state: StateInit }).state.code = beginCell().storeUint(0, 8).storeSlice(code!.beginParse()).endCell();
    contract.account = account;
}

const ALTERATIONS: [what: string, alter: () => Promise<unknown>, named: string[]][] = [
    ['the evidence window', () => newRules('"evidence": "1h"', '"evidence": "61m"'), ['rules.evidence']],
    ['the response window', () => newRules('"response": "1h"', '"response": "61m"'), ['rules.response']],
    ['the verdict window', () => newRules('"verdict": "1h"', '"verdict": "61m"'), ['rules.verdict']],
    ['the buffer', () => newRules('"buffer": "1h"', '"buffer": "61m"'), ['rules.buffer']],
    ['the unbonding time', () => newRules('"unbonding": "5h"', '"unbonding": "6h"'), ['rules.unbonding']],
    ['the payout delay', () => newRules('"payoutDelay": "10m"', '"payoutDelay": "9m"'), ['rules.payoutDelay']],
    ['the base stake', () => newRules('"baseStake": "0.2"', '"baseStake": "0.200000001"'), ['rules.baseStake']],
    ['the rate of one class', () => newRules('"stake": "0.3"', '"stake": "0.31"'), ['rules.rate of GPU class 2']],
    ['the insurance', newInsurance, ['rules.insurance']],
    ['how many decide', () => newCommittee('--keys', KEYS.join(','), '--threshold', '3'), ['committee.threshold']],
    ['one key', () => newCommittee('--keys', [...KEYS.slice(0, 2), LAST].join(',')), ['committee.key 3']],
    ['the catalogue', newCatalogue, ['catalogue', 'catalogue']], // of the record, and of this checkout
    ['the governor', newGovernor, ['governor']],
    ['the newest code of the node', newCode, ['codes.node 1', 'code of node']],
    ['the code of the registry', newRegistry, ['code of the registry', 'code of the registry']],
];

describe('checkDeployment', () => {
    beforeEach(() => stage.network.restore(untouched));

    const check = () => recorded(() => stage.run(checkDeployment, []));

    it('finds that all match while nothing is altered', async () => {
        expect(await check()).toContain('network, record and checkout  all match');
    });

    it.each(ALTERATIONS)('names %s when it alone is altered', async (_, alter, named) => {
        await alter();

        const said = await check().then(
            () => 'all match',
            (error: Error) => error.message,
        );

        const [head, ...lines] = said.split('\n');
        expect(lines.map((line) => line.replace(/^ {2}- (.*?): .*$/, '$1'))).toEqual(named);
        expect(head).toBe(named.length === 1 ? '1 difference:' : `${named.length} differences:`);
    });
});
