/** Opens jobs: one order for one need, shown to the worker as soon as the chain has the channel. */
import { jobHash } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { toWire } from '../link';
import { reasonOf } from '../process/errors';
import { resolvesWithin, SingleFlight } from '../process/tasks';
import { StoredJob } from '../store/gateway';
import { GatewayError, unavailable } from './errors';
import type { JobBook } from './book';
import type { Closing } from './closing';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';
import { NO_NEEDS } from './needs';
import { Candidate, keyOf, type Need, termsAt } from './nodes';
import { placementOrder } from './placement';
import { ShareUsed } from './openings';
import type { Recovery } from './recovery';
import { ChannelUnseen, OrderLapsed } from './spending';
import { WorkerRefusal } from '../payer/workerErrors';

const OPEN_TRIES = 3; // with another seqno when something else used it
const SEARCH_MS = 15_000; // for the jobs that the chain knows to be found
const WELCOME_TRIES = 5; // while the worker's API has not seen the channel yet
/** How a worker refuses a channel that its endpoints do not show, or not all of them. */
const UNSEEN: readonly string[] = ['wrong_channel', 'chain_down'];

/** `isSure`: no endpoint that was asked says that its channel does not exist. */
interface Ordered {
    job: GatewayJob;
    isSure: boolean;
}

export interface JobOpenerParts {
    book: JobBook;
    closing: Closing;
    recovery: Recovery;
}

export class JobOpener {
    private readonly chosen: string[] = []; // workers where a job is being opened
    private readonly opening = new SingleFlight<string, GatewayJob>();

    constructor(
        private readonly context: GatewayContext,
        private readonly parts: JobOpenerParts,
    ) {}

    /**
     * Opens one job of a model at the best node that is not excluded; a need that is being met is met once. Throws
     * {@link ShareUsed} if the key that first had this need has to leave the day to others.
     */
    open(model: string, excluded: ReadonlySet<string>, need: Need = { needed: NO_NEEDS }): Promise<GatewayJob> {
        const features = need.needed.features.map(({ feature }) => feature).sort();
        const preferences = toWire(need.preferences);
        const hasRoom = need.hasRoom !== undefined;
        const id = JSON.stringify([model, [...excluded].sort(), features, need.needed.key, preferences, hasRoom]);
        return this.opening.run(id, () => this.openNow(model, excluded, need));
    }

    /** Opens one more job, whatever else is being opened. */
    openAnother(model: string, excluded: ReadonlySet<string>, need: Need = { needed: NO_NEEDS }): Promise<GatewayJob> {
        return this.openNow(model, excluded, need);
    }

    private async openNow(model: string, excluded: ReadonlySet<string>, need: Need): Promise<GatewayJob> {
        const { setbacks } = this.context;
        setbacks.requireFew();
        await this.requireSearched();
        const candidate = await this.choose(model, excluded, need);
        try {
            return await this.openAt(model, candidate, need.payer?.name);
        } finally {
            this.chosen.splice(this.chosen.indexOf(candidate.url), 1);
        }
    }

    // `key`: the name of the API key for which it is opened.
    private async openAt(model: string, candidate: Candidate, key: string | undefined): Promise<GatewayJob> {
        const { log } = this.context;
        for (let attempt = 1; ; attempt++) {
            try {
                const ordered = await this.order(model, candidate, key);
                await this.welcome(ordered).finally(() => (ordered.job.isFirstShown = false));
                return ordered.job;
            } catch (error) {
                const cause = error instanceof OrderLapsed ? (error.cause as GatewayError | undefined) : undefined;
                if (!(error instanceof OrderLapsed)) {
                    throw error;
                }
                log.warn({ model, reason: reasonOf(cause ?? error) }, 'an order was not taken');
                if (attempt === OPEN_TRIES || cause?.status === 402 || error instanceof ChannelUnseen) {
                    throw cause ?? unavailable(error.message, 'chain');
                }
            }
        }
    }

    // Jobs that are full or being opened count, or all of them would go to one node. No job waits for the nodes that
    // another one asks: they may keep it waiting.
    private async choose(model: string, excluded: ReadonlySet<string>, need: Need): Promise<Candidate> {
        const { nodes } = this.context;
        const isFull = ({ running, terms }: GatewayJob) => running >= terms.maxParallel;
        const jobsAt = (url: string) =>
            this.parts.book.open(model).filter((job) => job.stored.worker === url && isFull(job)).length +
            this.chosen.filter((one) => one === url).length;
        const fit = await nodes.fit(model, excluded, need);
        // Nothing is awaited from here on, so that two at once see each other's choice.
        const candidate = nodes.best(fit, need, jobsAt, (provider) => this.answersNone(model, provider, need));
        this.chosen.push(candidate.url);
        return candidate;
    }

    // True if most nodes of a provider that have open jobs answer the key nothing. A provider may have any number of
    // those, each of which would tie up a deposit before the node of another gets a job, and one that answers.
    private answersNone(model: string, provider: Buffer, { payer }: Need): boolean {
        const { stats } = this.context.nodes;
        const jobs = this.parts.book.open(model).filter(({ terms }) => terms.provider.equals(provider));
        const workers = [...new Set(jobs.map(({ stored }) => stored.worker))];
        const vain = workers.filter((worker) => stats.answersNone(worker, keyOf(payer)));
        return 2 * vain.length > workers.length;
    }

    private async requireSearched(): Promise<void> {
        const { recovery } = this.parts;
        const searched = recovery.searched.then(() => recovery.ordersResolved);
        if (!(await resolvesWithin(searched, SEARCH_MS))) {
            throw unavailable(
                "The escrow's orders cannot be read on chain yet, so no job is opened: ask again",
                'chain',
            );
        }
    }

    private async order(model: string, candidate: Candidate, key: string | undefined): Promise<Ordered> {
        const { config, network, keys, spending, store, people, log, now } = this.context;
        const { openings } = people;
        const escrow = this.context.escrow.address.hash;
        const { deposit, notice, lifetime } = config.job;
        const { url: worker, info } = candidate;
        const made: GatewayJob[] = [];
        let uncount = () => {};
        try {
            const isSure = await spending.open(
                (number, at) => {
                    const voucherKey = keys.voucher(escrow, number).publicKey;
                    const terms = termsAt(candidate, { escrow, voucherKey, model, notice, end: at + lifetime });
                    const { payout, end } = terms;
                    return { terms, deposit, parameters: { job: number, end, notice, voucherKey, payout } };
                },
                async ({ terms, parameters, channel, validUntil }, lease) => {
                    await this.requireNew(parameters.job);
                    const stored: StoredJob = {
                        number: parameters.job,
                        phase: 'ordered',
                        model,
                        worker,
                        processes: this.placementAt(candidate),
                        tier: info.attestation.tier,
                        channel: channel.hash,
                        hash: jobHash(network, channel.hash, terms),
                        terms,
                        deposit,
                        funds: 0n,
                        validUntil,
                        createdAt: now(),
                        voucher: null,
                        note: '',
                    };
                    await store.addJob(stored, lease);
                    uncount = openings.add(key, deposit);
                    made.push(this.parts.book.add(stored));
                    made[0].countedBy = candidate.listing.tokenizer;
                },
                (openable) => openings.require(key, openable),
            );
            made[0].isComplete = true;
            made[0].isFirstShown = true;
            await made[0].change({ phase: 'open', funds: deposit });
            return { job: made[0], isSure };
        } catch (error) {
            made.forEach((job) => (job.isFirstShown = false));
            if (error instanceof ShareUsed) {
                log.info({ model, key, reason: error.message }, 'no job is opened for a key for a while');
                openings.pause(error);
            }
            if (error instanceof OrderLapsed) {
                await made[0]?.change({ phase: 'failed', note: reasonOf(error.cause ?? error) });
                if (error instanceof ChannelUnseen) {
                    await this.context.setbacks.add(made[0], 'its channel did not appear'); // its deposit is tied up
                } else {
                    uncount();
                }
            }
            throw error;
        }
    }

    // The chain's word for the next number may be a lie. The job that has it would be forgotten, with its money.
    private async requireNew(number: number): Promise<void> {
        const existing = await this.context.store.job(number);
        if (existing !== undefined && !['ordered', 'failed'].includes(existing.phase)) {
            throw new OrderLapsed(`The chain names the number of job ${number} again, so no order was sent`);
        }
    }

    /** The processes of the node, the one that should get the job first; undefined if it has one. */
    private placementAt({ url, info }: Candidate): string[] | undefined {
        const { nodes, escrow, store } = this.context;
        const processes = nodes.processesOf(url);
        if (processes.length === 0) {
            return undefined;
        }
        const node = Address.parse(info.node).hash;
        const jobs = this.parts.book.all.filter(
            ({ phase, terms }) => (phase === 'open' || phase === 'ordered') && terms.node.equals(node),
        );
        const jobsAt = (process: string) => jobs.filter(({ worker }) => worker.process === process).length;
        const turn = escrow.address.hash.readUInt32BE(0) + store.cluster.number;
        return placementOrder(processes, jobsAt, turn);
    }

    private async welcome({ job, isSure }: Ordered): Promise<void> {
        const { log, nodes, spending, setbacks, now } = this.context;
        try {
            await this.show(job);
            log.info({ job: job.number, model: job.stored.model, worker: job.stored.worker }, 'job open');
        } catch (error) {
            log.warn({ job: job.number, reason: reasonOf(error) }, 'the worker does not take the job yet');
            if (!isSure && error instanceof WorkerRefusal && error.code === 'wrong_channel') {
                spending.doubtEndpoint();
                this.parts.closing.leaveUnseen(job);
                throw unavailable(
                    'The endpoints of the chain do not agree whether a job was opened: ask again',
                    'chain',
                );
            }
            nodes.cool(job.stored.worker);
            if (error instanceof WorkerRefusal && error.status < 500) {
                this.parts.closing.leaveRefused(job, error.code);
            } else {
                job.untakenSince = now();
                setbacks.addUntaken(job);
                void this.parts.recovery.reconnect(job);
            }
            throw unavailable(`A job is open at ${job.stored.worker}, which does not take it: ${reasonOf(error)}`);
        }
    }

    // The worker's API may be some seconds behind ours, or one of several.
    private async show(job: GatewayJob): Promise<void> {
        for (let attempt = 1; ; attempt++) {
            try {
                await job.connect();
                return;
            } catch (error) {
                const unseen = error instanceof WorkerRefusal && UNSEEN.includes(error.code);
                if (!unseen || attempt === WELCOME_TRIES) {
                    throw error;
                }
                await sleep(this.context.config.pollMs * 2 ** attempt);
            }
        }
    }
}
