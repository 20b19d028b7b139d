/** What no key can do: every opcode of the suite, from accounts that have no right to it. */
import { beginCell, Cell, toNano } from '@ton/core';
import { opcodes } from '../../wrappers';
import { drawnFrom, transactionsOn } from '../support/chain';
import { rentOf, useMarket } from '../support/market';
import { nodeMarket } from '../support/stake';

const VALUE = toNano('1');

/** Bodies of an opcode: bare, and with fields that parse as most messages do. */
function bodies(opcode: number): Cell[] {
    const full = beginCell().storeUint(opcode, 32).storeUint(1, 64).storeUint(1, 600);
    for (let reference = 0; reference < 3; reference++) {
        full.storeRef(beginCell().storeUint(1, 600).endCell());
    }
    return [beginCell().storeUint(opcode, 32).endCell(), full.endCell()];
}

describe('A stranger with every message of the suite', () => {
    const market = useMarket();

    it('takes nothing out of an escrow or a channel', async () => {
        const { channel } = await market().openJob();
        const open = market().blockchain.snapshot();

        for (const to of [market().escrow, channel]) {
            for (const [name, opcode] of Object.entries(opcodes)) {
                for (const body of bodies(opcode)) {
                    await market().blockchain.loadFrom(open);
                    const result = await market().send(market().stranger, to, { value: VALUE, body });
                    const [tx] = transactionsOn(result, to.address);
                    expect({ name, left: drawnFrom(tx) - rentOf(tx) <= 0n }).toEqual({ name, left: true });
                }
            }
        }
    });
});

describe('The governor with every message of the suite', () => {
    it('takes nothing out of a provider or a node, and changes neither', async () => {
        const { blockchain, governor, provider, node } = await nodeMarket();
        const open = blockchain.snapshot();
        const before = await blockchain.getContract(provider.address).then(({ balance }) => balance);

        for (const to of [provider, node]) {
            for (const [name, opcode] of Object.entries(opcodes)) {
                for (const body of bodies(opcode)) {
                    await blockchain.loadFrom(open);
                    const result = await governor.send({ to: to.address, value: VALUE, body });
                    const [tx] = transactionsOn(result, to.address);
                    const same = tx.oldStorage?.equals(tx.newStorage ?? Cell.EMPTY);
                    expect({ name, left: drawnFrom(tx) - rentOf(tx) <= 0n, same }).toEqual({
                        name,
                        left: true,
                        same: true,
                    });
                }
            }
        }

        expect(before).toBeGreaterThan(toNano('100'));
    });
});
