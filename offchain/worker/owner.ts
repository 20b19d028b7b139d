/** Whether an address is the owner of the worker's provider, to which alone the worker sweeps. */
import { Provider } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { isProviderOf } from '../chain';
import { walletText } from '../process/addresses';
import { Remedied } from '../process/errors';
import type { WorkerContext } from './context';

/**
 * Throws a {@link Remedied} unless `to` is the owner of the provider: by the provider's address, which follows from its
 * code, its owner and the registry, and by every endpoint.
 */
export async function assertOwner(
    { chain, config }: Pick<WorkerContext, 'chain' | 'config'>,
    to: Address,
): Promise<void> {
    const text = walletText(to, config);
    const wrong = new Remedied(`sweep.to ${text} is not the owner of the provider: nothing is sent`, {
        remedy: 'set "sweep.to" to the wallet that owns the provider',
    });
    const { registry, provider } = config;
    for (const source of [chain, ...(chain.others ?? [])]) {
        if (registry !== undefined && !(await isProviderOf(source, { registry, owner: to }, provider))) {
            throw wrong;
        }
        const { owner } = await source.open(Provider.fromAddress(provider)).getProviderState();
        if (!owner.equals(to)) {
            throw wrong;
        }
    }
}
