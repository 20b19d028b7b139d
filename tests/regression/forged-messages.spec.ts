import { beginCell, Builder, SendMode, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { storeStartNode } from '../../wrappers/bodies';
import { listingCell, Node } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { expectRefused } from '../support/chain';
import { listingWith, nodeMarket, NodeMarket, plain, RATE, Wallet } from '../support/stake';

const VALUE = toNano('1');
const head = (opcode: number) => beginCell().storeUint(opcode, 32).storeUint(0, 64);

/** What no message of a stranger may change. */
async function stateOf({ provider, node, registry }: NodeMarket) {
    const { surplus: _, ...state } = plain(await provider.getProviderState());
    return [state, plain(await node.getNodeState()), plain(await registry.getRegistryState())];
}

async function sendFlagged(from: Wallet, to: NodeMarket['provider' | 'node'], body: Builder) {
    const cut = beginCell().storeUint(0xffffffff, 32).storeBuilder(body).endCell();
    const info = { type: 'internal', ihrDisabled: true, bounce: false, bounced: true, dest: to.address } as const;
    const rest = { value: { coins: VALUE }, ihrFee: 0n, forwardFee: 0n, createdLt: 0n, createdAt: 0 };
    await from.sendMessages([{ info: { ...info, ...rest }, body: cut }], SendMode.PAY_GAS_SEPARATELY);
}

describe('A stranger who writes the bounced flag into his own message', () => {
    it('frees no share and opens or closes no node: the chain takes the flag out', async () => {
        const market = await nodeMarket();
        const { provider, node, stranger } = market;
        const before = await stateOf(market);

        // The version, 0, comes after the owner's bit in one and before it in the other.
        for (const [opcode, end] of [
            [0xc0c00301, beginCell().storeBit(true).storeUint(0, 8)],
            [0xc0c00303, beginCell().storeUint(0, 8).storeBit(true)],
        ] as const) {
            const share = head(opcode)
                .storeUint(2n * RATE, 64)
                .storeUint(2, 16)
                .storeBuilder(end);
            await sendFlagged(stranger, provider, share);
        }
        await sendFlagged(stranger, provider, head(0xc0c00302).storeUint(RATE, 64).storeUint(0, 8).storeBit(true));
        await sendFlagged(stranger, provider, head(0xc0c00110));
        await sendFlagged(stranger, node, head(0xc0c00113).storeBit(true));
        await sendFlagged(stranger, node, head(0xc0c00221).storeUint(RATE, 64).storeUint(9, 56).storeBit(true));

        expect(await stateOf(market)).toEqual(before);
    });
});

describe('A provider who speaks for another', () => {
    /** A true Node whose provider is a stranger, as anyone can deploy it: the code is public. */
    async function nodeOf({ stranger }: NodeMarket): Promise<Node> {
        const node = await Node.ofProvider(stranger.address, 0);
        await stranger.send({ to: node.address, value: VALUE, init: node.init!, bounce: false });
        return node;
    }

    const startOf = ({ registry, stranger }: NodeMarket) =>
        beginCell().store(
            storeStartNode({
                $$type: 'StartNode',
                ...{ queryId: 0n, share: RATE, gpus: 2n, byOwner: true, codeVersion: 0n, evidence: 0n },
                ...{ registry: registry.address, owner: stranger.address, providerVersion: 0n },
                ...{ excessTo: stranger.address, listing: listingCell(listingWith()) },
            }),
        );

    it('starts a node once', async () => {
        const market = await nodeMarket();
        const { stranger } = market;
        const { address } = await nodeOf(market);
        const start = () => stranger.send({ to: address, value: VALUE, body: startOf(market).endCell() });
        await start();

        expectRefused(await start(), { to: address, exitCode: errors.ErrWrongState });
    });

    it('cannot free his share with a node of his own', async () => {
        const market = await nodeMarket();
        const { blockchain, provider, node, stranger, registry } = market;
        const other = await nodeOf(market);
        const start = startOf(market);

        const freed = head(0xc0c00221).storeUint(RATE, 64).storeUint(2, 16).storeUint(0, 40).storeBit(true);
        freed.storeAddress(stranger.address).storeBit(false);
        const forged = await blockchain.sendMessage(
            internal({ from: other.address, to: provider.address, value: VALUE, body: freed.endCell() }),
        );
        const announced = await stranger.send({ to: other.address, value: VALUE, body: start.endCell() });

        expectRefused(forged, { to: provider.address, exitCode: errors.ErrNotNode });
        expect(announced.transactions).not.toHaveTransaction({ to: registry.address, success: true });
        expect(await provider.getProviderState()).toMatchObject({ shares: 2n * RATE, nodes: 1n });
        expect((await node.getNodeState()).share).toBe(2n * RATE);
    });
});
