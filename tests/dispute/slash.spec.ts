import { toNano } from '@ton/core';

import { caseStates } from '../../wrappers/Dispute';
import { gasOf, transactionsOn, exitCodeOf } from '../support/chain';
import { CaseMarket, caseMarket, report, votes } from '../support/cases';
import { HOUR } from '../support/stake';

let market: CaseMarket;
beforeEach(async () => {
    market = await caseMarket();
});

const balance = async (address: { address: import('@ton/core').Address }) =>
    (await market.blockchain.getContract(address.address)).balance;

it('A1', async () => {
    const { job, victim, insurance, provider } = market;
    const before = await Promise.all([victim, insurance].map(balance));
    const result = await report(market, 'twice', job.report.twice(job.result(), job.result({ number: 1, index: 2 })));
    for (const tx of result.transactions) console.log(exitCodeOf(tx), Number(gasOf([tx])), tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : '');
    const after = await Promise.all([victim, insurance].map(balance));
    console.log(after.map((x, i) => x - before[i]), await provider.getProviderState(), await market.node.getNodeRecord());
});
it('A2', async () => {
    const { job, victim, insurance, provider } = market;
    const before = await Promise.all([victim, insurance].map(balance));
    const body = job.report.excess(job.result({ price: 400_000_000n }));
    const result = await report(market, 'excess', body);
    for (const tx of result.transactions) console.log(exitCodeOf(tx), Number(gasOf([tx])), tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : '');
    const after = await Promise.all([victim, insurance].map(balance));
    console.log(await market.node.getValuesFor(body), after.map((x, i) => x - before[i]), await provider.getProviderState(), await market.node.getNodeRecord());
    const again = await report(market, 'excess', body);
    for (const tx of again.transactions) console.log(exitCodeOf(tx), Number(gasOf([tx])), tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : '');
    console.log(await provider.getStanding(), await market.node.getNodeRecord());
});
it('A3', async () => {
    const { job, provider } = market;
    const result = await report(market, 'demand', job.report.demand(job.accept()));
    for (const tx of result.transactions) console.log(exitCodeOf(tx), Number(gasOf([tx])), tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : '');
    const dispute = await job.dispute('A3');
    console.log(await dispute.getCaseState(), await dispute.getFile(), await balance(dispute));
    const via = market.operator.getSender();
    const value = await dispute.getCloseValue();
    const snap = market.blockchain.snapshot();
    const a = await dispute.sendFail(via, { value, fail: job.fail() });
    for (const tx of a.transactions) console.log('fail', exitCodeOf(tx), Number(gasOf([tx])));
    console.log(await market.node.getNodeRecord(), await provider.getStanding(), await dispute.getCaseState());
    await market.blockchain.loadFrom(snap);
    const b = await dispute.sendPiece(via, { value, result: job.result(), answer: Buffer.from('answer'), index: 0 });
    for (const tx of b.transactions) console.log('piece', exitCodeOf(tx), Number(gasOf([tx])));
    await market.blockchain.loadFrom(snap);
    const c = await dispute.sendVoucher(via, { value, result: job.result(), voucher: job.voucher(1) });
    for (const tx of c.transactions) console.log('voucher', exitCodeOf(tx), Number(gasOf([tx])));
    await market.blockchain.loadFrom(snap);
    market.blockchain.now! += 25 * HOUR;
    const d = await dispute.sendDecide(via, { value });
    for (const tx of d.transactions) console.log('decide', exitCodeOf(tx), Number(gasOf([tx])));
    console.log(await market.node.getNodeRecord(), await provider.getStanding(), await dispute.getCaseState(), await provider.getProviderState());
});
it('B1', async () => {
    const { job, provider } = market;
    const result = await report(market, 'wrong', job.report.wrong(job.result()));
    for (const tx of result.transactions) console.log(exitCodeOf(tx), Number(gasOf([tx])), tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : '');
    const dispute = await job.dispute('B1');
    const file = (await dispute.getFile())!;
    const value = await dispute.getCloseValue();
    market.blockchain.now! += 25 * HOUR;
    const verdict = { basisPoints: 500, validUntil: market.blockchain.now! + 10 };
    const d = await dispute.sendVerdict(market.operator.getSender(), { value, ...verdict, votes: votes(file, dispute.address, verdict, [0, 2]) });
    for (const tx of d.transactions) console.log('verdict', exitCodeOf(tx), Number(gasOf([tx])));
    console.log(await market.node.getNodeRecord(), await provider.getStanding(), await dispute.getCaseState(), await provider.getProviderState(), caseStates.closed, toNano(1), transactionsOn.length);
});
