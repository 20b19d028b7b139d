/** Sends the answers to demands, those of several cases in one order of the wallet. */
import { formatTon } from '@cocoon-market/wrappers';
import { MAX_TRANSFERS, OutcomeUnknown, type Transfer } from '../chain';
import { walletText } from '../process/addresses';
import type { Tasks } from '../process/tasks';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import { type AssertAlone, spendAlone } from './processes';
import { spendable } from './spendable';

const MAX_BYTES = 40 * 1024; // of a shared order; an external message has at most 64 KiB
const MESSAGE_BYTES = 256; // of a message in an order beside its body, more than it takes

/** Messages that answer a demand, which one order carries. */
export interface AnswerOrder {
    key: string; // of the case
    answerBy: number; // unix seconds
    order: Transfer[];
    bond: bigint; // nanoTON
}

interface Waiting extends AnswerOrder {
    bytes: number;
    needed: bigint; // nanoTON
    resolve(): void;
    reject(error: unknown): void;
}

/** Sends answers one order after another: what comes while an order is under way shares the next one. */
export class AnswerSender {
    private waiting: Waiting[] = [];
    private isSending = false;
    private isInDoubt = false; // the outcome of the last order is not known
    // By case whose last order failed: how many cases its next order holds at most. 0: it failed alone, and comes last.
    private readonly limits = new Map<string, number>();

    constructor(
        private readonly context: WorkerContext,
        private readonly wallet: ClaimWallet,
        private readonly tasks: Tasks,
    ) {}

    /**
     * Resolves when the wallet has sent the messages. Throws what made their order fail, which may be that the wallet
     * holds too little.
     */
    send(answer: AnswerOrder): Promise<void> {
        const { order, bond } = answer;
        // The bond is what posting four pieces costs, so a quarter of it covers any one message.
        const needed = order.reduce((sum, { value }) => sum + value + bond / 4n, 0n);
        const bytes = order.reduce((sum, { body }) => sum + MESSAGE_BYTES + (body?.toBoc().length ?? 0), 0);
        return new Promise((resolve, reject) => {
            this.waiting.push({ ...answer, needed, bytes, resolve, reject });
            if (!this.isSending) {
                void this.sendAll();
            }
        });
    }

    /** Forgets the failures of a case that is closed. */
    forget(key: string): void {
        this.limits.delete(key);
    }

    private async sendAll(): Promise<void> {
        const { store } = this.context;
        this.isSending = true;
        while (this.waiting.length > 0) {
            try {
                if (this.tasks.isStopping) {
                    throw new Error('The worker stops');
                }
                await spendAlone(store, this.wallet.address, (assertAlone) => this.sendNext(assertAlone));
            } catch (error) {
                this.rejectAll(error);
            }
        }
        this.isSending = false;
    }

    private async sendNext(assertAlone: AssertAlone): Promise<void> {
        const batch = this.take();
        try {
            const paid = await this.payable(batch);
            if (paid.length > 0) {
                await this.order(paid, assertAlone);
            }
            paid.forEach(({ resolve }) => resolve());
        } catch (error) {
            batch.forEach(({ reject }) => reject(error));
        }
    }

    private async order(answers: Waiting[], assertAlone: AssertAlone): Promise<void> {
        const wasInDoubt = this.isInDoubt;
        try {
            await this.wallet.send(
                answers.flatMap(({ order }) => order),
                assertAlone,
            );
            this.isInDoubt = false;
            answers.forEach(({ key }) => this.forget(key));
        } catch (error) {
            this.isInDoubt = error instanceof OutcomeUnknown;
            if (this.isInDoubt || wasInDoubt) {
                // An earlier order may have answered these cases too, so they are read again first.
                this.rejectAll(error);
            } else {
                // One of the answers may be what the wallet or the chain refuses.
                const limit = answers.length === 1 ? 0 : Math.max(1, answers.length >> 2);
                answers.forEach(({ key }) => this.limits.set(key, limit));
            }
            throw error;
        }
    }

    /** Takes those for the next order: of those that wait the ones that end soonest, as many as it can carry. */
    private take(): Waiting[] {
        const limitOf = ({ key }: Waiting) => this.limits.get(key) ?? MAX_TRANSFERS;
        const isLast = (one: Waiting) => Number(limitOf(one) === 0);
        this.waiting.sort((a, b) => isLast(a) - isLast(b) || a.answerBy - b.answerBy);
        const batch = this.waiting.splice(0, 1);
        let { bytes } = batch[0];
        let messages = batch[0].order.length;
        let limit = limitOf(batch[0]);
        this.waiting = this.waiting.filter((one) => {
            const narrower = Math.min(limit, limitOf(one));
            const total = { bytes: bytes + one.bytes, messages: messages + one.order.length };
            if (batch.length >= narrower || total.bytes > MAX_BYTES || total.messages > MAX_TRANSFERS) {
                return true;
            }
            batch.push(one);
            ({ bytes, messages } = total);
            limit = narrower;
            return false;
        });
        return batch;
    }

    /** Those that the wallet can pay for, the ones that end soonest first; the others are rejected. */
    private async payable(answers: Waiting[]): Promise<Waiting[]> {
        const { chain, config } = this.context;
        const total = answers.reduce((sum, { needed }) => sum + needed, 0n);
        let balance = await spendable(chain, this.wallet, total);
        return answers.filter(({ needed, reject }) => {
            if (balance < needed) {
                const address = walletText(this.wallet.address, config);
                reject(new Error(`The worker's wallet ${address} needs ${formatTon(needed)} TON to answer a demand`));
                return false;
            }
            balance -= needed;
            return true;
        });
    }

    private rejectAll(error: unknown): void {
        this.waiting.splice(0).forEach(({ reject }) => reject(error));
    }
}
