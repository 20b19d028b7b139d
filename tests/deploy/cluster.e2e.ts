/** Every command of docs/cluster.md, in its order, with the output that the page shows. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../demo/ports';
import { PostgresServer } from '../offchain/support/postgres';
import { missingLine, readGuide } from './support/guide';
import { freshWallet, NetworkProcess } from './support/network';
import { type Outcome, ROOT, Shell } from './support/shell';

const FOLDER = 'temp/cluster'; // the operations guide runs in temp/operations meanwhile
const PORTS = ['18090', '18091', '10000', '10001'];
const NAMES = ['worker-1', 'worker-2', 'gateway-1', 'gateway-2'];
const page = readGuide(join(ROOT, 'docs/cluster.md'));

/** The blocks of the operations guide with which the page begins. */
function firstSteps(): string[] {
    const commands = readGuide(join(ROOT, 'docs/operations.md')).flatMap((block) =>
        block.kind === 'run' ? [block.commands] : [],
    );
    const end = commands.findIndex((text) => text.includes('gateway.json <<JSON'));
    return commands.slice(0, end).filter((text) => !text.includes('worker.json <<JSON'));
}

describe('The page about clusters', () => {
    const deployments = mkdtempSync(join(tmpdir(), 'cocoon-deployments-'));
    let network: NetworkProcess;
    let database: PostgresServer;
    let shell: Shell;
    let ports: number[];
    let last: Outcome = { output: '', failed: '' };
    let broken = false; // what follows a failed step means nothing

    const run = (commands: string) =>
        shell.run(
            PORTS.reduce(
                (text, port, i) => text.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), `${ports[i]}`),
                commands.replaceAll('temp/operations', FOLDER),
            ),
        );

    beforeAll(async () => {
        rmSync(join(ROOT, FOLDER), { recursive: true, force: true });
        [network, database] = [await NetworkProcess.start(), await PostgresServer.start()];
        const wallet = await freshWallet('v5r1');
        await network.fund(wallet, '2');
        ports = await Promise.all(PORTS.map(() => freePort()));
        shell = new Shell({
            NET: network.flags,
            ENDPOINT: network.url,
            STORE: database.url(),
            WALLET_MNEMONIC: wallet.words,
            WALLET_VERSION: wallet.version,
            COCOON_DEPLOYMENTS: deployments,
        });
        for (const commands of firstSteps()) {
            expect(await run(commands)).toMatchObject({ failed: '' });
        }
    });

    afterAll(async () => {
        NAMES.forEach((name) => endProcess(join(ROOT, FOLDER, `${name}.pid`)));
        shell.close();
        await network.stop();
        await database.remove();
        rmSync(deployments, { recursive: true });
    });

    it.each(page.map((block) => [`line ${block.line}: ${block.kind}`, block] as const))('%s', async (_, block) => {
        expect(broken).toBe(false);
        broken = true;
        if (block.kind === 'run') {
            last = await run(block.commands);
            expect(`${last.output}\nfailed: ${last.failed}`).toMatch(/failed: $/);
        } else if (block.kind === 'see') {
            expect([missingLine(block.output, last.output), last.output]).toEqual([undefined, last.output]);
        }
        broken = false;
    });
});

function endProcess(pidFile: string): void {
    try {
        process.kill(Number(readFileSync(pidFile, 'utf8')));
    } catch {
        // the page itself ends it
    }
}
