/**
 * Reads again what stands behind the receipts of running jobs while they are paid. A receipt counts for nothing once
 * its key has ended, its node is closed or its share of the stake is used up. There is one read per node, however many
 * jobs it has.
 */
import { Address } from '@ton/core';
import { Logger } from 'pino';
import { ConfirmationRules, Confirmer, CONFIRM_READS, majoritySays, NodeKey } from '../chain';
import { reasonOf } from '../process/errors';
import type { GatewayJob } from './job';
import { DENIAL_MS, type NodeChecks } from './nodeChecks';

const READ_SECONDS = 45; // an older reading is made anew
const USED_SECONDS = 60; // an older reading is used no more: until then nobody waits for the next one
const DOUBT_SECONDS = 15; // the same while a reading has an objection
const BLIND_SECONDS = 600; // without any reading, nothing more is paid
const CONFIRMATION: ConfirmationRules = { reads: CONFIRM_READS, seconds: 60 };

interface Reading {
    key: NodeKey;
    at: number; // seconds, of the last reading
    goodAt: number; // seconds, of the last reading without an objection; or of the first try
    objection: string | undefined;
    confirmed: boolean;
    refreshing: Promise<void> | undefined;
}

export class NodeWatch {
    private readonly readings = new Map<string, Reading>();
    private readonly confirmer: Confirmer<Pick<NodeChecks, 'keyObjection'>>;

    /** `now`: seconds of the clock that readings are timed with. */
    constructor(
        private readonly checks: NodeChecks | undefined,
        private readonly log: Logger,
        private readonly now: () => number = () => performance.now() / 1000,
    ) {
        this.confirmer = new Confirmer(checks ?? {}, CONFIRMATION, now);
    }

    /**
     * Pauses the payments of jobs whose node has ended, and resumes them if that was not so after all. Resolves when
     * every node of these jobs has a reading of at most a minute ago, or cannot be read. Resolves with the jobs of
     * which it is confirmed that nothing stands behind them, and why.
     */
    async pausePayments(jobs: readonly GatewayJob[]): Promise<{ job: GatewayJob; objection: string }[]> {
        if (this.checks?.keyObjection === undefined) {
            return [];
        }
        const watched = jobs.map((job) => ({ job, reading: this.of(job) }));
        await Promise.all([...new Set(watched.map(({ reading }) => reading))].map((reading) => this.refresh(reading)));
        const ended: { job: GatewayJob; objection: string }[] = [];
        for (const { job, reading } of watched) {
            const blind = this.now() - reading.goodAt > BLIND_SECONDS;
            const objection = reading.objection ?? (blind ? 'its node cannot be read on chain' : undefined);
            if (objection !== undefined && job.money.paused === undefined) {
                this.log.warn(
                    { job: job.number, worker: job.stored.worker, reason: objection },
                    'nothing more is paid',
                );
            }
            job.money.pause(objection);
            if (reading.objection !== undefined && reading.confirmed) {
                ended.push({ job, objection: reading.objection });
            }
        }
        return ended;
    }

    private of({ terms }: GatewayJob): Reading {
        const key = Buffer.concat([terms.node, terms.receiptKey]).toString('hex');
        let reading = this.readings.get(key);
        if (reading === undefined) {
            const { receiptKey } = terms;
            const nodeKey = { node: new Address(0, terms.node), provider: new Address(0, terms.provider), receiptKey };
            const none = { objection: undefined, confirmed: false, refreshing: undefined };
            reading = { key: nodeKey, at: -Infinity, goodAt: this.now(), ...none };
            this.readings.set(key, reading);
        }
        return reading;
    }

    private refresh(reading: Reading): Promise<void> {
        const age = this.now() - reading.at;
        if (age < (reading.objection === undefined ? READ_SECONDS : DOUBT_SECONDS)) {
            return Promise.resolve();
        }
        reading.refreshing ??= this.read(reading).finally(() => (reading.refreshing = undefined));
        const isFresh = age < USED_SECONDS && this.now() - reading.goodAt < USED_SECONDS;
        return reading.objection === undefined && isFresh ? Promise.resolve() : reading.refreshing;
    }

    private async read(reading: Reading): Promise<void> {
        const { key } = reading;
        const node = key.node.toRawString();
        const first = await this.ask(key);
        // Before anything is confirmed: an endpoint that lies may keep its answer back when it is asked for that.
        const isDenied = first.reason !== undefined && (await this.isDenied(key));
        if (isDenied) {
            const details = { node, reason: first.reason };
            this.log.warn(details, 'an endpoint says so of a node, and most others do not: it is paid');
        }
        try {
            const { value, confirmed } = await this.confirmer.ask(
                `${node} ${key.receiptKey.toString('hex')}`,
                async (source) => {
                    if (source !== this.checks) {
                        return isDenied ? undefined : source.keyObjection!(key);
                    }
                    return first.objection();
                },
                (objection) => objection,
            );
            [reading.objection, reading.confirmed] = [value, confirmed];
        } catch (error) {
            this.log.warn({ node, reason: reasonOf(error) }, 'a node is not read');
        }
        if (isDenied) {
            reading.objection = undefined;
        }
        reading.goodAt = isDenied || first.reason === undefined ? this.now() : reading.goodAt;
        reading.at = this.now();
    }

    /** What the first endpoint says. `reason`: what it says against a node, or why it says nothing. */
    private async ask(key: NodeKey): Promise<{ reason: string | undefined; objection: () => string | undefined }> {
        try {
            const objection = await this.checks!.keyObjection!(key);
            return { reason: objection, objection: () => objection };
        } catch (error) {
            const fail = () => {
                throw error;
            };
            return { reason: reasonOf(error), objection: fail };
        }
    }

    // One of three endpoints must not stop all payments, and with them all answers.
    private isDenied(key: NodeKey): Promise<boolean> {
        const isFine = async (one: Pick<NodeChecks, 'keyObjection'>) => (await one.keyObjection!(key)) === undefined;
        return majoritySays(this.checks?.others ?? [], isFine, DENIAL_MS);
    }
}
