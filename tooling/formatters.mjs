// Formatting of one file's text, in memory: tact-fmt for Tact, prettier for what prettier knows.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './files.mjs';

const require = createRequire(import.meta.url);

/**
 * The formatted text; undefined for a file no formatter is responsible for, whose text is then not read.
 * Throws on text that does not parse.
 */
export async function formatted(path, read) {
    if (path.endsWith('.tact')) {
        if (!path.startsWith('contracts/') && !path.startsWith('benchmarks/')) return undefined;
        const result = require('@tact-lang/compiler/dist/fmt/fmt.js').formatCode(path, read());
        if (result.$ !== 'FormattedCode') throw new Error(result.message);
        return result.code;
    }
    const prettier = await import('prettier');
    const file = join(root, path);
    const info = await prettier.getFileInfo(file, { ignorePath: join(root, '.prettierignore') });
    if (info.ignored || info.inferredParser === null) return undefined;
    return prettier.format(read(), { ...(await prettier.resolveConfig(file)), filepath: file });
}
