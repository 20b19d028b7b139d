/** What `leaveOutPrelude` of contracts/protocol/building.tact relies on, read in the code that was compiled. */
import { beginCell, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { channelCode, Escrow, Library, opcodes } from '@cocoon-market/wrappers';
import { exitCodeOf, transactionsOn } from './support/chain';
import { useMarket } from './support/market';

const PRELUDE = '6f04f861'; // 4 TUPLE, SETGLOB: Tact keeps the message's parts for `context()`
const FIRST = '20c701f891b1'; // DUP, SDEMPTY, INMSG_BOUNCED, OR: the receiver's first line

function bitsOf(code: Cell): string {
    return [code.bits.toString().toLowerCase(), ...code.refs.map(bitsOf)].join(' ');
}

describe('Channel and Escrow: without the prelude', () => {
    const market = useMarket();

    it('begin with the first line of their receiver', async () => {
        const { init } = await Escrow.ofOwner(market().owner.address);
        for (const code of [await channelCode(), init!.code]) {
            expect(bitsOf(code)).toContain(FIRST);
            expect(bitsOf(code)).not.toContain(PRELUDE);
        }
    });

    it('are not alone: neither has Library it', async () => {
        const { init } = await Library.ofHash(Buffer.alloc(32));

        expect(bitsOf(init!.code)).not.toContain(PRELUDE);
    });

    it('take a bounced message for a top-up, whatever it says', async () => {
        const { channel } = await market().openJob();
        for (const account of [channel, market().escrow]) {
            for (const opcode of [0xffffffff, opcodes.ClaimLast, opcodes.Withdraw]) {
                const body = beginCell().storeUint(opcode, 32).endCell();
                const message = { from: market().owner.address, to: account.address, value: toNano('0.1'), body };

                const result = await market().blockchain.sendMessage(internal({ ...message, bounced: true }));

                expect(result.transactions).toHaveLength(1);
                expect(exitCodeOf(transactionsOn(result, account.address)[0])).toBe(0);
            }
        }
    });
});
