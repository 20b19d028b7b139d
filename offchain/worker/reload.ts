/** Takes new offers from the configuration while the worker runs, such as other prices. */
import { Address, Cell } from '@ton/core';
import { Remedied } from '../process/errors';
import type { WorkerConfig } from './config';
import type { WorkerContext } from './context';

type Offers = WorkerConfig['offers'];
type OtherSetting = Exclude<keyof WorkerConfig, 'offers'>;

/** What a reload did. */
export interface Reloaded {
    offers: string[]; // models whose offer has changed, is new, or ended
    restart: string[]; // settings that have changed, and that the worker takes only at its next start
}

/**
 * Takes the offers of a new configuration. Changes nothing and throws if no backend serves one of them, or they are not
 * those on chain. `assertListed` compares them with the chain.
 */
export async function reload(
    { config, backends, offers, log }: WorkerContext,
    next: WorkerConfig,
    assertListed: (offers: Offers) => Promise<void>,
): Promise<Reloaded> {
    const unserved = next.offers.find(({ model }) => !backends.isConfigured(model));
    if (unserved !== undefined) {
        throw new Remedied(`No backend serves ${unserved.model}: add it to the "models" of a backend, and restart`);
    }
    await assertListed(next.offers);
    const ofModel = (all: Offers, model: string) => all.find((offer) => offer.model === model);
    const { offers: nextOffers, ...others } = next;
    const models = [...new Set([...offers.current, ...nextOffers].map(({ model }) => model))];
    const changed = models.filter((model) => !isSame(ofModel(offers.current, model), ofModel(nextOffers, model)));
    const names = Object.keys({ ...config, ...others }) as OtherSetting[];
    const restart = names.filter((name) => !isSame(config[name], others[name]));
    if (changed.length > 0) {
        offers.replace(nextOffers);
    }
    log.info({ offers: changed, restart }, 'the configuration was read again');
    return { offers: changed, restart };
}

const isSame = (one: unknown, other: unknown): boolean => textOf(one) === textOf(other);

// Addresses and cells have caches, which differ.
function textOf(setting: unknown): string | undefined {
    return JSON.stringify(setting, (_name, value: unknown) => {
        if (typeof value === 'bigint') {
            return value.toString();
        }
        return value instanceof Address || value instanceof Cell ? value.toString() : value;
    });
}
