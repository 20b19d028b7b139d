/** Whether an address is the owner of the worker's provider, to which alone the worker sweeps. */
import { isTestOnly, Provider } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { Remedied } from '../process/errors';
import type { WorkerContext } from './context';

/**
 * Throws a {@link Remedied} unless `to` is the owner of the provider: by the provider's address, which follows from its
 * owner and the registry, and by every endpoint.
 */
export async function assertOwner(
    { chain, config }: Pick<WorkerContext, 'chain' | 'config'>,
    to: Address,
): Promise<void> {
    const text = to.toString({ testOnly: isTestOnly(config.network), bounceable: false });
    const wrong = new Remedied(`sweep.to ${text} is not the owner of the provider: nothing is sent`, {
        remedy: 'set "sweep.to" to the wallet that owns the provider',
    });
    if (config.registry !== undefined) {
        const { address } = await Provider.ofOwner(config.registry, to);
        if (!address.equals(config.provider)) {
            throw wrong;
        }
    }
    for (const source of [chain, ...(chain.others ?? [])]) {
        const { owner } = await source.open(Provider.fromAddress(config.provider)).getProviderState();
        if (!owner.equals(to)) {
            throw wrong;
        }
    }
}
