/** A node that its Registry refused, and that was opened again, has no key. Its next key owes nothing of the first. */
import { beginCell, Builder, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { bytesToNumber, nodeChanges, nodeStates } from '@cocoon-market/wrappers';
import { caseMarket, report, slashesIn } from '../support/cases';
import { pairOf, RATE } from '../support/stake';

const SHARE = 2n * RATE;
const ANNOUNCE_SELF = 0xc0c00113;
const SHARE_FREED = 0xc0c00221;

describe('A node that is opened again without a key', () => {
    it('begins its next key with a whole share, whatever the key before has cost', async () => {
        const market = await caseMarket();
        const { blockchain, registry, provider, node, owner, job } = market;
        const back = (from: typeof registry.address, body: Builder) => {
            const first = beginCell()
                .storeBuilder(body)
                .storeUint(0, 256 - body.bits);
            const bounced = beginCell().storeUint(0xffffffff, 32).storeBuilder(first).endCell();
            const message = { from, to: node.address, value: toNano('0.5'), bounce: false, bounced: true };
            return blockchain.sendMessage(internal({ ...message, body: bounced }));
        };
        const of = (opcode: number) => beginCell().storeUint(opcode, 32).storeUint(0, 64);
        const excess = job.report.excess(job.result({ price: toNano('1') }));
        expect(slashesIn(await report(market, 'excess', excess))).toHaveLength(1);

        await back(registry.address, of(ANNOUNCE_SELF).storeBit(true));
        const freed = of(SHARE_FREED).storeUint(SHARE, 64).storeUint(2, 16).storeUint(0, 40).storeBit(true);
        await back(provider.address, freed);
        expect(await node.getNodeState()).toMatchObject({ state: nodeStates.open, receiptKey: 0n });
        const { publicKey } = pairOf('second');
        const change = nodeChanges.keys({
            receiptKey: bytesToNumber(publicKey),
            encryptionKey: 7n,
            oldEndsAt: blockchain.now! + 60,
        });
        await provider.sendChangeNode(owner.getSender(), { value: toNano('1'), number: 0, change });

        expect(await node.getKeyLiability(bytesToNumber(publicKey))).toMatchObject({ slashable: SHARE });
    });
});
