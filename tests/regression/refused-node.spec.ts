/** A node that the Registry refuses may have been shown a fault before it heard so: that costs once, not twice. */
import { beginCell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';

import { storeRegisterNode } from '../../wrappers/bodies';
import { listingCell, Node } from '../../wrappers/Node';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn, useCases } from '../support/cases';
import { DAY, expectSolvent, listingWith, pairOf, RATE } from '../support/stake';

const SHARE = 2n * RATE; // of each node
const VALUE = toNano('10');
const market = useCases(() => caseMarket());
const amounts = (result: SendMessageResult) => slashesIn(result).map(({ amounts: { amount } }) => amount);

async function decide(job: NodeJob): Promise<SendMessageResult> {
    const dispute = await job.dispute('A3');
    const value = await dispute.getCloseValue();
    return dispute.sendDecide(market().stranger.getSender(), { value });
}

/** A job on this node, all of whose share a demand may ask for. */
function jobOn(node: CaseMarket['node'], byte: number, name: string): NodeJob {
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey, step: 8n * RATE };
    const job = new NodeJob({ ...market(), node }, Buffer.alloc(32, byte), market().victim.address, terms);
    return Object.assign(job, { receiptKey });
}

const demand = (job: NodeJob) =>
    report(job.market, 'demand', job.report.demand(job.accept({ ceiling: SHARE, deadline: job.now - 1 })), {
        value: VALUE,
        node: job.market.node,
    });

/** Registers a node that the Registry refuses; between its start and the refusal it is shown a fault. */
async function refusedWithCase(): Promise<NodeJob> {
    const { blockchain, provider, owner, registry, governor, codes } = market();
    await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
    const number = Number((await provider.getProviderState()).nextNumber);
    const node = blockchain.openContract(await Node.ofProvider(provider.address, number));
    const listing = listingCell(listingWith({ hardware: { ...listingWith().hardware, gpus: 2 } }));
    const job = jobOn(node, 2, 'receipt');

    const code = { queryId: 0n, code: codes.node, listing };
    const body = beginCell()
        .store(storeRegisterNode({ $$type: 'RegisterNode', ...code }))
        .endCell();
    const message = internal({ from: owner.address, to: provider.address, value: VALUE, body });
    const messages = await blockchain.sendMessageIter(message, { allowParallel: true });
    await messages.next(); // Provider
    await messages.next(); // Node
    await demand(job);
    for await (const _ of messages);
    return job;
}

describe('A node that the Registry refuses after it was shown a fault', () => {
    it('uses up no more than was counted for it: another node of its code bears its whole share', async () => {
        const { provider, stranger } = market();
        const amount = 10n * RATE;
        await provider.sendAddStake(stranger.getSender(), { value: amount + VALUE, amount });
        const refused = await refusedWithCase();
        expect(await provider.getStanding()).toMatchObject({ cases: 1n, frozen: SHARE });
        const job = jobOn(market().node, 1, 'receipt');
        await demand(job);
        market().blockchain.now! += DAY + 1;

        expect(amounts(await decide(refused))).toEqual([SHARE]);
        expect(amounts(await decide(job))).toEqual([SHARE]);
        expect(await provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
        await expectSolvent(market());
    });
});
