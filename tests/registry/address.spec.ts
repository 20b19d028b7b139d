import { Address, beginCell, contractAddress, toNano } from '@ton/core';

import { codeKinds, registryChanges } from '../../wrappers/Registry';
import { Node } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { CHANGE_DELAY, launchMarket } from '../support/stake';

const MASTERCHAIN_LOOKALIKE = new Address(0, Buffer.alloc(32, 0xff));

describe('Registry: addresses of children', () => {
    it('computes the address of a Provider as contractAddress does', async () => {
        const { registry, owner, stranger } = await launchMarket();

        for (const wallet of [owner.address, stranger.address, MASTERCHAIN_LOOKALIKE]) {
            const { address } = await Provider.ofOwner(registry.address, wallet);
            expect(await registry.getProviderAddress(wallet, 0n)).toEqualAddress(address);
        }
    });

    it('computes the address of a Provider of a later code', async () => {
        const { registry, governor, owner, blockchain } = await launchMarket();
        const code = beginCell().storeUint(7, 8).endCell();
        const change = registryChanges.code('provider', code);
        await registry.sendProposeChange(governor.getSender(), { value: toNano('1'), change });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(governor.getSender(), { value: toNano('1') });
        const { data } = (await Provider.ofOwner(registry.address, owner.address)).init!;

        const later = contractAddress(0, { code, data });
        expect(await registry.getProviderAddress(owner.address, 1n)).toEqualAddress(later);
    });

    it('computes the address of a Node as contractAddress does, up to the last number', async () => {
        const { registry, owner } = await launchMarket();
        const { address: parent } = await Provider.ofOwner(registry.address, owner.address);

        for (const number of [0, 1, 0xffffffff]) {
            const { address } = await Node.ofProvider(parent, number);
            expect(await registry.getNodeAddress(parent, BigInt(number), 0n)).toEqualAddress(address);
        }
    });

    it('deploys children with one cell of data and no reference', async () => {
        const { registry, owner } = await launchMarket();
        const provider = await Provider.ofOwner(registry.address, owner.address);
        const node = await Node.ofProvider(provider.address, 0);

        expect([provider, node].map(({ init }) => init!.data.refs.length)).toEqual([0, 0]);
    });

    it('names hash and depth of every code version, and 0 where there is none', async () => {
        const { registry, codes } = await launchMarket();

        expect(await registry.getCodeHash(BigInt(codeKinds.node), 0n)).toBe(
            BigInt(`0x${codes.node.hash().toString('hex')}`),
        );
        expect(await registry.getCodeDepth(BigInt(codeKinds.node), 0n)).toBe(BigInt(codes.node.depth()));
        expect(await registry.getCodeHash(BigInt(codeKinds.node), 1n)).toBe(0n);
    });
});
