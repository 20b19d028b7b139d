/** The programs that the build makes (bundle.mjs), for those who start them as processes. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(__dirname, '..');

/** Each with the set that it is made with, and its file. */
const PROGRAMS = {
    cocoon: ['package', 'offchain/bin/cocoon.js'],
    localnet: ['programs', 'build/programs/localnet.mjs'],
    demo: ['programs', 'build/programs/demo.mjs'],
    play: ['programs', 'build/programs/play.mjs'],
    crashingWorker: ['tests', 'build/tests/crashingWorker.mjs'],
    soakBackend: ['tests', 'build/tests/soakBackend.mjs'],
    benchBackend: ['tests', 'build/tests/benchBackend.mjs'],
    benchProxy: ['tests', 'build/tests/benchProxy.mjs'],
    faultyWorker: ['tests', 'build/tests/faultyWorker.mjs'],
} as const;

const fresh = new Set<string>();

/** The file by which Node starts a program. Its set is bundled first if a source changed since it was made. */
export function program(name: keyof typeof PROGRAMS): string {
    const [set, file] = PROGRAMS[name];
    if (!fresh.has(set)) {
        const stdio = ['ignore', 'ignore', 'inherit'] as const;
        execFileSync(process.execPath, [join(ROOT, 'tooling/bundle.mjs'), set], { stdio: [...stdio] });
        fresh.add(set);
    }
    return join(ROOT, file);
}
