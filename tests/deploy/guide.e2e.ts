/** Every command of docs/operations.md, in its order, with the output that the guide shows. */
import { freePort } from '../../demo/ports';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Block, missingLine, readGuide } from './support/guide';
import { type FreshWallet, freshWallet, NetworkProcess } from './support/network';
import { type Outcome, ROOT, Shell } from './support/shell';

const COINS = '2'; // what the guide says is enough
const FOLDER = join(ROOT, 'temp/operations');
const guide = readGuide(join(ROOT, 'docs/operations.md'));

describe('The operations guide', () => {
    const deployments = mkdtempSync(join(tmpdir(), 'cocoon-deployments-'));
    let network: NetworkProcess;
    let governor: FreshWallet;
    let next: FreshWallet;
    let shell: Shell;
    let ports: { gateway: number; worker: number };
    let last: Outcome = { output: '', failed: '' };
    let broken = false; // what follows a failed step means nothing

    beforeAll(async () => {
        rmSync(FOLDER, { recursive: true, force: true });
        network = await NetworkProcess.start();
        [governor, next] = [await freshWallet('v5r1'), await freshWallet('v5r1')];
        await network.fund(governor, COINS);
        ports = { gateway: await freePort(), worker: await freePort() };
        shell = new Shell({
            NET: network.flags,
            ENDPOINT: network.url,
            WALLET_MNEMONIC: governor.words,
            WALLET_VERSION: governor.version,
            NEXT_MNEMONIC: next.words,
            NEXT_WALLET: next.text,
            COCOON_DEPLOYMENTS: deployments,
        });
    });

    afterAll(async () => {
        for (const name of ['worker', 'gateway']) {
            endProcess(join(FOLDER, `${name}.pid`));
        }
        shell.close();
        await network.stop();
        rmSync(deployments, { recursive: true });
    });

    it('has commands, outputs and waits', () => {
        const kinds = guide.map(({ kind }) => kind);

        expect(kinds.filter((kind) => kind === 'run').length).toBeGreaterThan(20);
        expect(kinds.filter((kind) => kind === 'wait').length).toBe(3);
    });

    it.each(guide.map((block) => [title(block), block] as const))('%s', async (_, block) => {
        expect(broken).toBe(false);
        broken = true;
        if (block.kind === 'wait') {
            await network.client.advance(block.seconds);
        } else if (block.kind === 'coins') {
            await network.fund(governor, block.coins);
        } else if (block.kind === 'run') {
            const commands = block.commands
                .replaceAll('18090', `${ports.worker}`)
                .replaceAll('127.0.0.1:10000', `127.0.0.1:${ports.gateway}`)
                .replaceAll('"port": 10000', `"port": ${ports.gateway}`)
                .replaceAll(/gateway (jobs|settle)/g, `gateway $1 --url http://127.0.0.1:${ports.gateway}`);

            last = await shell.run(commands);

            expect(`${last.output}\nfailed: ${last.failed}`).toMatch(/failed: $/);
        } else {
            expect([missingLine(block.output, last.output), last.output]).toEqual([undefined, last.output]);
        }
        broken = false;
    });

    it('leaves neither worker nor gateway running', async () => {
        const running = () => ['worker', 'gateway'].filter((name) => isRunning(join(FOLDER, `${name}.pid`)));
        for (let waited = 0; waited < 15_000 && running().length > 0; waited += 200) {
            await sleep(200);
        }

        expect(running()).toEqual([]);
    });

    it('ends with a deployment that matches, until one parameter is altered behind its back', async () => {
        const elsewhere = `COCOON_DEPLOYMENTS=${join(deployments, 'elsewhere')}`;
        const registry = '--registry $(at registry)';
        const words = 'WALLET_MNEMONIC="$NEXT_MNEMONIC"';
        const before = await shell.run('npx blueprint run checkDeployment $NET');
        await shell.run(
            `sed 's/"unbonding": "4h"/"unbonding": "5h"/; s/"baseStake": "0.2"/"baseStake": "0.21"/' params/testnet.json > temp/operations/altered.json
            ${elsewhere} ${words} npx blueprint run proposeRules $NET ${registry} --profile temp/operations/altered.json --yes`,
        );
        await network.client.advance(600);
        const executed = await shell.run(`${elsewhere} npx blueprint run executeChange $NET ${registry} --yes`);

        const after = await shell.run('npx blueprint run checkDeployment $NET || echo "exit code $?"');

        expect(before).toMatchObject({ failed: '', output: expect.stringContaining('all match') });
        expect(executed.failed).toBe('');
        expect(after.output).toContain('exit code 1');
        expect(after.output).toContain(
            '✗ 1 difference:\n  - rules.unbonding: the record says 14400, the network 18000',
        );
    });
});

function title(block: Block): string {
    switch (block.kind) {
        case 'wait':
            return `line ${block.line}: ${block.seconds} seconds pass`;
        case 'coins':
            return `line ${block.line}: the wallet gets ${block.coins} TON`;
        case 'run':
            return `line ${block.line}: runs ${block.commands.match(/(?:blueprint run|cocoon \w+) (\w+)/g)?.join(', ')}`;
        case 'see':
            return `line ${block.line}: prints what the guide shows`;
    }
}

function isRunning(pidFile: string): boolean {
    try {
        return process.kill(Number(readFileSync(pidFile, 'utf8')), 0);
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
            return false;
        }
        throw error;
    }
}

function endProcess(pidFile: string): void {
    if (existsSync(pidFile)) {
        try {
            process.kill(Number(readFileSync(pidFile, 'utf8')));
        } catch {
            // the guide itself ends it
        }
    }
}
