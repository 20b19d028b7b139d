/**
 * Jobs whose channels the endpoints of the chain show differently. Nobody here knows which endpoint is right, so all of
 * these jobs together are served on one small allowance, whoever their clients are.
 */
import type { Logger } from 'pino';
import { isCompared, messagesIn, type ChannelVerdict, type ChannelVote } from './votes';

/** Times `claim.threshold` that the word of one endpoint is enough for: in one job, and in all disputed ones. */
export const MAX_TRUSTED = 2n;
const MAX_JOBS = 64; // that are taken while their channels are disputed

/** What of a job counts against the allowance. Amounts are nanoTON. */
export interface CountedJob {
    readonly exposed: bigint; // answered or promised, and not confirmed as paid
    readonly ceilings: bigint; // of its running queries
}

interface Finding {
    verdict: Exclude<ChannelVerdict, 'agreed'>;
    isCounted: boolean; // it was disputed, so the allowance has served it
    hasEnded: boolean;
    isTold: boolean; // as an error in the log
    since: number; // steady seconds
    amount: bigint; // nanoTON, that an endpoint does not show
    messages: Record<string, string>; // by each endpoint
    job: CountedJob | undefined; // undefined before it is in memory
}

/** What the owner is told. */
export interface DisputesView {
    jobs: number; // that are disputed, or were and have something left that nothing confirms as paid
    seconds: number; // since the first of these disputes began
    messages: Record<string, string>; // of the first of them, by each endpoint
    used: bigint; // nanoTON
    allowance: bigint; // nanoTON
}

export class DisputedJobs {
    private readonly findings = new Map<string, Finding>(); // by job

    /** `allowance`: nanoTON of all disputed jobs together; `steady`: seconds of a clock that nobody sets. */
    constructor(
        readonly allowance: bigint,
        private readonly log: Logger,
        private readonly steady: () => number,
    ) {}

    /** What the last vote about a job came to. */
    verdictOf(job: Buffer): ChannelVerdict {
        return this.findings.get(keyOf(job))?.verdict ?? 'agreed';
    }

    /** True if one more job may be taken while its channel is disputed. */
    mayTake(job: Buffer): boolean {
        const isKnown = this.findings.has(keyOf(job));
        return isKnown || (this.used < this.allowance && this.disputed.length < MAX_JOBS);
    }

    /** True unless a query of a disputed job, with its ceiling (nanoTON), goes beyond the allowance of all. */
    mayServe(job: Buffer, ceiling: bigint): boolean {
        return this.verdictOf(job) !== 'disputed' || this.used + ceiling <= this.allowance;
    }

    /** nanoTON that an endpoint does not show of a job's channel: the dispute is over when it does. */
    amountOf(job: Buffer): bigint {
        return this.findings.get(keyOf(job))?.amount ?? 0n;
    }

    /** Notes a vote about whether a job's channel holds `amount` nanoTON. `entry`: the job, once it is in memory. */
    note(job: Buffer, { vote, amount, entry }: { vote: ChannelVote; amount: bigint; entry?: CountedJob }): void {
        const key = keyOf(job);
        const earlier = this.findings.get(key);
        const { verdict } = vote;
        if (verdict === 'agreed') {
            if (earlier !== undefined && isCompared(vote)) {
                this.findings.delete(key);
                this.log.info({ job: key }, 'the endpoints of the chain agree about the channel again');
            }
            return;
        }
        const finding: Finding = {
            verdict,
            isCounted: verdict === 'disputed' || earlier?.isCounted === true,
            hasEnded: false,
            // A new channel may just not have come to every endpoint, so the first word about it is no error.
            isTold: entry !== undefined,
            since: earlier?.since ?? this.steady(),
            messages: messagesIn(vote),
            amount,
            job: entry ?? earlier?.job,
        };
        this.findings.set(key, finding);
        if (earlier?.verdict !== verdict || (finding.isTold && !earlier.isTold)) {
            const text =
                verdict === 'denied'
                    ? 'most endpoints do not show that the channel holds what it must: nothing new begins'
                    : 'the endpoints of the chain do not agree about the channel: its job is served on a small allowance';
            this.log[finding.isTold ? 'error' : 'warn']({ job: key, messages: finding.messages }, text);
        }
    }

    /** A job that came into memory: it counts as it is from now on. */
    attach(job: Buffer, entry: CountedJob): void {
        const finding = this.findings.get(keyOf(job));
        if (finding !== undefined) {
            finding.job = entry;
        }
    }

    /** A job has ended. What the allowance has served and nothing has confirmed as paid counts on: it may be lost. */
    end(job: Buffer): void {
        const key = keyOf(job);
        const finding = this.findings.get(key);
        const exposed = finding?.job?.exposed ?? 0n;
        if (finding === undefined || !finding.isCounted || exposed <= 0n) {
            this.findings.delete(key);
            return;
        }
        finding.hasEnded = true;
        finding.job = { exposed, ceilings: 0n };
    }

    /** Forgets a job that was not stored. */
    forget(job: Buffer): void {
        this.findings.delete(keyOf(job));
    }

    /** Up to `max` disputed jobs, which are compared again although no client asks for them: all in turn. */
    inTurn(max: number): Buffer[] {
        const next = this.disputed.slice(0, max);
        for (const [key, finding] of next) {
            this.findings.delete(key);
            this.findings.set(key, finding); // at the end
        }
        return next.map(([key]) => Buffer.from(key, 'hex'));
    }

    /** Undefined while the endpoints agree, and nothing that one alone said may be lost. */
    view(): DisputesView | undefined {
        const { allowance, used } = this;
        const isTold = (one: Finding) => isOpen(one) || usedBy(one) > 0n;
        const open = [...this.findings.values()].filter(isTold).sort((a, b) => a.since - b.since);
        if (open.length === 0) {
            return undefined;
        }
        const { since, messages } = open[0];
        return { jobs: open.length, seconds: this.steady() - since, messages, used, allowance };
    }

    /** nanoTON of the allowance that are in use. */
    private get used(): bigint {
        return [...this.findings.values()].reduce((sum, finding) => sum + usedBy(finding), 0n);
    }

    private get disputed(): [string, Finding][] {
        return [...this.findings].filter(([, finding]) => isOpen(finding));
    }
}

const isOpen = ({ verdict, hasEnded }: Finding): boolean => verdict === 'disputed' && !hasEnded;

const usedBy = ({ isCounted, job }: Finding): bigint =>
    isCounted && job !== undefined ? job.exposed + job.ceilings : 0n;

const keyOf = (job: Buffer): string => job.toString('hex');
