import { toNano } from '@ton/core';

import { listingCell, nodeChanges } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn } from '../support/cases';
import { expectRefused } from '../support/chain';
import { changeNode, keyOf, listingWith, pairOf, RATE } from '../support/stake';

const VALUE = toNano('1');

/** What a key's thief forges against his own escrow: a bill above the whole share, half of which that escrow gets. */
async function forge(market: CaseMarket, name: string, byte: number) {
    const { operator, victim } = market;
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey };
    const job = Object.assign(new NodeJob(market, Buffer.alloc(32, byte), victim.address, terms), { receiptKey });
    const price = toNano('1000');
    const body = job.report.excess(job.result({ price, cumulative: price }));
    return report(market, 'excess', body, { by: operator, value: VALUE });
}

const held = async ({ provider }: CaseMarket): Promise<bigint> => {
    const { stake, unbonding } = await provider.getProviderState();
    return stake + unbonding;
};

describe('A thief of the operator key', () => {
    it('takes no stake by faults that he forges under keys of his own', async () => {
        const market = await caseMarket();
        const { blockchain, node, operator } = market;
        const before = await held(market);

        for (const [index, name] of ['first', 'second', 'third'].entries()) {
            const keys = { receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! };
            const result = await changeNode(market, nodeChanges.keys(keys), { by: operator });
            const forged = await forge(market, name, 40 + index);

            expect(slashesIn(forged)).toEqual([]);
            expectRefused(result, { to: node.address, exitCode: errors.ErrNotOwner });
        }
        expect(await held(market)).toBe(before);
    });

    it('takes none by a node that he registers with his key', async () => {
        const market = await caseMarket();
        const { provider, operator, codes } = market;
        const hardware = { ...listingWith().hardware, gpus: 3 };
        const listing = listingCell(listingWith({ hardware, receiptKey: keyOf('first') }));

        const result = await provider.sendRegisterNode(operator.getSender(), {
            value: VALUE,
            code: codes.node,
            listing,
        });

        expectRefused(result, { to: provider.address, exitCode: errors.ErrNotOwner });
        expect((await provider.getProviderState()).shares).toBe(2n * RATE);
    });

    it('and of a receipt key takes no more than the share by raising it first', async () => {
        const market = await caseMarket();
        const { provider, operator } = market;
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 4 });
        const args = { value: VALUE, number: 0, share: 2n * RATE, gpus: 2, change };

        const result = await provider.sendReplaceHardware(operator.getSender(), args);
        const forged = await forge(market, 'receipt', 40);

        expect(slashesIn(forged).map(({ amounts }) => amounts.amount)).toEqual([2n * RATE]);
        expectRefused(result, { to: provider.address, exitCode: errors.ErrNotOwner });
    });

    it('lowers a share, and gives a node more GPUs that require no more', async () => {
        const market = await caseMarket();
        const { provider, operator, node } = market;
        const give = (gpus: number, share: bigint, was: number) =>
            provider.sendReplaceHardware(operator.getSender(), {
                value: VALUE,
                ...{ number: 0, share, gpus: was },
                change: nodeChanges.hardware({ ...listingWith().hardware, gpus }),
            });

        await give(2, 2n * RATE, 2);
        await give(1, 2n * RATE, 2);

        expect(await node.getNodeState()).toMatchObject({ share: RATE, gpus: 1n });
    });

    it('still ends a key that was stolen', async () => {
        const market = await caseMarket();

        await changeNode(market, nodeChanges.endKey(keyOf('receipt')), { by: market.operator });

        expect((await market.node.getNodeState()).receiptKey).toBe(0n);
    });
});
