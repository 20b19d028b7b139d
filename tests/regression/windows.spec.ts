import { beginCell, Cell, toNano } from '@ton/core';

import { nodeChanges } from '../../wrappers/Node';
import { registryChanges } from '../../wrappers/Registry';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn } from '../support/cases';
import { changeNode, CHANGE_DELAY, HOUR, keyOf, rulesWith } from '../support/stake';

const VALUE = toNano('3');

const propose = ({ registry, governor }: CaseMarket, change: Cell) =>
    registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
const execute = ({ registry, stranger }: CaseMarket) =>
    registry.sendExecuteChange(stranger.getSender(), { value: VALUE });
const adopt = ({ provider, owner }: CaseMarket) => provider.sendAdopt(owner.getSender(), { value: VALUE });

const change = (market: CaseMarket) => changeNode(market, nodeChanges.offers([]));
const close = ({ provider, owner }: CaseMarket) =>
    provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0, codeVersion: 0 });

describe('A shorter evidence window', () => {
    async function reported(then: (market: CaseMarket) => Promise<unknown>): Promise<number> {
        const market = await caseMarket();
        const { blockchain, job, insurance } = market;
        await propose(market, registryChanges.rules(rulesWith(insurance.address, { evidence: HOUR })));
        blockchain.now! += CHANGE_DELAY;
        await execute(market);
        const body = job.report.twice(job.result(), job.result({ index: 2 }));
        blockchain.now! += 2 * HOUR;
        await adopt(market);
        await then(market);
        return slashesIn(await report(market, 'twice', body, { value: VALUE })).length;
    }

    it('voids nothing that was signed before its provider adopted it', async () => {
        expect(await reported(change)).toBe(1);
    });

    it('voids nothing of a node that is closed then', async () => {
        expect(await reported(close)).toBe(1);
    });

    it.each([
        ['changes', change],
        ['is closed', close],
    ])('counts for what a node signed until then, however long, when it %s', async (_, then) => {
        const market = await caseMarket();
        const { blockchain, job, insurance } = market;
        const { response, verdict, buffer } = { response: HOUR, verdict: 12 * HOUR, buffer: 12 * HOUR };
        const longer = rulesWith(insurance.address, { evidence: 130 * HOUR, response, verdict, buffer });
        await propose(market, registryChanges.rules(longer));
        blockchain.now! += CHANGE_DELAY;
        await execute(market);
        await adopt(market);
        const body = job.report.twice(job.result(), job.result({ index: 2 }));
        await then(market);
        blockchain.now! += 129 * HOUR;

        expect(slashesIn(await report(market, 'twice', body, { value: VALUE }))).toHaveLength(1);
    });
});

describe('An accept whose deadline lies a day behind the end of its key', () => {
    it('can be demanded until its evidence window has passed: the slot is kept as long', async () => {
        const market = await caseMarket();
        const { blockchain, provider, job } = market;
        const accept = job.accept({ deadline: blockchain.now! + 24 * HOUR });
        const rotate = (name: string) =>
            changeNode(
                market,
                nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! }),
            );
        await rotate('second');
        blockchain.now! += 120 * HOUR;
        await rotate('third');

        await report(market, 'demand', job.report.demand(accept), { value: VALUE });

        expect((await provider.getStanding()).frozen).toBeGreaterThan(0n);
    });
});

describe('A provider who adopts two codes of Disputes and shorter windows between them', () => {
    it('still takes the end of a case of the first code', async () => {
        const market = await caseMarket();
        const { blockchain, provider, stranger, insurance } = market;
        const short = {
            evidence: 24 * HOUR,
            response: HOUR,
            verdict: 12 * HOUR,
            buffer: 12 * HOUR,
            unbonding: 49 * HOUR,
        };
        const [second, third] = [1, 2].map((byte) => beginCell().storeUint(byte, 8).endCell());
        await propose(market, registryChanges.code('dispute', second));
        blockchain.now! += CHANGE_DELAY;
        await execute(market);
        await propose(market, registryChanges.rules(rulesWith(insurance.address, short)));
        blockchain.now! += CHANGE_DELAY - 1;
        const job = new NodeJob(market, Buffer.alloc(32, 5), market.victim.address);
        const wrong = job.result();
        await adopt(market);
        blockchain.now! += 1;
        await execute(market);
        await propose(market, registryChanges.code('dispute', third));
        blockchain.now! += 119 * HOUR;
        await report(market, 'wrong', job.report.wrong(wrong), { value: toNano('10') });
        blockchain.now! += CHANGE_DELAY - 119 * HOUR;
        await adopt(market);
        await execute(market);
        await adopt(market);
        blockchain.now! += 97 * HOUR;
        const dispute = await job.dispute('B1');
        await dispute.sendDecide(stranger.getSender(), { value: VALUE });

        expect((await provider.getStanding()).frozen).toBe(0n);
    });
});
