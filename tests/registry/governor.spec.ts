import { beginCell, ExternalAddress, toNano } from '@ton/core';

import { errors, opcodes } from '../../wrappers/protocol';
import { expectConserved, expectRefused } from '../support/chain';
import { launchMarket } from '../support/stake';

const VALUE = toNano('1');

describe('Registry: governor', () => {
    it('changes hands when the proposed one accepts, not before', async () => {
        const { blockchain, registry, governor, stranger } = await launchMarket();

        await expectConserved(blockchain, () =>
            registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: stranger.address }),
        );
        expect((await registry.getRegistryState()).governor).toEqualAddress(governor.address);
        await expectConserved(blockchain, () => registry.sendAcceptGovernor(stranger.getSender(), { value: VALUE }));

        expect(await registry.getRegistryState()).toMatchObject({ nextGovernor: null });
        const old = await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
        expectRefused(old, { to: registry.address, exitCode: errors.ErrNotGovernor });
    });

    it('refuses to hand over to one who was not proposed, and to the proposed one twice', async () => {
        const { registry, governor, owner, stranger } = await launchMarket();
        const nobody = await registry.sendAcceptGovernor(stranger.getSender(), { value: VALUE });
        await registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: owner.address });
        const other = await registry.sendAcceptGovernor(stranger.getSender(), { value: VALUE });
        await registry.sendAcceptGovernor(owner.getSender(), { value: VALUE });

        const again = await registry.sendAcceptGovernor(owner.getSender(), { value: VALUE });

        for (const refused of [nobody, other, again]) {
            expectRefused(refused, { to: registry.address, exitCode: errors.ErrNotGovernor });
        }
    });

    it.each([
        ['nothing', null],
        ['an account outside of the network', new ExternalAddress(5n, 100)],
    ])('is read with nobody as the next one when the governor has proposed %s', async (_, proposed) => {
        const { registry, governor, stranger } = await launchMarket();
        const body = beginCell()
            .storeUint(opcodes.ProposeGovernor, 32)
            .storeUint(0, 64)
            .storeAddress(proposed)
            .endCell();
        await registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: stranger.address });
        expect((await registry.getRegistryState()).nextGovernor).toEqualAddress(stranger.address);

        await governor.send({ to: registry.address, value: VALUE, body, bounce: true });

        expect(await registry.getRegistryState()).toMatchObject({ nextGovernor: null, rulesVersion: 1n, change: null });
        const refused = await registry.sendAcceptGovernor(stranger.getSender(), { value: VALUE });
        expectRefused(refused, { to: registry.address, exitCode: errors.ErrNotGovernor });
    });

    it('refuses everyone else what is the governor’s', async () => {
        const { registry, stranger } = await launchMarket();
        const via = stranger.getSender();

        const refused = [
            await registry.sendSetPaused(via, { value: VALUE, paused: true }),
            await registry.sendSetCatalogue(via, { value: VALUE, catalogue: 1n }),
            await registry.sendProposeGovernor(via, { value: VALUE, governor: stranger.address }),
        ];

        for (const result of refused) {
            expectRefused(result, { to: registry.address, exitCode: errors.ErrNotGovernor });
        }
    });

    it('names a new catalogue at once and announces it', async () => {
        const { blockchain, registry, governor } = await launchMarket();

        const result = await expectConserved(blockchain, () =>
            registry.sendSetCatalogue(governor.getSender(), { value: VALUE, catalogue: 5n }),
        );

        expect((await registry.getRegistryState()).catalogue).toBe(5n);
        expect(result.externals.length).toBe(1);
    });

    it('refuses an unknown opcode, a comment and a cut-off body', async () => {
        const { registry, governor } = await launchMarket();
        const bodies = [
            [beginCell().storeUint(0xc0c001ff, 32).storeUint(0, 64).endCell(), 130],
            [beginCell().storeUint(0, 32).storeStringTail('hello').endCell(), 130],
            [beginCell().endCell(), 130],
            [beginCell().storeUint(0xc0c00105, 32).storeUint(0, 64).endCell(), 9],
        ] as const;

        for (const [body, exitCode] of bodies) {
            const result = await governor.send({ to: registry.address, value: VALUE, body });
            expectRefused(result, { to: registry.address, exitCode });
        }
    });
});
