/** joinMarket run again while the Registry has not yet answered the Join of the first run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Provider } from '@cocoon-market/wrappers';
import { Address, Cell, loadStateInit, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as joinMarket } from '../../scripts/joinMarket';
import { randomSigningKey } from '../support/keys';
import { until } from '../offchain/support/until';
import { ScriptStage } from './support/scripts';

const folder = mkdtempSync(join(tmpdir(), 'cocoon-joining-'));
const committee = randomSigningKey().publicKey.toString('hex');

let stage: ScriptStage;

beforeAll(async () => {
    process.env.COCOON_DEPLOYMENTS = folder;
    stage = await ScriptStage.open();
    await stage.run(deployMarket, ['--committee', committee, '--yes']);
});

afterAll(async () => {
    await stage.close();
    rmSync(folder, { recursive: true });
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
