// Where no run has left its times yet, as on a clean clone, starts with what takes longest: else a long file that
// begins last keeps one core waiting.
const { sep } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

const LONG = [
    ['flows', 'slow.spec'],
    ['soak', 'soak.spec'],
    ['store', 'postgres.spec'],
    ['deploy', 'outcome.spec'],
    ['tests', 'cluster'],
    ['tests', 'flows'],
    ['worker', 'restart.spec'],
    ['gateway', 'recovery.spec'],
    ['chain', 'api.spec'],
    ['store', 'cluster.spec'],
    ['store', 'leases.spec'],
    ['setup', 'prices.spec'],
    ['setup', 'init.spec'],
    ['gateway', 'cluster'],
    ['worker', 'cluster.spec'],
    ['chain', 'wallet.spec'],
    ['indexer', 'serve.spec'],
    ['worker', 'cli.spec'],
    ['attest', 'flips.spec'],
    ['benchmarks', 'offchain.spec'],
    ['deploy', 'altered.spec'],
    ['gateway', 'parallel.spec'],
    ['install', 'install.spec'],
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
