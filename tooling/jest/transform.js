// Transpiles with swc. Types are checked by `npm run check` (tsc), not here: swc is many times faster than tsc.
// With ARTIFACTS=dir the code of the contracts is that of dir/<Contract>.code.boc instead of the build, so that the
// suite can prove a port to another language equal (docs/maintaining.md).
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { createTransformer } = require('@swc/jest');

const swc = createTransformer({
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
});
const codeFile = /\bbuild[\\/](\w+)[\\/]\1_\1\.ts$/;
const ofTests = ['Probe', 'Foreign']; // no contracts of the market
const embedded = /Cell\.fromHex\('[0-9a-f]+'\)/g;

/** A generated file with the code that `artifacts` has for its contract; every other file as it is. */
function withArtifacts(source, path, artifacts) {
    const contract = codeFile.exec(path)?.[1];
    if (!artifacts || contract === undefined || ofTests.includes(contract)) return source;
    const file = join(artifacts, `${contract}.code.boc`);
    if (!existsSync(file)) {
        throw new Error(
            `ARTIFACTS has no ${contract}.code.boc: it needs the code of every contract, as a bag of cells`,
        );
    }
    const parts = source.split(embedded);
    if (parts.length !== 2) throw new Error(`${path} has ${parts.length - 1} codes where one is expected`);
    return parts.join(`Cell.fromHex('${readFileSync(file).toString('hex')}')`);
}

const read = (source, path) => withArtifacts(source, path, process.env.ARTIFACTS);

module.exports = {
    codeFile,
    withArtifacts,
    canInstrument: swc.canInstrument,
    getCacheKey: (source, path, options) => swc.getCacheKey(read(source, path), path, options),
    process: (source, path, options) => swc.process(read(source, path), path, options),
};
