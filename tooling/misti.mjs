// Static analysis of every project of tact.config.json with Misti (which uses the installed compiler, 1.6.13).
//
// All built-in detectors run except the ones below. Three of Misti's detectors (DivideBeforeMultiply,
// ReadOnlyVariables, UnboundLoop) need Soufflé, which Debian does not package; they do not run.
//
// A finding that is right as it stands is silenced on the line before it, with its reason:
//     // @misti:suppress SendInLoop -- at most MAX_CHUNKS messages, checked above
// A position in a configuration file would move with every edit, so there is none.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFiles, root } from './files.mjs';
import { tools } from './tools.mjs';

/** Detector: why it does not run. */
const disabled = {
    InheritedStateMutation:
        'our traits cut one contract into parts of a screen each and belong to it alone; the fields are its own',
    TransitiveImport: 'a file imports what it names, whether or not another of its imports brings it along',
    AsmIsUsed: 'only says that asm is there; every asm function has a comment that says why and a test of its own',
};

const problems = [];

for (const file of projectFiles().filter((path) => path.endsWith('.tact'))) {
    readFileSync(join(root, file), 'utf8')
        .split('\n')
        .forEach((line, index) => {
            if (line.includes('@misti:suppress') && !/@misti:suppress \w+(,\w+)* -- \S/.test(line)) {
                problems.push(`${file}:${index + 1}: write "// @misti:suppress Detector -- reason"`);
            }
        });
}

const config = JSON.parse(readFileSync(join(root, 'tact.config.json'), 'utf8'));
const projects = config.projects ?? [];
for (const { name, path } of projects) {
    if (!existsSync(join(root, path))) problems.push(`tact.config.json: ${name}: there is no ${path}`);
}

if (problems.length > 0) {
    console.error(problems.join('\n'));
    process.exitCode = 1;
} else if (projects.length === 0) {
    console.log('tact.config.json names no project: nothing to analyse');
} else {
    const off = Object.keys(disabled);
    const args = ['--no-souffle', '--no-colors', '--all-detectors', ...(off.length > 0 ? ['-dd', off.join(',')] : [])];
    // CellBounds finds no end in a loop that grows a builder: a limit, or one such loop stops all of CI without a word.
    const minutes = 5;
    const { status } = spawnSync(process.execPath, [tools.misti, ...args, 'tact.config.json'], {
        cwd: root,
        stdio: ['ignore', 'inherit', 'inherit'],
        timeout: minutes * 60_000,
        killSignal: 'SIGKILL',
    });
    if (status === null) console.error(`Misti was ended after ${minutes} minutes; -de Detector tells which one hangs`);
    process.exitCode = status ?? 1;
}
