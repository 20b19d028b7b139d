/** Which nodes a query may go to: what they say of themselves, held against the client's rules and the chain. */
import { Rates, Terms } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { AttestationPolicy, rejectionOf } from '../attest';
import type { NodeKey } from '../chain';
import { modelHash, NodeInfo } from '../link';
import { reasonOf } from '../process/errors';
import { GatewayConfig } from './config';
import type { StoredJob } from '../store/gateway';
import { unavailable } from './errors';
import type { Setbacks } from './setbacks';
import { WorkerClient } from './workers';

/** Where nodes that may serve a model are found: the configured list, or the registry's events. */
export interface NodeSource {
    /** URLs of workers that may serve the model. */
    workers(model: string): Promise<string[]>;
}

/** What the chain says of a node. */
export interface NodeRecord {
    /** Why the chain does not bear out what a node says of itself; undefined when it does. */
    fault(info: NodeInfo): Promise<string | undefined>;
    /** Why receipts of this node's key count no more, or nothing stands behind them. Throws when the chain is not read. */
    keyFault?(key: NodeKey): Promise<string | undefined>;
    /** Where there are several endpoints: what each says of it alone. */
    readonly others?: readonly Pick<NodeRecord, 'keyFault'>[];
}

/** The workers of the configuration. */
export function configuredNodes(config: Pick<GatewayConfig, 'workers' | 'models'>): NodeSource {
    return { workers: async (model) => config.models[model]?.workers ?? config.workers };
}

/** The client's attestation policy. */
export function attestationPolicy({
    allowOpen,
    authority,
    measurements,
    tcbStatuses,
}: GatewayConfig['attestation']): AttestationPolicy {
    return {
        tiers: [
            'tdx',
            ...(authority === undefined ? [] : ['testca' as const]),
            ...(allowOpen ? ['open' as const] : []),
        ],
        ...(authority === undefined ? {} : { authority }),
        measurements,
        tcbStatuses,
    };
}

/** A node that passed every check, with what a job there would be. */
export interface Candidate {
    url: string;
    info: NodeInfo;
    rates: Rates;
    parallel: number;
    largestAnswer: number; // bytes
    step: bigint; // nanoTON
}

/** A node that may not have a job's questions by the client's rules, by what it says of itself. */
export class NodeUnfit extends Error {}

const INFO_SECONDS = 30; // how long what a node says of itself is believed
const COOL_SECONDS = 15; // a node that was down or busy comes last for so long
const MAX_FAILS = 2; // in a row, after meters were paid

interface Standing {
    bannedUntil: number; // unix seconds; not used before
    coolUntil: number; // unix seconds; used only when there is no other
    fails: number; // failed queries in a row after meters were paid
    why: string;
}

export class Nodes {
    private readonly clients = new Map<string, WorkerClient>();
    private readonly infos = new Map<string, { info: NodeInfo; at: number }>();
    private readonly standings = new Map<string, Standing>();
    private readonly policy: AttestationPolicy;

    constructor(
        private readonly config: GatewayConfig,
        private readonly network: number,
        private readonly now: () => number,
        private readonly source: NodeSource,
        private readonly record: NodeRecord | undefined,
        private readonly setbacks: Setbacks,
        private readonly makeClient: (url: string) => WorkerClient = (url) => new WorkerClient(url),
    ) {
        this.policy = attestationPolicy(config.attestation);
    }

    /** The one client of a worker. */
    client(url: string): WorkerClient {
        let client = this.clients.get(url);
        if (client === undefined) {
            client = this.makeClient(url);
            this.clients.set(url, client);
        }
        return client;
    }

    /** Not used for the time the configuration says: it cheated, or failed twice in a row after it was paid. */
    ban(url: string, why: string, at = this.now()): void {
        const standing = this.standing(url);
        standing.bannedUntil = Math.max(standing.bannedUntil, at + this.config.banSeconds);
        standing.fails = 0;
        standing.why = why;
    }

    /** Comes last for a moment: it was down or busy. */
    cool(url: string): void {
        this.standing(url).coolUntil = this.now() + COOL_SECONDS;
        this.infos.delete(url);
    }

    /** A query failed after meters were paid. True when that was once too often. */
    failed(url: string): boolean {
        return ++this.standing(url).fails >= MAX_FAILS;
    }

    /** A result was verified. */
    delivered(url: string): void {
        const standing = this.standing(url);
        standing.fails = 0;
        standing.coolUntil = 0;
    }

    isBanned(url: string): boolean {
        return this.standing(url).bannedUntil > this.now();
    }

    isCool(url: string): boolean {
        return this.standing(url).coolUntil > this.now();
    }

    /** The best node for a new job of a model. Throws 503 with every node's reason when there is none. */
    async pick(model: string, excluded: ReadonlySet<string>): Promise<Candidate> {
        const urls = await this.source.workers(model);
        const reasons: string[] = [];
        const good: Candidate[] = [];
        await Promise.all(
            urls.map(async (url) => {
                if (excluded.has(url)) {
                    reasons.push(`${url}: was tried already`);
                    return;
                }
                try {
                    const candidate = await this.check(url, model);
                    if (typeof candidate === 'string') {
                        reasons.push(`${url}: ${candidate}`);
                    } else {
                        good.push(candidate);
                    }
                } catch (error) {
                    this.cool(url);
                    reasons.push(`${url}: ${reasonOf(error)}`);
                }
            }),
        );
        good.sort(
            (a, b) =>
                Number(this.isCool(a.url)) - Number(this.isCool(b.url)) || compare(weight(a.rates), weight(b.rates)),
        );
        const best = good[0];
        if (best === undefined) {
            throw unavailable(`No node serves ${model} by this gateway's rules. ${reasons.sort().join('; ')}`);
        }
        return best;
    }

    /** For each worker of a model, `ok` or why it is not used. */
    async states(model: string): Promise<{ worker: string; state: string }[]> {
        return Promise.all(
            (await this.source.workers(model)).map(async (worker) => {
                const found = await this.check(worker, model).catch(reasonOf);
                return {
                    worker,
                    state: typeof found === 'string' ? found : this.isCool(worker) ? 'ok, comes last' : 'ok',
                };
            }),
        );
    }

    async close(): Promise<void> {
        await Promise.all([...this.clients.values()].map((client) => client.close()));
    }

    /** The node at a URL as a candidate for a model, or why it is none. */
    async check(url: string, model: string): Promise<Candidate | string> {
        const standing = this.standing(url);
        if (standing.bannedUntil > this.now()) {
            return `not used for a while: ${standing.why}`;
        }
        const info = await this.info(url);
        const offer = info.offers.find((one) => one.model === model);
        if (offer === undefined) {
            return 'does not offer this model';
        }
        const fault =
            this.fault(info, offer.rates, model) ??
            this.setbacks.fault(url, Address.parse(info.node).hash) ??
            (await this.record?.fault(info));
        if (fault !== undefined) {
            return fault;
        }
        const { maxStep, maxParallel, maxAnswer } = info.limits;
        const { step, parallel, largestAnswer } = this.config.job;
        return {
            url,
            info,
            rates: offer.rates,
            step: step < maxStep ? step : maxStep,
            parallel: Math.min(parallel, maxParallel),
            largestAnswer: Math.min(largestAnswer, maxAnswer),
        };
    }

    /**
     * The encryption key under which a job's questions may be sealed, asked anew, and when its attestation expires (unix
     * seconds). What was checked when the job was opened says nothing of the key that a worker names now.
     *
     * @throws NodeUnfit if the worker names another node, or does not attest what this gateway's rules ask for; Error if its
     * attestation has expired, which it may renew, the chain does not bear it out, or it does not answer
     */
    async sealingKey(url: string, { node, receiptKey }: Terms): Promise<{ key: Buffer; until: number }> {
        const info = await this.client(url).node();
        if (!Address.parse(info.node).hash.equals(node) || !info.receiptKey.equals(receiptKey)) {
            throw new NodeUnfit(`${url} is another node than that of the job`);
        }
        const unfit = rejectionOf(info.attestation, attestedKeys(info), this.policy, this.now());
        if (unfit !== undefined) {
            const evidence = info.attestation;
            const allowed = this.policy.tiers.includes(evidence.tier);
            const expired = allowed && evidence.tier !== 'open' && evidence.expiry <= this.now();
            throw new (expired ? Error : NodeUnfit)(`${url}: ${unfit}`);
        }
        const fault = await this.record?.fault(info);
        if (fault !== undefined) {
            throw new Error(`${url}: ${fault}`);
        }
        return {
            key: info.encryptionKey,
            until: info.attestation.tier === 'open' ? Infinity : info.attestation.expiry,
        };
    }

    /** Why an open job does not fit the rules of now, as far as nobody need be asked; undefined when it does. */
    async jobFault({ model, worker, tier, terms }: StoredJob): Promise<string | undefined> {
        if (this.config.models[model] === undefined) {
            return `${model} is not in the configuration any more`;
        }
        if (!(await this.source.workers(model)).includes(worker)) {
            return `${worker} is not in the configuration for ${model} any more`;
        }
        if (!this.policy.tiers.some((allowed) => allowed === tier)) {
            return `${worker} attests "${tier}", which is not allowed any more`;
        }
        if (terms.step > this.config.job.step) {
            return `its step of ${terms.step} nanoTON is above job.step`;
        }
        return this.priceFault(terms.rates, model);
    }

    private priceFault(rates: Rates, model: string): string | undefined {
        const max = this.config.models[model].maxPrice;
        const dear = (['prompt', 'cached', 'completion', 'reasoning'] as const).filter(
            (kind) => rates[kind] > max[kind],
        );
        return dear.length > 0 ? `asks more than maxPrice for ${dear.join(', ')} tokens` : undefined;
    }

    private fault(info: NodeInfo, rates: Rates, model: string): string | undefined {
        if (info.network !== this.network) {
            return `is on network ${info.network}, not ${this.network}`;
        }
        const dear = this.priceFault(rates, model);
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
        const fault = rejectionOf(info.attestation, attestedKeys(info), this.policy, this.now());
        return fault === undefined || info.attestation.tier !== 'open' ? fault : `${fault} (--allow-open accepts it)`;
    }

    private async info(url: string): Promise<NodeInfo> {
        const known = this.infos.get(url);
        if (known !== undefined && this.now() - known.at < INFO_SECONDS) {
            return known.info;
        }
        const info = await this.client(url).node();
        this.infos.set(url, { info, at: this.now() });
        return info;
    }

    private standing(url: string): Standing {
        let standing = this.standings.get(url);
        if (standing === undefined) {
            standing = { bannedUntil: 0, coolUntil: 0, fails: 0, why: '' };
            this.standings.set(url, standing);
        }
        return standing;
    }
}

function attestedKeys(info: NodeInfo) {
    const { encryptionKey, receiptKey } = info;
    return { encryptionKey, receiptKey, node: Address.parse(info.node).hash };
}

// A rough order of prices: answers cost most of a chat's money.
function weight({ prompt, completion }: Rates): bigint {
    return prompt + 3n * completion;
}

function compare(a: bigint, b: bigint): number {
    return a < b ? -1 : a > b ? 1 : 0;
}

/** The terms of a new job at a node. */
export function termsAt(
    { info, rates, step, parallel, largestAnswer }: Candidate,
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
        parallel,
        largestAnswer,
        notice: job.notice,
        end: job.end,
    };
}
