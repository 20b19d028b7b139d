/**
 * The account of the masterchain that has the number of one of ours is not ours: each message that our contracts send
 * each other is refused from there.
 */
import { Address, Cell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';

import { nodeChanges } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { CaseMarket, caseMarket, report } from '../support/cases';
import { expectRefused } from '../support/chain';
import { changeNode, HOUR, keyOf } from '../support/stake';

const VALUE = toNano('2');

interface Sent {
    opcode: number;
    from: Address;
    to: Address;
    body: Cell;
}

/** What the contracts of the market told each other, one message of each kind. */
function sentIn(results: SendMessageResult[], accounts: Address[]): Map<number, Sent> {
    const ours = (address: Address) => accounts.some((each) => each.equals(address));
    const found = new Map<number, Sent>();
    for (const { inMessage } of results.flatMap(({ transactions }) => transactions)) {
        if (inMessage?.info.type !== 'internal' || inMessage.info.bounced) {
            continue;
        }
        const { src: from, dest: to } = inMessage.info;
        if (ours(from) && ours(to) && inMessage.body.bits.length >= 32) {
            const opcode = inMessage.body.beginParse().preloadUint(32);
            found.set(opcode, { opcode, from, to, body: inMessage.body });
        }
    }
    return found;
}

async function refusedFromAbove({ blockchain }: CaseMarket, { from, to, body }: Sent, exitCode: number) {
    const twin = new Address(-1, from.hash);
    const result = await blockchain.sendMessage(internal({ from: twin, to, value: VALUE, bounce: true, body }));
    expectRefused(result, { to, exitCode });
}

describe('A twin in the masterchain', () => {
    it('of a Node or a Dispute is believed by no Provider', async () => {
        const market = await caseMarket();
        const { blockchain, provider, node, job, stranger, owner } = market;
        const asked = await report(market, 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        blockchain.now! += 25 * HOUR;
        const decided = await dispute.sendDecide(stranger.getSender(), { value: VALUE });
        const value = VALUE;
        const closed = await provider.sendCloseNode(owner.getSender(), { value, number: 0 });

        const sent = sentIn([asked, decided, closed], [provider.address, node.address, dispute.address]);

        const toProvider = [...sent.values()].filter(({ to }) => to.equals(provider.address));
        expect(toProvider.map(({ opcode }) => opcode.toString(16)).sort()).toEqual([
            ...['c0c00221', 'c0c00222', 'c0c00223', 'c0c00224'],
        ]);
        for (const message of toProvider) {
            const exitCode = message.from.equals(dispute.address) ? errors.ErrNotDispute : errors.ErrNotNode;
            await refusedFromAbove(market, message, exitCode);
        }
    });

    it('of a Provider or a Node is believed by no Registry', async () => {
        const market = await caseMarket();
        const { registry, provider, node, owner } = market;
        const change = nodeChanges.keys({ receiptKey: keyOf('other'), encryptionKey: 3n, oldEndsAt: market.job.now });
        const changed = await changeNode(market, change);
        const closed = await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });

        const sent = sentIn([changed, closed], [registry.address, provider.address, node.address]);

        const toRegistry = [...sent.values()].filter(({ to }) => to.equals(registry.address));
        expect(toRegistry.map(({ opcode }) => opcode.toString(16)).sort()).toEqual(['c0c00112', 'c0c00113']);
        for (const message of toRegistry) {
            const exitCode = message.from.equals(node.address) ? errors.ErrNotNode : errors.ErrNotProvider;
            await refusedFromAbove(market, message, exitCode);
        }
    });
});
