/** Compares the node on chain, which clients trust, with the worker. */
import { type Chain, ChainError, majoritySays, NodeClosed, readNode } from '../chain';
import { type ComparedNode, differenceOf } from '../link';
import { Tasks } from '../process/tasks';
import type { WorkerConfig } from './config';
import type { WorkerContext } from './context';

/** Reads the node in the place of the registry that the configuration names. */
type ReadNode = ((chain: Chain) => Promise<ComparedNode | undefined>) | undefined;
type Offers = WorkerConfig['offers'];

const OTHERS_MS = 30_000; // for several calls to each of the others, some of which take one a second
const REMEDY = 'Change it on chain, or use the key file and the offers that the node is registered with';

/**
 * The node on chain beside that of the worker. A worker with other offers, as between the two steps of a change of
 * prices, has vouchers to claim and demands to answer: it runs, and takes no new work until chain and worker agree.
 */
export class NodeOnChain {
    private readonly tasks = new Tasks();
    private isCompared = false;
    /** What the node on chain has otherwise; undefined if nothing is known to differ. */
    difference: string | undefined;

    constructor(
        private readonly context: WorkerContext,
        private readonly read: ReadNode,
    ) {}

    /**
     * Throws unless the node on chain has the worker's keys, as one endpoint shows it: a lie of another must not keep
     * vouchers from being claimed and demands from being answered. Offers that differ are noted. While the chain does
     * not answer, nothing is compared.
     */
    async open(): Promise<void> {
        const { log } = this.context;
        try {
            const node = await this.compare();
            const otherKeys = node && this.differenceOf(node, []);
            if (otherKeys !== undefined) {
                throw new Error(`${otherKeys}. ${REMEDY}`);
            }
        } catch (error) {
            if (error instanceof ChainError && !error.final) {
                // Vouchers and accepted queries do not wait for an API.
                log.warn({ err: error }, 'the chain does not answer, so the node on chain is not compared yet');
                return;
            }
            if (!(await this.isShownElsewhere())) {
                throw error;
            }
            this.difference = (error as Error).message;
        }
        if (this.difference !== undefined && (await this.isAsMostShow())) {
            log.warn(`${this.difference}, as one endpoint says, and most others do not`);
            this.difference = undefined;
        }
        if (this.difference !== undefined) {
            log.error(`${this.difference}. The worker takes no new work until they agree. ${REMEDY}`);
        }
    }

    /** True if one of several endpoints shows the node with the worker's keys. */
    private async isShownElsewhere(): Promise<boolean> {
        const words = this.others.map((one) => this.isAsShownBy(one, []));
        return (await Promise.allSettled(words)).some((one) => one.status === 'fulfilled' && one.value);
    }

    /** True if most of several endpoints show the node as the worker is: one alone must not keep new work out. */
    private isAsMostShow(): Promise<boolean> {
        return majoritySays(this.others, (one) => this.isAsShownBy(one, this.context.offers.current), OTHERS_MS);
    }

    private get others(): Chain[] {
        return (this.context.chain.others ?? []).filter((one): one is Chain => one.network !== undefined);
    }

    private async isAsShownBy(endpoint: Chain, offers: Offers): Promise<boolean> {
        const node = await this.readNode(endpoint);
        return node !== undefined && this.differenceOf(node, offers) === undefined;
    }

    /** Compares again from time to time, until chain and worker agree. */
    start(): void {
        const ms = this.context.config.alerts.seconds * 1000;
        const agrees = async () => {
            if (await this.isAsMostShow()) {
                this.difference = undefined;
            } else {
                await this.compare();
            }
            return this.difference === undefined;
        };
        if (!this.isCompared || this.difference !== undefined) {
            void this.tasks.add(this.tasks.retry(agrees, [ms], () => undefined));
        }
    }

    async stop(): Promise<void> {
        await this.tasks.close();
    }

    /** Throws unless the node on chain has the worker's keys and these offers, which the worker takes now. */
    async assertListed(offers: Offers): Promise<void> {
        const node = await this.readNode();
        const difference = node && this.differenceOf(node, offers);
        if (difference !== undefined) {
            throw new Error(`${difference}. ${REMEDY}`);
        }
        this.difference = undefined;
    }

    private async compare(): Promise<ComparedNode | undefined> {
        const { log, offers } = this.context;
        const node = await this.readNode()?.catch((error: unknown) => {
            if (!(error instanceof NodeClosed)) {
                throw error;
            }
            log.warn(`${error.message}: clients leave it; until then vouchers are claimed and demands answered`);
            return undefined;
        });
        this.isCompared = true;
        this.difference = node && this.differenceOf(node, offers.current);
        return node;
    }

    /** Undefined if the configuration names no registry. */
    private readNode(chain = this.context.chain): Promise<ComparedNode | undefined> | undefined {
        const { config } = this.context;
        return this.read === undefined
            ? config.registry && readNode(chain, config.registry, config.node)
            : this.read(chain);
    }

    private differenceOf(node: ComparedNode, offers: Offers): string | undefined {
        const [receiptKey, encryptionKey] = [this.context.receiptKey.publicKey, this.context.encryptionKey.publicKey];
        const difference = differenceOf({ receiptKey, encryptionKey, offers }, node);
        return difference && `The node on chain is not that of this worker: ${difference}`;
    }
}
