// Lets Node load TypeScript, with `-r`: a file is transpiled once for its content, and what came out is kept, which
// makes a start three times as fast. Types are not checked here (`npm run check` does). Where the folder cannot be
// written, each start transpiles. With `--enable-source-maps` errors name the lines of the sources.
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');
const { version } = require('@swc/core/package.json');

require('./sources.js');

const KEPT = join(__dirname, '../node_modules/.cache/cocoon');
const OPTIONS = {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
    sourceMaps: true,
};
const KIND = JSON.stringify([version, OPTIONS]);

require.extensions['.ts'] = (module, path) => module._compile(javaScriptOf(path), path);

function javaScriptOf(path) {
    const source = readFileSync(path, 'utf8');
    const name = createHash('sha256').update(`${KIND}\n${path}\n${source}`).digest('hex');
    const kept = join(KEPT, `${name}.js`);
    try {
        return readFileSync(kept, 'utf8');
    } catch {
        const { code, map } = require('@swc/core').transformSync(source, { ...OPTIONS, filename: path });
        const linked = `${code}\n//# sourceMappingURL=${relative(dirname(path), `${kept}.map`)}`;
        keep({ [`${kept}.map`]: map, [kept]: linked });
        return linked;
    }
}

/** Each under its own name only once it is whole: other processes may read it at any moment. */
function keep(files) {
    try {
        mkdirSync(KEPT, { recursive: true });
        for (const [file, text] of Object.entries(files)) {
            writeFileSync(`${file}.${process.pid}`, text);
            renameSync(`${file}.${process.pid}`, file);
        }
    } catch {
        // Only the next start is slower.
    }
}
