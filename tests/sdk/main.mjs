/**
 * Runs what apps do with five SDKs through a gateway, a worker and stand-ins for four model servers.
 *
 * npm run test:sdk -- [--kind vllm] [--only TEXT]   exit code 1 if anything fails
 */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { features } from './features.mjs';
import { kinds, startStandIn } from './standIns.mjs';

const require = createRequire(import.meta.url);
require('../../offchain/bin/typescript.js');
const { openMarket } = require('./market.ts');

const { values } = parseArgs({ options: { kind: { type: 'string' }, only: { type: 'string', default: '' } } });
const chosen = Object.keys(kinds).filter((kind) => values.kind === undefined || kind === values.kind);
const servers = new Map();
for (const kind of chosen) {
    servers.set(kind, await startStandIn(kind, { model: `${kind}-model` }));
}
const market = await openMarket(chosen.map((kind) => ({ model: `${kind}-model`, url: servers.get(kind).url })));
let failures = 0;
try {
    for (const kind of chosen) {
        const table = await features({ at: market.url, model: `${kind}-model` });
        for (const [feature, sdks] of Object.entries(table)) {
            for (const [sdk, run] of Object.entries(sdks)) {
                if (!`${feature} ${sdk}`.includes(values.only)) continue;
                try {
                    await run();
                    console.log(`ok    ${kind}: ${feature}, ${sdk}`);
                } catch (error) {
                    failures++;
                    console.log(`FAIL  ${kind}: ${feature}, ${sdk}: ${String(error.message).slice(0, 300)}`);
                }
            }
        }
    }
} finally {
    await market.close();
    for (const server of servers.values()) await server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
