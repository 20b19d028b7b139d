/** What an order that fails after it was accepted may cost: its fee, once. */
import { beginCell, Cell, toNano } from '@ton/core';
import { errors, jobOrderCell, openJobsCell, signedOrder } from '@cocoon-market/wrappers';
import { exitCodeOf, expectConserved } from '../support/chain';
import { expectNotAccepted, spendKey, useMarket } from '../support/market';
import { withoutBasechain } from '../support/networks';

const NO_LIBRARY = beginCell().storeUint(2, 8).storeBuffer(Buffer.alloc(32, 7)).endCell({ exotic: true });

describe('Escrow: what fails once it was accepted', () => {
    const market = useMarket();
    let usual: Cell;
    beforeEach(() => {
        usual = market().blockchain.config;
    });
    afterEach(() => {
        market().blockchain.setConfig(usual);
    });

    const escrowState = () => market().escrow.getEscrowState();

    it('lets no order be carried again that cannot be read to its end: seqno and day were committed before', async () => {
        const head = openJobsCell({ ...(await market().head()), jobs: [], total: toNano('1') });
        const order = beginCell().storeSlice(head.beginParse()).storeRef(NO_LIBRARY).endCell();
        const body = signedOrder(order, spendKey);
        const fee = await market().escrow.getOpenFeeOf(1n);

        const fall = await market().fallOf(market().escrow, async () => {
            const result = await expectConserved(market().blockchain, () => market().carry(body));
            expect(exitCodeOf(result.transactions[0])).toBe(errors.ErrMalformed);
        });

        expect(fall).toBeGreaterThan(0n);
        expect(fall).toBeLessThan(fee);
        expect(await escrowState()).toMatchObject({ seqno: 1n, spent: toNano('1') + fee });
        await expectNotAccepted(market(), () => market().carry(body), errors.ErrStaleSeqno);
    });

    it('lets no order about a job be carried again whose message cannot be sent', async () => {
        const { job } = await market().openJob();
        const { spent } = await escrowState();
        const fee = await market().escrow.getJobOrderFeeOf();
        const body = signedOrder(jobOrderCell({ ...(await market().head()), job, action: 'leave' }), spendKey);
        market().blockchain.setConfig(withoutBasechain(usual));

        const result = await expectConserved(market().blockchain, () => market().carry(body));

        expect(result.transactions).toHaveLength(1);
        expect(await escrowState()).toMatchObject({ seqno: 2n, spent: spent + fee });
        await expectNotAccepted(market(), () => market().carry(body), errors.ErrStaleSeqno);
    });
});
