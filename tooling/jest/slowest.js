// Prints the ten slowest files after a run of more than ten, so that nobody has to look for them.
const { relative } = require('node:path');

const SHOWN = 10;

class Slowest {
    onRunComplete(_, { testResults }) {
        if (testResults.length <= SHOWN) return;
        const rows = testResults
            .map(({ testFilePath, perfStats }) => ({
                file: relative(process.cwd(), testFilePath),
                ms: perfStats.runtime,
            }))
            .sort((a, b) => b.ms - a.ms)
            .slice(0, SHOWN)
            .map(({ file, ms }) => `${(ms / 1000).toFixed(1).padStart(6)} s  ${file}`);
        process.stderr.write(`\nThe slowest ${SHOWN} files:\n${rows.join('\n')}\n`);
    }
}

module.exports = Slowest;
