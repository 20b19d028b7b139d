/** `cocoon index`: reads a market from the chain into a store of its own, exports it, and matches apps and nodes. */
import { isTestOnly, parseTon, readAddress, type Tier, tiers } from '@cocoon-market/wrappers';
import { Command, Option } from 'commander';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { EndpointSettings } from '../chain';
import { exportLines, hashedExport, plainJson } from '../indexer/export';
import { Indexer, type PassReport } from '../indexer/indexer';
import { matchDemands, type Matched, matchNodes, modelHash } from '../indexer/match';
import { HttpSource } from '../indexer/source';
import { openIndex } from '../indexer/open';
import { readView } from '../indexer/view';
import { reasonOf, Remedied } from '../process/errors';
import { PollLoop } from '../process/tasks';
import { stopRequested } from './stop';
import { tableLines } from './table';
import { endpointOf, networkNamed, readFlag, wholeFrom } from './worker/initFlags';

interface MarketFlags {
    registry?: string;
    network: string;
    store: string;
    json?: boolean;
}

interface IndexFlags extends MarketFlags {
    endpoint?: string[];
    apiKey?: string;
    once?: boolean;
    interval: string;
    export?: string | true;
    at?: string;
}

interface MatchFlags extends MarketFlags {
    model?: string;
    node?: string;
    queries?: string;
    tokens?: string;
    maxPrice?: string;
    tier?: Tier;
    region?: string;
    queriesPerGpu?: string;
}

const MAX_NUMBER = 2 ** 32 - 1;

/** The command with its subcommand. */
export function indexCommand(): Command {
    const command = new Command('index')
        .option('--registry <address>', 'registry of the market')
        .option('--network <name>', 'mainnet, testnet, or a number', 'mainnet')
        .option('--store <store>', 'file of the index, or postgres:// address', 'index.db')
        .option('--json', 'print JSON, amounts in nanoTON')
        .option('--endpoint <url...>', "TON HTTP API v2, one or several; default: TON Center's of the network")
        .option('--api-key <key>', 'of the first endpoint')
        .option('--once', 'read what is new, and end')
        .option('--interval <seconds>', 'between two readings', '10')
        .option('--export [file]', 'read what is new, write the whole market as lines of JSON, and end')
        .option('--at <seconds>', 'with --export: unix time at which windows end; default: that of the newest fact')
        .action((flags: IndexFlags) => (flags.export === undefined ? follow(flags) : exportMarket(flags)));
    command
        .command('match')
        .configureHelp({ showGlobalOptions: true })
        .description('list the nodes that fit an app, or the announced demand that fits a node, and why others do not')
        .option('--model <id>', 'of the app: id in the catalogue, or its SHA-256')
        .option('--queries <number>', 'of the app, a day')
        .option('--tokens <prompt,answer>', 'of a typical query, such as 1000,500')
        .option('--max-price <TON>', 'of a typical query; without --tokens, of a million tokens of each kind')
        .addOption(new Option('--tier <tier>', 'at least').choices([...tiers]))
        .option('--region <region>', 'of the node')
        .option('--queries-per-gpu <number>', 'a day that one GPU answers, as you assume: a chain does not say it')
        .option('--node <node>', 'its account, or provider/number: lists the demand that fits it')
        .action((_: unknown, self: Command) => match(self.optsWithGlobals<MatchFlags>()));
    return command;
}

function marketOf({ registry, network: name }: MarketFlags) {
    if (registry === undefined) {
        throw new Remedied('Missing: --registry ADDRESS', { remedy: 'the records in deployments/ name registries' });
    }
    const network = readFlag('--network', name, networkNamed);
    const testOnly = isTestOnly(network);
    return { network, registry: readFlag('--registry', registry, (text) => readAddress(text, { testOnly })) };
}

async function opened(flags: IndexFlags) {
    const market = marketOf(flags);
    const urls = flags.endpoint ?? [endpointOf(market.network)];
    const endpoint = urls.map((url, i): EndpointSettings => ({ url, ...(i === 0 && { apiKey: flags.apiKey }) }));
    const source = new HttpSource({ network: market.network, endpoint });
    const store = await openIndex(flags.store);
    const onNotice = (sentence: string) => console.error(plainText(sentence));
    const indexer = new Indexer({ ...market, source, witnesses: source.sources, store, onNotice });
    return { market, store, indexer };
}

async function follow(flags: IndexFlags): Promise<void> {
    const seconds = readFlag('--interval', flags.interval, wholeFrom(1, 86_400));
    const { store, indexer } = await opened(flags);
    try {
        if (flags.once === true) {
            await readAll(indexer, (report) => tell(flags, report));
            return;
        }
        const stopped = stopRequested();
        const loop = new PollLoop(
            async () => tell(flags, await indexer.pass()),
            seconds * 1000,
            (error) => console.error(`cocoon: ${plainText(reasonOf(error))}`),
        );
        loop.start();
        await stopped;
        await loop.stop();
    } finally {
        await store.close();
    }
}

/** Passes until nothing is left for another one; returns what the last one did. */
async function readAll(indexer: Indexer, onPass: (report: PassReport) => void = () => undefined): Promise<PassReport> {
    for (;;) {
        const report = await indexer.pass();
        onPass(report);
        if (report.unfinished === 0) {
            return report;
        }
    }
}

function tell({ json }: IndexFlags, report: PassReport): void {
    if (json === true) {
        console.log(plainJson(report));
    } else {
        const { added, undone, logs, calls, block } = report;
        console.log(`block ${block}: ${added} transactions added, ${undone} undone, ${logs} accounts, ${calls} calls`);
    }
}

async function exportMarket(flags: IndexFlags): Promise<void> {
    const at = flags.at === undefined ? undefined : readFlag('--at', flags.at, wholeFrom(0, MAX_NUMBER));
    const { market, store, indexer } = await opened(flags);
    try {
        const { behind, unresolved } = await readAll(indexer);
        if (behind + unresolved > 0) {
            throw new Remedied('The endpoint does not give the whole market, so its export would differ from others', {
                remedy: 'try again in a minute, or name another endpoint',
            });
        }
        const toFile = typeof flags.export === 'string' && flags.export !== '-';
        const out = toFile ? createWriteStream(flags.export as string, { flags: 'w' }) : process.stdout;
        if (toFile) {
            await once(out, 'open');
        }
        const { hash, lines } = await hashedExport(exportLines(store, { ...market, at }), async (line) => {
            if (!out.write(`${line}\n`)) {
                await once(out, 'drain');
            }
        });
        if (toFile) {
            out.end();
            await once(out, 'finish');
        }
        (toFile ? console.log : console.error)(`sha256 ${hash} of ${lines} lines`);
    } finally {
        await store.close();
    }
}

async function match(flags: MatchFlags): Promise<void> {
    const { model, node } = flags;
    if ((model === undefined) === (node === undefined)) {
        throw new Remedied('Missing: what to match', { remedy: 'name either --model ID or --node NODE' });
    }
    const store = await openIndex(flags.store);
    try {
        const market = marketOf(flags);
        await store.bind(`${market.network} ${market.registry.toRawString()}`);
        if ((await store.mark('block')) === undefined) {
            throw new Remedied(`The index ${flags.store} has not read the market yet`, {
                remedy: 'run "cocoon index" first, with the same --store, --registry and --network',
            });
        }
        const view = await readView(store, market);
        if (node !== undefined) {
            const matched = matchDemands(view, node);
            printMatched(flags, matched, ({ client, queriesPerDay }) => `${client}  ${queriesPerDay} a day`);
            return;
        }
        const numberFlag = (flag: string, text: string | undefined) =>
            text === undefined ? undefined : readFlag(flag, text, wholeFrom(0, MAX_NUMBER));
        const matched = matchNodes(view, {
            model: modelHash(model!),
            queriesPerDay: numberFlag('--queries', flags.queries),
            tokens: flags.tokens === undefined ? undefined : readFlag('--tokens', flags.tokens, tokensOf),
            maxPrice: flags.maxPrice === undefined ? undefined : readFlag('--max-price', flags.maxPrice, parseTon),
            tier: flags.tier,
            region: flags.region,
            queriesPerGpu: numberFlag('--queries-per-gpu', flags.queriesPerGpu),
        });
        printMatched(flags, matched, ({ key, service }) => `${key}  ${service?.endpoint ?? ''}`);
    } finally {
        await store.close();
    }
}

function tokensOf(text: string): { prompt: number; completion: number } {
    const [prompt, completion, ...rest] = text.split(',').map(wholeFrom(0, MAX_NUMBER));
    if (completion === undefined || rest.length > 0) {
        throw new Error(`"${text}" is not two numbers with a comma between them`);
    }
    return { prompt, completion };
}

function printMatched<T>({ json }: MatchFlags, matched: Matched<T>[], name: (candidate: T) => string): void {
    if (json === true) {
        matched.forEach((each) => console.log(plainJson(each)));
        return;
    }
    const rows = matched.map(({ candidate, price, reasons }) => [
        reasons.length === 0 ? 'fits' : 'no',
        price === null ? '' : String(price),
        plainText(name(candidate)),
        plainText(reasons.join('. ')),
    ]);
    tableLines([['', 'nanoTON', 'name', 'why not'], ...rows]).forEach((line) => console.log(line));
}

/** A text in printable ASCII, whatever the chain says in it. */
const plainText = (text: string): string => plainJson(text).slice(1, -1).replaceAll('\\"', '"');
