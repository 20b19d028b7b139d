/**
 * Builds the page for a local network, and serves it on this machine.
 *
 * node serve.mjs --chain URL --registry ADDRESS [--model NAME] [--port 5180]
 *   URL, ADDRESS and NAME: "chainUrl", "registry" and "model" of "npm run play -- --json" in the checkout
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildPage, DEFAULT_OUT } from './build.mjs';

const KINDS = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.json': 'application/json',
    '.png': 'image/png',
    '.txt': 'text/plain; charset=utf-8',
};

/** Serves a folder on the loopback interface; resolves with its URL, and with what ends it. */
export async function serve(folder, port = 0) {
    const server = createServer(async ({ url }, response) => {
        try {
            const { pathname } = new URL(url, 'http://localhost');
            const path = join(folder, normalize(pathname === '/' ? '/index.html' : pathname));
            const body = path.startsWith(folder) ? await readFile(path) : undefined;
            response.writeHead(200, {
                'content-type': KINDS[extname(path)] ?? 'application/octet-stream',
                'access-control-allow-origin': '*', // wallets read the manifest
                'cache-control': 'no-store',
                'x-content-type-options': 'nosniff',
            });
            response.end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    const close = () =>
        new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections();
        });
    return { url: `http://127.0.0.1:${server.address().port}/`, close };
}

/** What a page for a local network is told. */
export const localSettings = ({ chain, registry, model }) =>
    JSON.stringify({ endpoint: chain, market: { globalId: -3, registry }, models: [model] }, null, 4);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    try {
        const { values } = parseArgs({
            options: {
                chain: { type: 'string' },
                registry: { type: 'string' },
                model: { type: 'string', default: 'cocoon-tiny' },
                port: { type: 'string', default: '5180' },
            },
        });
        const { chain, registry, model, port } = values;
        if (chain === undefined || registry === undefined) {
            throw new Error('--chain and --registry are needed: "npm run play -- --json" prints both');
        }
        const { url } = await serve(DEFAULT_OUT, Number(port));
        await buildPage({ url, settings: localSettings({ chain, registry, model }), out: DEFAULT_OUT, isLocal: true });
        console.log(`The page is at ${url}, until Ctrl-C`);
    } catch (error) {
        console.error(`serve: ${error.message}`);
        process.exitCode = 1;
    }
}
