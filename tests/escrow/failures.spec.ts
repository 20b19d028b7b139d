/** What an order that fails after it was accepted may cost: its fee, once. */
import { beginCell, Cell, Dictionary, toNano } from '@ton/core';
import { errors, jobOrderCell, openJobsCell, signedOrder } from '@cocoon-market/wrappers';
import { exitCodeOf, expectConserved } from '../support/chain';
import { expectNotAccepted, spendKey, useMarket } from '../support/market';

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

    /**
     * From now on the network takes no message to the basechain: whatever the escrow sends fails in the action phase.
     */
    function closeBasechain(): void {
        const config = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), usual);
        const none = beginCell().storeBit(0).endCell();
        market().blockchain.setConfig(beginCell().storeDictDirect(config.set(12, none)).endCell());
    }

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
        closeBasechain();

        const result = await expectConserved(market().blockchain, () => market().carry(body));

        expect(result.transactions).toHaveLength(1);
        expect(await escrowState()).toMatchObject({ seqno: 2n, spent: spent + fee });
        await expectNotAccepted(market(), () => market().carry(body), errors.ErrStaleSeqno);
    });
});
