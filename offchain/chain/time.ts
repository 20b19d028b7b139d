/** The time of the chain, which an endpoint may not tell alone. */
import type { Address } from '@ton/core';
import type { Chain } from './chain';

const CLOCK_SECONDS = 60; // by which this machine's clock may differ from the time of an endpoint that is believed alone

/**
 * The time of the chain (unix seconds), which an endpoint says is `at`; `now`: by this machine's clock. An order may be
 * taken until the time that it carries. So a time that this machine's clock does not bear out is compared with that of
 * every endpoint: the middle one counts.
 */
export async function agreedTime(
    chain: Pick<Chain, 'others'>,
    address: Address,
    { at, now }: { at: number; now: number },
): Promise<number> {
    const others = Math.abs(at - now) > CLOCK_SECONDS ? (chain.others ?? []) : [];
    const readings = await Promise.allSettled(others.map((one) => one.account(address)));
    const times = readings.flatMap((one) => (one.status === 'fulfilled' ? [one.value.at] : []));
    const sorted = [...times, now].sort((one, other) => one - other);
    return times.length < 2 ? at : sorted[(sorted.length - 1) >> 1];
}
