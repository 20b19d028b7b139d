/** What this gateway measured of workers, by their URL. Nothing is stored: a start begins without an opinion. */
import { answerTime, type NodeFacts } from './scoring';

const NEWEST = 0.3; // part of an average that the newest measurement is
const QUICKLY = 0.7; // the same of the usual time, when the newest is better
const SLOWLY = 0.02; // and when it is worse
const FORGOTTEN = 600; // seconds without a query, after which a worker counts as not measured
const FORGIVEN = 6 * 3600; // seconds, after which what a node refused is forgotten, and one that answers none is tried
const SLOWER = 3; // times its usual time, at which a worker is slow
const REFUSED = 0.1; // part of the average of refusals that the newest query is
const MAX_REFUSED = 7; // queries of an API key in a row, from which on a worker answers it nothing, however rare they are
const MAX_FAILED = 2; // the same of queries that it failed
const REFUSES = 0.5; // part of the queries of an API key from which on a worker comes last for it: seven in a row

/** One answer of a worker. */
export interface AnswerTimes {
    delay: number; // seconds to the first token
    seconds: number; // from the first token to the last
    tokens: number; // of the answer
}

/** How large a request is, in all that nodes limit. */
export interface RequestSize {
    prompt: number; // tokens
    total: number; // tokens of prompt and answer
    bytes(): number;
}

/** A request that a worker refused as too long; never the request itself, which may be large. */
type TooLong = Omit<RequestSize, 'bytes'> & { bytes: number; at: number };

const MAX_TOO_LONG = 8; // requests that are remembered of a worker and an API key

interface WorkerStats {
    delay: number | undefined;
    speed: number | undefined;
    usual: number | undefined; // seconds of an answer, averaged over a long time
    success: number;
    answered: boolean | undefined; // the last query that it did not refuse
    at: number; // seconds, of the last query
}

/** Queries of an API key that a worker did not answer, since it answered one. */
interface Unanswered {
    refused: number;
    failed: number;
    since: number; // seconds, of the first
    at: number; // seconds, of the last
}

export class NodeStats {
    private readonly all = new Map<string, WorkerStats>();
    // What a worker refused, by its URL and the API key that asked. Whoever asks may see to it that it has to refuse,
    // so it says nothing of the worker to other keys.
    private readonly tooLong = new Map<string, TooLong[]>();
    private readonly refusals = new Map<string, Map<string, { count: number; at: number }>>(); // then by feature
    private readonly refused = new Map<string, { part: number; at: number }>(); // part of the queries
    // Not forgotten with time: an app that seldom asks would never find out which nodes answer.
    private readonly unanswered = new Map<string, Unanswered>();

    /** `now`: seconds of a monotonic clock; `slowSeconds`: an answer that takes less is never slow. */
    constructor(
        private readonly slowSeconds: number,
        private readonly now: () => number = () => performance.now() / 1000,
    ) {}

    /** Counts an answer to a query of an API key, and that the worker did what was needed. */
    addAnswer(url: string, { delay, seconds, tokens }: AnswerTimes, features: readonly string[] = [], key = ''): void {
        const stats = this.current(url);
        const speed = tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : undefined;
        stats.delay = mix(stats.delay, delay);
        stats.speed = speed === undefined ? stats.speed : mix(stats.speed, speed);
        // A better time counts at once, a worse one only if it stays.
        const time = answerTime({ delay, speed })!;
        const { usual = time } = stats;
        stats.usual = usual + (time < usual ? QUICKLY : SLOWLY) * (time - usual);
        stats.success = mix(stats.success, 1);
        stats.answered = true;
        this.unanswered.set(nameOf(url, key), this.noneUnanswered());
        const refused = this.refused.get(nameOf(url, key));
        if (refused !== undefined) {
            refused.part -= REFUSED * refused.part;
        }
        features.forEach((feature) => this.refusals.get(nameOf(url, key))?.delete(feature));
    }

    /** Counts an answer to a query of an API key that went on until its app left. It says nothing of the usual time. */
    addCut(url: string, key: string): void {
        this.unanswered.set(nameOf(url, key), this.noneUnanswered());
    }

    /** Counts a query of an API key that the worker did not answer, through no fault of the query. */
    addFailure(url: string, key = ''): void {
        const stats = this.current(url);
        stats.success = mix(stats.success, 0);
        stats.answered = false;
        this.unansweredOf(url, key).failed++;
    }

    /** Counts a query of an API key that the worker refused for what it is, or for a while. */
    addRefused(url: string, key: string): void {
        const last = this.refused.get(nameOf(url, key));
        const part = last !== undefined && this.now() - last.at < FORGOTTEN ? last.part : 0;
        this.refused.set(nameOf(url, key), { part: part + REFUSED * (1 - part), at: this.now() });
        this.unansweredOf(url, key).refused++;
    }

    private noneUnanswered(): Unanswered {
        return { refused: 0, failed: 0, since: this.now(), at: this.now() };
    }

    /** To count a query of now. */
    private unansweredOf(url: string, key: string): Unanswered {
        const last = this.unanswered.get(nameOf(url, key));
        const unanswered = last === undefined || last.refused + last.failed === 0 ? this.noneUnanswered() : last;
        unanswered.at = this.now();
        this.unanswered.set(nameOf(url, key), unanswered);
        return unanswered;
    }

    /** True if a worker did not answer the last queries of an API key. It may be the fault of either. */
    answersNone(url: string, key: string): boolean {
        const { refused = 0, failed = 0 } = this.unanswered.get(nameOf(url, key)) ?? {};
        return refused >= MAX_REFUSED || failed >= MAX_FAILED;
    }

    /**
     * True if a worker that answers an API key nothing is not tried again yet: as long after the last query as it has
     * answered none, six hours at most. So it gets ever fewer queries of a key, also of one that seldom asks, and one
     * that was down is soon tried again.
     */
    isPassedOver(url: string, key: string): boolean {
        const { since = 0, at = 0 } = this.unanswered.get(nameOf(url, key)) ?? {};
        return this.answersNone(url, key) && this.now() - at < Math.min(at - since, FORGIVEN);
    }

    /**
     * True if a worker answered the last query of an API key, or of any if it got none of this one; undefined if it got
     * none at all.
     */
    answeredLast(url: string, key: string): boolean | undefined {
        const unanswered = this.unanswered.get(nameOf(url, key));
        return unanswered === undefined ? this.all.get(url)?.answered : unanswered.refused + unanswered.failed === 0;
    }

    /** True if a worker refuses most queries of an API key, whatever they are. It may be the fault of either. */
    refuses(url: string, key: string): boolean {
        const refused = this.refused.get(nameOf(url, key));
        return refused !== undefined && refused.part > REFUSES && this.now() - refused.at < FORGOTTEN;
    }

    /** Counts that a worker refused an API key what it lists, and another did it. */
    addRefusal(url: string, features: readonly string[], key = ''): void {
        const refusals = this.refusals.get(nameOf(url, key)) ?? new Map<string, { count: number; at: number }>();
        for (const feature of features) {
            refusals.set(feature, { count: this.refusalsOf(url, [feature], key) + 1, at: this.now() });
        }
        this.refusals.set(nameOf(url, key), refusals);
    }

    /** How often a worker refused an API key one of these features though another node did it, at most. */
    refusalsOf(url: string, features: readonly string[], key = ''): number {
        const refusals = this.refusals.get(nameOf(url, key));
        const counts = features.map((feature) => {
            const refusal = refusals?.get(feature);
            return refusal === undefined || this.now() - refusal.at > FORGIVEN ? 0 : refusal.count;
        });
        return Math.max(0, ...counts);
    }

    /** Counts that a worker refused a request of an API key as too long, and another took it. */
    addTooLong(url: string, size: RequestSize, key = ''): void {
        const refused = { prompt: size.prompt, total: size.total, bytes: size.bytes(), at: this.now() };
        const larger = (one: TooLong) => isWithin(refused, { ...one, bytes: () => one.bytes });
        const others = (this.tooLong.get(nameOf(url, key)) ?? []).filter((one) => !larger(one));
        this.tooLong.set(nameOf(url, key), [...others, refused].slice(-MAX_TOO_LONG));
    }

    /**
     * False if a worker refused a request of an API key that was larger in nothing, though another took it. It says
     * only that something was too large: a short prompt with a long answer, or with a picture, says nothing of others.
     */
    takes(url: string, size: RequestSize, key = ''): boolean {
        const refused = this.tooLong.get(nameOf(url, key)) ?? [];
        return !refused.some((one) => this.now() - one.at <= FORGIVEN && isWithin(one, size));
    }

    /** What is known of a worker now. */
    of(url: string): Pick<NodeFacts, 'delay' | 'speed' | 'usual' | 'success'> {
        const stats = this.all.get(url);
        return stats === undefined || this.now() - stats.at > FORGOTTEN
            ? { delay: undefined, speed: undefined, usual: undefined, success: 1 }
            : { delay: stats.delay, speed: stats.speed, usual: stats.usual, success: stats.success };
    }

    /** True if a worker became much slower than it was, or fails often: another node may serve better. */
    isPoor(url: string): boolean {
        const stats = this.all.get(url);
        const time = answerTime(this.of(url));
        if (stats?.usual === undefined || time === undefined) {
            return this.of(url).success < 0.6;
        }
        return this.of(url).success < 0.6 || (time > this.slowSeconds && time > SLOWER * stats.usual);
    }

    private current(url: string): WorkerStats {
        const last = this.all.get(url);
        const none = { delay: undefined, speed: undefined, success: 1 };
        const stats: WorkerStats =
            last === undefined
                ? { ...none, usual: undefined, answered: undefined, at: this.now() }
                : this.now() - last.at > FORGOTTEN
                  ? { ...last, ...none }
                  : last;
        stats.at = this.now();
        this.all.set(url, stats);
        return stats;
    }
}

const isWithin = (one: TooLong, other: RequestSize): boolean =>
    one.prompt <= other.prompt && one.total <= other.total && one.bytes <= other.bytes();

const nameOf = (url: string, key: string): string => `${url} ${key}`;

function mix(average: number | undefined, newest: number): number {
    return average === undefined ? newest : average + NEWEST * (newest - average);
}
