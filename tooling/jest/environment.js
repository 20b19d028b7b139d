// Runs every test file in the process's own context instead of a new one. In a context of its own each look-up of a
// global is slow (signatures took six times as long), and packages have to be loaded again for each file.
const { ModernFakeTimers } = require('@jest/fake-timers');
const { TestEnvironment } = require('jest-environment-node');
const { withoutUnserializable } = require('./failures.js');

class SharedEnvironment extends TestEnvironment {
    constructor(config, context) {
        super(config, context);
        const { COVERAGE } = process.env;
        if (COVERAGE) this.recorder = new (require('./coverage.js').Recorder)(COVERAGE, context.testPath);
        this.global = globalThis;
        this.fakeTimersModern = new ModernFakeTimers({ config: config.projectConfig, global: globalThis });
        this.before = { env: { ...process.env }, cwd: process.cwd(), exit: process.exit };
    }

    handleTestEvent(event) {
        this.recorder?.handle(event);
        if (event.name === 'test_done') withoutUnserializable(event.test.errors);
    }

    /** What a test file changes of the process is put back for the next one. */
    async teardown() {
        await super.teardown();
        this.recorder?.finish();
        const { env, cwd, exit } = this.before;
        for (const name of Object.keys(process.env)) {
            if (!(name in env)) delete process.env[name];
        }
        Object.assign(process.env, env);
        process.chdir(cwd);
        process.exit = exit;
        forgetFile();
    }
}

/** jest-circus keeps the state of each file in the context, and with it every module that the file loaded. */
function forgetFile() {
    for (const symbol of Object.getOwnPropertySymbols(globalThis)) {
        if (symbol.description === 'JEST_STATE_SYMBOL') delete globalThis[symbol];
    }
}

module.exports = SharedEnvironment;
