/** A voucher redeemed by hand: what a worker does by itself, through the script, from anyone's wallet. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Voucher, voucherFor } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { run as claimJob } from '../../scripts/claimJob';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as openJob } from '../../scripts/openJob';
import { run as setUpEscrow } from '../../scripts/setUpEscrow';
import { type FreshWallet, freshWallet } from './support/network';
import { ScriptStage } from './support/scripts';
import { randomSigningKey } from '../support/keys';

const TON = 1_000_000_000n;
const key = randomSigningKey();
const folder = mkdtempSync(join(tmpdir(), 'cocoon-claim-'));

let stage: ScriptStage;
let payout: FreshWallet;
let stranger: FreshWallet;
let job: Address;

beforeAll(async () => {
    process.env.COCOON_DEPLOYMENTS = folder;
    stage = await ScriptStage.open();
    [payout, stranger] = [await freshWallet('v4'), await freshWallet('v4')];
    await stage.network.faucet(stranger.address, TON);
    await stage.run(deployMarket, ['--committee', key.publicKey.toString('hex'), '--yes']);
    const spender = ['--spend-key', key.publicKey.toString('hex')];
    await stage.run(setUpEscrow, [...spender, '--job-limit', '1', '--day-limit', '1', '--deposit', '1', '--yes']);
    const terms = ['--deposit', '0.5', '--notice', '1h', '--until', `${stage.network.now() + 86_400}`, '--order', '0'];
    const signer = ['--payout', payout.text, '--voucher-key', key.publicKey.toString('hex')];
    const said = await stage.run(openJob, [...signer, ...terms, '--yes', '--json']);
    job = Address.parse((JSON.parse(said.split('\n').pop()!) as { job: string }).job);
});

afterAll(async () => {
    await stage.close();
    rmSync(folder, { recursive: true });
});

const signature = (nano: bigint, count: number) =>
    key.sign(Voucher.hash(voucherFor(stage.network.networkId, job, nano, count))).toString('hex');

const claim = (amount: string, count: number, signed: string) =>
    stage.run(
        claimJob,
        ['--job', job.toRawString(), '--cumulative', amount, '--count', `${count}`, '--signature', signed, '--yes'],
        stranger,
    );

const balance = async () => (await stage.network.blockchain.getContract(payout.address)).balance;

describe('claimJob', () => {
    it('refuses a signature over another amount or count, and sends nothing', async () => {
        const before = stage.network.transactions.length;

        for (const signed of [signature(2n * (TON / 10n), 1), signature(TON / 10n, 2), '00', 'nonsense']) {
            await expect(claim('0.1', 1, signed)).rejects.toThrow(
                'The signature is not over this job, amount and count',
            );
        }

        expect(stage.network.transactions).toHaveLength(before);
    });

    it("pays the job's payout what the voucher promises, from a stranger's wallet", async () => {
        const said = await claim('0.1', 1, signature(TON / 10n, 1));

        expect(said).toContain('pay 0.1 TON, or what the job holds, to its payout');
        expect(said).toMatch(/paid +0\.1 TON/);
        expect(await balance()).toBe(TON / 10n);
    });

    it('pays only the difference to what was paid, and nothing twice', async () => {
        const before = await balance();

        const more = await claim('0.15', 2, signature(15n * (TON / 100n), 2));
        const again = await claim('0.15', 2, signature(15n * (TON / 100n), 2));
        const older = await claim('0.1', 1, signature(TON / 10n, 1));

        expect(more).toContain('pay 0.05 TON');
        expect(await balance()).toBe(before + TON / 20n);
        expect(again).toContain('Nothing to do: 0.15 TON were paid already.');
        expect(older).toContain('Nothing to do: 0.15 TON were paid already.');
    });
});
