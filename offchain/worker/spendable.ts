import { larger } from '@cocoon-market/wrappers';
import type { Chain, HotWallet } from '../chain';

/**
 * nanoTON that the wallet can spend. If the first endpoint says that it holds less than `needed`, or nothing that can
 * be read, the highest balance that any says: an order of a wallet that holds too little costs its gas, and one that is
 * not sent may cost every voucher.
 */
export async function spendable(
    { others = [] }: Pick<Chain, 'others'>,
    wallet: Pick<HotWallet, 'address' | 'balance'>,
    needed: bigint,
): Promise<bigint> {
    const [first] = await Promise.allSettled([wallet.balance()]);
    if (first.status === 'fulfilled' && first.value >= needed) {
        return first.value;
    }
    const readings = await Promise.allSettled(others.map(async (one) => (await one.account(wallet.address)).balance));
    const balances = [first, ...readings].flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (balances.length === 0 && first.status === 'rejected') {
        throw first.reason;
    }
    return balances.reduce(larger);
}
