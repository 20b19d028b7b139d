import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
// eslint-disable-next-line @typescript-eslint/no-require-imports -- plain JavaScript, so that any version can read it
const { refusalOf } = require('../../offchain/bin/node.js') as { refusalOf(version: string): string | undefined };

describe('The version of Node.js', () => {
    it.each(['20.19.0', '20.20.2', '22.13.0', '22.23.5', '24.0.0', '24.22.3'])('may be %s', (version) => {
        expect(refusalOf(version)).toBeUndefined();
    });

    it.each(['18.20.8', '20.18.3', '21.7.3', '22.12.0', '23.11.1', '25.0.0'])('is refused when it is %s', (version) => {
        expect(refusalOf(version)).toBe(`Node.js ${version} is not tried here: use one of ${engines.node}`);
    });

    it.each(['offchain/bin/cocoon.js', 'tooling/build.mjs', 'blueprint.config.ts', 'package.json'])(
        'is asked for by %s before anything else is loaded',
        (file) => {
            const [first] = readFileSync(file, 'utf8')
                .split('\n')
                .filter((line) => /^import |require\(|-r .*build\/programs/.test(line))
                .slice(file === 'package.json' ? -1 : 0);

            expect(first).toMatch(/\.\/(offchain\/bin\/)?node\b/);
        },
    );

    it('ends a command with 1 and one line, so that doctor need not look at it', () => {
        const other = `Object.defineProperty(process.versions, 'node', { value: '21.0.0' })`;
        const command = `process.argv.splice(1, 0, 'cocoon', 'worker', 'doctor'); require('./offchain/bin/cocoon.js')`;

        const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', `${other}; ${command}`], {
            encoding: 'utf8',
        });

        expect([status, stdout, stderr]).toEqual([
            ...[1, '', `Node.js 21.0.0 is not tried here: use one of ${engines.node}\n`],
        ]);
    });
});
