/** What is read at an address where no Dispute is, and what a Dispute refuses from anyone. */
import { Address, beginCell, toNano } from '@ton/core';

import { Dispute, errors, NotDispute } from '@cocoon-market/wrappers';
import { loadCaseFile } from '../../wrappers/bodies';
import { caseMarket, expectRejected, NodeJob, report, useCases } from '../support/cases';
import { expectRefused } from '../support/chain';
import { keyZero } from '../support/keys';

const market = useCases(() => caseMarket());
const fileAt = (address: Address) => market().blockchain.openContract(Dispute.fromAddress(address)).getFile();

describe('The file of a case', () => {
    it.each([
        ['another contract of the market', () => market().provider.address],
        ['a wallet', () => market().stranger.address],
        ['no contract', () => new Address(0, Buffer.alloc(32, 0x77))],
    ])('is not read from %s, which is named', async (_, address) => {
        const read = fileAt(address());

        await expect(read).rejects.toThrow(NotDispute);
        await expect(read).rejects.toThrow(`There is no Dispute of this release at ${address().toString()}`);
    });

    it('is read from a Dispute', async () => {
        const { job } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));

        expect(await fileAt((await job.dispute('A3')).address)).toMatchObject({ class: 'A3', query: 1 });
    });
});

describe('The cell of a file', () => {
    it('has the bits and references of its schema, and nothing else', async () => {
        const { job } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));

        const { bits, refs } = (await (await job.dispute('A3')).getCaseFile())!;

        expect([bits.length, refs.length]).toEqual([2 + 3 * 64 + 32 + 256, 2]);
    });

    it('has no slash before the case is decided', async () => {
        const { job } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));

        const cell = (await (await job.dispute('A3')).getCaseFile())!;

        expect(loadCaseFile(cell.beginParse())).toMatchObject({ slash: 0n, slashed: 0n, result: 0n });
    });
});

describe('A node whose keys have all ended', () => {
    it('bears nothing that anyone can sign for key 0', async () => {
        const { provider, owner, victim } = market();
        const job = new NodeJob(market(), Buffer.alloc(32, 5), victim.address, { receiptKey: keyZero.publicKey });
        const results = [1n, 2n].map((price) => job.result({ price }, keyZero));
        await provider.sendCloseNode(owner.getSender(), { value: toNano('1'), number: 0, codeVersion: 0 });

        await expectRejected(market(), 'twice', job.report.twice(results[0], results[1]), errors.ErrUnknownKey);
    });
});

describe('A Dispute', () => {
    it.each([
        ['an unknown opcode', beginCell().storeUint(0xc0c006ff, 32).storeUint(0, 64).endCell(), 130],
        ['a comment', beginCell().storeUint(0, 32).storeStringTail('hello').endCell(), 130],
        ['a body that is cut off', beginCell().storeUint(0xc0c00602, 32).storeUint(0, 64).endCell(), 9],
    ])('refuses %s', async (_, body, exitCode) => {
        const { job, stranger } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const { address } = await job.dispute('A3');

        const result = await stranger.send({ to: address, value: toNano('1'), body });

        expectRefused(result, { to: address, exitCode });
    });
});
