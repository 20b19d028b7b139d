/** The floors do what their operation cannot do without: one that checked nothing would make every ratio look worse. */
import { beginCell, Cell } from '@ton/core';
import { Blockchain } from '@ton/sandbox';
import { accountOfFloor, Floor, gasOfFloor, measureFloors, OWED } from '../../benchmarks/floors';
import { createBlockchain } from '../support/chain';

const IN_SIGNATURE = 100; // a bit of the signature, wherever the body has it

function withOtherBit(body: Cell): Cell {
    const bits = body.beginParse();
    const changed = beginCell().storeBits(bits.loadBits(IN_SIGNATURE)).storeBit(!bits.loadBit()).storeSlice(bits);
    return changed.endCell();
}

describe('Floors', () => {
    let blockchain: Blockchain;
    beforeAll(async () => {
        blockchain = await createBlockchain();
    });

    it.each<Floor>(['Claim', 'ClaimFor', 'End', 'Order', 'Open1', 'Open4'])(
        '%s checks the signature',
        async (floor) => {
            expect(await gasOfFloor(blockchain, floor)).toBeGreaterThan(0n);
            await expect(gasOfFloor(blockchain, floor, withOtherBit)).rejects.toThrow();
        },
    );

    it.each<Floor>(['Claim', 'ClaimFor'])('%s remembers what it paid', async (floor) => {
        await gasOfFloor(blockchain, floor);

        const { accountState } = await blockchain.getContract(accountOfFloor(floor).address);
        const data = accountState?.type === 'active' ? accountState.state.data : undefined;
        expect(data!.beginParse().loadUintBig(64)).toBe(OWED);
    });

    it('cost one deploy more for each job of an order', async () => {
        const { Open1, Open2, Open3, Open4 } = await measureFloors();

        expect([Open3 - Open2, Open4 - Open3]).toEqual([Open2 - Open1, Open2 - Open1]);
    });
});
