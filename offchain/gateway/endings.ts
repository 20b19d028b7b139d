/** Fetches the endings of queries whose connection ended before their answer did. */
import { waits } from '../link';
import { Turns } from '../process/doors';
import { reporting } from '../process/log';
import type { Tasks } from '../process/tasks';
import type { StoredQuery } from '../store/gateway';
import { counterOf } from '../tokens';
import type { Closing } from './closing';
import type { GatewayContext } from './context';
import { Cut } from './cut';
import { sentQueryOf } from '../payer/check';
import { Breach, IncomingAnswer, SignedEnding } from '../payer/incoming';
import type { Lease } from './job';
import { NotStored } from './notStored';
import { conclude, refuse } from './query';
import { isNoEnding, maxStoredBytes, takeStored } from '../payer/stored';
import { WorkerDown, WorkerRefusal } from '../payer/workerErrors';

/** Pauses between attempts to reach a worker or the chain, milliseconds. */
const RETRY_MS = [50, 200, 500, 1000, 2000, 5000, 15_000, 60_000];
const MAX_LATE = 60; // attempts at a query of a job that has ended: some three quarters of an hour
const MAX_FETCHED = 4; // answers that one worker hands out at a time: each is in memory until it is read

export class Endings {
    private readonly turns = new Map<string, Turns>(); // by URL of the worker

    /** `tasks`: what asks in the background until the gateway ends. */
    constructor(
        private readonly context: GatewayContext,
        private readonly closing: Closing,
        private readonly tasks: Tasks,
    ) {}

    /**
     * Asks for the ending of the lease's query until the worker gives one or the gateway ends; at once when the job is
     * woken.
     */
    fetch(lease: Lease, query: StoredQuery, received: Buffer = Buffer.alloc(0)): Promise<void> {
        const step = async (attempt: number) => {
            try {
                return await this.fetchOnce(lease, query, received, attempt);
            } catch (error) {
                if (!(error instanceof NotStored)) {
                    throw error;
                }
                await this.store(error);
                return true;
            }
        };
        const failed = reporting(this.context.log, 'error', 'an ending is not fetched yet');
        return this.tasks.add(this.tasks.retry(step, RETRY_MS, failed, () => lease.job.woken()));
    }

    /** Stores an ending that the store did not take, until it does or the gateway ends: then it is fetched again. */
    store(ending: NotStored): Promise<void> {
        const step = async () => {
            await ending.store();
            return true;
        };
        const failed = reporting(this.context.log, 'error', 'an ending is not stored yet');
        failed(ending);
        return this.tasks.add(this.tasks.retry(step, RETRY_MS, failed));
    }

    private async fetchOnce(lease: Lease, query: StoredQuery, received: Buffer, attempt: number): Promise<boolean> {
        const { job, number } = lease;
        const { clock } = this.context.escrow;
        if (query.secret === null) {
            return true; // it has ended, which the task that ended it knows
        }
        if (job.phase === 'ended' && attempt >= MAX_LATE) {
            job.returnLease(number); // nothing more is paid; it is fetched again if the account exists after all
            return true;
        }
        const incoming = new IncomingAnswer(
            sentQueryOf(job.stored, query),
            job.verifier,
            query.secret,
            counterOf(query.tokenizer),
            {
                maxAnswer: job.terms.maxAnswer,
                clock: () => clock.read(),
                late: true,
            },
        );
        const { worker } = job.stored;
        const turns = this.turns.get(worker) ?? new Turns(MAX_FETCHED, Infinity);
        this.turns.set(worker, turns);
        const end = (await turns.take())!;
        let bytes: Buffer;
        const cut = new Cut([this.tasks.signal], waits.query * 1000); // a worker may send as slowly as it likes
        try {
            bytes = await job.worker.stored(job.stored.hash, number, maxStoredBytes(job.terms), cut.signal);
        } catch (error) {
            end();
            if (error instanceof WorkerRefusal) {
                return this.endMissing(lease, received, error, attempt);
            }
            if (error instanceof WorkerDown) {
                return false;
            }
            throw error;
        } finally {
            cut.release();
        }
        try {
            const ending = await takeStored(incoming, bytes, received);
            if (ending === undefined) {
                return false; // still being made
            }
            requireDelivered(lease, ending);
            this.closing.bookOutcome(job, await conclude(lease, incoming, ending), { isLate: true });
        } catch (error) {
            if (!(error instanceof Breach)) {
                throw error;
            }
            this.closing.abandon(job, error.message); // also while its evidence cannot be stored
            await refuse(lease, incoming, { breach: error, at: clock.read().now });
        } finally {
            end();
        }
        return true;
    }

    // A number that the worker does not know was never accepted. It is not used again all the same.
    private async endMissing(lease: Lease, received: Buffer, error: WorkerRefusal, attempt: number): Promise<boolean> {
        const { job } = lease;
        if (isNoEnding(error)) {
            return false;
        }
        if (error.code === 'unknown_job') {
            await job.connect().catch(() => undefined);
            return false;
        }
        if (attempt === 0 && received.length === 0) {
            return false; // the request may still be on its way
        }
        const cost = job.ledger.paidFor(lease.number);
        job.ledger.dropMeter(lease.number);
        await lease.end({ phase: 'void' }, cost);
        return true;
    }
}

function requireDelivered(lease: Lease, ending: SignedEnding): void {
    const objection = ending.type === 'result' ? lease.job.excessObjection(lease, ending.result.price) : undefined;
    if (objection !== undefined) {
        throw new Breach(`the result is refused: ${objection}`, ending.receipt);
    }
}
