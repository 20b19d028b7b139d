// Where no run has left its times yet, as on a clean clone, starts with what takes longest: else a long file that
// begins last keeps one core waiting.
const { sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

const LONG = [
    ['worker', 'cli.spec'],
    ['tests', 'flows'],
    ['deploy', 'outcome.spec'],
    ['deploy', 'altered.spec'],
    ['dispute', 'fees.spec'],
    ['dispute', 'settle.spec'],
    ['benchmarks', 'gas.spec'],
    ['tests', 'fuzz'],
    ['worker', 'restart.spec'],
    ['gateway', 'process.spec'],
    ['localnet', 'main.spec'],
    ['chain', 'api.spec'],
].map((parts) => `${sep}${parts.join(sep)}`);

class LongestFirst extends Sequencer {
    sort(tests) {
        const place = ({ path }) => {
            const at = LONG.findIndex((part) => path.includes(part));
            return at < 0 ? LONG.length : at;
        };
        const sorted = super.sort(tests);
        return sorted.some((test) => test.duration === undefined) ? sorted.sort((a, b) => place(a) - place(b)) : sorted;
    }
}

module.exports = LongestFirst;
