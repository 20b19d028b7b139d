/** `cocoon worker run`. */
import type { Command } from 'commander';
import { serveAdmin, startWorker, type WorkerParts } from '../../worker';
import { readWorkerConfig, type WorkerConfig } from '../../worker/config';
import { tellFailure } from '../failure';
import { stopRequested } from '../stop';
import { CONFIG, type ConfigFlags } from './options';

export function addRun(worker: Command, parts: WorkerParts): void {
    worker
        .command('run')
        .description('serve until SIGTERM or SIGINT; prints the URL once it listens')
        .option(...CONFIG)
        .action(async ({ config }: ConfigFlags) => run(readWorkerConfig(config), parts));
}

async function run(config: WorkerConfig, parts: WorkerParts): Promise<void> {
    const worker = await startWorker(config, parts);
    const admin = await serveAdmin(config.store, worker);
    console.log(worker.url);
    try {
        await Promise.race([stopRequested(), worker.failed]);
    } catch (error) {
        console.error(`The worker stops: ${tellFailure(error)}`);
        process.exit(1); // at once: nothing may be sent on top of what the disk did not take
    }
    admin?.close();
    await worker.close();
}
