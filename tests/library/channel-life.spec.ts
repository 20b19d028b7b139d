/** The whole life of a channel again, with its code in a library: every test of tests/channel and every way to end. */
import '../support/libraryProfile'; // first: the specs below take their markets from it

import { channelLibrary } from '@cocoon-market/wrappers';
import { useMarket } from '../support/market';
import '../channel/balances.spec';
import '../channel/claim-last.spec';
import '../channel/claim.spec';
import '../channel/leave.spec';
import '../channel/messages.spec';
import '../channel/redeploy.spec';
import '../channel/refund.spec';
import '../flows/ends.spec';

describe('The library profile', () => {
    const market = useMarket();

    it('is what these tests ran: the channel holds a cell that only names its code', async () => {
        const { cell } = await channelLibrary();
        const { channel } = await market().openJob();

        const { accountState } = await market().blockchain.getContract(channel.address);

        const code = accountState?.type === 'active' ? accountState.state.code : undefined;
        expect(code?.isExotic).toBe(true);
        expect(code?.hash().equals(cell.hash())).toBe(true);
    });
});
