/** `cocoon worker run`. */
import type { Command } from 'commander';
import { TonHttpChain } from '../../chain';
import {
    askWorker,
    examineMachine,
    examineOutside,
    type Finding,
    forgetFailedStart,
    serveAdmin,
    startWorker,
    tellFailedStart,
    tellStopped,
    type WorkerConfig,
    type WorkerParts,
} from '../../worker';
import { Remedied } from '../../process/errors';
import { forTerminal } from '../../process/terminal';
import { readWorkerConfig } from '../../worker/config';
import { tellFailure } from '../failure';
import { serveUntil, stopRequested } from '../stop';
import { findingText } from './doctor';
import { CONFIG, type ConfigFlags } from './options';

export function addRun(worker: Command, parts: WorkerParts): void {
    worker
        .command('run')
        .description('serve until SIGTERM or SIGINT; prints the URL once it listens')
        .option(...CONFIG)
        .action(async ({ config }: ConfigFlags) => run(config, parts));
}

/** Prints what fails, on standard error. */
function showFailures(findings: readonly Finding[]): void {
    findings
        .filter(({ state }) => state === 'failed')
        .forEach((finding) => console.error(forTerminal(findingText(finding))));
}

async function run(file: string, configured: WorkerParts): Promise<void> {
    const config = readWorkerConfig(file);
    if ((await askWorker(config, 'GET', '/intake').catch(() => true)) !== undefined) {
        throw new Remedied(`The worker of ${file} runs already`, {
            remedy: 'stop it first to start it again; "cocoon worker status" shows it',
        });
    }
    const parts = { ...configured, chain: configured.chain ?? new TonHttpChain(config) };
    const { worker, admin } = await start(config, parts, file).catch((error: unknown) => {
        tellFailedStart(config, tellFailure(error));
        throw error;
    });
    forgetFailedStart(config);
    const onCrash = (error: Error) => tellStopped(config, tellFailure(error));
    process.once('uncaughtExceptionMonitor', onCrash);
    const stop = stopRequested(); // from here on: who reads the URL may ask for the end at once
    console.log(worker.url);
    // Chain and model server may be slow or down, and the worker has vouchers to claim and demands to answer.
    void examineOutside(config, { ...parts, chain: parts.chain.as('idle') }, { isServing: true, answers: false }).then(
        (report) => showFailures(report.findings),
    );
    try {
        await serveUntil(stop, worker, () => admin?.close());
    } catch (error) {
        const reason = tellFailure(error);
        console.error(forTerminal(`The worker stops: ${reason}`));
        tellStopped(config, reason);
        process.exit(1); // at once: nothing may be sent on top of what the disk did not take
    }
    process.off('uncaughtExceptionMonitor', onCrash);
}

async function start(config: WorkerConfig, parts: WorkerParts, file: string) {
    const { findings } = await examineMachine(config, parts);
    showFailures(findings);
    const blocking = findings.filter(({ blocks }) => blocks === true);
    if (blocking.length > 0) {
        const faults = blocking.map(({ check, message }) => `${check}: ${message}`).join('; ');
        throw new Remedied(`The worker does not start with these faults: ${faults}`, {
            remedy: '"cocoon worker doctor" runs all checks',
        });
    }
    const worker = await startWorker(config, parts);
    const admin = await serveAdmin(config, worker, () => worker.reload(readWorkerConfig(file))).catch(
        async (error: unknown) => {
            await worker.close('its commands cannot be served');
            throw error;
        },
    );
    return { worker, admin };
}
