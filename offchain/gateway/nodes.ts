// Longer than 350 lines because what a node says, what the chain says and what was measured decide together.
/** Which nodes a query may go to: what they say of themselves, checked against the client's rules and the chain. */
import { formatTon, Rates, Terms, type Tier, tiers, tokenKinds } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttestationPolicy, rejectionOf, EXPIRED } from '../attest';
import { commonVersion, MAX_PROCESSES, modelHash, NodeInfo, wireVersions } from '../link';
import { reasonOf } from '../process/errors';
import { mayBePublic } from '../process/publicAddress';
import { steadySeconds } from '../process/clock';
import { SingleFlight } from '../process/tasks';
import { BYTES } from '../tokens';
import { allowsPrivate, findsNodes, type GatewayConfig } from './config';
import { isTooDear, type Lack, lackError, lackOf, lackText, type OfferFacts, type Needs, tooDearError } from './needs';
import type { NodeSource } from './nodeSource';
import { NodeStats } from './nodeStats';
import { noneWanted, type Preferences, type RoutedNode, unwanted } from './preferences';
import { MAX_REFUSALS, type NodeFacts, sortBy, weightsOf } from './scoring';
import type { StoredJob } from '../store/gateway';
import { unavailable } from './errors';
import { blend } from '../market/order';
import type { AnnouncedNode } from '../market/directory';
import type { NodeChecks, NodeStanding } from './nodeChecks';
import type { QueryBounds } from '../payer/bounds';
import { JobLink } from '../payer/jobLink';
import type { Setbacks } from './setbacks';
import { Bans } from './bans';
import { type SealingKey, WorkerClient } from './workers';

/** The client's attestation policy. */
export function attestationPolicy({ allowOpen, ...rules }: GatewayConfig['attestation']): AttestationPolicy {
    const tiers: AttestationPolicy['tiers'][number][] = ['tdx'];
    if (rules.authority !== undefined) {
        tiers.push('testca');
    }
    if (allowOpen) {
        tiers.push('open');
    }
    return { ...rules, tiers };
}

/** A node that passed every check, with what a job there would be. */
export interface Candidate {
    url: string;
    info: NodeInfo;
    rates: Rates;
    listing: OfferFacts;
    maxParallel: number;
    maxAnswer: number; // bytes
    step: bigint; // nanoTON
}

/** What a query needs of its node. */
export interface Need {
    needed: Needs;
    preferences?: Preferences | undefined;
    payer?: { readonly name: string }; // the API key that asks
    /** Only nodes whose listing has room for the request; left out: also those that may have it. */
    hasRoom?: (listing: OfferFacts) => boolean;
    /** The maximal counts by the tokenizer that a node lists; left out: of no request in particular. */
    bounds?(tokenizer: string): QueryBounds;
    /** Counts a long prompt in several turns of the event loop, before a node's listing is compared with it. */
    count?(tokenizers: () => readonly string[]): Promise<void>;
}

/** The features of a need by name; `plain` if it needs none. */
export const featuresOf = ({ features }: Needs): string[] =>
    features.length === 0 ? ['plain'] : features.map(({ feature }) => feature);

/** The name of the key that asks; empty if no keys are needed. */
export const keyOf = (payer: Need['payer']): string => payer?.name ?? '';

/** A worker that was asked for what it is: a candidate, or why it is none. */
interface CheckedWorker {
    url: string;
    candidate?: Candidate;
    reason?: string;
    missing?: Lack; // the only thing that is against it
    isTooDear?: boolean; // the prompt for its step, and nothing else is against it
    isUnwanted?: boolean; // by the request, and nothing else is against it
}

/** A node that the client's rules exclude from a job's questions, by what it says of itself. */
export class NodeUnfit extends Error {
    /** `byRules`: rules of another version or configuration of this gateway may have allowed it. */
    constructor(
        message: string,
        readonly byRules = false,
    ) {
        super(message);
    }
}

const TRIED = 'was tried already';
const LATE_MS = 1500; // that slow workers are waited for once another is fit
const MAX_REASONS = 32; // of nodes, in one error
const MAX_PROCESS_CLIENTS = 1000;
const MAX_FOUND = 500; // workers that are remembered besides those of the configuration: each may say half a megabyte
const INFO_SECONDS = 30; // how long what a node says of itself is believed
const FAILED_SECONDS = 1; // in which a node that did not answer is not asked again what it is
const UNFIT_SECONDS = 300; // in which a node that could not be used is asked after the others
const MAX_ROUNDS = 4; // of nodes that are asked for one job, while none of them can be used

export class Nodes {
    private readonly clients = new Map<string, WorkerClient>(); // in order of use
    private readonly processClients = new Map<string, { worker: string; client: WorkerClient }>(); // in order of use
    private readonly processes = new Map<string, readonly string[]>(); // by URL of the worker
    private readonly infos = new Map<string, { info: NodeInfo; at: number }>();
    // One request may have every node asked for each name that it prefers, and many requests come at once.
    private readonly asking = new SingleFlight<string, NodeInfo>(); // by URL
    private readonly failures = new Map<string, { error: Error; at: number }>(); // by URL; steady seconds
    private readonly rejections = new WeakMap<NodeInfo, string | undefined>(); // of attestations
    private readonly unfitAt = new Map<string, number>(); // unix seconds, by model and URL
    private readonly checked = new Map<string, { info: NodeInfo; objection: string | undefined }>(); // by URL
    private readonly checking = new SingleFlight<NodeInfo, string | undefined>();
    readonly bans: Bans;
    readonly stats: NodeStats;
    private readonly policy: AttestationPolicy;

    constructor(
        private readonly config: GatewayConfig,
        private readonly now: () => number,
        private readonly source: NodeSource,
        private readonly checks: NodeChecks | undefined,
        private readonly setbacks: Setbacks,
    ) {
        this.bans = new Bans(config.banSeconds, now);
        this.stats = new NodeStats(config.routing.slowSeconds);
        this.policy = attestationPolicy(config.attestation);
    }

    /** The one client of a worker. */
    client(url: string): WorkerClient {
        const existing = this.clients.get(url);
        if (existing === undefined) {
            this.forgetUnused();
        }
        const publicOnly = !this.isConfigured(url) && findsNodes(this.config) && !allowsPrivate(this.config);
        const client = existing ?? new WorkerClient(url, publicOnly);
        this.clients.delete(url); // and in again at the end
        this.clients.set(url, client);
        return client;
    }

    // An endpoint of the chain may announce other workers with each reading, and never end. Those that are used are
    // asked again and again, so they stay.
    private forgetUnused(): void {
        if (this.clients.size < MAX_FOUND) {
            return;
        }
        const unused = [...this.clients].find(([url, { isIdle }]) => isIdle && !this.isConfigured(url));
        if (unused !== undefined) {
            const [url, client] = unused;
            [this.clients, this.processes, this.infos, this.failures, this.checked].forEach((map) => map.delete(url));
            void client.close().catch(() => undefined);
        }
    }

    private isConfigured(url: string): boolean {
        return [this.config, ...Object.values(this.config.models)].some(({ workers }) => workers?.includes(url));
    }

    /**
     * The client of a process at `url` that a worker names; undefined if that is a private address, or if too many
     * others are in use. A private address is accepted only if the configuration accepts such workers, or names this
     * worker at such an address itself.
     */
    processClient(worker: string, url: string): WorkerClient | undefined {
        if (url === worker) {
            return this.client(url);
        }
        const isPrivate = this.isConfigured(worker) && !mayBePublic(worker);
        const publicOnly = !isPrivate && !allowsPrivate(this.config);
        if (publicOnly && !mayBePublic(url)) {
            return undefined;
        }
        const name = `${worker} ${url}`;
        const existing = this.processClients.get(name);
        if (existing === undefined && !this.makeRoom(worker)) {
            return undefined;
        }
        const entry = existing ?? { worker, client: new WorkerClient(url, publicOnly) };
        this.processClients.delete(name); // and in again at the end
        this.processClients.set(name, entry);
        return entry.client;
    }

    // Only clients without requests are closed, so that no worker breaks an answer by naming many processes.
    private makeRoom(worker: string): boolean {
        const own = [...this.processClients].filter(([, one]) => one.worker === worker);
        const isFull = own.length >= MAX_PROCESSES;
        if (!isFull && this.processClients.size < MAX_PROCESS_CLIENTS) {
            return true;
        }
        const unused = (isFull ? own : [...this.processClients]).find(([, { client }]) => client.isIdle);
        if (unused === undefined) {
            return false;
        }
        this.processClients.delete(unused[0]);
        void unused[1].client.close().catch(() => undefined);
        return true;
    }

    /** The way to the process of a worker that has a job; `processes`: where the worker said that its processes are. */
    link(worker: string, processes: readonly string[]): JobLink {
        return new JobLink(worker, processes, (url) => this.processClient(worker, url));
    }

    /** Remembers where the processes of a worker are, one of which may answer when the others do not. */
    noteProcesses(worker: string, processes: readonly string[]): void {
        this.processes.set(worker, processes);
    }

    /** The processes of a worker that this gateway may ask, as one of them last named them; none if there is one. */
    processesOf(worker: string): string[] {
        const processes = this.processes.get(worker) ?? [];
        return processes.filter((url) => this.processClient(worker, url) !== undefined);
    }

    private async readInfo(worker: string): Promise<NodeInfo> {
        const info = await this.link(worker, [worker, ...(this.processes.get(worker) ?? [])]).node();
        this.noteProcesses(worker, info.processes);
        return info;
    }

    /** URLs of workers that may serve a model. Announced ones that `isLast` names come last. */
    workers(model: string, preferences?: Preferences, isLast = (_: string) => false): Promise<string[]> {
        const sold = { model, hash: modelHash(model) };
        return this.source.workers(model, (node) => isLast(node.url) || this.isUnlikely(node, sold, preferences));
    }

    // Only some of the announced nodes are asked at once, so cheap ones that cannot be used must not take their places.
    private isUnlikely(
        announced: AnnouncedNode,
        { model, hash }: { model: string; hash: Buffer },
        preferences: Preferences | undefined,
    ): boolean {
        const { url, tier } = announced;
        const rates = ratesOf(announced, hash)!;
        const unfitAt = this.unfitAt.get(`${model} ${url}`) ?? -Infinity;
        return (
            this.now() - unfitAt < UNFIT_SECONDS ||
            this.bans.isCool(url) ||
            !this.policy.tiers.includes(tier) ||
            this.priceObjection(rates, model) !== undefined ||
            unwanted(preferences, { ...announced, rates }) !== undefined
        );
    }

    /** False if a request wants no node that the chain announces at a URL. */
    private mayBeWanted(url: string, model: string, preferences: Preferences | undefined): boolean {
        const announced = (this.announced(url) ?? []).flatMap((node) => {
            const rates = ratesOf(node, modelHash(model));
            return rates === undefined ? [] : [{ ...node, rates }];
        });
        return announced.length === 0 || announced.some((node) => unwanted(preferences, node) === undefined);
    }

    /** What a worker last said of itself; undefined if it was down since. */
    lastInfo(url: string): NodeInfo | undefined {
        return this.infos.get(url)?.info;
    }

    /** The tokenizers that the workers of a model last listed. */
    tokenizers(model: string): string[] {
        const offers = [...this.infos.values()].flatMap(({ info }) => info.offers);
        return offers.flatMap((offer) => (offer.model === model ? (offer.tokenizer ?? []) : []));
    }

    /** What the chain announces at a URL; undefined if the configuration names it. */
    announced(url: string): AnnouncedNode[] | undefined {
        return this.source.announced?.(url);
    }

    /** The prices of a model that the chain announces at a URL. */
    announcedRates(url: string, model: string): Rates | undefined {
        return (this.announced(url) ?? []).flatMap((node) => ratesOf(node, modelHash(model)) ?? [])[0];
    }

    /** What the chain said of a node when it was last read. */
    standing(node: string): NodeStanding | undefined {
        return this.checks?.standing?.(node);
    }

    /** Comes last for a moment: it was down or busy. */
    cool(url: string): void {
        this.bans.cool(url);
        this.infos.delete(url);
    }

    /** True if a worker was down or busy a moment ago, or refuses most queries of the key that asks or answers none. */
    isLast(url: string, { payer }: Pick<Need, 'payer'>): boolean {
        const key = keyOf(payer);
        return this.bans.isCool(url) || this.stats.refuses(url, key) || this.stats.isPassedOver(url, key);
    }

    /** The best of {@link fit}. */
    async pick(model: string, excluded: ReadonlySet<string>, need: Need): Promise<Candidate> {
        return this.best(await this.fit(model, excluded, need), need);
    }

    /**
     * The nodes at which a new job of a model may be opened, because they do all that is needed. Those that come last
     * are among them only without others.
     * Throws 503 with the reason of every node if none is fit, and 400 with the field if it is only that no node does
     * what a field asks for, or that the request wants none of them.
     */
    async fit(model: string, excluded: ReadonlySet<string>, need: Need): Promise<Candidate[]> {
        const all: CheckedWorker[] = [];
        let fit: Candidate[] = [];
        for (let round = 1; round <= MAX_ROUNDS && fit.length === 0; round++) {
            // None that was looked at in vain, whatever is against it, takes the place of another.
            const isLast = (url: string) => all.some((one) => one.url === url) || this.isLast(url, need);
            const urls = await this.workers(model, need.preferences, isLast);
            // Those that the request wants are asked first: after that only those.
            const others = urls.filter(
                (url) =>
                    !all.some((one) => one.url === url) &&
                    (round === 1 || this.mayBeWanted(url, model, need.preferences)),
            );
            if (others.length === 0) {
                break;
            }
            all.push(...(await this.checkAll(others, model, excluded, need)));
            fit = all.flatMap(({ candidate }) => candidate ?? []);
        }
        const useful = fit.filter(({ url }) => this.refusals(url, need) < MAX_REFUSALS);
        const candidates = useful.length > 0 ? useful : fit;
        if (candidates.length > 0) {
            const ready = candidates.filter(({ url }) => !this.isLast(url, need));
            return ready.length > 0 ? ready : candidates;
        }
        const reasons = all.map(({ url, reason }) => `${url}: ${reason}`).sort();
        const lacking = all.flatMap(({ missing }) => missing ?? []);
        const tooDear = all.filter((one) => one.isTooDear);
        if (all.length > 0 && lacking.length + tooDear.length === all.length) {
            throw tooDear.length > 0 ? tooDearError() : lackError(model, lacking);
        }
        if (all.some(({ isUnwanted }) => isUnwanted) && excluded.size === 0) {
            throw noneWanted(model, reasons.slice(0, MAX_REASONS));
        }
        const none = 'The registry announces no node that offers it, or its events cannot be read yet';
        throw unavailable(
            `No node serves ${model} by this gateway's rules. ${reasons.slice(0, MAX_REASONS).join('; ') || none}`,
        );
    }

    // Waits for every worker, but not for slow ones once another is fit.
    private async checkAll(
        urls: readonly string[],
        model: string,
        excluded: ReadonlySet<string>,
        need: Need,
    ): Promise<CheckedWorker[]> {
        let markFit!: () => void;
        const anyFit = new Promise<void>((resolve) => (markFit = resolve));
        const checks = urls.map(async (url) => {
            try {
                const checked = excluded.has(url) ? { url, reason: TRIED } : await this.checkFor(url, model, need);
                if (checked.candidate !== undefined) {
                    markFit();
                }
                return checked;
            } catch (error) {
                this.cool(url);
                return { url, reason: reasonOf(error) };
            }
        });
        const late = anyFit.then(() => sleep(LATE_MS, undefined, { ref: false }));
        const slow = (url: string): CheckedWorker => ({ url, reason: 'did not answer in time' });
        return Promise.all(checks.map((check, i) => Promise.race([check, late.then(() => slow(urls[i]))])));
    }

    private async checkFor(url: string, model: string, need: Need): Promise<CheckedWorker> {
        const { needed, preferences, hasRoom, bounds } = need;
        const candidate = await this.check(url, model);
        if (typeof candidate === 'string') {
            return { url, reason: candidate };
        }
        await need.count?.(() => [candidate.listing.tokenizer]);
        const missing = lackOf(candidate.listing, needed);
        if (missing !== undefined) {
            return { url, missing, reason: lackText(missing) };
        }
        if (hasRoom?.(candidate.listing) === false) {
            return { url, reason: 'lists no context that surely holds the request' };
        }
        if (bounds !== undefined && isTooDear(candidate, candidate.listing.tokenizer, bounds)) {
            return {
                url,
                isTooDear: true,
                reason: `takes steps of ${candidate.step} nanoTON, too small for the prompt`,
            };
        }
        const objection = unwanted(preferences, routedNode(candidate));
        return objection === undefined ? { url, candidate } : { url, isUnwanted: true, reason: objection };
    }

    /**
     * The best of several nodes for a new job. `jobs`: how many are open at a worker; `isVain`: true for a provider
     * whose nodes come after those of others.
     */
    best(
        candidates: readonly Candidate[],
        need: Need,
        jobs: (url: string) => number = () => 0,
        isVain: (provider: Buffer) => boolean = () => false,
    ): Candidate {
        const answering = candidates.filter(({ info }) => !isVain(accountsOf(info).provider));
        const among = answering.length > 0 ? answering : candidates;
        const weights = this.weights(
            among.map((one) => ({ ...routedNode(one), jobs: jobs(one.url) })),
            need,
        );
        return among[weights.indexOf(Math.max(...weights))];
    }

    /** How often each of several nodes is to be chosen for what is needed; 0: not while there is another. */
    weights(nodes: readonly (RoutedNode & { jobs: number })[], need: Need): number[] {
        const facts = nodes.map((node) => this.factsOf(node, need));
        const sorted = sortBy(facts, need.preferences?.sort);
        return sorted ?? weightsOf(facts, this.config.routing);
    }

    private factsOf({ url, node, rates, tier, jobs }: RoutedNode & { jobs: number }, need: Need): NodeFacts {
        const standing = this.checks?.standing?.(node);
        const region = standing?.region ?? this.source.announced?.(url)?.[0]?.region ?? '';
        return {
            ...{ price: blend(rates), tier: tier as Tier, region, covered: standing?.covered, jobs },
            ...{ ...this.stats.of(url), refusals: this.refusals(url, need) },
        };
    }

    /** How often a worker refused the key that asks what is needed, though it lists it and another node did it. */
    refusals(url: string, { needed, payer }: Pick<Need, 'needed' | 'payer'>): number {
        return this.stats.refusalsOf(url, featuresOf(needed), keyOf(payer));
    }

    /** For each worker of a model, `ok` or why it is not used. */
    async states(model: string): Promise<{ worker: string; state: string }[]> {
        return Promise.all(
            (await this.workers(model)).map(async (worker) => {
                const candidate = await this.check(worker, model).catch(reasonOf);
                const ok = this.bans.isCool(worker) ? 'ok, comes last' : 'ok';
                return { worker, state: typeof candidate === 'string' ? candidate : ok };
            }),
        );
    }

    async close(): Promise<void> {
        const ofProcesses = [...this.processClients.values()].map(({ client }) => client);
        const clients = [...this.clients.values(), ...ofProcesses];
        await Promise.all(clients.map((client) => client.close()));
    }

    /** The node at a URL as a candidate for a model, or why it is not one. */
    async check(url: string, model: string): Promise<Candidate | string> {
        const name = `${model} ${url}`;
        let isFit = false;
        try {
            const checked = await this.checkNow(url, model);
            isFit = typeof checked !== 'string';
            return checked;
        } finally {
            this.unfitAt.delete(name);
            if (!isFit) {
                this.unfitAt.set(name, this.now());
            }
            this.forgetUnfit();
        }
    }

    private forgetUnfit(): void {
        for (const [name, at] of this.unfitAt) {
            if (this.now() - at < UNFIT_SECONDS) {
                return; // those that follow were asked later
            }
            this.unfitAt.delete(name);
        }
    }

    private async checkNow(url: string, model: string): Promise<Candidate | string> {
        const ban = this.bans.banReason(url);
        if (ban !== undefined) {
            return `not used for a while: ${ban}`;
        }
        const info = await this.info(url);
        const offer = info.offers.find((one) => one.model === model);
        if (offer === undefined) {
            return 'does not offer this model';
        }
        if (offer.available === false) {
            return 'does not answer queries of this model now';
        }
        const objection =
            this.objection(info, offer.rates, model) ??
            this.setbacks.objection(url, accountsOf(info)) ??
            (await this.chainObjection(url, info));
        if (objection !== undefined) {
            return objection;
        }
        const { limits } = info;
        const { step, maxParallel, maxAnswer } = this.config.job;
        return {
            url,
            info,
            rates: offer.rates,
            listing: factsOf(offer),
            step: step < limits.maxStep ? step : limits.maxStep,
            maxParallel: Math.min(maxParallel, limits.maxParallel),
            maxAnswer: Math.min(maxAnswer, limits.maxAnswer),
        };
    }

    /**
     * The encryption key under which a job's questions may be sealed, asked anew. What was checked when the job was
     * opened says nothing of the key that a worker names now. `readInfo` asks the process that has the job.
     *
     * @throws NodeUnfit if the worker names another node, attests less than it did when the job was opened, or not what
     * this gateway's rules ask for; Error if its attestation has expired, which it may renew, the chain does not bear
     * it out, or it does not answer
     */
    async sealingKey(
        url: string,
        { terms: { node, receiptKey, model }, tier }: Pick<StoredJob, 'terms' | 'tier'>,
        readInfo = () => this.readInfo(url),
    ): Promise<SealingKey> {
        const info = await readInfo();
        if (!Address.parse(info.node).hash.equals(node) || !info.receiptKey.equals(receiptKey)) {
            throw new NodeUnfit(`${url} is another node than that of the job`);
        }
        const unfit = rejectionOf(info.attestation, attestedKeys(info), this.policy, this.now());
        if (unfit !== undefined) {
            throw unfit === EXPIRED ? new Error(`${url}: ${unfit}`) : new NodeUnfit(`${url}: ${unfit}`, true);
        }
        // Requests may go to this job because of its tier, and answers name it.
        if (rankOf(info.attestation.tier) < rankOf(tier)) {
            throw new NodeUnfit(`${url} attests "${info.attestation.tier}", and its job was opened at "${tier}"`);
        }
        const objection = await this.checks?.objection(info);
        if (objection !== undefined) {
            throw new Error(`${url}: ${objection}`);
        }
        const wire = commonVersion(info.wire);
        if (wire === undefined) {
            throw new NodeUnfit(`${url}: ${foreignWire(info)}`, true);
        }
        const offer = info.offers.find((one) => modelHash(one.model).equals(model));
        return {
            key: info.encryptionKey,
            wire,
            listing: factsOf(offer),
            until: info.attestation.tier === 'open' ? Infinity : info.attestation.expiry,
        };
    }

    /** Why an open job does not fit the rules of now, without asking its worker; undefined if it does. */
    async jobObjection({ model, worker, tier, terms }: StoredJob): Promise<string | undefined> {
        if (this.config.models[model] === undefined) {
            return `${model} is not in the configuration any more`;
        }
        const keeps = this.source.keeps?.(model, worker) ?? (await this.source.workers(model)).includes(worker);
        if (!keeps) {
            return `${worker} is not in the configuration for ${model} any more`;
        }
        if (!this.policy.tiers.some((allowed) => allowed === tier)) {
            return `${worker} attests "${tier}", which is not allowed any more`;
        }
        if (terms.step > this.config.job.step) {
            return `its step of ${terms.step} nanoTON is above job.step`;
        }
        return this.priceObjection(terms.rates, model);
    }

    // Read once for what a node says of itself, which is asked anew after a while. Before questions are sealed to its
    // key, the chain is asked again.
    private async chainObjection(url: string, info: NodeInfo): Promise<string | undefined> {
        const announced = this.source.announced?.(url);
        if (announced !== undefined && !announced.some(({ node }) => node === info.node)) {
            return 'its worker says that it is another node than the chain announces there';
        }
        const last = this.checked.get(url);
        const isFound = announced !== undefined;
        if (last?.info === info && (last.objection === undefined || isFound)) {
            return last.objection;
        }
        return this.checking.run(info, async () => {
            const objection = await this.checks?.objection(info, isFound ? url : undefined);
            this.checked.set(url, { info, objection });
            return objection;
        });
    }

    private priceObjection(rates: Rates, model: string): string | undefined {
        const max = this.config.models[model].maxPrice;
        const dear = tokenKinds.filter((kind) => rates[kind] > max[kind]);
        const prices = dear.map((kind) => `${kind} at ${formatTon(rates[kind])} TON, at most ${formatTon(max[kind])}`);
        return prices.length > 0 ? `asks more than maxPrice for a million tokens (${prices.join('; ')})` : undefined;
    }

    private objection(info: NodeInfo, rates: Rates, model: string): string | undefined {
        if (info.network !== this.config.network) {
            return `is on network ${info.network}, not ${this.config.network}`;
        }
        if (commonVersion(info.wire) === undefined) {
            return foreignWire(info);
        }
        const dear = this.priceObjection(rates, model);
        if (dear !== undefined) {
            return dear;
        }
        if (info.limits.minNotice > this.config.job.notice) {
            return `wants a notice of ${info.limits.minNotice} s, job.notice is ${this.config.job.notice} s`;
        }
        if (info.limits.minDeposit > this.config.job.deposit) {
            return `wants a deposit of ${info.limits.minDeposit} nanoTON, job.deposit is ${this.config.job.deposit}`;
        }
        if (info.limits.minStep > this.config.job.step) {
            return `wants a step of ${info.limits.minStep} nanoTON, job.step is ${this.config.job.step}`;
        }
        if (info.limits.maxParallel < 1) {
            return 'takes no queries';
        }
        const unfit = this.rejection(info);
        return unfit === undefined || info.attestation.tier !== 'open' ? unfit : `${unfit} (--allow-open accepts it)`;
    }

    // Its signatures take 30 ms, and one request may have every node checked for each name that it prefers. So they are
    // checked once for what a node says of itself, which is asked anew after a while.
    private rejection(info: NodeInfo): string | undefined {
        const { attestation } = info;
        if (!this.rejections.has(info)) {
            this.rejections.set(info, rejectionOf(attestation, attestedKeys(info), this.policy, this.now()));
        }
        const hasExpired = attestation.tier !== 'open' && attestation.expiry <= this.now();
        return this.rejections.get(info) ?? (hasExpired ? EXPIRED : undefined);
    }

    private async info(url: string): Promise<NodeInfo> {
        const cached = this.infos.get(url);
        if (cached !== undefined && this.now() - cached.at < INFO_SECONDS) {
            return cached.info;
        }
        const failure = this.failures.get(url);
        if (failure !== undefined && steadySeconds() - failure.at < FAILED_SECONDS) {
            throw failure.error;
        }
        return this.asking.run(url, async () => {
            try {
                const info = await this.readInfo(url);
                this.infos.set(url, { info, at: this.now() });
                this.failures.delete(url);
                return info;
            } catch (error) {
                this.failures.set(url, { error: error as Error, at: steadySeconds() });
                throw error;
            }
        });
    }
}

const rankOf = (tier: string): number => tiers.findIndex((one) => one === tier);

const foreignWire = ({ wire }: NodeInfo): string =>
    `speaks ${wire.join(', ')}, and this gateway ${wireVersions.join(', ')}: one of them must be updated`;

/** A candidate as preferences see it. */
export function routedNode({ url, info: { node, provider, attestation }, rates }: Candidate): RoutedNode {
    return { url, node, provider, tier: attestation.tier, rates };
}

function attestedKeys(info: NodeInfo) {
    const { encryptionKey, receiptKey } = info;
    return { encryptionKey, receiptKey, node: Address.parse(info.node).hash };
}

const accountsOf = (info: NodeInfo) => ({
    node: Address.parse(info.node).hash,
    provider: Address.parse(info.provider).hash,
});

/** The terms of a new job at a node. */
export function termsAt(
    { info, rates, step, maxParallel, maxAnswer }: Candidate,
    job: { escrow: Buffer; voucherKey: Buffer; model: string; notice: number; end: number },
): Terms {
    return {
        escrow: job.escrow,
        provider: Address.parse(info.provider).hash,
        node: Address.parse(info.node).hash,
        receiptKey: info.receiptKey,
        payout: Address.parse(info.payout).hash,
        voucherKey: job.voucherKey,
        model: modelHash(job.model),
        rates,
        step,
        maxParallel,
        maxAnswer,
        notice: job.notice,
        end: job.end,
    };
}

/** The rates of a model, named by its hash, that the chain announces of a node. */
const ratesOf = ({ offers }: AnnouncedNode, model: Buffer): Rates | undefined =>
    offers.find((offer) => offer.model.equals(model))?.rates;

type Offer = NodeInfo['offers'][number];

const factsOf = (offer: Offer | undefined): OfferFacts => ({
    features: offer?.features ?? [],
    context: offer?.context,
    tokenizer: offer?.tokenizer ?? BYTES,
});
