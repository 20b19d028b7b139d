/** What the gateway knows of the nodes of each model by its last look. Reading it never waits long for a node. */
import { type Rates, tokenKinds } from '@cocoon-market/wrappers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeInfo } from '../link';
import { reasonOf } from '../process/errors';
import { blend } from '../market/order';
import type { Nodes } from './nodes';

const WAIT_MS = 1500; // for a look that runs
const FRESH_SECONDS = 5; // before nodes are looked at again

/** A worker of a model, as it was when it was last looked at. */
export interface SeenWorker {
    worker: string; // URL
    state: string; // 'ok', or why it is not used
    usable: boolean;
    offer: SeenOffer | undefined; // the last one that it made; undefined if it never did
}

/** What a node offers for one model. */
export interface SeenOffer {
    node: string; // raw address
    tier: string;
    rates: Rates; // nanoTON per million tokens
    features: readonly string[];
    context: number | undefined; // tokens of prompt and answer together
}

/** The last look at the workers of one model. */
export interface ModelView {
    model: string;
    checkedAt: number | undefined; // unix seconds; undefined before the first look has ended
    workers: SeenWorker[];
}

interface LookedAt {
    workers: Map<string, SeenWorker>; // by URL
    checkedAt: number | undefined;
    look: Promise<void> | undefined;
}

/** One model in the shape of OpenAI's models, with the market's own fields; prices are nanoTON per million tokens. */
export interface ApiModel {
    id: string;
    object: 'model';
    created: number; // 0, because a market does not know it
    owned_by: string;
    context_length: number | null; // of the usable node with the longest; null if none says it
    features: string[]; // that at least one usable node has
    tiers: string[]; // of usable nodes
    nodes: number; // that can be used now
    prices: { unit: string; best: PriceTexts; min: PriceTexts; max: PriceTexts } | null; // null without a usable node
    checked_at: number | null; // unix seconds, when the nodes were last looked at
}

type PriceTexts = Record<keyof Rates, string>;

export class Catalogue {
    private readonly looks = new Map<string, LookedAt>(); // by model

    constructor(
        private readonly models: readonly string[],
        private readonly nodes: Pick<Nodes, 'workers' | 'check' | 'lastInfo'>,
        private readonly now: () => number,
        private readonly waitMs = WAIT_MS,
    ) {}

    /** Every model, after at most a moment. A worker that has not answered by then is shown as it was before. */
    async views(models = this.models): Promise<ModelView[]> {
        const looks = models.map((model) => this.look(model));
        await Promise.race([Promise.all(looks), sleep(this.waitMs, undefined, { ref: false })]);
        return models.map((model) => {
            const { workers, checkedAt } = this.of(model);
            return { model, checkedAt, workers: [...workers.values()] };
        });
    }

    /** The models as an app lists them. */
    async list(): Promise<ApiModel[]> {
        return (await this.views()).map(apiModel);
    }

    /** One model as an app asks for it; undefined if the gateway has none of this name. */
    async find(model: string): Promise<ApiModel | undefined> {
        return this.models.includes(model) ? apiModel((await this.views([model]))[0]) : undefined;
    }

    private of(model: string): LookedAt {
        const last = this.looks.get(model) ?? { workers: new Map(), checkedAt: undefined, look: undefined };
        this.looks.set(model, last);
        return last;
    }

    // Nodes are asked once at a time, and only if the last look is not fresh.
    private look(model: string): Promise<void> {
        const last = this.of(model);
        if (last.checkedAt !== undefined && this.now() - last.checkedAt < FRESH_SECONDS) {
            return Promise.resolve();
        }
        last.look ??= this.ask(model, last).finally(() => (last.look = undefined));
        return last.look;
    }

    private async ask(model: string, last: LookedAt): Promise<void> {
        const urls = await this.nodes.workers(model).catch(() => [...last.workers.keys()]);
        [...last.workers.keys()].filter((url) => !urls.includes(url)).forEach((url) => last.workers.delete(url));
        await Promise.all(
            urls.map(async (url) => {
                const candidate = await this.nodes.check(url, model).catch(reasonOf);
                const usable = typeof candidate !== 'string';
                const info = usable ? candidate.info : this.nodes.lastInfo(url);
                const offer = (info && offerOf(info, model)) ?? last.workers.get(url)?.offer;
                last.workers.set(url, { worker: url, state: usable ? 'ok' : candidate, usable, offer });
            }),
        );
        last.checkedAt = this.now();
    }
}

function offerOf(info: NodeInfo, model: string): SeenOffer | undefined {
    const offer = info.offers.find((one) => one.model === model);
    if (offer === undefined) {
        return undefined;
    }
    const { rates, features, context } = offer;
    return { node: info.node, tier: info.attestation.tier, rates, features, context };
}

function apiModel({ model, workers, checkedAt }: ModelView): ApiModel {
    const offers = workers.flatMap(({ usable, offer }) => (usable && offer !== undefined ? [offer] : []));
    const contexts = offers.flatMap(({ context }) => context ?? []);
    return {
        id: model,
        object: 'model',
        created: 0,
        owned_by: 'cocoon-market',
        context_length: contexts.length > 0 ? Math.max(...contexts) : null,
        features: [...new Set(offers.flatMap(({ features }) => features))].sort(),
        tiers: [...new Set(offers.map(({ tier }) => tier))].sort(),
        nodes: offers.length,
        prices: offers.length > 0 ? pricesOf(offers.map(({ rates }) => rates)) : null,
        checked_at: checkedAt ?? null,
    };
}

function pricesOf(all: readonly Rates[]) {
    const best = all.reduce((cheapest, rates) => (blend(rates) < blend(cheapest) ? rates : cheapest));
    const extreme = (isBetter: (a: bigint, b: bigint) => boolean) => (kind: keyof Rates) =>
        all.map((rates) => rates[kind]).reduce((found, rate) => (isBetter(rate, found) ? rate : found));
    return {
        unit: 'nanoTON per million tokens',
        best: textsOf((kind) => best[kind]),
        min: textsOf(extreme((a, b) => a < b)),
        max: textsOf(extreme((a, b) => a > b)),
    };
}

const textsOf = (rate: (kind: keyof Rates) => bigint) =>
    Object.fromEntries(tokenKinds.map((kind) => [kind, rate(kind).toString()])) as PriceTexts;
