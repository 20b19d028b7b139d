/** What an operator can cost who forges faults with keys that he sets himself: docs/trust.md names this price. */
import { toNano } from '@ton/core';

import { errors, nodeChanges } from '../../wrappers';
import { caseMarket, expectRejected, expectSlashed, NodeJob, partsOf, report, useCases } from '../support/cases';
import { expectRefused } from '../support/chain';
import { changeNode, expectSolvent, keyOf, pairOf, RATE, STAKE } from '../support/stake';

const SHARE = 2n * RATE;
const market = useCases(() => caseMarket());

/** The operator names a key of his own as the node's; the one before ends now. */
function setKey(name: string) {
    const keys = { receiptKey: keyOf(name), encryptionKey: 9n, oldEndsAt: market().blockchain.now! };
    return changeNode(market(), nodeChanges.keys(keys), { by: market().operator });
}

/** A job that never was, of this key: the forger is its client. */
function forgedBy(name: string): NodeJob {
    const { publicKey } = pairOf(name);
    return new NodeJob(market(), Buffer.alloc(32, 6), market().victim.address, { receiptKey: publicKey });
}

describe('An operator who forges faults', () => {
    it('costs one share by each key that he sets, gets half of it, and sets three before the slots are full', async () => {
        const { provider, node } = market();
        for (const name of ['second', 'third', 'fourth']) {
            await setKey(name);
            const job = forgedBy(name);
            const forged = job.result({ price: toNano('1000') }, pairOf(name));
            const { cost } = await node.getReportValues(0n, 0n);

            await expectSlashed(
                market(),
                () => report(market(), 'excess', job.report.excess(forged)),
                partsOf(SHARE, toNano('1000'), cost),
            );
            await expectRejected(
                market(),
                'twice',
                job.report.twice(forged, job.fail({}, pairOf(name))),
                errors.ErrNoShare,
            );
        }

        expectRefused(await setKey('fifth'), { to: node.address, exitCode: errors.ErrNoSlot });
        expect((await provider.getProviderState()).stake).toBe(STAKE - 3n * SHARE);
        await expectSolvent(market());
    });

    it('can set no further key once the owner has named another operator', async () => {
        const { provider, owner, stranger } = market();
        await setKey('second');
        const { stakeStep } = await provider.getValuesOf(0n, 0n);
        await provider.sendSetOperator(owner.getSender(), { value: stakeStep, operator: stranger.address });

        expectRefused(await setKey('third'), { to: provider.address, exitCode: errors.ErrNotOperator });
        await changeNode(market(), nodeChanges.endKey(keyOf('second')), { by: owner });

        expect((await market().node.getNodeState()).receiptKey).toBe(0n);
    });
});
