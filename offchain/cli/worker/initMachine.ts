/** What `init` has to know of the machine: GPUs, model server, models, prices. Each is found, or the owner says it. */
import { formatTon, listingBounds, type Rates } from '@cocoon-market/wrappers';
import { followingPrices, parsePrice } from '../../fleet';
import { Remedied } from '../../process/errors';
import { readSecret } from '../../process/keyFiles';
import { findGpus, type Gpus, gpuClassNames, gpuClassOf } from '../../setup/gpus';
import { type MarketPrice, suggestionOf } from '../../setup/market';
import {
    EMBEDDED,
    findModelServers,
    measureSpeed,
    type ModelServer,
    readModelServer,
    type ServedModel,
    servedModel,
} from '../../setup/modelServers';
import { isFar } from '../../setup/repricing';
import type { WorkerConfig } from '../../worker/config';
import { tonText } from '../output';
import type { Questions } from '../question';
import { type MachineFlags, readFlag, wholeFrom } from './initFlags';

const asciiUpTo = (max: number) => (text: string) => {
    if (!/^[\x21-\x7e][\x20-\x7e]*$/.test(text) || text.length > max) {
        throw new Error(`"${text}" is not 1 to ${max} ASCII characters`);
    }
    return text;
};

/** The GPUs of the node with their class. */
export async function askGpus(
    questions: Questions,
    flags: MachineFlags,
    say: (line: string) => void,
): Promise<Gpus & { gpuClass: number }> {
    const isNamed = flags.gpuModel !== undefined && flags.vram !== undefined;
    const { found, problems } = isNamed ? { found: [], problems: [] } : await findGpus();
    problems.forEach(say);
    const isChoice = found.length > 1 && flags.gpuModel === undefined;
    if (isChoice) {
        const kinds = found.map(({ model, gpus, vram }) => `${gpus} × ${model} ${vram} GB`).join(', ');
        say(
            `This machine has GPUs of several kinds: ${kinds}. A node has GPUs of one kind, so run init once for each,`,
        );
        say('with its --gpu-model, and with a --dir, --url, --listen and --backend of its own');
    }
    const none = 'No GPU was found (neither nvidia-smi nor amd-smi lists one). Which GPU is it?';
    const question = isChoice ? 'Which of them has this node?' : none;
    const model = await questions.value(flags.gpuModel ?? (isChoice ? undefined : found[0]?.model), question, {
        ...{ flag: '--gpu-model NAME', ...(isChoice && { fallback: found[0].model }) },
        read: asciiUpTo(listingBounds.maxText.model),
    });
    const first = found.find((group) => group.model === model);
    const gpus = await questions.value(flags.gpus ?? first?.gpus.toString(), 'How many of them?', {
        ...{ flag: '--gpus N', fallback: '1' },
        read: wholeFrom(1, 65_535),
    });
    const vram = await questions.value(flags.vram ?? first?.vram.toString(), 'How many GB of memory has each?', {
        flag: '--vram GB',
        read: wholeFrom(1, 65_535),
    });
    const gpuClass = await questions.value(flags.gpuClass ?? String(gpuClassOf({ model, vram })), 'GPU class?', {
        flag: '--gpu-class N',
        read: wholeFrom(0, 7),
    });
    say(`GPUs: ${gpus} × ${model}, ${vram} GB, class ${gpuClass} (${gpuClassNames[gpuClass] ?? 'of this market'})`);
    return { model, gpus, vram, gpuClass };
}

/** The model server of the node, and the models that it is to sell. */
export interface Served {
    server: ModelServer | undefined; // undefined: the model in this release
    apiKey: string | undefined;
    models: ServedModel[];
}

/** The backend with its models; `--model ID=NAME` says what the server calls a model. */
export async function askModels(
    questions: Questions,
    flags: MachineFlags,
    say: (line: string) => void,
): Promise<Served> {
    const apiKey = flags.backendKey === undefined ? undefined : readSecret(flags.backendKey);
    const server = await askServer(questions, flags.backend, apiKey);
    if (server === OWN_MODEL) {
        const others = (flags.model ?? []).filter((text) => text !== EMBEDDED.id);
        if (others.length > 0) {
            throw new Remedied(
                `--model ${others[0]}: the small model of this release is ${EMBEDDED.id}, and it has no other`,
            );
        }
        say('Backend: the small model of this release, for tests');
        return { server: undefined, apiKey: undefined, models: [EMBEDDED] };
    }
    say(`Backend: ${server.server} at ${server.url}, models ${server.models.join(', ') || 'none'}`);
    if (server.models.length === 0) {
        throw new Remedied(`The model server at ${server.url} lists no model: load one, then run this again`);
    }
    const served = server.models.map((name) => servedModel(name, server.server));
    const models =
        flags.model !== undefined
            ? flags.model.map((text) => namedModel(text, server, served))
            : await pickModels(questions, served);
    const twice = models.find(({ id }, i) => models.findIndex((other) => other.id === id) < i);
    if (twice !== undefined) {
        throw new Remedied(`Two models are to be sold as ${twice.id}: name one of them with --model`);
    }
    if (models.length > listingBounds.maxOffers) {
        throw new Remedied(`A node sells at most ${listingBounds.maxOffers} models: choose them with --model`);
    }
    for (const { id, name, note } of models) {
        say(`  ${id}${name === id ? '' : `, "${name}" at the backend`}${note === undefined ? '' : `: ${note}`}`);
    }
    return { server, apiKey, models };
}

/** What takes the place of a model server's URL, in flags and answers. */
const OWN_MODEL = 'embedded';

async function askServer(
    questions: Questions,
    url: string | undefined,
    apiKey: string | undefined,
): Promise<ModelServer | typeof OWN_MODEL> {
    const read = async (text: string) => (text === OWN_MODEL ? OWN_MODEL : readModelServer(text, apiKey));
    if (url !== undefined) {
        return read(url);
    }
    const found = await findModelServers();
    if (found.length === 1) {
        return found[0];
    }
    const text =
        found.length === 0
            ? 'No model server answers on the usual ports. Start one, or say where it is: its URL, or HOST:PORT ' +
              `("${OWN_MODEL}": the small model of this release, for a rehearsal)?`
            : `Several model servers answer (${found.map((each) => each.url).join(', ')}). Which URL?`;
    return questions.value(undefined, text, {
        flag: '--backend URL',
        read: (answer) => found.find((each) => each.url === answer) ?? read(answer),
    });
}

function namedModel(text: string, server: ModelServer, served: readonly ServedModel[]): ServedModel {
    const [id, name = id] = text.split('=', 2);
    const match = served.find((each) => each.name === name) ?? served.find((each) => each.id === name);
    if (match === undefined) {
        throw new Remedied(
            `The model server at ${server.url} has no model "${name}": it has ${server.models.join(', ')}`,
        );
    }
    if (id === name) {
        return match;
    }
    const { unlisted } = servedModel(id, 'other');
    return { ...match, id, unlisted, ...(unlisted && { note: 'not in the catalogue' }) };
}

async function pickModels(questions: Questions, served: readonly ServedModel[]): Promise<ServedModel[]> {
    const listed = served.filter(({ unlisted }) => !unlisted).map(({ name }) => name);
    const names = served.map(({ name }) => name);
    return questions.value(undefined, `Which of these models do you sell: ${names.join(', ')}?`, {
        flag: '--model ID=NAME',
        ...(listed.length > 0 && { fallback: listed.join(',') }),
        read: (answer) =>
            answer.split(',').map((part) => {
                const match = served.find(({ name }) => name === part.trim());
                if (match === undefined) {
                    throw new Error(`"${part.trim()}" is none of ${names.join(', ')}`);
                }
                return match;
            }),
    });
}

const MAX_USUAL = 100_000_000_000n; // nanoTON per million tokens, more than any model costs anywhere

/**
 * The prices of each model: of the flags, else of the owner, who is shown what the market suggests.
 * @throws {Remedied} if a flag is wrong or missing and nobody can be asked. A suggestion is the word of strangers, so
 * it is never taken unseen
 */
export async function askRates(
    questions: Questions,
    flags: MachineFlags,
    models: readonly string[],
    market: ReadonlyMap<string, MarketPrice>,
): Promise<Map<string, Rates>> {
    if (!questions.canAsk) {
        requirePriceFlags(flags, models, market);
    }
    const rates = new Map<string, Rates>();
    for (const id of models) {
        rates.set(id, await askRatesOf(questions, flags, id, market.get(id)));
    }
    return rates;
}

const PRICE_FLAGS = ['prompt', 'completion'] as const;

/** Throws with the suggestions, and the flags that accept them, if a price has no flag. */
function requirePriceFlags(
    flags: MachineFlags,
    models: readonly string[],
    market: ReadonlyMap<string, MarketPrice>,
): void {
    const missing = PRICE_FLAGS.filter((kind) => flags[kind] === undefined);
    const suggested = models.flatMap((id) => {
        const rates = suggestionOf(market.get(id));
        return rates === undefined ? [] : [{ id, rates, providers: market.get(id)!.providers }];
    });
    if (missing.length === 0 || suggested.length === 0) {
        return;
    }
    const texts = suggested.map(
        ({ id, rates, providers }) =>
            `for ${id} ${missing.map((kind) => `${kind} ${formatTon(rates[kind])}`).join(', ')} ` +
            `(median of ${providers} providers)`,
    );
    const accepting = suggested.map(({ id, rates }) => {
        const ofOne = missing.map((kind) => `--${kind} ${formatTon(rates[kind])}`).join(' ');
        return models.length === 1 ? ofOne : `${ofOne} as ${id}`;
    });
    const ofAll =
        models.length === 1
            ? ''
            : '; flags price all models alike: at a terminal init asks for each, and "cocoon worker prices" changes one';
    throw new Remedied(
        `Missing: ${missing.map((kind) => `--${kind} TON`).join(' and ')}. The market suggests, in TON per million ` +
            `tokens, ${texts.join('; ')}. Strangers set that, and nobody is here to look at it: nothing was written or sent`,
        { remedy: `look at it and add ${accepting.join(', or ')}, or prices of your own${ofAll}` },
    );
}

async function askRatesOf(
    questions: Questions,
    flags: MachineFlags,
    id: string,
    market: MarketPrice | undefined,
): Promise<Rates> {
    const median = suggestionOf(market);
    // Of too few providers for a suggestion the owner is told what they take.
    const others = (kind: keyof Rates) =>
        median === undefined && market !== undefined
            ? `; of others: ${formatTon(market.min[kind])} to ${formatTon(market.max[kind])} (${market.providers})`
            : '';
    const ask = (kind: keyof Rates, flagText: string | undefined, text: string, fallback: bigint | undefined) =>
        questions.value(flagText, `${text} of ${id}, TON per million tokens${others(kind)}`, {
            flag: `--${kind} TON`,
            ...(fallback !== undefined && questions.canAsk && { fallback: formatTon(fallback) }),
            read: (answer) => priceIn(answer, kind, median?.[kind], flags.anyPrice === true),
        });
    const prompt = await ask('prompt', flags.prompt, 'Price of prompts', median?.prompt);
    const completion = await ask('completion', flags.completion, 'Price of answers', median?.completion);
    const following = followingPrices({ prompt, completion });
    const cached =
        flags.cached === undefined ? following.cached : await ask('cached', flags.cached, 'Price', undefined);
    const reasoning =
        flags.reasoning === undefined
            ? following.reasoning
            : await ask('reasoning', flags.reasoning, 'Price', undefined);
    return { prompt, cached, completion, reasoning };
}

function priceIn(text: string, kind: string, median: bigint | undefined, anyPrice: boolean): bigint {
    const price = parsePrice(text);
    const isUsual = (price > 0n || kind === 'cached') && price <= MAX_USUAL;
    if (!isUsual && !anyPrice) {
        throw new Error(
            `${text} TON for ${kind} is ${price === 0n ? 'nothing' : `more than ${tonText(MAX_USUAL)} per million tokens`}. ` +
                'If it is no typing error, add --any-price',
        );
    }
    if (median !== undefined && isFar({ from: median, to: price }) && !anyPrice) {
        throw new Error(
            `${text} TON is far from ${tonText(median)}, the median of the market for ${kind}. ` +
                'If it is no typing error, add --any-price',
        );
    }
    return price;
}

/** A model at its server. */
interface RunningModel {
    url: string;
    name: string; // at the server
    apiKey: string | undefined;
}

/** The first model that a configuration sells, if a server has it. */
export function modelIn({ backends: [backend], offers }: WorkerConfig): RunningModel | undefined {
    const id = offers[0]?.model;
    return backend?.kind === 'openai' && id !== undefined
        ? { url: backend.url, name: backend.models?.[id] ?? id, apiKey: backend.apiKey }
        : undefined;
}

/** Throws if these values of --model (`ID`, `NAME` or `ID=NAME`) are not the models that a configuration sells. */
export function assertSells(texts: readonly string[] | undefined, { offers, backends }: WorkerConfig, file: string) {
    const names = backends.flatMap((backend) =>
        backend.kind === 'openai' ? Object.entries(backend.models ?? {}) : [],
    );
    const nameOf = new Map(names);
    const isSold = (text: string) => {
        const [first, name] = text.split('=', 2);
        return offers.some(({ model }) => {
            const own = nameOf.get(model) ?? model;
            return name === undefined ? first === model || first === own : first === model && name === own;
        });
    };
    if (texts !== undefined && !(texts.length === offers.length && texts.every(isSold))) {
        throw new Remedied(
            `--model ${texts.join(' --model ')} is not what ${file} sells: leave the flag out, or change ` +
                'that file and the manifest (docs/worker.md, "Several models and backends")',
        );
    }
}

/** Tokens a second: as the flag says, or measured. */
export async function speedOf(flags: MachineFlags, model: RunningModel | undefined): Promise<number | undefined> {
    if (flags.speed !== undefined) {
        return readFlag('--speed', flags.speed, wholeFrom(1, 1_000_000));
    }
    if (model === undefined) {
        return undefined;
    }
    console.error(`measuring the speed of ${model.name} with one request`);
    return measureSpeed(model, model);
}
