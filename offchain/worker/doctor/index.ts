/**
 * Examines a worker: its configuration, this machine, the chain, the model servers, and what clients see. It sends
 * nothing to the chain, and changes neither store nor mark.
 */
import { existsSync } from 'node:fs';
import { signingKey } from '@cocoon-market/wrappers';
import { HotWallet, TonHttpChain } from '../../chain';
import { encryptionKey } from '../../link';
import { unixSeconds } from '../../process/clock';
import { askWorker } from '../admin';
import { KeyFileError, readKeys, readWorkerConfig, type WorkerConfig, type WorkerSeeds } from '../config';
import { serversOf, type WorkerParts } from '../main';
import { blocking, type Check, type Failure, type Finding, runCheck } from './finding';
import {
    diskCheck,
    gpuCheck,
    type Machine,
    markOf,
    nodeVersionCheck,
    portCheck,
    processCheck,
    storeChecks,
    thisMachine,
} from './machine';
import {
    clockCheck,
    ENDPOINT,
    endpointCheck,
    libraryCheck,
    newKeyCheck,
    nodeCheck,
    readListed,
    stakeCheck,
    sweepCheck,
    walletCheck,
} from './market';
import { modelChecks } from './models';
import { attestationCheck, linkCheck, reachCheck } from './reach';

export type { Finding } from './finding';

export interface DoctorReport {
    passed: boolean; // no check failed
    findings: Finding[];
}

/** What a caller replaces, as for a worker that starts. */
export type DoctorParts = Pick<WorkerParts, 'chain' | 'backend' | 'seeds' | 'now'> & {
    machine?: Machine;
    /** Called with each finding as soon as it is made. */
    onFinding?: (finding: Finding) => void;
};

/** All checks of the worker whose configuration is at `path`. Never throws. */
export async function examine(path: string, parts: DoctorParts = {}): Promise<DoctorReport> {
    const { machine = thisMachine } = parts;
    let config: WorkerConfig;
    try {
        config = readWorkerConfig(path);
    } catch (error) {
        const check = error instanceof KeyFileError ? 'keys' : 'configuration';
        const correct = 'correct the file: docs/worker.md names the settings';
        const run = () => Promise.reject(blocking(error, correct));
        const findings = [
            await runCheck(nodeVersionCheck(machine)),
            await runCheck({ name: check, remedy: correct, run }),
        ];
        findings.forEach((finding) => parts.onFinding?.(finding));
        return { passed: false, findings };
    }
    const read: Check = { name: 'configuration', remedy: '', run: () => path };
    // The port is tried before the check of the listed endpoint listens there.
    const local = await examineMachine(config, parts, [read]);
    const outside = await examineOutside(config, parts, { isServing: undefined, answers: true });
    return reportOf([...local.findings, ...outside.findings]);
}

/** The checks of this machine alone, which take less than a second: for a worker that is about to start. */
export async function examineMachine(
    config: WorkerConfig,
    parts: DoctorParts = {},
    first: Check[] = [],
): Promise<DoctorReport> {
    const { machine = thisMachine } = parts;
    const isServing = await isServed(config);
    const keys = keysOf(config, parts);
    const seeds = keys.seeds;
    const checks = [
        nodeVersionCheck(machine),
        ...first,
        keys.check,
        diskCheck(config, machine),
        ...(seeds === undefined ? [] : [processCheck(config, seeds, isServing)]),
        ...storeChecks(config, seeds, isServing),
        portCheck(config, isServing),
    ];
    // One after the other: two of them open the store.
    const findings: Finding[] = [];
    for (const check of checks) {
        const finding = await runCheck(check);
        parts.onFinding?.(finding);
        findings.push(finding);
    }
    return reportOf(findings);
}

/** The checks of everything else. `answers`: have each model answer a few tokens. */
export async function examineOutside(
    config: WorkerConfig,
    parts: DoctorParts,
    { isServing: serving, answers }: { isServing: boolean | undefined; answers: boolean },
): Promise<DoctorReport> {
    const isServing = serving ?? (await isServed(config));
    const { seeds } = keysOf(config, parts);
    const now = parts.now ?? unixSeconds;
    const chain = parts.chain ?? new TonHttpChain(config);
    const servers = serversOf(config, parts.backend);
    const node = readListed(config, chain);
    node.catch(() => undefined); // each check that needs it says so
    const wallet = seeds && new HotWallet(chain, seeds.wallet).address;
    const keys = seeds && {
        receiptKey: signingKey(seeds.receiptKey).publicKey,
        encryptionKey: (await encryptionKey(seeds.encryptionKey)).publicKey,
    };
    const market = { config, keys, chain, wallet, node, now };
    const urls = config.backends.flatMap((backend) => (backend.kind === 'openai' ? [backend.url] : []));
    const checks = [
        gpuCheck(urls),
        ...modelChecks(config, servers, { answers }),
        endpointCheck(config, chain),
        clockCheck(market),
        nodeCheck(market),
        ...(isServing || existsSync(markOf(config.keyFile)) ? [] : [newKeyCheck(market)]),
        stakeCheck(market),
        walletCheck(market),
        sweepCheck(market),
        libraryCheck(market),
        attestationCheck({ config, seeds, isServing }, now),
        reachCheck({ config, seeds, node, isServing }),
        linkCheck({ config, isServing }),
    ];
    const findings = await Promise.all(
        checks.map(async (check) => {
            const finding = await runCheck(check);
            parts.onFinding?.(finding);
            return finding;
        }),
    );
    if (parts.backend === undefined) {
        await Promise.all(servers.map(({ backend }) => backend.close()));
    }
    return reportOf(onceDown(findings));
}

/** Findings in which a chain that is down is named once. */
function onceDown(findings: Finding[]): Finding[] {
    const isDown = findings.some(({ check, state }) => check === 'endpoints' && state === 'failed');
    return findings.map((finding) =>
        isDown && finding.check !== 'endpoints' && finding.remedy === ENDPOINT
            ? { check: finding.check, state: 'skipped', message: 'the chain is not read' }
            : finding,
    );
}

async function isServed(config: WorkerConfig): Promise<boolean> {
    return (await askWorker(config, 'GET', '/health').catch(() => 'a worker that fails')) !== undefined;
}

/** The key file, read once; `seeds` is undefined when it cannot be. */
function keysOf({ keyFile }: WorkerConfig, parts: DoctorParts): { seeds: WorkerSeeds | undefined; check: Check } {
    const remedy = 'name the file as "keyFile"';
    let seeds: WorkerSeeds | undefined;
    let failure: Failure | undefined;
    try {
        seeds = parts.seeds ?? readKeys(keyFile);
    } catch (error) {
        failure = blocking(error, remedy);
    }
    const run = () => {
        if (failure !== undefined) {
            throw failure;
        }
        return keyFile;
    };
    return { seeds, check: { name: 'keys', remedy, run } };
}

const reportOf = (findings: Finding[]): DoctorReport => ({
    passed: findings.every(({ state }) => state !== 'failed'),
    findings,
});
