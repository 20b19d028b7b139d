/** endKey on a market with one node: what it refuses, what it ends, and what it says when it is run again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run as applyFleet } from '../../scripts/applyFleet';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as endKey } from '../../scripts/endKey';
import { run as joinMarket } from '../../scripts/joinMarket';
import { randomSigningKey } from '../support/keys';
import { fleetOf } from './support/fleet';
import { ScriptStage } from './support/scripts';

const folder = mkdtempSync(join(tmpdir(), 'cocoon-end-key-'));
const hex = () => randomSigningKey().publicKey.toString('hex');
const [first, second] = [hex(), hex()];

let stage: ScriptStage;

async function applyKey(key: string): Promise<void> {
    const file = join(folder, 'fleet.yaml');
    writeFileSync(file, fleetOf(key, hex()));
    await stage.run(applyFleet, ['--manifest', file, '--yes']);
}

beforeAll(async () => {
    process.env.COCOON_DEPLOYMENTS = folder;
    stage = await ScriptStage.open();
    await stage.run(deployMarket, ['--committee', [hex(), hex(), hex()].join(','), '--yes']);
    await stage.run(joinMarket, ['--stake', '2', '--yes']);
    await applyKey(first);
});

afterAll(async () => {
    await stage.close();
    rmSync(folder, { recursive: true });
});

/** What the script says; fails if it sent anything. */
async function withoutSending(...args: string[]): Promise<string> {
    const sent = stage.network.transactions.length;
    const output = await stage.run(endKey, [...args, '--yes']).catch((error: Error) => error.message);
    expect(stage.network.transactions).toHaveLength(sent);
    return output;
}

describe('endKey', () => {
    it('refuses a node that does not exist, and sends nothing', async () => {
        expect(await withoutSending('--node', '1')).toContain('There is no open node 1');
    });

    it('refuses a key that the node never had, and sends nothing', async () => {
        expect(await withoutSending('--node', '0', '--receipt-key', second)).toContain(
            `Node 0 has no receipt key ${second}`,
        );
    });

    it('ends a rotated key, which would sign for two more weeks, and finds nothing to do when it is run again', async () => {
        await applyKey(second);

        const output = await stage.run(endKey, ['--node', '0', '--receipt-key', first, '--yes']);

        expect(output).toContain(`end receipt key ${first} of node 0`);
        expect(await withoutSending('--node', '0', '--receipt-key', first)).toContain(`receipt key ${first} ends at`);
    });

    it('ends the current key unless another is named', async () => {
        const output = await stage.run(endKey, ['--node', '0', '--yes']);

        expect(output).toContain(`end receipt key ${second} of node 0`);
        expect(await withoutSending('--node', '0')).toContain('node 0 has no receipt key');
    });
});
