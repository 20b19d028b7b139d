// Loads packages once for all test files of a process, by Node's own require; jest's loads them anew for each file,
// which took a third of the time of a whole run. The project's own modules are still loaded anew for each file,
// except those of `ofProcess`.
const { isBuiltin } = require('node:module');
const { join, sep } = require('node:path');
const { default: Runtime } = require('jest-runtime');

const packages = `${sep}node_modules${sep}`;
/** Packages that add to jest itself, of which each file has a new one. */
const ofEachFile = [`${packages}@ton${sep}test-utils${sep}`];

/** Own modules that keep nothing but what they once read, computed or bundled: one for all files of a run. */
const ofProcess = ['localnet/config', 'localnet/fast', 'tooling/programs'].map((name) =>
    join(__dirname, '../..', `${name}.ts`),
);
const loaded = new Map(); // by path: what such a module exports

const scripts = new Map(); // by file: its code, and that code compiled

class SharedRuntime extends Runtime {
    /** Before a run: a jest that watches runs several in one process, between which sources change. */
    static forget() {
        loaded.clear();
    }

    requireModuleOrMock(from, name) {
        if (name === '@jest/globals' || isBuiltin(name)) return super.requireModuleOrMock(from, name);
        const path = this._resolveCjsModule(from, name);
        const shared = path.includes(packages) && !ofEachFile.some((part) => path.includes(part));
        if (shared) return require(path);
        if (!ofProcess.includes(path)) return super.requireModuleOrMock(from, name);
        if (!loaded.has(path)) loaded.set(path, super.requireModuleOrMock(from, name));
        return loaded.get(path);
    }

    createScriptFromCode(code, filename) {
        const known = scripts.get(filename);
        const script = known?.code === code ? known.script : super.createScriptFromCode(code, filename);
        scripts.set(filename, { code, script });
        return { runInContext: (_, options) => script.runInThisContext(options) };
    }
}

module.exports = SharedRuntime;
