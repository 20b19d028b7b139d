/** Writes and reads the records of deployments. */
import { codeHash, type Deployment, readMarket, Registry, registryCode } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { address } from './flags';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { deploymentFile, loadDeployment } from './deployments';

/** The flag by which every script finds its market. */
export const registryFlag = {
    registry: address.optional('the market; default: that of deployments/<network>.json'),
};

/** The record of this network. Refuses one of another network of the same name. */
export function recordOf({ network }: ScriptSession): Deployment | undefined {
    let record: Deployment | undefined;
    try {
        record = loadDeployment(network.name);
    } catch (error) {
        throw new ScriptError((error as Error).message, 'restore it from version control');
    }
    if (record !== undefined && record.globalId !== network.globalId) {
        throw new ScriptError(
            `${deploymentFile(network.name)} is of a network with id ${record.globalId}, this one has ${network.globalId}`,
        );
    }
    return record;
}

/** What to do where a registry is named that is not on chain. */
export const NO_REGISTRY = 'check the network. After a restart of a local one, remove its record and run deployMarket';

/** The registry that a script works on. Refuses if none is known or none is deployed. */
export async function registryOf(session: ScriptSession, flag: Address | undefined): Promise<Address> {
    const record = recordOf(session);
    const registry = flag ?? (record && Address.parseRaw(record.registry));
    if (registry === undefined) {
        throw new ScriptError(
            `No market is known on ${session.network.name}: there is no ${deploymentFile(session.network.name)}`,
            'run deployMarket, or name one with --registry',
        );
    }
    const { active, code } = await session.account(registry);
    if (!active) {
        throw new ScriptError(
            `There is no registry at ${session.format(registry)} on ${session.network.name}`,
            NO_REGISTRY,
        );
    }
    const isRecorded = record !== undefined && Address.parseRaw(record.registry).equals(registry);
    if (!isRecorded && code?.equals(await registryCode()) !== true) {
        throw new ScriptError(
            `The account ${session.format(registry)} does not run the registry of this release`,
            'look at the address, or use the release that this market runs',
        );
    }
    return registry;
}

/** The market with its state on chain. */
export async function openRegistry(session: ScriptSession, flag: Address | undefined) {
    const at = await registryOf(session, flag);
    const registry = session.openContract(Registry.fromAddress(at));
    return { registry, at, state: await registry.getRegistryState() };
}
export type OpenedRegistry = Awaited<ReturnType<typeof openRegistry>>;

/** Writes what the network says now; keeps everything of the old record that did not change. */
export async function writeRecord(session: ScriptSession, registry: Address): Promise<string> {
    const [market, { code }] = [await readMarket(session.reader(), registry), await session.account(registry)];
    const record: Deployment = {
        network: session.network.name,
        globalId: session.network.globalId,
        ...market,
        registryCode: codeHash(code!),
        commit: commit(),
        date: new Date((await session.now()) * 1000).toISOString(),
    };
    const file = deploymentFile(session.network.name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(record, null, 4)}\n`);
    return file;
}

/** Brings the record up to date after a change, if it is this registry's. */
export async function refreshRecord(session: ScriptSession, registry: Address): Promise<void> {
    const record = recordOf(session);
    if (record !== undefined && Address.parseRaw(record.registry).equals(registry)) {
        await writeRecord(session, registry);
    }
}

function commit(): string {
    try {
        const args = ['describe', '--always', '--dirty', '--abbrev=40', '--exclude', '*'];
        return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
        return 'unknown';
    }
}
