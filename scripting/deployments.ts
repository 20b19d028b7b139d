/** Records of markets: `deployments/<network>.json`, written by the scripts that deploy and change them. */
import { type Deployment, GLOBAL_IDS, marketValues, readAddress } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the records; COCOON_DEPLOYMENTS names another. */
export function deploymentsFolder(): string {
    return process.env.COCOON_DEPLOYMENTS ?? join(__dirname, '..', 'deployments');
}

/** The file that holds a network's record. */
export function deploymentFile(network: string): string {
    return join(deploymentsFolder(), `${network}.json`);
}

/** The record of a network, such as `testnet`; undefined if none exists. Throws if the file holds something else. */
export function loadDeployment(network: string): Deployment | undefined {
    const file = deploymentFile(network);
    if (!existsSync(file)) {
        return undefined;
    }
    try {
        const deployment = JSON.parse(readFileSync(file, 'utf8')) as Deployment;
        Address.parseRaw(deployment.governor);
        marketValues(deployment);
        requirePlace(deployment, network);
        return deployment;
    } catch (error) {
        throw new Error(`${file} is not a record of a deployment: ${(error as Error).message}`, { cause: error });
    }
}

/** Throws unless the record is of this network and its market is in the basechain. */
function requirePlace({ network, globalId, registry }: Deployment, expectedNetwork: string): void {
    if (network !== expectedNetwork) {
        throw new Error(`it is of ${network}`);
    }
    const globalIds: Partial<Record<string, number>> = GLOBAL_IDS;
    const expected = globalIds[expectedNetwork];
    if (expected !== undefined && globalId !== expected) {
        throw new Error(`it is of a network with id ${globalId}, ${expectedNetwork} has ${expected}`);
    }
    Address.parseRaw(registry);
    readAddress(registry);
}
