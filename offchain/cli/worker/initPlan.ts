/** The first half of `init`: decides what the node is, and writes its files once the owner agreed. */
import { isTestOnly, parseTon, Provider, type Rates, readAddress, signingKey } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ChainError, HotWallet, TonHttpChain } from '../../chain';
import { catalogueIds, type Manifest, parseManifest, readManifest } from '../../fleet';
import { encryptionKey } from '../../link';
import { addressText, walletText } from '../../process/addresses';
import { Remedied } from '../../process/errors';
import { newSeed } from '../../process/keyFiles';
import { assertFreePort } from '../../process/ports';
import { mayBePublic } from '../../process/publicAddress';
import { forTerminal } from '../../process/terminal';
import { manifestText, readProgress, type WorkerFiles, writeWhole } from '../../setup/files';
import { type MarketPrice, type MarketRules, providerOf, readMarketPrices, readRules } from '../../setup/market';
import type { ServedModel } from '../../setup/modelServers';
import { readKeys, readWorkerConfig, type WorkerConfigInput, type WorkerSeeds, writeKeys } from '../../worker/config';
import { pricesInManifest } from '../../worker/manifestOffers';
import { walletOf } from '../actor';
import type { Questions } from '../question';
import {
    assertSameMarket,
    endpointOf,
    type InitFlags,
    networkNamed,
    reachableUrl,
    readFlag,
    tonFlag,
    urlOf,
} from './initFlags';
import { assertSells, askGpus, askModels, askRates, modelIn, type Served, speedOf } from './initMachine';

/** What is known of a node before it is on chain. */
export interface PreparedNode {
    chain: TonHttpChain;
    rules: MarketRules;
    manifest: Manifest;
    receiptKey: Buffer;
    worker: Address; // the worker's wallet
    owner: Address;
    wallet: HotWallet | undefined; // the owner's, if its key is on this machine
    stake: bigint; // nanoTON at least
    fund: bigint; // nanoTON
    sweeps: boolean; // to the owner, by itself
    prices: Map<string, MarketPrice>; // of the market, by model
    rates: Map<string, Rates>; // of the node, by model
    speed: number | undefined; // tokens a second
    /** Writes the files that do not exist yet. */
    writeFiles(node: Address, provider: Address): void;
}

/** What is prepared, of the files of an earlier run or of flags and answers. Nothing is written. */
export async function prepareNode(
    flags: InitFlags,
    files: WorkerFiles,
    questions: Questions,
    say: (line: string) => void,
): Promise<PreparedNode> {
    if (existsSync(files.config)) {
        return resumed(flags, files, questions, say);
    }
    return fresh(flags, files, questions, say).catch((error: unknown) => {
        if (error instanceof ChainError && (error.silent || error.final)) {
            const remedy = 'check --endpoint, --api-key and --network. Nothing was written';
            throw new Remedied(error.message, { cause: error, remedy });
        }
        throw error;
    });
}

async function resumed(
    flags: InitFlags,
    files: WorkerFiles,
    questions: Questions,
    say: (line: string) => void,
): Promise<PreparedNode> {
    const config = readWorkerConfig(files.config);
    if (config.manifest === undefined || config.registry === undefined) {
        throw new Remedied(`${files.config} names no manifest and registry: init goes on only with files of its own`);
    }
    assertSameMarket(flags, config, files.config);
    say(`Going on with ${files.config}. Settings and prices of the node stand in it and in ${config.manifest}`);
    const chain = new TonHttpChain(config);
    const rules = await readRules(chain, config.registry);
    const seeds = readKeys(config.keyFile);
    const manifest = readManifest(config.manifest, catalogueIds);
    const receiptKey = signingKey(seeds.receiptKey).publicKey;
    const progress = readProgress(files);
    const earlierOwner = progress?.owner ?? (await ownerOnChain(chain, config.provider));
    const { owner, wallet } = await askOwner(flags, chain, questions, earlierOwner);
    const { address } = await providerOf(chain, { registry: rules.registry, owner });
    if (!address.equals(config.provider)) {
        throw new Remedied(
            `${files.config} names the provider ${addressText(config.provider, chain)}, and the owner ` +
                `${walletText(owner, chain)} has ${addressText(address, chain)}: name the right owner`,
        );
    }
    assertFlagsAgree(flags, manifest, receiptKey, files);
    assertSells(flags.model, config, files.config);
    return {
        ...{ chain, rules, manifest, receiptKey, owner, wallet },
        worker: new HotWallet(chain, seeds.wallet).address,
        stake: flags.stake === undefined ? (progress?.stake ?? 0n) : tonFlag('--stake', flags.stake),
        sweeps: config.sweep !== undefined,
        fund: progress?.fund ?? tonFlag('--fund', flags.fund),
        prices: new Map(),
        rates: new Map(config.offers.map(({ model, rates }) => [model, rates])),
        speed: await speedOf(flags, modelIn(config)),
        writeFiles: () => undefined,
    };
}

async function fresh(
    flags: InitFlags,
    files: WorkerFiles,
    questions: Questions,
    say: (line: string) => void,
): Promise<PreparedNode> {
    const { network, registry } = await askMarket(flags, questions);
    const endpoint = flags.endpoint ?? endpointOf(network);
    const chain = new TonHttpChain({ network, endpoint, apiKey: flags.apiKey });
    const rules = await readRules(chain, registry);
    const listen = listenOf(flags.listen);
    await requirePort(listen);
    const hardware = await askGpus(questions, flags, say);
    const served = await askModels(questions, flags, say);
    const url = await questions.value(flags.url, 'At which URL do clients reach this worker?', {
        flag: '--url URL',
        read: (text) => reachableUrl(text, { network, endpoint }),
    });
    if (url.startsWith('http:') && mayBePublic(url)) {
        say('! http shows to every network on the way who connects: https hides it (docs/worker.md, TLS)');
    }
    const { owner, wallet } = await askOwner(flags, chain, questions, undefined);
    const seeds = existsSync(files.keys) ? readKeys(files.keys) : newSeeds();
    const receiptKey = signingKey(seeds.receiptKey).publicKey;
    // The prices of a manifest that exists are the owner's own.
    const { prices, rates } = existsSync(files.manifest)
        ? { prices: new Map<string, MarketPrice>(), rates: pricesInManifest(files.manifest, receiptKey).rates }
        : await ratesOf(chain, registry, served.models, flags, questions);
    const speed = await speedOf(
        flags,
        served.server && { ...served, url: served.server.url, name: served.models[0].name },
    );

    const manifest = await manifestOf(files, seeds, () => ({
        ...{ name: flags.name, site: flags.region, hardware, region: flags.region, uptime: flags.uptime },
        endpoint: url,
        offers: served.models.map(({ id, unlisted }) => ({ id, unlisted, rates: rates.get(id)! })),
    }));
    assertFlagsAgree(flags, manifest.value, receiptKey, files);
    const sweeps = flags.sweep !== false;
    const settings = (node: Address, provider: Address): WorkerConfigInput => ({
        ...{ network, endpoint, ...(flags.apiKey !== undefined && { apiKey: flags.apiKey }) },
        registry: addressText(registry, chain),
        provider: addressText(provider, chain),
        node: addressText(node, chain),
        ...{ keyFile: basename(files.keys), store: basename(files.store), manifest: basename(files.manifest), listen },
        backends: [backendOf(served)],
        ...(sweeps && { sweep: { to: walletText(owner, chain) } }),
    });
    return {
        ...{ chain, rules, receiptKey, owner, wallet, sweeps, prices, rates, speed },
        manifest: manifest.value,
        worker: new HotWallet(chain, seeds.wallet).address,
        stake: flags.stake === undefined ? 0n : tonFlag('--stake', flags.stake),
        fund: tonFlag('--fund', flags.fund),
        writeFiles: (node, provider) => {
            if (!existsSync(files.keys)) {
                writeKeys(files.keys, seeds);
            }
            if (manifest.text !== undefined) {
                writeWhole(files.manifest, manifest.text);
            }
            writeWhole(files.config, JSON.stringify(settings(node, provider), null, 4));
        },
    };
}

const newSeeds = (): WorkerSeeds => ({ receiptKey: newSeed(), encryptionKey: newSeed(), wallet: newSeed() });

function backendOf({ server, apiKey, models }: Served): WorkerConfigInput['backends'][number] {
    return server === undefined
        ? { kind: 'embedded' }
        : {
              kind: 'openai',
              url: server.url,
              ...(apiKey !== undefined && { apiKey }),
              server: server.server,
              models: Object.fromEntries(models.map(({ id, name }) => [id, name])),
          };
}

/** The manifest in its file, or the one that will be written. */
async function manifestOf(
    files: WorkerFiles,
    seeds: WorkerSeeds,
    node: () => Omit<Parameters<typeof manifestText>[0], 'receiptKey' | 'encryptionKey'>,
): Promise<{ value: Manifest; text: string | undefined }> {
    if (existsSync(files.manifest)) {
        return { value: readManifest(files.manifest, catalogueIds), text: undefined };
    }
    const keys = {
        receiptKey: signingKey(seeds.receiptKey).publicKey,
        encryptionKey: (await encryptionKey(seeds.encryptionKey)).publicKey,
    };
    const text = manifestText({ ...node(), ...keys });
    return { value: parseManifest(files.manifest, text, catalogueIds), text };
}

/** Throws if flags contradict a manifest that exists, or it has not the node. */
function assertFlagsAgree(
    flags: InitFlags,
    { file, nodes }: Manifest,
    receiptKey: Buffer,
    { keys }: WorkerFiles,
): void {
    const node = nodes.find(({ listing }) => listing.receiptKey === BigInt(`0x${receiptKey.toString('hex')}`));
    if (node === undefined) {
        throw new Remedied(
            `${file} has no node with the receipt key of ${keys} (${receiptKey.toString('hex')}): add the node to it, ` +
                'or name another folder with --dir',
        );
    }
    const { hardware, service, offers } = node.listing;
    const price = (kind: keyof Rates) => (text: string) => offers.every((offer) => offer[kind] === parseTon(text));
    const checks: [string, string | undefined, (text: string) => boolean][] = [
        ['--url', flags.url, (text) => urlOf(text) === service.endpoint],
        ['--gpus', flags.gpus, (text) => Number(text) === hardware.gpus],
        ['--vram', flags.vram, (text) => Number(text) === hardware.vram],
        ['--gpu-class', flags.gpuClass, (text) => Number(text) === hardware.gpuClass],
        ['--gpu-model', flags.gpuModel, (text) => text === hardware.model],
        ['--prompt', flags.prompt, price('prompt')],
        ['--cached', flags.cached, price('cached')],
        ['--completion', flags.completion, price('completion')],
        ['--reasoning', flags.reasoning, price('reasoning')],
    ];
    const different = checks.find(([, text, isSame]) => text !== undefined && !isSame(text));
    if (different !== undefined) {
        throw new Remedied(
            `${different[0]} ${different[1]} is not what ${file} says of node ${node.name}: leave the flag out, or ` +
                'change the file ("cocoon worker prices" changes prices)',
        );
    }
}

/**
 * The market and its network. The market comes first: the form of its address may tell the network, and whoever named
 * the wrong network answers that question again.
 */
async function askMarket(flags: InitFlags, questions: Questions): Promise<{ network: number; registry: Address }> {
    const networkFlag = flags.network === undefined ? undefined : readFlag('--network', flags.network, networkNamed);
    let market = '';
    const registry = await questions.value(flags.registry, 'Address of the market (its registry)?', {
        flag: '--registry ADDRESS',
        read: (text) => {
            market = text;
            return readAddress(text, networkFlag === undefined ? {} : { testOnly: isTestOnly(networkFlag) });
        },
    });
    const isOfTestnet = Address.isFriendly(market) && Address.parseFriendly(market).isTestOnly;
    const network = await questions.value(flags.network, 'Network: mainnet or testnet?', {
        ...{ flag: '--network NAME', ...(isOfTestnet && { fallback: 'testnet' }) },
        read: (text) => {
            const answer = networkNamed(text);
            readAddress(market, { testOnly: isTestOnly(answer) });
            return answer;
        },
    });
    return { network, registry };
}

async function askOwner(
    flags: InitFlags,
    chain: TonHttpChain,
    questions: Questions,
    earlierOwner: Address | undefined,
): Promise<{ owner: Address; wallet: HotWallet | undefined }> {
    const wallet = flags.wallet === undefined ? undefined : await walletOf(chain, flags.wallet);
    const flagText = flags.owner ?? wallet?.address.toRawString() ?? earlierOwner?.toRawString();
    const owner = await questions.value(flagText, "Address of the owner's wallet, which stakes and signs?", {
        flag: '--owner ADDRESS or --wallet FILE',
        read: (text) => readAddress(text, { testOnly: isTestOnly(chain.network) }),
    });
    for (const [what, other] of [
        ['--wallet', wallet?.address],
        ['the earlier run', earlierOwner],
    ] as const) {
        if (other !== undefined && !other.equals(owner)) {
            throw new Remedied(
                `The owner ${walletText(owner, chain)} is not that of ${what}, ${walletText(other, chain)}`,
            );
        }
    }
    return { owner, wallet };
}

async function ownerOnChain(chain: TonHttpChain, provider: Address): Promise<Address | undefined> {
    const { state } = await chain.account(provider);
    return state === 'active' ? (await chain.open(Provider.fromAddress(provider)).getProviderState()).owner : undefined;
}

async function ratesOf(
    chain: TonHttpChain,
    registry: Address,
    models: readonly ServedModel[],
    flags: InitFlags,
    questions: Questions,
): Promise<{ prices: Map<string, MarketPrice>; rates: Map<string, Rates> }> {
    const ids = models.map(({ id }) => id);
    const prices = await readMarketPrices(chain, registry, ids, (text) => console.error(forTerminal(text)));
    for (const id of ids.filter((each) => !prices.has(each))) {
        console.error(`No other node sells ${id}: the market has no price to follow`);
    }
    return { prices, rates: await askRates(questions, flags, ids, prices) };
}

function listenOf(text: string): { host: string; port: number } {
    const match = /^(.+):(\d{1,5})$/.exec(text);
    if (match === null || Number(match[2]) > 65_535) {
        throw new Remedied(`--listen: "${text}" is not HOST:PORT, such as 0.0.0.0:18090`);
    }
    return { host: match[1].replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

async function requirePort(listen: { host: string; port: number }): Promise<void> {
    await assertFreePort(listen).catch((error: NodeJS.ErrnoException) => {
        const remedy =
            error.code === 'EADDRINUSE'
                ? 'another program listens there: end it, or name another with --listen'
                : `${error.message}: name an address of this machine with --listen`;
        const { host, port } = listen;
        throw new Remedied(`The worker cannot listen at ${host}:${port}: ${remedy}`, { cause: error });
    });
}
