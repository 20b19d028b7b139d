import { Provider, Registry, registryChanges } from '@cocoon-market/wrappers';
import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { createHash } from 'node:crypto';
import { Stage } from '../../../demo/stage';
import { findProvider, HotWallet, readNode } from '../../../offchain/chain';
import { readWorkerConfig } from '../../../offchain/worker/config';
import { OwnedNode } from './support';

const WEEK = 7 * 86_400;
const VALUE = toNano('1');
const PORT = 33_500;
const seedOf = (name: string) => createHash('sha256').update(name).digest();

let stage: Stage;
let registry: Address;
let otherCode: Cell; // of a Provider: works as this release's

/** A market whose version 1 of a Provider's code is not in this release. */
beforeAll(async () => {
    stage = await Stage.open('2026', { seedOf });
    ({ address: registry } = await stage.launch());
    const { init } = await Provider.ofOwner(registry, registry);
    otherCode = beginCell().storeSlice(init!.code.beginParse()).storeUint(0, 8).endCell(); // behind its last instruction
    const governor = new HotWallet(stage.chain, seedOf('governor'), 20).sender();
    const opened = stage.chain.open(Registry.fromAddress(registry));
    await opened.sendProposeChange(governor, { value: VALUE, change: registryChanges.code('provider', otherCode) });
    stage.network.advance(WEEK);
    await opened.sendExecuteChange(governor, { value: VALUE });
});
afterAll(() => stage.close());

describe('A provider with a code of another version than that of this release', () => {
    it('registers, serves, prices and sweeps, and a new one is deployed with the code of this release', async () => {
        const own = await OwnedNode.create(stage, registry.toRawString(), PORT);
        const seed = seedOf(`owner of ${PORT + 1}`);
        const wallet = await stage.wallet('owner of another version', seed);
        const provider = stage.chain.open(await Provider.ofOwner(registry, wallet.address, otherCode));
        const stake = toNano('50');
        await provider.sendJoin(wallet.sender(), {
            ...{ value: stake + VALUE, stake, payout: wallet.address, codeVersion: 1 },
        });
        const other = await OwnedNode.create(stage, registry.toRawString(), PORT + 1, seed);
        const config = readWorkerConfig(other.path('worker.json'));

        const account = { registry, owner: own.owner.address };
        const ownProvider = (await Provider.ofOwner(registry, account.owner)).address;
        expect((await findProvider(stage.chain, account))?.equals(ownProvider)).toBe(true);
        expect(config.provider.equals(provider.address)).toBe(true);
        const listed = await readNode(stage.chain, registry, config.node);
        expect(listed.provider.equals(provider.address)).toBe(true);
        expect(await other.sign('prices', '--prompt', '0.3')).toContain('prompt 0.2 → 0.3');
        expect(await other.run('sweep', '--dry-run')).toContain('Nothing is swept: the wallet holds no more than');
        expect(await other.sign('leave')).toContain('is closed');
    });
});
