// Preloaded into a child process: runs TypeScript without checking it, and keeps what it compiled in the folder COMPILED,
// so that a test that starts many such processes compiles once.
const { createHash } = require('node:crypto');
const { existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const options = { module: 'commonjs', target: 'ES2022', esModuleInterop: true };

function compile(path) {
    const source = readFileSync(path, 'utf8');
    const kept = join(process.env.COMPILED, `${createHash('sha256').update(source).digest('hex')}.js`);
    if (!existsSync(kept)) {
        const { outputText } = require('typescript').transpileModule(source, { compilerOptions: options });
        writeFileSync(`${kept}.${process.pid}`, outputText);
        renameSync(`${kept}.${process.pid}`, kept);
    }
    return readFileSync(kept, 'utf8');
}

require.extensions['.ts'] = (module, path) => module._compile(compile(path), path);
