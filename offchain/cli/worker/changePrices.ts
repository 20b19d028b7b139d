/** What `cocoon worker prices` does. Interrupted at any point, it is finished by running it again. */
import { bytesToNumber, formatTon, type Rates, signingKey, tokenKinds } from '@cocoon-market/wrappers';
import { readFileSync } from 'node:fs';
import { TonHttpChain } from '../../chain';
import { catalogueIds, parseManifest, parsePrice, withPrices } from '../../fleet';
import { Remedied } from '../../process/errors';
import { pendingManifest, repricingOf, storePending, takePending } from '../../setup/repricing';
import { askWorker } from '../../worker';
import { readKeys, readWorkerConfig } from '../../worker/config';
import { pricesInManifest } from '../../worker/manifestOffers';
import { print } from '../output';
import { readFlag } from './initFlags';
import { type OwnerFlags, senderOf, sendAsOwner } from './ownerSends';

/** The flags of the command. */
export interface PriceFlags extends OwnerFlags {
    config: string;
    model?: string;
    prompt?: string;
    cached?: string;
    completion?: string;
    reasoning?: string;
    anyPrice?: boolean;
}

/** Shows prices, or changes them. */
export async function changePrices(flags: PriceFlags): Promise<void> {
    const config = readWorkerConfig(flags.config);
    const { manifest: file } = config;
    if (file === undefined) {
        throw new Remedied(`${flags.config} names no manifest: its own "offers" say the prices, change them there`);
    }
    const receiptKey = signingKey(readKeys(config.keyFile).receiptKey).publicKey;
    const requested = newPrices(flags);
    const pending = pendingManifest(file);
    if (requested === undefined && pending === undefined) {
        show(flags, file, receiptKey);
        return;
    }
    const present = readFileSync(file, 'utf8');
    const text =
        requested === undefined
            ? pending!.text
            : withPrices(file, present, modelOf(flags, file, receiptKey, requested), requested);
    const manifest = parseManifest(file, text, catalogueIds);

    const chain = new TonHttpChain(config);
    const node = { provider: config.provider, receiptKey: bytesToNumber(receiptKey) };
    const first = await repricingOf(chain, node, manifest);
    const wallet = await senderOf(chain, flags, [
        { role: 'the owner', address: first.owner },
        { role: 'the operator', address: first.operator },
    ]);
    const say = (line: string) => (flags.json === true ? console.error(line) : console.log(line));
    if (first.changes.length > 0) {
        first.changes.forEach(({ target }) => say(`Node ${target.name}: its offers on chain change`));
        storePending(file, text);
        const arrived = async () => (await repricingOf(chain, node, manifest)).changes.length === 0;
        const order = { owner: first.owner, wallet, messages: first.messages, arrived };
        if (!(await sendAsOwner(chain, order, flags))) {
            say('Once these are on chain, run "cocoon worker prices" again: it changes the manifest and the worker');
            return;
        }
    }
    if (text !== present || pending !== undefined) {
        takePending(file, text);
    }
    const reloaded = await askWorker(config.store, 'POST', '/reload').catch((error: Error) => {
        const done = 'The prices are on chain and in the manifest, but the running worker has not taken them';
        throw new Remedied(`${done} (${error.message}): restart it`, { cause: error });
    });
    const others = manifest.nodes.filter(({ listing }) => listing.receiptKey !== node.receiptKey);
    if (others.length > 0 && first.changes.some(({ target }) => target.listing.receiptKey !== node.receiptKey)) {
        say(`Copy ${file} to the other nodes too (${others.map(({ name }) => name).join(', ')}), and run this there`);
    }
    say(reloaded === undefined ? 'No worker runs: it takes these prices when it starts' : 'The worker has taken them');
    show(flags, file, receiptKey);
}

function show(flags: PriceFlags, file: string, receiptKey: Buffer): void {
    const { name, rates } = pricesInManifest(file, receiptKey);
    const lines = [...rates].map(
        ([model, each]) => `${model}: ${tokenKinds.map((kind) => `${kind} ${formatTon(each[kind])}`).join(', ')}`,
    );
    const text = `Node ${name}, TON per million tokens:\n${lines.join('\n')}`;
    print(flags, { node: name, rates: Object.fromEntries(rates) }, () => text);
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

const TIMES = 10n; // a price that changes by more is taken for a typing error

function modelOf(flags: PriceFlags, file: string, receiptKey: Buffer, requested: Partial<Rates>): string {
    const { rates } = pricesInManifest(file, receiptKey);
    const models = [...rates.keys()];
    const model = flags.model ?? (models.length === 1 ? models[0] : undefined);
    const present = model === undefined ? undefined : rates.get(model);
    if (model === undefined || present === undefined) {
        const what = model === undefined ? 'Missing: --model ID' : `This node does not offer ${model}`;
        throw new Remedied(`${what}. It offers ${models.join(', ')}`);
    }
    const far = tokenKinds.find((kind) => {
        const [price, now] = [requested[kind] ?? present[kind], present[kind]];
        return now > 0n && (price > now * TIMES || price * TIMES < now);
    });
    if (far !== undefined && flags.anyPrice !== true) {
        throw new Remedied(
            `--${far} ${flags[far]} is far from the present ${formatTon(present[far])} TON. If it is no typing error, ` +
                'add --any-price',
        );
    }
    return model;
}
