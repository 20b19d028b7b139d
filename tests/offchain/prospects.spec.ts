/** What a report is planned with, whatever the accused has written into the contracts. */
import { prepareReport } from '@cocoon-market/wrappers';
import { beginCell, toNano } from '@ton/core';
import { TonHttpChain } from '../../offchain/chain';
import { planOf } from '../../offchain/cli/prospects';
import type { FaultEvidence } from '../../offchain/gateway';
import { opcodes } from '../../wrappers/protocol';
import { World } from '../indexer/support/world';
import { NodeJob } from '../support/cases';

it('A report of a provider that names no account as its payout is planned like any other', async () => {
    const world = await World.start();
    const accused = await world.provider('accused');
    const { node } = await world.node(accused);
    const job = new NodeJob({ ...accused, node }, Buffer.alloc(32, 5), world.market.stranger.address);
    const result = job.result({ price: toNano('1'), cumulative: toNano('1') });
    const chain = new TonHttpChain(world.settings);
    const evidence = { class: 'A2', channel: job.channel, terms: job.terms, result } as const;
    const prepared = await prepareReport(chain, world.net.networkId, evidence);
    const found = { class: 'A2', terms: job.terms, date: job.now, loss: 1000n } as FaultEvidence;
    const plan = await planOf(chain, found, prepared, 0);
    const body = beginCell().storeUint(opcodes.SetPayout, 32).storeUint(0, 64).storeAddress(null).endCell();
    await accused.owner.send({ to: accused.provider.address, value: toNano('1'), body, bounce: true });

    await expect(accused.provider.getMembershipNow()).rejects.toThrow('Invalid address');
    expect(await planOf(chain, found, prepared, 0)).toEqual(plan);
    await world.close();
});
