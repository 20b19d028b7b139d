/** A contract that was changed is compiled before its tests run, whoever starts them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spawnSync } from 'node:child_process';

const tooling = join(__dirname, '../../tooling');
const { globalSetup } = jest.requireActual<{ globalSetup?: string }>('../../jest.config.js');

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-contracts-'));
    mkdirSync(join(folder, 'contracts'));
    const project = { name: 'Small', path: './contracts/small.tact', output: './build' };
    writeFileSync(join(folder, 'tact.config.json'), JSON.stringify({ projects: [{ ...project, mode: 'full' }] }));
    write('contract Small { receive() { } get fun answer(): Int { return 41; } }');
});

afterEach(() => rmSync(folder, { recursive: true }));

const write = (source: string) => writeFileSync(join(folder, 'contracts/small.tact'), source);
const code = () => readFileSync(join(folder, 'build/Small_Small.code.boc')).toString('hex');

/** What `compile` returns in the folder, or what it throws. The compiler's own words go to standard error. */
function compile(): unknown {
    const module = pathToFileURL(join(tooling, 'contracts.mjs')).href;
    const program = `import { compile } from ${JSON.stringify(module)};
        try { console.log(JSON.stringify(compile('tact.config.json', ${JSON.stringify(folder)}))); }
        catch (error) { console.log(JSON.stringify(error.message)); }`;
    return JSON.parse(
        spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).stdout,
    ) as unknown;
}

it('a contract is compiled when its source is another than that of its build, and only then', () => {
    expect(compile()).toEqual(['Small']);
    const before = code();
    expect(compile()).toEqual([]);

    write('contract Small { receive() { } get fun answer(): Int { return 42; } }');

    expect(compile()).toEqual(['Small']);
    expect(code()).not.toBe(before);
});

it('a contract that does not compile is an error, and its earlier build does not count as its own', () => {
    write('contract Small { receive() { } get fun answer(): Int { return nothing; } }');

    expect(compile()).toBe('the contracts do not compile: the compiler says above why');
    expect(compile()).toBe('the contracts do not compile: the compiler says above why');
});

it('jest compiles the contracts before it runs a test', () => {
    expect(globalSetup).toBe('<rootDir>/tooling/jest/setup.mjs');
});
