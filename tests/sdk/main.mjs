/**
 * Runs what apps do with six SDKs through a gateway, a worker and stand-ins for four model servers. Every answer and
 * every event that an SDK gets is held against OpenAI's published API description.
 *
 * npm run test:sdk -- [--kind vllm] [--only TEXT] [--write]   exit code 1 if anything fails; --write renews docs/sdk.md
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { format } from 'prettier';
import { features } from './features.mjs';
import { Recorder } from './recorder.mjs';
import { kinds, startStandIn } from './standIns.mjs';

const require = createRequire(import.meta.url);
require('../../tooling/typescript.js');
const { openMarket } = require('./market.ts');
const { objectionsTo, publishedShapes } = require('../support/openaiApi.ts');

const { values } = parseArgs({
    options: { kind: { type: 'string' }, only: { type: 'string', default: '' }, write: { type: 'boolean' } },
});
const DOCS = new URL('../../docs/sdk.md', import.meta.url);
const SDKS = { openai: 'openai', 'ai-sdk': 'Vercel AI SDK', langchain: 'LangChain', llamaindex: 'LlamaIndex' };
const names = { ...SDKS, agents: 'OpenAI Agents', anthropic: 'Anthropic' };

/** Runs every feature of every SDK at one kind of model server; the outcome of each by feature and SDK. */
async function run(kind, { url: at, poor }, recorder) {
    const outcomes = new Map();
    for (const [feature, sdks] of Object.entries(await features({ at, poor, model: `${kind}-model` }))) {
        outcomes.set(feature, new Map());
        for (const [sdk, check] of Object.entries(sdks)) {
            if (!`${feature}, ${sdk}`.includes(values.only)) continue;
            const failure = await check().then(
                () => undefined,
                (error) => String(error.message).slice(0, 500),
            );
            const objections = await recorder.objections();
            outcomes.get(feature).set(sdk, failure === undefined && objections.length === 0);
            console.log(`${failure === undefined ? 'ok   ' : 'FAIL '} ${kind}: ${feature}, ${sdk}`);
            [...(failure === undefined ? [] : [failure]), ...objections].forEach((line) =>
                console.log(`      ${line}`),
            );
        }
    }
    return outcomes;
}

/** The page's table: a feature is served where it passed at every kind of model server. */
async function pageOf(byKind) {
    const [first] = byKind.values();
    const rows = [...first.keys()].map((feature) => {
        const cells = Object.keys(names).map((sdk) => {
            const outcomes = [...byKind.values()].map((outcomes) => outcomes.get(feature).get(sdk));
            return outcomes.some((one) => one === undefined) ? '' : outcomes.every(Boolean) ? 'yes' : '**no**';
        });
        return `| ${[feature, ...cells].join(' | ')} |`;
    });
    const packages = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')).dependencies;
    const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
    const page = [
        '# SDKs',
        '<!-- Made by npm run test:sdk -- --write. Do not edit by hand. -->',
        'An app developer changes the base URL of an SDK and nothing else. This table shows what `npm run test:sdk` runs: each',
        'feature in each SDK, through a gateway, a worker and stand-ins for vLLM, SGLang, Ollama and llama.cpp. "yes" means',
        'that it works at all four, and that every answer and every event of a stream is valid by the API description that',
        "OpenAI publishes. Anthropic's SDK alone judges its Messages. An empty cell means that the SDK has no such call, or is not tried with it.",
        '',
        `| feature | ${Object.values(names).join(' | ')} |`,
        `| --- | ${Object.keys(names)
            .map(() => '---')
            .join(' | ')} |`,
        ...rows,
        '',
        `Versions: ${versions.join(', ')}.`,
    ].join('\n');
    return format(page.replace('# SDKs\n', '# SDKs\n\n').replace('hand. -->\n', 'hand. -->\n\n'), {
        parser: 'markdown',
        printWidth: 120,
        proseWrap: 'always',
        tabWidth: 4,
    });
}

const chosen = Object.keys(kinds).filter((kind) => values.kind === undefined || kind === values.kind);
const servers = new Map();
for (const kind of chosen) {
    servers.set(kind, await startStandIn(kind, { model: `${kind}-model` }));
}
const market = await openMarket(chosen.map((kind) => ({ model: `${kind}-model`, url: servers.get(kind).url })));
const byKind = new Map();
try {
    const recorder = new Recorder([market.url, market.poor], { objectionsTo, publishedShapes });
    for (const kind of chosen) {
        byKind.set(kind, await run(kind, market, recorder));
    }
} finally {
    await market.close();
    for (const server of servers.values()) await server.close();
}
const failures = [...byKind.values()].flatMap((outcomes) =>
    [...outcomes.values()].flatMap((sdks) => [...sdks.values()]),
);
const failed = failures.filter((passed) => !passed).length;
console.log(`${failures.length - failed} passed, ${failed} failed`);
const isWhole = values.kind === undefined && values.only === '';
const page = isWhole ? await pageOf(byKind) : undefined;
if (values.write && page !== undefined) writeFileSync(DOCS, page);
const isStale = page !== undefined && readFileSync(DOCS, 'utf8') !== page;
if (isStale) console.log('docs/sdk.md is not what this run found: npm run test:sdk -- --write');
process.exitCode = failed === 0 && !isStale ? 0 : 1;
