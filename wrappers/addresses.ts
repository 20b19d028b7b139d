/** Addresses as people write them, and their networks. */
import { Address } from '@ton/core';

/** What a network answers to GLOBALID. */
export const GLOBAL_IDS = { mainnet: -239, testnet: -3 } as const;

/**
 * Whether friendly addresses of this network (its GLOBALID) have the test mark. All networks except mainnet have it.
 */
export function isTestOnly(network: number): boolean {
    return network !== GLOBAL_IDS.mainnet;
}

/**
 * Reads an address of the basechain. `testOnly`: whether friendly addresses of the network have the test mark; both
 * forms are accepted by default. Throws an Error that says what is wrong with it.
 */
export function readAddress(text: string, { testOnly }: { testOnly?: boolean | undefined } = {}): Address {
    if (Address.isRaw(text)) {
        return inBasechain(Address.parseRaw(text), text);
    }
    let read: ReturnType<typeof Address.parseFriendly>;
    try {
        read = Address.parseFriendly(text);
    } catch {
        throw new Error(`"${text}" is not an address, or has a typing error: its checksum does not fit`);
    }
    const { address, isTestOnly } = read;
    if (testOnly !== undefined && isTestOnly !== testOnly) {
        const [own, here] = isTestOnly ? ['testnet', 'mainnet'] : ['mainnet', 'testnet'];
        throw new Error(`"${text}" is an address of ${own}, this is ${here}; the raw form 0:… belongs to no network`);
    }
    return inBasechain(address, text);
}

function inBasechain(address: Address, text: string): Address {
    if (address.workChain !== 0) {
        throw new Error(`"${text}" is in workchain ${address.workChain}; the market is in the basechain, 0`);
    }
    return address;
}
