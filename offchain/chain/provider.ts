/** Which account is the Provider of an owner, whichever version of a Provider's code it was deployed with. */
import { codeHashes, codeId, codesOfThisCheckout, Provider, Registry } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { addressText } from '../process/addresses';
import type { Chain, ChainReader } from './chain';

/** An owner at a market. */
export interface ProviderOwner {
    registry: Address;
    owner: Address;
}

/** The hashes of the Providers' codes that a registry names, by version. */
export function providerCodes(chain: Pick<ChainReader, 'open'>, registry: Address): Promise<bigint[]> {
    return codeHashes(chain.open(Registry.fromAddress(registry)), 'provider');
}

/**
 * True if an account is the Provider of this owner. Its address proves code, registry and owner, so no endpoint can
 * make these up. The code is that of this release, or one that the registry names.
 */
export async function isProviderOf(
    chain: ChainReader,
    { registry, owner }: ProviderOwner,
    address: Address,
): Promise<boolean> {
    const { state, code } = await chain.account(address);
    if (state !== 'active' || code === undefined) {
        return false;
    }
    const proved = await Provider.ofOwner(registry, owner, code);
    if (!proved.address.equals(address)) {
        return false;
    }
    const { provider } = await codesOfThisCheckout();
    return code.equals(provider) || (await providerCodes(chain, registry)).includes(codeId(code).hash);
}

/** The Provider of an owner, of the newest version that they have; undefined if they have none. */
export async function findProvider(
    chain: ChainReader & Pick<Chain, 'network'>,
    account: ProviderOwner,
): Promise<Address | undefined> {
    const opened = chain.open(Registry.fromAddress(account.registry));
    const versions = (await providerCodes(chain, account.registry)).length;
    for (let version = versions - 1; version >= 0; version--) {
        const address = await opened.getProviderAddress(account.owner, BigInt(version));
        if ((await chain.account(address)).state === 'active') {
            if (!(await isProviderOf(chain, account, address))) {
                throw new Error(
                    `The endpoint names ${addressText(address, chain)}, which is no provider of this owner`,
                );
            }
            return address;
        }
    }
    return undefined;
}
