/** Profiles: what is wrong in one, or in it for a network, is refused at its line before anything is sent. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { networkConfig } from '@cocoon-market/localnet';
import { formatTon, minSlash, pricesOf } from '@cocoon-market/wrappers';
import { readProfile } from '../../scripting/profile';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as proposeRules } from '../../scripts/proposeRules';
import { ScriptStage } from './support/scripts';
import { randomSigningKey } from '../support/keys';

const TESTNET = readFileSync('params/testnet.json', 'utf8');
const KEYS = [1, 2, 3].map(() => randomSigningKey().publicKey.toString('hex')).join(',');
const folder = mkdtempSync(join(tmpdir(), 'cocoon-profile-'));
const file = join(folder, 'profile.json');

afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the testnet's profile with one text in another's place; the line where it stands. */
function write(from: string, to: string): number {
    expect(TESTNET).toContain(from);
    writeFileSync(file, TESTNET.replace(from, to));
    return TESTNET.slice(0, TESTNET.indexOf(from)).split('\n').length;
}

describe('A profile', () => {
    it.each([
        ['"delay"', '"delays"', 'unknown field "delays"\n  → known are about, delay'],
        ['"4h"', '"4 hours"', 'unbonding: "4 hours" is not a time'],
        ['"0.2"', '"0,2"', 'rent: "0,2" is not an amount in TON'],
        ['"0.28"', '0.28', '"stake" is not a text in quotes'],
        ['"baseStake"', '"stake"', 'unknown field "stake"'],
        ['"stake": "0.3"', '"steak": "0.3"', 'unknown field "steak"\n  → known are name, stake'],
    ])('with %s written as %s is refused at its line', (from, to, complaint) => {
        const line = write(from, to);

        expect(() => readProfile(file)).toThrow(`${file}:${line}: ${complaint}`);
    });

    it('without a field is refused at the line where it should be', () => {
        write('        "evidence": "1h",\n', '');
        const line = TESTNET.split('\n').findIndex((text) => text.includes('"rules"')) + 1;

        expect(() => readProfile(file)).toThrow(`${file}:${line}: "evidence" is missing`);
    });

    it('that is not JSON, or not there, is refused', () => {
        write('{', '');

        expect(() => readProfile(file)).toThrow('is not JSON');
        expect(() => readProfile('nowhere')).toThrow('params/nowhere.json cannot be read');
    });
});

describe('Before a profile is sent', () => {
    let stage: ScriptStage;
    let min: bigint; // nanoTON

    beforeAll(async () => {
        process.env.COCOON_DEPLOYMENTS = folder;
        stage = await ScriptStage.open();
        min = minSlash(pricesOf(stage.network.blockchain.config));
    });

    afterAll(() => stage.close());

    const deploy = () => stage.run(deployMarket, ['--profile', file, '--committee', KEYS, '--dry-run']);

    /** What deployMarket says against the profile; fails when it sends anything. */
    async function refusal(): Promise<string> {
        const before = stage.network.transactions.length;
        const said = await deploy().then(
            () => 'nothing was refused',
            (error: Error) => error.message,
        );
        expect(stage.network.transactions).toHaveLength(before);
        return said;
    }

    it.each([
        ['"evidence": "1h"', '"evidence": "59m"', 'evidence: the registry takes 1h to 30d'],
        ['"response": "1h"', '"response": "31d"', 'response: the registry takes 1h to 30d'],
        ['"unbonding": "4h"', '"unbonding": "239m"', 'unbonding: the registry takes 4h to 180d, the four windows'],
        ['"unbonding": "4h"', '"unbonding": "181d"', 'unbonding: the registry takes 4h to 180d'],
        ['"payoutDelay": "10m"', '"payoutDelay": "31d"', 'payoutDelay: the registry takes 0s to 30d'],
        ['"baseStake": "0.2"', '"baseStake": "0"', 'baseStake: the registry takes up to 1000000 TON, and not 0'],
        ['"stake": "0.3"', '"stake": "1000000.1"', 'stake: the registry takes up to 1000000 TON a GPU'],
    ])('%s written as %s is refused', async (from, to, complaint) => {
        const line = write(from, to);

        expect(await refusal()).toContain(`${file}:${line}: ${complaint}`);
    });

    it('a rate below what a slash takes at the prices of this network is refused, with one that is enough', async () => {
        const line = write('"stake": "0.28"', `"stake": "${formatTon(min - 1n)}"`);

        const said = await refusal();

        expect(said).toContain(
            `${file}:${line}: stake: ${formatTon(min - 1n)} TON a GPU is too little: a slash takes at least ${formatTon(min)} TON`,
        );
        const [, enough] = /→ write "([\d.]+)" or more, or "0" for a class/.exec(said)!;
        for (const rate of [formatTon(min), enough, '0']) {
            write('"stake": "0.28"', `"stake": "${rate}"`);
            expect(await deploy()).toContain('Dry run: nothing was sent.');
        }
    });

    it('rules are held to the same when they are proposed', async () => {
        await stage.run(deployMarket, ['--committee', KEYS, '--yes']);
        const line = write('"stake": "0.29"', `"stake": "${formatTon(min - 1n)}"`);
        const before = stage.network.transactions.length;

        await expect(stage.run(proposeRules, ['--profile', file, '--yes'])).rejects.toThrow(`${file}:${line}: stake:`);

        expect(stage.network.transactions).toHaveLength(before);
    });
});

describe('The profiles of this repository', () => {
    it.each(['2025', '2026'] as const)('for mainnet is taken at the prices of %s', (prices) => {
        const min = minSlash(pricesOf(networkConfig(prices)));

        expect(readProfile('mainnet').rules.rates.every((rate) => rate >= min)).toBe(true);
    });

    it('for testnet asks little more than the least that is taken today, so that a faucet pays for it', () => {
        const min = minSlash(pricesOf(networkConfig('2026')));
        const [{ rules }, local] = [readProfile('testnet'), readProfile('local')];

        expect(rules.rates[0]).toBeGreaterThanOrEqual(min);
        expect(rules.rates[0]).toBeLessThan((min * 3n) / 2n);
        expect(local.rules).toEqual(rules);
    });
});
