// Gives the tests globalThis.mutant.code in the place of the code of its contract, as ARTIFACTS does for all contracts,
// and without transpiling the file anew for each mutant.
const { codeFile } = require('../jest/transform.js');
const SharedRuntime = require('../jest/runtime.js');

const embedded = /Cell\.fromHex\((['"])[0-9a-f]+\1\)/g;

class MutantRuntime extends SharedRuntime {
    transformFile(filename, options) {
        const code = super.transformFile(filename, options);
        const { mutant } = globalThis;
        const contract = codeFile.exec(filename)?.[1];
        if (contract === undefined || contract !== mutant?.contract || mutant.code === undefined) return code;
        const codes = code.match(embedded) ?? [];
        if (codes.length !== 1) throw new Error(`${filename} has ${codes.length} codes where one is expected`);
        return code.replace(embedded, `Cell.fromHex('${mutant.code}')`);
    }
}

module.exports = MutantRuntime;
