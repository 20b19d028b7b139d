import { Address, beginCell, Builder, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { opcodes, parseMessage } from '@cocoon-market/wrappers';
import { nodeStates } from '../../wrappers/Node';
import { caseMarket, NodeJob, report } from '../support/cases';
import { expectSolvent, NodeMarket, nodeMarket, RATE, registerNode } from '../support/stake';

const VALUE = toNano('0.5');

/**
 * Delivers a message of this body that came back from `from`, which cannot happen by the fees that receivers ask for,
 * but must lose nothing if it does. The bounce carries the first 256 bits of it, as a real one would.
 */
async function bounceBack({ blockchain }: NodeMarket, from: Address, to: Address, body: Builder) {
    const first = beginCell()
        .storeBuilder(body)
        .storeUint(0, 256 - body.bits);
    const bounced = beginCell().storeUint(0xffffffff, 32).storeBuilder(first).endCell();
    return blockchain.sendMessage(internal({ from, to, value: VALUE, bounce: false, bounced: true, body: bounced }));
}

const head = (opcode: number) => beginCell().storeUint(opcode, 32).storeUint(0, 64);

describe('Bounces', () => {
    it('of AnnounceNode and AskRules go home to the owner', async () => {
        const market = await nodeMarket();
        const { registry, provider, owner } = market;

        for (const opcode of [0xc0c00112, 0xc0c00111]) {
            const result = await bounceBack(market, registry.address, provider.address, head(opcode));
            expect(result.transactions).toHaveTransaction({ from: provider.address, to: owner.address, success: true });
            await expectSolvent(market);
        }
    });

    it('of ApplyHardware give back what was counted', async () => {
        const market = await nodeMarket();
        const { provider, node, operator } = market;
        const body = head(0xc0c00303).storeUint(RATE, 64).storeUint(1, 16).storeBit(false);

        const result = await bounceBack(market, node.address, provider.address, body);

        expect(await provider.getProviderState()).toMatchObject({ shares: RATE, gpus: 1n, nodes: 1n });
        expect(result.transactions).toHaveTransaction({ from: provider.address, to: operator.address, success: true });
        await expectSolvent(market);
    });

    it('of a late RegisterProvider keep the stake of a joined provider', async () => {
        const market = await nodeMarket();
        const { registry, provider, owner } = market;
        const before = (await provider.getProviderState()).stake;

        const result = await bounceBack(market, registry.address, provider.address, head(0xc0c00110));

        expect((await provider.getProviderState()).stake).toBe(before);
        expect(result.transactions).toHaveTransaction({ from: provider.address, to: owner.address, success: true });
        await expectSolvent(market);
    });

    it('of OpenCase end the case at provider and node, and the rest goes to the insurance, not to the accused', async () => {
        const market = await caseMarket();
        const { provider, node, job, insurance } = market;
        await report(market, 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        const { amount } = (await dispute.getFile())!;
        expect(await provider.getStanding()).toMatchObject({ cases: 1n, frozen: amount });
        const body = beginCell().storeUint(0xc0c00601, 32).storeUint(amount, 64).storeUint(0, 32).storeUint(0, 8);

        const result = await bounceBack(market, dispute.address, provider.address, body.storeUint(1, 64));

        expect(await provider.getStanding()).toMatchObject({ cases: 0n, frozen: 0n });
        expect(result.transactions).toHaveTransaction({ from: node.address, to: provider.address, success: true });
        expect(result.transactions).toHaveTransaction({ from: provider.address, to: insurance.address, success: true });
        await expectSolvent(market);
    });

    it('of an OpenCase, as it was sent, free the share of its node and not of another', async () => {
        const market = await caseMarket();
        const { provider } = market;
        const { node } = await registerNode(market);
        const job = new NodeJob({ ...market, node }, Buffer.alloc(32, 6), market.victim.address);
        const sent = await report(market, 'demand', job.report.demand(job.accept()), { node });
        const opened = sent.transactions.find(({ inMessage }) => parseMessage(inMessage!.body)?.name === 'OpenCase')!;
        const body = beginCell().storeBits(opened.inMessage!.body.bits.substring(0, 256));

        const result = await bounceBack(market, (await job.dispute('A3')).address, provider.address, body);

        expect(result.transactions).toHaveTransaction({ from: provider.address, to: node.address, success: true });
        expect(await provider.getStanding()).toMatchObject({ cases: 0n, frozen: 0n });
        await expectSolvent(market);
    });

    it.each(['SlashShare', 'ReleaseShare'] as const)(
        'of %s end a case of a node that is no more, and the last one lifts what all froze',
        async (name) => {
            const market = await caseMarket();
            const { provider, node, job, insurance } = market;
            for (const number of [1, 2]) {
                await report(market, 'demand', job.report.demand(job.accept({ number })));
            }
            const { frozen } = await provider.getStanding();
            expect(frozen).toBeGreaterThan(0n);

            const body = beginCell().storeUint(opcodes[name], 32).storeUint(7, 64); // of a node of version 0
            await bounceBack(market, node.address, provider.address, body);
            expect(await provider.getStanding()).toMatchObject({ cases: 1n, frozen });
            const result = await bounceBack(market, node.address, provider.address, body);

            expect(await provider.getStanding()).toMatchObject({ cases: 0n, frozen: 0n });
            const excesses = beginCell().storeUint(opcodes.Excesses, 32).storeUint(7, 64).endCell();
            expect(result.transactions).toHaveTransaction({ to: insurance.address, body: excesses, success: true });
            await expectSolvent(market);
        },
    );

    it('of ReleaseShare end the case of a provider that has no operator', async () => {
        const market = await caseMarket();
        const { provider, node, job, owner } = market;
        await report(market, 'demand', job.report.demand(job.accept()));
        await provider.sendSetOperator(owner.getSender(), { value: VALUE, operator: null });

        await bounceBack(market, node.address, provider.address, head(0xc0c00332));

        expect(await provider.getStanding()).toMatchObject({ cases: 0n, frozen: 0n });
        expect((await provider.getMembershipNow()).operator).toBeNull();
        await expectSolvent(market);
    });

    it('of ShareFreed open a closed node again, with the share that its Provider still counts', async () => {
        const market = await nodeMarket();
        const { provider, node, owner } = market;
        await provider.sendCloseNode(owner.getSender(), { value: toNano('1'), number: 0 });
        const body = head(0xc0c00221)
            .storeUint(2n * RATE, 64)
            .storeUint(2, 16)
            .storeUint(0, 40)
            .storeBit(true);

        const result = await bounceBack(market, provider.address, node.address, body);

        expect(await node.getNodeState()).toMatchObject({ state: nodeStates.open, share: 2n * RATE, clearAt: 0n });
        expect(result.transactions).toHaveTransaction({ from: node.address, to: owner.address, success: true });
    });

    it('of a change that was not announced leave the node as it is', async () => {
        const market = await nodeMarket();
        const { registry, node, owner } = market;

        const result = await bounceBack(market, registry.address, node.address, head(0xc0c00113).storeBit(false));

        expect((await node.getNodeState()).state).toBe(nodeStates.open);
        expect(result.transactions).toHaveTransaction({ from: node.address, to: owner.address, success: true });
    });
});
