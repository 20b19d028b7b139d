/** The record of a market, and whether the endpoint has this market. */
import type { Address } from '@ton/core';
import { isTestOnly, readAddress } from '../addresses';
import { registryCode } from '../codes';
import { codeHash, type Deployment } from '../marketRecord';
import { type MarketClient, networkOf, readAccount, readConfiguration } from './chain';
import { MarketError } from './errors';

/**
 * What of a deployment record names a market; a whole record of `deployments/` is one. `globalId`: what GLOBALID
 * answers, -239 on mainnet; `registry`: its address in any form; `registryCode`: the hash of its code, 64 hex digits.
 *
 * @example
 * ```ts
 * import type { MarketPlace } from '@cocoon-market/wrappers/market';
 *
 * const place: MarketPlace = { globalId: -3, registry: `0:${'00'.repeat(32)}` };
 * ```
 */
export type MarketPlace = Pick<Deployment, 'globalId' | 'registry'> & Partial<Pick<Deployment, 'registryCode'>>;

const ASK_MARKET = 'Take the record that the market publishes, as it is.';
const NAMES = new Map([
    [-239, 'mainnet'],
    [-3, 'testnet'],
]);
const nameOf = (network: number) => `${NAMES.get(network) ?? 'a network'} (${network})`;

/** The registry that a record names. @throws {MarketError} `malformed-record`, `wrong-address` */
export function readPlace(place: MarketPlace): { network: number; registry: Address } {
    const malformed = (reason: string) => new MarketError('malformed-record', reason, ASK_MARKET);
    if (typeof place !== 'object' || place === null) {
        throw malformed('The deployment record is no object');
    }
    const { globalId, registry, registryCode } = place as Record<keyof MarketPlace, unknown>;
    if (typeof globalId !== 'number' || !Number.isInteger(globalId) || Math.abs(globalId) > 2 ** 31) {
        throw malformed('The deployment record has no `globalId`, the whole number of its network');
    }
    if (typeof registry !== 'string') {
        throw malformed('The deployment record has no `registry`, an address as text');
    }
    if (registryCode !== undefined && !(typeof registryCode === 'string' && /^[0-9a-f]{64}$/.test(registryCode))) {
        throw malformed('`registryCode` of the deployment record is not a hash, 64 small hex digits');
    }
    try {
        return { network: globalId, registry: readAddress(registry, { testOnly: isTestOnly(globalId) }) };
    } catch (error) {
        throw new MarketError('wrong-address', (error as Error).message, ASK_MARKET);
    }
}

/**
 * Compares the record with the network and with the code of its registry.
 * @throws {MarketError} `wrong-network`, `no-configuration`, `no-registry`, `foreign-code`
 */
export async function requireMarket(client: MarketClient, place: MarketPlace): Promise<void> {
    const { network, registry } = readPlace(place);
    const reached = networkOf(await readConfiguration(client));
    if (reached !== network) {
        throw new MarketError(
            'wrong-network',
            `The record is of ${nameOf(network)}, and the endpoint is of ${nameOf(reached)}`,
            'Use an endpoint of the same network, or the record of the other one.',
        );
    }
    const address = registry.toString({ testOnly: isTestOnly(network) });
    const { code } = await readAccount(client, registry);
    if (code === undefined) {
        throw new MarketError(
            'no-registry',
            `There is no registry at ${address} on ${nameOf(network)}`,
            'Check address and network; after the restart of a local network its market has another address.',
        );
    }
    const found = codeHash(code);
    if (place.registryCode !== undefined && place.registryCode !== found) {
        throw new MarketError(
            'foreign-code',
            `The record names the code ${place.registryCode}, and ${address} runs ${found}`,
            ASK_MARKET,
        );
    }
    if (found !== codeHash(await registryCode())) {
        throw new MarketError(
            'foreign-code',
            `${address} runs the code ${found}, which is no registry of this release`,
            'Use the release of the wrappers that the market names, and send nothing there.',
        );
    }
}
