import { beginCell, toNano } from '@ton/core';
import { internal, SandboxContract } from '@ton/sandbox';

import { Dispute } from '../../wrappers/Dispute';
import { listingCell, nodeChanges, nodeStates } from '../../wrappers/Node';
import { caseStates, opcodes } from '@cocoon-market/wrappers';
import { errors } from '../../wrappers/protocol';
import { CaseMarket, caseMarket, report, slashesIn, useCases } from '../support/cases';
import { expectConserved, expectRefused } from '../support/chain';
import {
    changeNode,
    DAY,
    expectSolvent,
    joinedMarket,
    keyOf,
    listingWith,
    nodeMarket,
    RATE,
    registerNode,
} from '../support/stake';

const VALUE = toNano('1');

describe('A node whose rent has run out', () => {
    it('still closes at the value that the Provider asks for, and its share is free', async () => {
        const market = await nodeMarket();
        const { blockchain, provider, operator, node, stranger } = market;
        blockchain.now! += 2 * 365 * DAY;
        await stranger.send({ to: provider.address, value: VALUE });
        const value = (await provider.getValuesOf(0n, 0n)).closeNode;
        await provider.sendCloseNode(operator.getSender(), { value, number: 0 });

        expect((await node.getNodeState()).state).toBe(nodeStates.closed);
        expect(await provider.getProviderState()).toMatchObject({ shares: 0n, nodes: 0n, gpus: 0n });
    });

    it('is cleared although nothing is left of its reserve', async () => {
        const market = await nodeMarket();
        const { blockchain, provider, owner, node, stranger } = market;
        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
        blockchain.now! += 2 * 365 * DAY;

        const value = await node.getClearValue();
        await expectConserved(blockchain, () => node.sendClear(stranger.getSender(), { value }));

        const account = await blockchain.getContract(node.address);
        expect([account.balance, account.accountState?.type ?? 'none']).toEqual([0n, 'none']);
    });

    it('and was frozen keeps no share that was counted for new hardware, and anyone brings it back', async () => {
        const market = await nodeMarket();
        const { blockchain, provider, operator, node, stranger } = market;
        const { accountState } = await blockchain.getContract(node.address);
        const init = accountState?.type === 'active' ? accountState.state : {};
        blockchain.now! += 5 * 365 * DAY;
        await node.sendRent(stranger.getSender(), { value: 1n });
        expect((await blockchain.getContract(node.address)).accountState?.type).toBe('frozen');

        const change = nodeChanges.hardware({ gpuClass: 0, gpus: 4, vram: 80, model: 'NVIDIA H100' });
        const value = await provider.getReplaceHardwareValue(change);
        const args = { value, number: 0, share: 2n * RATE, gpus: 2, change };
        await provider.sendReplaceHardware(operator.getSender(), args);
        expect(await provider.getProviderState()).toMatchObject({ shares: 2n * RATE, gpus: 2n });

        await stranger.send({ to: node.address, value: VALUE, init, bounce: false });
        await provider.sendCloseNode(operator.getSender(), { value: VALUE, number: 0 });
        expect(await provider.getProviderState()).toMatchObject({ shares: 0n, gpus: 0n, nodes: 0n });
        await expectSolvent(market);
    });
});

describe('A node that the Registry refuses', () => {
    it('keeps no key and no share of a rotation that came before the answer', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, registry, governor, owner } = market;
        const { node } = await registerNode(market);
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
        const change = nodeChanges.keys({
            receiptKey: keyOf('second'),
            encryptionKey: 9n,
            oldEndsAt: blockchain.now! + 90 * DAY,
        });
        await changeNode({ ...market, node }, change);

        // As if the answer to the node's first announcement had taken that long.
        const first = beginCell().storeUint(0xffffffff, 32).storeUint(0xc0c00113, 32).storeUint(0, 64).storeBit(true);
        const body = first.storeUint(0, 159).endCell();
        const from = registry.address;
        await blockchain.sendMessage(
            internal({ from, to: node.address, value: VALUE, bounce: false, bounced: true, body }),
        );
        const late = await changeNode({ ...market, node }, change, { by: owner });

        expect(await node.getNodeState()).toMatchObject({ state: nodeStates.closed, receiptKey: 0n, share: 0n });
        expect(await node.getKeyEndsAt(keyOf('receipt'))).toBe(0n);
        expect(await provider.getProviderState()).toMatchObject({ shares: 0n, gpus: 0n, nodes: 0n });
        expectRefused(late, { to: node.address, exitCode: errors.ErrWrongState });
    });

    it('frees everything once when it was replaced and closed before the answer', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, registry, governor, operator, codes } = market;
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
        const more = nodeChanges.hardware({ gpuClass: 0, gpus: 3, vram: 80, model: 'NVIDIA H100' });
        const named = beginCell().storeUint(0, 64).storeUint(0, 32).storeUint(0, 8);
        const bodies = [
            beginCell()
                .storeUint(0xc0c00210, 32)
                .storeUint(0, 64)
                .storeRef(codes.node)
                .storeRef(listingCell(listingWith())),
            beginCell()
                .storeUint(0xc0c00212, 32)
                .storeBuilder(named)
                .storeUint(2n * RATE, 64)
                .storeUint(2, 16)
                .storeRef(more),
            beginCell().storeUint(0xc0c00213, 32).storeBuilder(named),
        ];
        const before = blockchain.snapshot();

        // Which one runs next: the three messages and what follows from each, in every order that keeps a pair's own.
        for (const order of ['012012012', '010121202', '001122012', '010012212']) {
            await blockchain.loadFrom(before);
            const chains = await Promise.all(
                bodies.map((body) =>
                    blockchain.sendMessageIter(
                        internal({ from: operator.address, to: provider.address, value: VALUE, body: body.endCell() }),
                        { allowParallel: true },
                    ),
                ),
            );
            for (const next of order) {
                await chains[Number(next)].next();
            }
            for (const chain of chains) {
                for await (const _ of chain);
            }
            expect(await provider.getProviderState()).toMatchObject({ shares: 0n, gpus: 0n, nodes: 0n });
            await expectSolvent(market);
        }
    });
});

describe('A case whose Dispute owes rent', () => {
    const market = useCases(() => caseMarket());
    const GUILTY = 1;

    /** Lets so many days pass, of which only the Dispute does not pay its rent. */
    async function wait(days: number): Promise<void> {
        const { blockchain, node, provider, stranger } = market();
        for (let passed = 0; passed < days; passed += 300) {
            blockchain.now! += Math.min(300, days - passed) * DAY;
            for (const { address } of [node, provider]) {
                await stranger.send({ to: address, value: VALUE });
            }
        }
    }

    /** Shows an A2 of index 1 by so much, at the value that the getter names. */
    const show = async (excess: bigint) => {
        const { job } = market();
        const fair = job.result().readBigUInt64BE(4 + 32 + 4 + 4 + 32 + 16);
        return slashesIn(await report(market(), 'excess', job.report.excess(job.result({ price: fair + excess }))));
    };

    const decide = async (dispute: SandboxContract<Dispute>) => {
        const { blockchain, stranger } = market();
        const value = await dispute.getCloseValue();
        return expectConserved(blockchain, () => dispute.sendDecide(stranger.getSender(), { value }));
    };

    const bearable = async ({ node }: CaseMarket) =>
        (await node.getNodeState()).share - (await node.getNodeRecord()).slashed;

    /** The debt stays with the account of the case. */
    async function expectDebt({ address }: SandboxContract<Dispute>): Promise<void> {
        const { account } = await market().blockchain.getContract(address);
        expect(account.account?.storageStats.duePayment).toBeGreaterThan(toNano('0.01'));
    }

    afterEach(async () => {
        await expectSolvent(market());
        expect(await market().provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
    });

    it('slashes a larger loss in full', async () => {
        await show(1n);
        await wait(800);
        const amount = await bearable(market());

        expect(await show(amount)).toMatchObject([{ amounts: { amount, victim: amount / 2n } }]);
        await expectDebt(await market().job.dispute('A2'));
    });

    it('answers a second report of the same loss, which then freezes nothing', async () => {
        await show(1n);
        await wait(800);

        expect(await show(1n)).toEqual([]);
        await expectDebt(await market().job.dispute('A2'));
    });

    it('slashes in full when its end is sent again', async () => {
        const { blockchain, job, provider } = market();
        const [{ amounts: first }] = await show(1n);
        const dispute = await job.dispute('A2');
        const value = toNano('0.01');
        const back = { from: provider.address, to: dispute.address, value, bounced: true, bounce: false };
        const end = beginCell().storeUint(0xffffffff, 32).storeUint(opcodes.CaseClosed, 32).storeUint(0, 64);
        await blockchain.sendMessage(internal({ ...back, body: end.storeUint(GUILTY, 2).storeUint(0, 64).endCell() }));
        expect((await dispute.getCaseState()).state).toBe(caseStates.stuck);
        await wait(800);

        expect(slashesIn(await decide(dispute))).toMatchObject([{ amounts: { amount: first.amount } }]);
        await expectDebt(dispute);
    });

    it('slashes in full for a demand whose bond went for rent', async () => {
        const { job } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        await wait(17 * 365);
        const dispute = await job.dispute('A3');
        expect(slashesIn(await decide(dispute))).toMatchObject([{ class: 3 }]);
        await expectDebt(dispute);
    });
});
