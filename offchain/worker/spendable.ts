import { larger } from '@cocoon-market/wrappers';
import type { Chain, HotWallet } from '../chain';

/**
 * nanoTON that the wallet can spend. If the first endpoint says that it holds less than `needed`, the highest balance
 * that any says: an order of a wallet that holds too little costs its gas, and one that is not sent may cost every
 * voucher.
 */
export async function spendable(
    { others = [] }: Pick<Chain, 'others'>,
    wallet: Pick<HotWallet, 'address' | 'balance'>,
    needed: bigint,
): Promise<bigint> {
    const balance = await wallet.balance();
    if (balance >= needed) {
        return balance;
    }
    const readings = await Promise.allSettled(others.map((one) => one.account(wallet.address)));
    return readings.reduce((max, one) => (one.status === 'fulfilled' ? larger(max, one.value.balance) : max), balance);
}
