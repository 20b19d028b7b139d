import { beginCell, Cell, contractAddress, Dictionary, toNano } from '@ton/core';

import { createBlockchain, exitCodeOf, expectConserved, expectRefused, feesOf, transactionsOn } from './chain';

// Refuses everything: SETCP 0, THROW 42.
const REFUSER = beginCell().storeUint(0xff00, 16).storeUint(0xf22a, 16).endCell();

async function deployRefuser() {
    const blockchain = await createBlockchain();
    const sender = await blockchain.treasury('sender');
    const init = { code: REFUSER, data: Cell.EMPTY };
    const address = contractAddress(0, init);
    return { blockchain, sender, init, address };
}

describe('chain helpers', () => {
    it('counts the fees of a plain transfer as the drop of all balances', async () => {
        const blockchain = await createBlockchain();
        const [alice, bob] = [await blockchain.treasury('alice'), await blockchain.treasury('bob')];

        const result = await expectConserved(blockchain, () => alice.send({ to: bob.address, value: toNano('3') }));

        expect(feesOf(result.transactions)).toBeGreaterThan(0n);
    });

    it('counts a bounce once, and the rent of every account that is touched', async () => {
        const { blockchain, sender, init, address } = await deployRefuser();
        await sender.send({ to: address, value: toNano('1'), init, bounce: false });
        blockchain.now! += 365 * 86400;

        const result = await expectConserved(blockchain, () =>
            sender.send({ to: address, value: toNano('1'), body: beginCell().storeUint(7, 32).endCell() }),
        );

        expect(transactionsOn(result, sender.address).length).toBe(2);
    });

    it('makes blockchains that know no library of another one', async () => {
        const code = beginCell().storeUint(2, 8).storeBuffer(REFUSER.hash()).endCell({ exotic: true });
        const init = { code, data: Cell.EMPTY };
        const libraries = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
        libraries.set(REFUSER.hash(), REFUSER);
        const sendsTo = async (libs?: Cell) => {
            const blockchain = await createBlockchain();
            blockchain.libs = libs;
            const sender = await blockchain.treasury('sender');
            const to = contractAddress(0, init);
            const result = await sender.send({ to, value: toNano('1'), init });
            return exitCodeOf(transactionsOn(result, to)[0]);
        };

        expect(await sendsTo(beginCell().storeDictDirect(libraries).endCell())).toBe(42);
        expect(await sendsTo()).not.toBe(42);
    });

    it('names the exit code of a refusal', async () => {
        const { sender, init, address } = await deployRefuser();
        await sender.send({ to: address, value: toNano('1'), init, bounce: false });

        const result = await sender.send({ to: address, value: toNano('1') });

        expectRefused(result, { from: sender.address, to: address, exitCode: 42 });
    });
});
