/** What a command believes of a case that one endpoint tells of. */
import { codesOfThisCheckout, Dispute } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Chain } from '../../offchain/chain';
import { readCase } from '../../offchain/cli/case';

const provider = new Address(0, Buffer.alloc(32, 1));
const [OWN, OTHER] = [2n, 3n]; // jobs
const bytesOf = (job: bigint) => Buffer.from(job.toString(16).padStart(64, '0'), 'hex');

/** A chain whose endpoint says that a case is of these jobs, by its state and by its file. */
async function chainSaying(state: bigint, file: bigint): Promise<Chain> {
    const { dispute: code } = await codesOfThisCheckout();
    const opened = {
        getCaseState: async () => ({ provider, faultClass: 4n, job: state, query: 7n, nodeVersion: 1n }),
        getFile: async () => ({ class: 'B1', job: bytesOf(file), query: 7 }),
    };
    const chain = { network: -3, account: async () => ({ state: 'active', code, at: 1 }), open: () => opened };
    return chain as unknown as Chain;
}

describe('A case that a committee member reads', () => {
    const fault = { class: 'B1', job: bytesOf(OWN), query: 7, nodeVersion: 1 } as const;

    it('is that of the fault which its address proves', async () => {
        const { address } = await Dispute.ofFault(provider, fault);

        const { file } = await readCase(await chainSaying(OWN, OWN), address);

        expect(file.job).toEqual(bytesOf(OWN));
    });

    it.each([
        ['state and file name', OTHER, OTHER],
        ['file names', OWN, OTHER],
    ])('is none whose %s the job of another answer', async (_, state, file) => {
        const { address } = await Dispute.ofFault(provider, fault);

        await expect(readCase(await chainSaying(state, file), address)).rejects.toThrow(
            'what its address does not prove',
        );
    });
});
