import { type Address, type Contract, toNano } from '@ton/core';
import { Chain, readLiability } from '../../../offchain/chain';
import { nodeChanges } from '@cocoon-market/wrappers';
import { changeNode, DAY, keyOf, NodeMarket, nodeMarket } from '../../support/stake';

describe("What stands behind a key's receipts on chain", () => {
    let market: NodeMarket;
    let chain: Chain;

    const keyOfNode = (name: string) => Buffer.from(keyOf(name).toString(16).padStart(64, '0'), 'hex');
    const fault = async (name = 'receipt') =>
        (
            await readLiability(chain, {
                node: market.node.address,
                provider: market.provider.address,
                receiptKey: keyOfNode(name),
            })
        ).rejection;

    beforeEach(async () => {
        market = await nodeMarket();
        chain = {
            account: async (address: Address) => {
                const { accountState } = await market.blockchain.getContract(address);
                const state = accountState?.type === 'active' ? 'active' : 'uninitialized';
                return { state, balance: 0n, code: undefined, data: undefined, at: market.blockchain.now! };
            },
            open: (contract: Contract) => market.blockchain.openContract(contract),
        } as unknown as Chain;
    });

    it('is the share of a node that is open, for its key and no other', async () => {
        expect(await fault()).toBeUndefined();
        expect(await fault('never')).toContain('has ended');
    });

    it('ends for whoever looks a minute after EndKey, and what was signed until a minute later counts', async () => {
        const now = market.blockchain.now!;
        await changeNode(market, nodeChanges.endKey(keyOf('receipt')));
        market.blockchain.now = now + 59;
        expect(await fault()).toBeUndefined();
        market.blockchain.now = now + 60;

        expect(await fault()).toContain('has ended');
        expect(await market.node.getKeyEndsAt(keyOf('receipt'))).toBe(BigInt(now + 120));
    });

    it('is nothing from a minute before the end of a key that was replaced', async () => {
        const oldEndsAt = market.blockchain.now! + DAY;
        await changeNode(market, nodeChanges.keys({ receiptKey: keyOf('second'), encryptionKey: 9n, oldEndsAt }));
        market.blockchain.now = oldEndsAt - 61;
        expect(await fault()).toBeUndefined();
        market.blockchain.now = oldEndsAt - 60;

        expect(await fault()).toContain('has ended');
        expect(await fault('second')).toBeUndefined();
    });

    it('is nothing once the node is closed', async () => {
        await market.provider.sendCloseNode(market.owner.getSender(), { value: toNano('1'), number: 0 });

        expect(await fault()).toContain('closed');
    });
});
