/** A watcher that claims for a provider that sleeps: when a client leaves a job, its newest voucher is claimed. */
import { type Actor, claimJob, type SignedVoucher } from '@cocoon-market/wrappers';
import type { Market, StopWatching } from '@cocoon-market/wrappers/market';
import type { Address } from '@ton/core';

/** The newest voucher of a channel, as its worker stored it; undefined if nothing is owed. */
export type NewestVoucher = (channel: Address) => Promise<SignedVoucher | undefined>;

/** Watches the jobs of an escrow. The claims are paid to the provider, whoever sends them. */
export function watchtower(
    market: Market,
    actor: Actor,
    { escrow, newest }: { escrow: Address; newest: NewestVoucher },
    onError: (error: unknown) => void,
): StopWatching {
    return market.onJob(
        escrow,
        async ({ type, channel }) => {
            const voucher = type === 'leaving' ? await newest(channel) : undefined;
            if (voucher !== undefined) {
                await claimJob(actor, { channel, voucher });
            }
        },
        { from: 'start', onError },
    );
}
