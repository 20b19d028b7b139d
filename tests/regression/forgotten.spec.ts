import { toNano } from '@ton/core';

import { nodeChanges } from '../../wrappers/Node';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn } from '../support/cases';
import { changeNode, DAY, HOUR, keyOf, pairOf, RATE } from '../support/stake';

const SHARE = 2n * RATE;

function jobOf(market: CaseMarket, byte: number, name: string): NodeJob {
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey, step: SHARE };
    return Object.assign(new NodeJob(market, Buffer.alloc(32, byte), market.victim.address, terms), { receiptKey });
}

describe('A key that cost its share and was forgotten', () => {
    it('shields no key of a later year whose slot is used again before its case is decided', async () => {
        const market = await caseMarket();
        const { blockchain, provider, stranger } = market;
        const rotate = (name: string) =>
            changeNode(
                market,
                nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! }),
            );
        const first = jobOf(market, 1, 'receipt');
        await report(market, 'excess', first.report.excess(first.result({ price: SHARE, cumulative: SHARE })));
        await rotate('second');
        blockchain.now! += 145 * HOUR;
        await rotate('third');
        blockchain.now! += 200 * DAY;
        await provider.sendAddStake(stranger.getSender(), { value: toNano('60'), amount: toNano('50') });

        const later = jobOf(market, 2, 'third');
        const accept = later.accept({ ceiling: SHARE, deadline: blockchain.now! });
        await rotate('fourth');
        blockchain.now! += 119 * HOUR;
        await report(market, 'demand', later.report.demand(accept), { value: toNano('2') });
        blockchain.now! += 26 * HOUR;
        await rotate('fifth');
        await rotate('sixth');
        expect(await market.node.getKeyEndsAt(keyOf('third'))).toBe(0n);
        const dispute = await later.dispute('A3');
        const value = await dispute.getCloseValue();
        const result = await dispute.sendDecide(stranger.getSender(), { value });

        expect(slashesIn(result).map(({ amounts }) => amounts.amount)).toEqual([SHARE]);
    });
});
