/**
 * `npm run test:install`: packs the `cocoon` command, installs it in an empty folder with npm, and goes from nothing to
 * the first paid answer. Prints the seconds of each step. Exit code 1 if a step fails, or if all take more than a
 * minute.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll } from '../../demo/processes';
import { firstAnswer, prepareMarket } from './journey';
import { install, pack } from './package';

const MAX_SECONDS = 60;

async function main(): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-install-'));
    const market = await prepareMarket(join(folder, 'market'));
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    const tell = (step: string) => console.log(`${seconds().toFixed(1).padStart(6)} s  ${step}`);
    try {
        const file = pack(folder);
        tell('npm pack');
        const bin = install(file, join(folder, 'empty'));
        tell('npm install');
        const answer = await firstAnswer(bin, market, join(folder, 'node'), tell);
        console.log(`          ${JSON.stringify(answer)}`);
        if (seconds() > MAX_SECONDS) {
            throw new Error(`That took ${seconds().toFixed(1)} s, of ${MAX_SECONDS}`);
        }
    } finally {
        endAll();
        await market.stage.close();
        rmSync(folder, { recursive: true, force: true });
    }
}

main().catch((error: unknown) => {
    console.error((error as Error).message);
    process.exitCode = 1;
});
