/** Addresses as people read them. */
import { isTestOnly } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';

/** What names a network: -239 mainnet, -3 testnet. */
interface OfNetwork {
    network: number;
}

/** An account in the form of its network. */
export function addressText(address: Address, { network }: OfNetwork): string {
    return address.toString({ testOnly: isTestOnly(network) });
}

/** A wallet's address in the form of its network, as wallets show it. */
export function walletText(address: Address, { network }: OfNetwork): string {
    return address.toString({ testOnly: isTestOnly(network), bounceable: false });
}
