/** A market on a local network, and the worker's commands as an owner types them. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stage } from '../../../demo/stage';
import type { HotWallet } from '../../../offchain/chain';
import { workerCommand } from '../../../offchain/cli/worker';
import { serveAdmin, startWorker, type Worker } from '../../../offchain/worker';
import { readWorkerConfig } from '../../../offchain/worker/config';

/** One owner with a node that `init` has set up. */
export class OwnedNode {
    readonly lines: string[] = []; // that commands printed

    private constructor(
        readonly stage: Stage,
        readonly owner: HotWallet,
        readonly folder: string,
        readonly wallet: string, // the owner's file
    ) {}

    /** Sets it up. Needs `jest` for what commands print. */
    static async create(
        stage: Stage,
        registry: string,
        port: number,
        seed = randomBytes(32),
        flags: string[] = [],
    ): Promise<OwnedNode> {
        const owner = await stage.wallet(`owner at ${port}`, seed);
        const wallet = join(stage.folder, `owner-${port}.key`);
        writeFileSync(wallet, seed.toString('hex'), { mode: 0o600 });
        const node = new OwnedNode(stage, owner, join(stage.folder, `node-${port}`), wallet);
        const market = ['--network', 'testnet', '--endpoint', stage.network.url, '--registry', registry];
        const place = ['--url', `http://127.0.0.1:${port}`, '--listen', `127.0.0.1:${port}`];
        const machine = ['--backend', 'embedded', '--gpu-model', 'RTX 4090', '--vram', '24'];
        const prices = ['--prompt', '0.2', '--completion', '0.8'];
        const all = [...market, ...place, ...machine, ...prices, '--wallet', wallet, '--yes', ...flags];
        await node.hear(['init', '--dir', node.folder, ...all]);
        return node;
    }

    path(name: string): string {
        return join(this.folder, name);
    }

    /** Runs a command with the node's configuration; with the owner's wallet unless it names another or none. */
    async run(...args: string[]): Promise<string> {
        return this.hear([...args, '--config', this.path('worker.json')]);
    }

    /** The same, signed by the owner without a question. */
    async sign(...args: string[]): Promise<string> {
        return this.run(...args, '--wallet', this.wallet, '--yes');
    }

    /** The node's worker, with the socket through which commands talk to it. */
    async startWorker(): Promise<Worker> {
        const file = this.path('worker.json');
        const config = readWorkerConfig(file);
        const worker = await startWorker(config);
        const admin = await serveAdmin(config, worker, () => worker.reload(readWorkerConfig(file)));
        return {
            ...worker,
            get nodeInfo() {
                return worker.nodeInfo;
            },
            close: async () => {
                admin?.close();
                await worker.close();
            },
        };
    }

    private async hear(args: string[]): Promise<string> {
        const lines: string[] = [];
        const hear = (...words: unknown[]) => void lines.push(words.join(' '));
        const spies = (['log', 'error'] as const).map((name) => jest.spyOn(console, name).mockImplementation(hear));
        try {
            await workerCommand().parseAsync(args, { from: 'user' });
        } finally {
            spies.forEach((spy) => spy.mockRestore());
            this.lines.push(...lines);
        }
        return lines.join('\n');
    }
}
