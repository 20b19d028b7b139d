/** `cocoon market serve`: a page on which anyone sees whether a market lives, what it pays and what it sells. */
import { isTestOnly, readAddress } from '@cocoon-market/wrappers';
import { Command } from 'commander';
import { plainJson } from '../indexer/export';
import { Indexer } from '../indexer/indexer';
import { HttpSource } from '../indexer/source';
import { openIndex } from '../indexer/open';
import { MeasuredSource } from '../marketPage/measured';
import { makeMarketServer } from '../marketPage/server';
import { listenAt } from '../process/doors';
import { reasonOf, Remedied } from '../process/errors';
import { PollLoop } from '../process/tasks';
import { stopRequested } from './stop';
import { endpointOf, networkNamed, readFlag, wholeFrom } from './worker/initFlags';

interface ServeFlags {
    store: string;
    listen: string;
    follow?: boolean;
    registry?: string;
    network: string;
    endpoint?: string[];
    apiKey?: string;
    interval: string;
    model?: string[];
    measured?: string;
    json?: boolean;
}

/** The command with its subcommand. */
export function marketCommand(): Command {
    const command = new Command('market');
    command
        .command('serve')
        .description(
            'show a market on a page: prices, supply, demand, jobs, stake and faults, from an index of its chain',
        )
        .option('--store <store>', 'file of the index, or postgres:// address', 'index.db')
        .option('--listen <host:port>', 'where the page is', '127.0.0.1:8088')
        .option('--follow', 'read the chain, too; otherwise run "cocoon index" beside it')
        .option('--registry <address>', 'with --follow: registry of the market')
        .option('--network <name>', 'with --follow: mainnet, testnet, or a number', 'mainnet')
        .option('--endpoint <url...>', "with --follow: TON HTTP API v2, one or several; default: TON Center's")
        .option('--api-key <key>', 'with --follow: of the first endpoint')
        .option('--interval <seconds>', 'with --follow: between two readings', '10')
        .option('--model <id...>', 'ids of models besides those of the catalogue, so that their names are shown')
        .option(
            '--measured <url>',
            'page data of a gateway, such as http://127.0.0.1:10000/page/data, for speed and success',
        )
        .option('--json', 'print JSON')
        .action((flags: ServeFlags) => serve(flags));
    return command;
}

async function serve(flags: ServeFlags): Promise<void> {
    const listen = readFlag('--listen', flags.listen, placeOf);
    const measured =
        flags.measured === undefined ? undefined : new MeasuredSource(readFlag('--measured', flags.measured, urlOf));
    const follower = flags.follow === true ? await followerOf(flags) : undefined;
    const server = makeMarketServer({ store: flags.store, models: flags.model ?? [], measured });
    try {
        const stopped = stopRequested();
        const url = await listenAt(server, listen);
        console.log(
            flags.json === true
                ? plainJson({ url, store: flags.store, follows: flags.follow === true })
                : `The market is at ${url}`,
        );
        follower?.loop.start();
        await stopped;
    } finally {
        await server.close();
        await follower?.close();
    }
}

/** Reads the chain into the index until it is closed. */
async function followerOf(flags: ServeFlags) {
    if (flags.registry === undefined) {
        throw new Remedied('Missing: --registry ADDRESS', { remedy: 'the records in deployments/ name registries' });
    }
    const network = readFlag('--network', flags.network, networkNamed);
    const seconds = readFlag('--interval', flags.interval, wholeFrom(1, 86_400));
    const registry = readFlag('--registry', flags.registry, (text) =>
        readAddress(text, { testOnly: isTestOnly(network) }),
    );
    const urls = flags.endpoint ?? [endpointOf(network)];
    const endpoint = urls.map((url, i) => ({ url, ...(i === 0 && { apiKey: flags.apiKey }) }));
    const source = new HttpSource({ network, endpoint });
    const tell = (sentence: string) => console.error(`cocoon: ${plainJson(sentence).slice(1, -1)}`);
    const store = await openIndex(flags.store);
    const indexer = new Indexer({ network, registry, source, witnesses: source.sources, store, onNotice: tell });
    const loop = new PollLoop(
        () => indexer.pass(),
        seconds * 1000,
        (error) => tell(reasonOf(error)),
    );
    const close = async () => {
        await loop.stop();
        await store.close();
    };
    return { loop, close };
}

function placeOf(text: string): { host: string; port: number } {
    const [, host, port] = /^(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?(\d{1,5})$/.exec(text) ?? [];
    if (port === undefined || Number(port) > 65_535) {
        throw new Error(`"${text}" is no place to listen: write host:port, such as 127.0.0.1:8088`);
    }
    return { host: (host ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port: Number(port) };
}

function urlOf(text: string): string {
    if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
        throw new Error(`"${text}" is no URL: write http://host:port/page/data`);
    }
    return text;
}
