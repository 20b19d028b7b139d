/** What `cocoon worker prices` does. Interrupted at any point, it is finished with `--continue`. */
import { bytesToNumber, formatTon, type Rates, signingKey, tokenKinds } from '@cocoon-market/wrappers';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { TonHttpChain } from '../../chain';
import { catalogueIds, parseManifest, parsePrice, withFollowing, withPrices } from '../../fleet';
import { walletText } from '../../process/addresses';
import { reasonOf, Remedied } from '../../process/errors';
import {
    dropPending,
    isFar,
    type PendingManifest,
    pendingManifest,
    type PriceChange,
    priceChanges,
    repricingOf,
    storePending,
    takePending,
} from '../../setup/repricing';
import { lockFile } from '../../store/keyLock';
import { askWorker } from '../../worker';
import { readKeys, readWorkerConfig, type WorkerConfig } from '../../worker/config';
import { pricesInManifest } from '../../worker/manifestOffers';
import { print } from '../output';
import { Questions } from '../question';
import { readFlag } from './initFlags';
import { folderOf, type OwnerFlags, requireFunds, senderOf, sendAsOwner } from './ownerSends';

/** The flags of the command. */
export interface PriceFlags extends OwnerFlags {
    config: string;
    model?: string;
    prompt?: string;
    cached?: string;
    completion?: string;
    reasoning?: string;
    anyPrice?: boolean;
    continue?: boolean;
    discard?: boolean;
}

/** The worker whose prices they are. */
interface PricedWorker {
    config: WorkerConfig;
    file: string; // its manifest
    chain: TonHttpChain;
    receiptKey: Buffer;
    say: (line: string) => void;
}

/** Shows prices, or changes them. */
export async function changePrices(flags: PriceFlags): Promise<void> {
    const config = readWorkerConfig(flags.config);
    const { manifest: file } = config;
    if (file === undefined) {
        throw new Remedied(`${flags.config} names no manifest: its own "offers" say the prices, change them there`);
    }
    const worker = {
        ...{ config, file, chain: new TonHttpChain(config) },
        receiptKey: signingKey(readKeys(config.keyFile).receiptKey).publicKey,
        say: (line: string) => (flags.json === true ? console.error(line) : console.log(line)),
    };
    const requested = newPrices(flags);
    const actions = [requested !== undefined, flags.continue === true, flags.discard === true];
    if (actions.filter(Boolean).length > 1) {
        throw new Remedied('Give prices, or --continue, or --discard: they exclude each other');
    }
    if (actions.includes(true)) {
        const busy = `Another "cocoon worker prices" changes ${file} now: wait until it has ended, or stop it`;
        const lock = lockFile(`${file}.lock`, busy);
        try {
            if (flags.discard === true) {
                discard(worker);
            } else if (!(await change(worker, flags, requested))) {
                return; // printed
            }
        } finally {
            lock.close();
        }
    }
    await show(worker, flags);
}

/** Changes prices on chain, in the manifest, and in the worker. False if the owner's messages were only printed. */
async function change(worker: PricedWorker, flags: PriceFlags, requested: Partial<Rates> | undefined) {
    const { config, file, chain, receiptKey, say } = worker;
    const present = readFileSync(file, 'utf8');
    const pending = pendingManifest(file);
    const text =
        requested === undefined
            ? (pending?.text ?? present)
            : pricesOf(worker, present, modelOf(flags, worker), requested);
    requireOnly(pending, { text, present, file });
    const manifest = parseManifest(file, text, catalogueIds);
    const node = { provider: config.provider, receiptKey: bytesToNumber(receiptKey) };
    const { owner, operator, messages, changes } = await repricingOf(chain, node, manifest);
    const wallet = await senderOf(chain, flags, [
        { role: 'the owner', address: owner },
        { role: 'the operator', address: operator },
    ]);
    if (changes.length > 0) {
        const prices = priceChanges(changes, manifest);
        say('These prices change on chain, in TON per million tokens:');
        changeLines(prices).forEach(say);
        requireNear(prices, flags);
        if (wallet !== undefined && flags.print !== true) {
            await requireFunds(chain, wallet, messages);
            await new Questions(flags.yes === true).agree(
                `Change them with the wallet ${walletText(wallet.address, chain)}?`,
            );
        }
        storePending(file, { text, present });
        const arrived = async () => (await repricingOf(chain, node, manifest)).changes.length === 0;
        if (
            !(await sendAsOwner(
                chain,
                { owner, wallet, messages, folder: folderOf(flags), arrived },
                { ...flags, yes: true },
            ))
        ) {
            say(
                'Once these are on chain, run "cocoon worker prices --continue": it changes the manifest and the worker',
            );
            return false;
        }
    }
    if (readFileSync(file, 'utf8') !== present) {
        throw new Remedied(`${file} was edited while this waited: see "cocoon worker prices"`);
    }
    if (text !== present || pending !== undefined) {
        takePending(file, text);
    }
    await reload(worker);
    const others = manifest.nodes.filter(({ listing }) => listing.receiptKey !== node.receiptKey);
    if (others.length > 0 && changes.some(({ target }) => target.listing.receiptKey !== node.receiptKey)) {
        const names = others.map(({ name }) => name).join(', ');
        say(`Copy ${file} to the other nodes too (${names}), and run "cocoon worker reload" there`);
    }
    return true;
}

/** The manifest with the requested prices of a model. Says which related price stays as it is. */
function pricesOf({ file, receiptKey, say }: PricedWorker, text: string, model: string, requested: Partial<Rates>) {
    const present = pricesInManifest(file, receiptKey).rates.get(model)!;
    const prices = withFollowing(requested, present);
    for (const [kind, cause] of [
        ['cached', 'prompt'],
        ['reasoning', 'completion'],
    ] as const) {
        if (requested[cause] !== undefined && prices[kind] === undefined) {
            say(
                `${model}: ${kind} stays ${formatTon(present[kind])} TON, because it has a price of its own (--${kind})`,
            );
        }
    }
    return withPrices(file, text, model, prices);
}

/** Throws if a change is on its way that this one is not, or whose manifest was edited since. */
function requireOnly(
    pending: PendingManifest | undefined,
    { text, present, file }: { text: string; present: string; file: string },
): void {
    if (pending === undefined) {
        return;
    }
    if (pending.isOutdated(present)) {
        throw new Remedied(
            `${file} was edited after ${basename(pending.file)} was made, which would take its place: drop that with ` +
                '--discard. Then name the prices again, or bring what the manifest says onto the chain with --continue',
        );
    }
    if (pending.text !== text) {
        throw new Remedied(
            `An earlier change is not finished (${pending.file}): finish it with --continue, or drop it with --discard`,
        );
    }
}

/** Throws if a price changes so much that it may be a typing error. */
function requireNear(prices: readonly PriceChange[], { anyPrice = false }: PriceFlags): void {
    const far = prices.filter(isFar);
    if (far.length > 0 && !anyPrice) {
        const texts = changeLines(far).map((line) => line.trim());
        throw new Remedied(`${texts.join('; ')}: that is far. If it is no typing error, add --any-price`);
    }
}

function discard({ file, say }: PricedWorker): void {
    if (pendingManifest(file) === undefined) {
        say('No change of prices is on its way');
        return;
    }
    dropPending(file);
    say('The change is dropped. Do not sign any more what was printed for it');
}

/** Has the running worker take the manifest's prices. */
async function reload({ config, say }: PricedWorker): Promise<void> {
    const reloaded = await askWorker(config, 'POST', '/reload').catch((error: Error) => {
        const done = 'The prices are on chain and in the manifest, but the running worker has not taken them';
        throw new Remedied(`${done} (${error.message}): restart it`, { cause: error });
    });
    say(reloaded === undefined ? 'No worker runs: it takes these prices when it starts' : 'The worker has taken them');
}

/** Prints the prices of the manifest, and what is still to do until the chain has them. Changes nothing. */
async function show({ config, file, chain, receiptKey }: PricedWorker, flags: PriceFlags): Promise<void> {
    const { name, rates } = pricesInManifest(file, receiptKey);
    const lines = [...rates].map(
        ([model, each]) => `${model}: ${tokenKinds.map((kind) => `${kind} ${formatTon(each[kind])}`).join(', ')}`,
    );
    const pending = pendingManifest(file);
    const manifest = pending?.manifest ?? parseManifest(file, readFileSync(file, 'utf8'), catalogueIds);
    const node = { provider: config.provider, receiptKey: bytesToNumber(receiptKey) };
    const read = await repricingOf(chain, node, manifest).catch((error: unknown) => reasonOf(error));
    const notOnChain = typeof read === 'string' ? [] : priceChanges(read.changes, manifest);
    const unfinished =
        pending && `A change is not finished: "--continue" finishes it, "--discard" drops ${pending.file}`;
    const view = { node: name, rates: Object.fromEntries(rates), pending: pending !== undefined, notOnChain };
    print(flags, view, () =>
        [
            `Node ${name}, TON per million tokens:`,
            ...lines,
            ...(unfinished === undefined ? [] : [unfinished]),
            ...(notOnChain.length > 0 ? ['Not on chain yet ("--continue" brings it there):'] : []),
            ...changeLines(notOnChain),
            ...(typeof read === 'string' ? [`The node on chain was not compared: ${read}`] : []),
        ].join('\n'),
    );
}

/** A line for each node and model. */
function changeLines(prices: readonly PriceChange[]): string[] {
    const ton = (price: bigint | undefined) => (price === undefined ? 'none' : formatTon(price));
    const places = [...new Set(prices.map(({ node, model }) => `${node}, ${model}`))];
    return places.map((place) => {
        const own = prices.filter(({ node, model }) => `${node}, ${model}` === place);
        return `  ${place}: ${own.map(({ kind, from, to }) => `${kind} ${ton(from)} → ${ton(to)}`).join(', ')}`;
    });
}

/** The prices that flags name; undefined if they name none. */
function newPrices(flags: PriceFlags): Partial<Rates> | undefined {
    const prices: Partial<Rates> = {};
    for (const kind of tokenKinds) {
        const text = flags[kind];
        if (text !== undefined) {
            prices[kind] = readFlag(`--${kind}`, text, parsePrice);
        }
    }
    if (Object.keys(prices).length > 0) {
        return prices;
    }
    if (flags.model !== undefined) {
        throw new Remedied('Missing: a price, such as --prompt 0.2');
    }
    return undefined;
}

/** The model whose prices change. */
function modelOf(flags: PriceFlags, { file, receiptKey }: PricedWorker): string {
    const models = [...pricesInManifest(file, receiptKey).rates.keys()];
    const model = flags.model ?? (models.length === 1 ? models[0] : undefined);
    if (model === undefined || !models.includes(model)) {
        const what = model === undefined ? 'Missing: --model ID' : `This node does not offer ${model}`;
        throw new Remedied(`${what}. It offers ${models.join(', ')}`);
    }
    return model;
}
