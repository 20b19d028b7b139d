import {
    codesOfThisCheckout,
    joinMarket,
    Provider,
    Registry,
    registryChanges,
    signingKey,
} from '@cocoon-market/wrappers';
import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { createHash } from 'node:crypto';
import { launch } from '../../../demo/market';
import { Stage } from '../../../demo/stage';
import { type Chain, findProvider, HotWallet, readNode } from '../../../offchain/chain';
import { catalogueIds, readManifest } from '../../../offchain/fleet';
import { readRules } from '../../../offchain/setup/market';
import { nextStep } from '../../../offchain/setup/registration';
import { readWorkerConfig } from '../../../offchain/worker/config';
import { OwnedNode } from './support';

const WEEK = 7 * 86_400;
const VALUE = toNano('1');
const PORT = 29_500;
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
        const other = await OwnedNode.create(stage, registry.toRawString(), PORT + 1, seed, ['--any-code']);
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

describe('What init has the owner sign', () => {
    it('carries no stake to a provider whose code only an endpoint vouches for', async () => {
        const wallet = await stage.wallet('owner of a code that nobody knows', seedOf('owner of a code'));
        const provider = stage.chain.open(await Provider.ofOwner(registry, wallet.address, otherCode));
        const stake = toNano('50');
        await provider.sendJoin(wallet.sender(), {
            ...{ value: stake + VALUE, stake, payout: wallet.address, codeVersion: 1 },
        });
        const rules = await readRules(stage.chain, registry);
        const target = { owner: wallet.address, nodes: [], worker: wallet.address, fund: 0n };

        await expect(nextStep(stage.chain, rules, { ...target, stake: toNano('60') })).rejects.toThrow(
            'runs a code that this release does not know, and 10.',
        );
        expect((await nextStep(stage.chain, rules, { ...target, stake })).messages).toEqual([]);
    });

    it('carries no stake to a provider of another code, though the endpoint names that of the release later', async () => {
        const wallet = await stage.wallet('owner whom an endpoint deceives', seedOf('owner whom an endpoint deceives'));
        const provider = stage.chain.open(await Provider.ofOwner(registry, wallet.address, otherCode));
        const stake = toNano('50');
        await provider.sendJoin(wallet.sender(), {
            ...{ value: stake + VALUE, stake, payout: wallet.address, codeVersion: 1 },
        });
        const { provider: code } = await codesOfThisCheckout();
        const found: boolean[] = [];
        const liar = Object.create(stage.chain, {
            account: {
                value: async (address: Address) => {
                    const account = await stage.chain.account(address);
                    const isLate = address.equals(provider.address) && found.push(true) > 2;
                    return isLate ? { ...account, code } : account;
                },
            },
        }) as Chain;
        const target = { owner: wallet.address, nodes: [], worker: wallet.address, fund: 0n, stake: toNano('60') };

        await expect(nextStep(liar, await readRules(liar, registry), target)).rejects.toThrow(
            'runs a code that this release does not know, and 10.',
        );
    });

    it('adopts the rules of a market that has a newer node code, and says so before', async () => {
        const governor = stage.actor(await stage.wallet('governor of two node codes'));
        const codes = await codesOfThisCheckout();
        const olderCode = beginCell().storeSlice(codes.node.beginParse()).storeUint(0, 8).endCell();
        const market = await launch(governor, stage.committeeSeeds.map(signingKey), { ...codes, node: olderCode });
        const seed = seedOf('owner under older rules');
        const owner = await stage.wallet('owner under older rules', seed);
        const at = market.address;
        const stake = toNano('50');
        await joinMarket(stage.actor(owner), { registry: at, stake, payout: owner.address, anyCode: true });
        const change = registryChanges.code('node', codes.node);
        await market.sendProposeChange(governor.sender, { value: VALUE, change });
        stage.network.advance(WEEK);
        await market.sendExecuteChange(governor.sender, { value: VALUE });

        const node = await OwnedNode.create(stage, at.toRawString(), PORT + 2, seed);

        expect(node.lines.join('\n')).toMatch(
            /1\. adopt the present rules of the market: .*\n.*2\. fund.*\n.*3\. add to the stake/,
        );
        const config = readWorkerConfig(node.path('worker.json'));
        expect((await readNode(stage.chain, at, config.node)).provider.equals(config.provider)).toBe(true);
    });

    it.each([
        { what: 'that is over', secondsLeft: 0, outcome: ['leave jail', 'register node second'] },
        { what: 'that is not over', secondsLeft: 1, outcome: 'is in jail until' },
    ])('leaves a jail $what: $outcome', async ({ secondsLeft, outcome }) => {
        const owned = await OwnedNode.create(stage, registry.toRawString(), PORT + 3 + secondsLeft);
        const rules = await readRules(stage.chain, registry);
        const { provider, manifest } = readWorkerConfig(owned.path('worker.json'));
        const [{ listing, ...node }] = readManifest(manifest!, catalogueIds).nodes;
        const service = { ...listing.service, endpoint: 'https://second.example' };
        const second = { ...node, name: 'second', listing: { ...listing, receiptKey: 7n, encryptionKey: 8n, service } };
        const { at } = await stage.chain.account(provider);
        const standing = { jailedUntil: BigInt(at + secondsLeft) };
        const replaced: Partial<Chain> = {
            open: (contract) => Object.assign(stage.chain.open(contract), { getStanding: async () => standing }),
            account: async (address) => ({ ...(await stage.chain.account(address)), at }),
        };
        const chain = new Proxy(stage.chain, {
            get: (target, name) =>
                (name in replaced ? Reflect.get(replaced, name) : Reflect.get(target, name)) as unknown,
        });
        const wanted = { owner: owned.owner.address, worker: owned.owner.address, fund: 0n, stake: 0n };
        const step = nextStep(chain, rules, { ...wanted, nodes: [{ listing, ...node }, second] });

        const names = step.then(({ parts }) => parts.map(({ what }) => what), String);
        expect(await names).toEqual(
            typeof outcome === 'string' ? expect.stringContaining(outcome) : ['add to the stake', ...outcome],
        );
    });
});
