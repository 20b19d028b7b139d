/**
 * What stands behind the receipts of running jobs, read again while they are paid: a receipt counts for nothing once its
 * key has ended, its node is closed or its share of the stake is gone. One read per node, however many jobs it has.
 */
import { Address } from '@ton/core';
import { Logger } from 'pino';
import { ConfirmationRules, Confirmer, CONFIRM_READS, NodeKey } from '../chain';
import { reasonOf } from '../process/errors';
import type { Job } from './job';
import type { NodeRecord } from './nodes';

const READ_SECONDS = 45; // a reading is this old at most before the next is made, so that none is used after a minute
const DOUBT_SECONDS = 15; // while it says that something has ended
const BLIND_SECONDS = 600; // without any reading, nothing more is paid
const CONFIRMATION: ConfirmationRules = { reads: CONFIRM_READS, seconds: 60 };

interface Seen {
    key: NodeKey;
    at: number; // seconds, of the last reading
    goodAt: number; // seconds, of the last reading that said that all is well; or of the first try
    fault: string | undefined;
    confirmed: boolean;
    reading: Promise<void> | undefined;
}

export class NodeWatch {
    private readonly seen = new Map<string, Seen>();
    private readonly words: Confirmer<Pick<NodeRecord, 'keyFault'>>;

    /** `now`: seconds of the clock that readings are timed with. */
    constructor(
        private readonly record: NodeRecord | undefined,
        private readonly log: Logger,
        private readonly now: () => number = () => performance.now() / 1000,
    ) {
        this.words = new Confirmer(record ?? {}, CONFIRMATION, now);
    }

    /**
     * Stops the pay of jobs whose node has ended, and lets it go on where that was not so after all. Resolves when every
     * node of these jobs has a reading that is not older than a minute, or cannot be read; with the jobs that are confirmed
     * to have nothing behind them, and why.
     */
    async check(jobs: readonly Job[]): Promise<{ job: Job; fault: string }[]> {
        if (this.record?.keyFault === undefined) {
            return [];
        }
        const watched = jobs.map((job) => ({ job, seen: this.of(job) }));
        await Promise.all([...new Set(watched.map(({ seen }) => seen))].map((seen) => this.refresh(seen)));
        const ended: { job: Job; fault: string }[] = [];
        for (const { job, seen } of watched) {
            const blind = this.now() - seen.goodAt > BLIND_SECONDS;
            const fault = seen.fault ?? (blind ? 'its node cannot be read on chain' : undefined);
            if (fault !== undefined && job.post.paused === undefined) {
                this.log.warn({ job: job.number, worker: job.stored.worker, reason: fault }, 'nothing more is paid');
            }
            job.post.pause(fault);
            if (seen.fault !== undefined && seen.confirmed) {
                ended.push({ job, fault: seen.fault });
            }
        }
        return ended;
    }

    private of({ terms }: Job): Seen {
        const key = Buffer.concat([terms.node, terms.receiptKey]).toString('hex');
        let seen = this.seen.get(key);
        if (seen === undefined) {
            const { receiptKey } = terms;
            const named = { node: new Address(0, terms.node), provider: new Address(0, terms.provider), receiptKey };
            const none = { fault: undefined, confirmed: false, reading: undefined };
            seen = { key: named, at: -Infinity, goodAt: this.now(), ...none };
            this.seen.set(key, seen);
        }
        return seen;
    }

    private refresh(seen: Seen): Promise<void> {
        if (this.now() - seen.at < (seen.fault === undefined ? READ_SECONDS : DOUBT_SECONDS)) {
            return Promise.resolve();
        }
        return (seen.reading ??= this.read(seen).finally(() => (seen.reading = undefined)));
    }

    private async read(seen: Seen): Promise<void> {
        const { node, receiptKey } = seen.key;
        try {
            const name = `${node.toRawString()} ${receiptKey.toString('hex')}`;
            const said = await this.words.ask(
                name,
                (source) => source.keyFault!(seen.key),
                (fault) => fault,
            );
            [seen.fault, seen.confirmed] = [said.value, said.confirmed];
            if (seen.fault === undefined) {
                seen.goodAt = this.now();
            }
        } catch (error) {
            this.log.warn({ node: node.toRawString(), reason: reasonOf(error) }, 'a node is not read');
        }
        seen.at = this.now();
    }
}
