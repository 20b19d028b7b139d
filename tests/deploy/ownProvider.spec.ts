/** Which account scripts take for the Provider of the wallet that signs, if the endpoint lies. */
import { codeId, codesOfThisCheckout, Provider } from '@cocoon-market/wrappers';
import { Address, type Cell, type Contract } from '@ton/core';
import { findProvider } from '../../scripting/provider';
import type { ScriptSession } from '../../scripting/session';

const account = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const [registry, owner, thief] = [account(1), account(2), account(3)];

/** A session whose endpoint names this account as the owner's Provider, with the code of this release. */
async function sessionNaming(named: Address): Promise<ScriptSession> {
    const { provider: code } = await codesOfThisCheckout();
    const opened = {
        getCodeHash: async (_: bigint, version: bigint) => (version === 0n ? codeId(code).hash : 0n),
        getProviderAddress: async () => named,
    };
    const session: Partial<Record<keyof ScriptSession, unknown>> = {
        openContract: (_: Contract) => opened,
        account: async (): Promise<{ active: boolean; code: Cell }> => ({ active: true, code }),
        format: String,
        formatWallet: String,
    };
    return session as unknown as ScriptSession;
}

describe('The Provider that a script finds', () => {
    it('is no account of a thief that an endpoint names, to which stake would go', async () => {
        await expect(findProvider(await sessionNaming(thief), registry, owner)).rejects.toThrow(
            'it is none with the code of this release',
        );
    });

    it('is the account that follows from code, market and owner', async () => {
        const { address } = await Provider.ofOwner(registry, owner);

        expect((await findProvider(await sessionNaming(address), registry, owner))?.equals(address)).toBe(true);
    });
});
