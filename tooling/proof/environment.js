// Runs only the tests that globalThis.mutant.tests names, all where it names none, and none after the first that fails.
const { nameOf } = require('../jest/coverage.js');
const SharedEnvironment = require('../jest/environment.js');

/** Skips what is left of a group, with its set-up. True when nothing of it is to run. */
function skip(group, runs) {
    let empty = true;
    for (const child of group.children) {
        if (child.type === 'describeBlock') {
            if (!skip(child, runs)) empty = false;
        } else if (runs(child)) {
            empty = false;
        } else {
            child.mode = 'skip';
        }
    }
    if (empty) group.mode = 'skip';
    return empty;
}

class MutantEnvironment extends SharedEnvironment {
    handleTestEvent(event, state) {
        const { name, test } = event;
        const { tests } = globalThis.mutant;
        if (name === 'run_start' && tests !== undefined) {
            skip(state.rootDescribeBlock, (each) => tests.has(nameOf(each)));
        }
        if (name === 'hook_failure' || (name === 'test_done' && test.errors.length > 0)) {
            skip(state.rootDescribeBlock, () => false);
        }
    }
}

module.exports = MutantEnvironment;
