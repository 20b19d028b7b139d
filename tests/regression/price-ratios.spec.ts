/** Prices of gas, forwarding and storage do not move together: values must suffice whatever their ratio. */
import { beginCell, Cell, Dictionary, toNano } from '@ton/core';

import { networkConfig, PriceLevel } from '../../localnet/config';
import { Dispute } from '../../wrappers/Dispute';
import { listingCell } from '../../wrappers/Node';
import { caseMarket, report, slashesIn } from '../support/cases';
import { DAY, joinedMarket, largestListing, leastValue } from '../support/stake';

const VALUE = toNano('1');
const [STORAGE, FORWARD] = [18, 25];

/** The configuration of one level, with one parameter of another. */
function mixed(level: PriceLevel, parameter: number, other: PriceLevel): Cell {
    const [config, from] = [level, other].map((each) =>
        Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), networkConfig(each)),
    );
    return beginCell()
        .storeDictDirect(config.set(parameter, from.get(parameter)!))
        .endCell();
}

describe('A new node that the Registry refuses, where forwarding has become cheap', () => {
    it('gives back its share and is counted no more, at the least value', async () => {
        const market = await joinedMarket({ prices: '2025' });
        const { blockchain, registry, governor, provider, owner, codes } = market;
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
        blockchain.setConfig(mixed('2025', FORWARD, '2026'));
        const node = { code: codes.node, listing: listingCell(largestListing(blockchain.now!)) };
        const register = (value: bigint) => provider.sendRegisterNode(owner.getSender(), { value, ...node });
        const value = await leastValue(market, await provider.getRegisterNodeValue(node), register);

        await register(value);

        expect(await provider.getProviderState()).toMatchObject({ shares: 0n, nodes: 0n, gpus: 0n });
    });
});

describe('A Dispute that its provider deployed as the job began, where storage has become dear', () => {
    it('still has the slash made, at the value that the node asks for', async () => {
        const market = await caseMarket({ prices: '2026' });
        const { blockchain, provider, node, owner, job } = market;
        blockchain.setConfig(mixed('2026', STORAGE, '2025'));
        const early = await Dispute.ofFault(provider.address, { class: 'A2', job: job.hash, query: 0 });
        await owner.send({ to: early.address, value: 60_000n, init: early.init!, bounce: false });
        blockchain.now! += 90 * DAY;
        await owner.send({ to: node.address, value: VALUE, bounce: false }); // its rent is another matter
        const price = toNano('1');
        const body = job.report.excess(job.result({ price, cumulative: price }));

        const result = await report(market, 'excess', body);

        expect(slashesIn(result)).toHaveLength(1);
        expect((await provider.getStanding()).frozen).toBe(0n);
    });
});
