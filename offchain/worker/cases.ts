/**
 * Follows the demands and cases about this node on chain, and answers demands before their deadline.
 *
 * Longer than 350 lines because what happens to a demand, from its message to its answer, is best read in one place.
 */
import { type CaseOpened, caseStates, Dispute, isJudged, Node, ruleBounds } from '@cocoon-market/wrappers';
import type { OpenedContract } from '@ton/core';
import {
    agreedTime,
    answersOf,
    type ChainReader,
    CONFIRM_READS,
    Confirmer,
    type Emitted,
    type EventReader,
} from '../chain';
import { ANSWER_SECONDS, EVIDENCE_SECONDS } from '../link';
import type { CaseRecord, CaseStanding, NewCase } from '../store/worker';
import { inParallel } from '../process/parallel';
import { eventLoop } from '../process/loopShare';
import { PollLoop, Tasks } from '../process/tasks';
import { AnswerSender } from './answerSender';
import { accountAddress } from './channels';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import { type Doubt, isDispute, objectionTo, ordersOf } from './caseAnswer';
import { type AnnouncedCase, CaseMessages } from './caseMessages';
import { CaseTellers, keyOf, nameOf } from './caseTellers';
import { type ShownCase, CaseViews } from './caseViews';
import { endOf, isLate, readCase } from './seenCase';
import { type Defence, defend } from './defence';

const HOUR = 3600;
const ABSENT_AFTER = 24 * HOUR; // a report whose Dispute does not exist by then has bounced
const CONFIRM_POLLS = 30;
const PARALLEL = 32; // cases that are looked after at a time
const UNSURE_MS = 60_000; // in each round for cases that one endpoint alone may have made up; the rest has its turn later
const WINDOW_MS = 10_000; // for how long receipts are evidence, as each endpoint says: some take one call a second
const READING_MS = 2000; // for new messages of an endpoint, before what is known is looked after
const MAX_SKIPPED = 10_000; // messages that could not be read and are counted
const MAX_PAUSE = 900; // seconds between two answers to one demand; a response window is an hour at least
const DISPUTE_UNITS = 2048; // of work in the event loop, to compute the account of a case
const MAX_DENIED = 8; // answers that close nothing to a demand that not every endpoint shows

/** The cases about one worker's node. */
export class Cases {
    private readonly tasks = new Tasks();
    private readonly loop: PollLoop;
    private readonly sender: AnswerSender;
    private readonly logged = new Set<string>(); // messages that are logged once, although every round finds them
    private readonly skipped = new Set<bigint>(); // logical times of messages that could not be read since the start
    private evidenceSeconds = EVIDENCE_SECONDS;
    private readers: readonly CaseMessages[] | undefined; // of each endpoint, from the first round on
    private readonly tellers: CaseTellers;
    private nodeNumber: number | undefined; // of the node at its provider
    // By account: answers that were sent and have closed nothing for certain, and steady seconds before the next one.
    private readonly vain = new Map<string, { count: number; notBefore: number }>();
    private readonly doubtedSince = new Map<string, number>(); // by account of a case that may be made up: steady seconds
    private readonly silentSince = new Map<string, number>(); // by account of such a case that no endpoint denies: steady seconds
    private readonly views: CaseViews;
    private readonly tries = new Map<string, number>(); // by account that is not closed for certain: of an answer
    private readonly confirmer: Confirmer<ChainReader>;

    constructor(
        private readonly context: WorkerContext,
        private readonly wallet: ClaimWallet,
    ) {
        const { chain, config, log } = context;
        this.sender = new AnswerSender(context, wallet, this.tasks);
        this.tellers = new CaseTellers(this.endpoints().length);
        this.views = new CaseViews(context, this.tellers);
        this.confirmer = new Confirmer(chain, { reads: CONFIRM_READS, seconds: config.chain.confirmSeconds });
        this.loop = new PollLoop(
            () => this.round(),
            config.cases.seconds * 1000,
            (error) => log.error({ err: error }, 'cases: the round failed'),
        );
    }

    /** Messages that could not be read since the start. */
    get unreadable(): number {
        return this.skipped.size;
    }

    /** Reads the chain at the configured interval until {@link stop}. */
    start(): void {
        this.loop.start();
    }

    /** Begins a round soon. */
    wake(): void {
        this.loop.wake();
    }

    async stop(): Promise<void> {
        await Promise.all([this.tasks.close(), this.loop.stop()]);
    }

    private async round(): Promise<void> {
        const { log, processes, store } = this.context;
        // Whether or not messages can be read, the cases that are known are looked after.
        const collected = await this.collect().then(
            (isWhole) => ({ isWhole }),
            (error: unknown) => ({ error, isWhole: false }),
        );
        // A client may demand hundreds of answers at once, so one case does not wait until another is closed.
        const open = (await store.cases.open()).sort((a, b) => dueBy(a) - dueBy(b));
        const look = async (record: CaseRecord) => {
            if (this.tasks.isStopping) {
                return;
            }
            // Whatever is wrong with one case, or with the row of its job, the others are answered.
            try {
                if (processes.answersFor(await store.jobs.get(record.job))) {
                    await this.attend(record);
                }
            } catch (error) {
                log.error({ ...nameOf(record), err: error }, 'cases: not answered yet, tried again');
            }
        };
        await inParallel(this.tellers.sure(open), look, PARALLEL);
        const end = performance.now() + UNSURE_MS;
        const lookInTime = async (record: CaseRecord) => {
            if (performance.now() < end) {
                this.tellers.noteLook(keyOf(record));
                await look(record);
            }
        };
        await inParallel(this.tellers.inTurns(open), lookInTime, PARALLEL);
        if (this.tasks.isStopping) {
            return;
        }
        if ('error' in collected) {
            throw collected.error;
        }
        // Only after a complete round: answers are deleted once nobody can demand them any more.
        if (collected.isWhole && processes.isFirst) {
            await store.prune(await this.pruneBefore());
        }
    }

    /**
     * Unix seconds: receipts of jobs that ended before are no evidence any more, by the longest evidence window that an
     * endpoint ever told. A wrong clock of this machine, or one wrong answer, brings it no nearer, and no further than
     * rules can say; nor does the time of one endpoint, which may be long past.
     */
    private async pruneBefore(): Promise<number> {
        const { chain, config, now } = this.context;
        const windowOf = async (source: ChainReader) => {
            const { state } = await source.account(config.node);
            const node = source.open(Node.fromAddress(config.node));
            return state === 'active' ? Number((await node.getNodeRecord()).evidence) : 0;
        };
        const { others = [] } = chain;
        const windows = others.length > 0 ? await answersOf(chain, windowOf, WINDOW_MS) : [await windowOf(chain)];
        this.evidenceSeconds = Math.max(this.evidenceSeconds, Math.min(Math.max(0, ...windows), ruleBounds.maxWindow));
        // Of few that answer, each may be wrong: then what rules may ask for counts in this round.
        const evidence = 2 * windows.length > others.length ? this.evidenceSeconds : ruleBounds.maxWindow;
        const { at } = await chain.account(config.node);
        const time = await agreedTime(chain, config.node, { at, now: now() });
        return Math.min(now(), time) - (evidence + ANSWER_SECONDS + HOUR);
    }

    /**
     * Stores the cases that the Provider's messages announce, as any endpoint has them: one that hides a demand would
     * cost the stake. Resolves with whether an endpoint has told all of its messages. Throws if none answers.
     */
    private async collect(): Promise<boolean> {
        const { config, log, store } = this.context;
        const stored = await store.cases.cursor();
        const skip = (...skipped: [Emitted, unknown]) => this.skip(...skipped);
        this.readers ??= this.endpoints().map(
            (chain) => new CaseMessages({ chain, provider: config.provider, skip, signal: this.tasks.signal }, stored),
        );
        const node = await this.readNodeNumber();
        const isOwn = (opened: CaseOpened) => isJudged(opened.class) && (node === undefined || node === opened.node);
        const readings = await Promise.allSettled(this.readers.map((reader) => reader.take(READING_MS, isOwn)));
        const failures = readings.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
        failures.forEach((err) => log.debug({ err }, 'cases: an endpoint does not tell the messages of the provider'));
        const cases: NewCase[] = [];
        for (const [endpoint, { message, value }] of readings.flatMap(announcedIn)) {
            const { class: faultClass, job, query: number, dispute } = value;
            const isTaken = this.tellers.note(keyOf({ dispute: dispute.hash }), endpoint);
            if (isTaken && isJudged(faultClass)) {
                await eventLoop.take(DISPUTE_UNITS); // an endpoint may tell of a thousand at once
                const about = { dispute: dispute.hash, class: faultClass, job, number };
                cases.push({ ...about, reportedAt: message.at, follows: await isDispute(this.context, about) });
            }
        }
        // What every endpoint has told of: after a restart each is asked from there on.
        const cursor = this.readers.reduce((min, one) => (one.cursor < min ? one.cursor : min), this.readers[0].cursor);
        if (cursor !== stored || cases.length > 0) {
            await store.cases.add(cases, cursor).catch((error: unknown) => {
                this.readers = undefined; // what they have told is told again
                throw error;
            });
        }
        if (failures.length === readings.length) {
            throw failures[0];
        }
        return readings.some((one) => one.status === 'fulfilled' && one.value !== undefined);
    }

    /** Each endpoint alone, or the only one. */
    private endpoints(): (ChainReader & EventReader)[] {
        const { chain } = this.context;
        const alone = (chain.others ?? []).filter((one): one is ChainReader & EventReader => one.emitted !== undefined);
        return alone.length > 0 ? alone : [chain];
    }

    /**
     * The node's number at its provider, verified by the node's address, because one answer of an API is not enough.
     * Undefined when it is not known: then every case is read, and those of other nodes are not answered.
     */
    private async readNodeNumber(): Promise<number | undefined> {
        const { chain, config } = this.context;
        if (this.nodeNumber === undefined) {
            try {
                const number = Number((await chain.open(Node.fromAddress(config.node)).getNodeState()).number);
                const { address } = await Node.ofProvider(config.provider, number);
                this.nodeNumber = address.equals(config.node) ? number : undefined;
            } catch {
                return undefined; // read again in the next round
            }
        }
        return this.nodeNumber;
    }

    private skip({ lt }: Emitted, error: unknown): void {
        if (!this.skipped.has(lt) && this.skipped.size < MAX_SKIPPED) {
            this.skipped.add(lt);
            this.context.log.warn({ lt: lt.toString(), err: error }, 'cases: a message cannot be read and is skipped');
        }
    }

    private async attend(record: CaseRecord): Promise<void> {
        const { log, now, steady, store } = this.context;
        const address = accountAddress(record.dispute);
        // A case is given up only when several readings and every endpoint agree that it has ended.
        const { value, finding, confirmed, failure } = await this.confirmer
            .ask(address.toRawString(), (source) => readCase(source, address), endOf)
            .then(
                (answer) => ({ ...answer, failure: undefined }),
                (error: Error) => ({ value: undefined, finding: undefined, confirmed: false, failure: error }),
            );
        const standing = finding as CaseStanding | undefined;
        if (standing !== undefined && confirmed) {
            this.views.forget(keyOf(record));
            this.vain.delete(keyOf(record));
            this.doubtedSince.delete(keyOf(record));
            this.silentSince.delete(keyOf(record));
            this.tries.delete(keyOf(record));
            this.sender.forget(keyOf(record));
            if (standing !== 'absent' || now() - record.reportedAt > ABSENT_AFTER) {
                await store.cases.set(record.dispute, { standing });
                this.tellers.forget(keyOf(record));
            }
            if (standing !== 'absent') {
                log.warn({ ...nameOf(record), standing }, 'a case is closed');
            }
            return;
        }
        const { views, isDenied } = await this.views.of(record, value, this.tries.has(keyOf(record)));
        if (isDenied || (views.length === 0 && failure === undefined)) {
            this.silentSince.delete(keyOf(record));
        }
        if (views.length === 0) {
            if (failure !== undefined) {
                throw failure;
            }
            return;
        }
        const answerBy = Math.max(...views.map(({ state }) => Number(state.answerBy)));
        if (answerBy !== record.answerBy) {
            await store.cases.set(record.dispute, { answerBy });
        }
        const { count = 0, notBefore = -Infinity } = this.vain.get(keyOf(record)) ?? {};
        const inTime = views.filter((one) => !isLate(one));
        const believed = isDenied
            ? inTime.filter((one) => count < MAX_DENIED && !this.views.beliefIn(one).isEmpty)
            : inTime;
        if (record.class === 'B1') {
            await this.warn(record, views[0].source.open(Dispute.fromAddress(address)), answerBy);
        } else if (inTime.length === 0) {
            this.logOnce(record, 'a demand was not answered in time');
        } else if (steady() >= notBefore && believed.length > 0) {
            // Each answer costs fees, so there are pauses. After a try another endpoint may know better what is
            // demanded, and what it costs, whatever the one says by whose word it was made.
            const tries = this.tries.get(keyOf(record)) ?? 0;
            const view = believed[tries % believed.length];
            this.tries.set(keyOf(record), tries + 1);
            const isSure = views.length > 1 || this.tellers.isSure(keyOf(record));
            await this.answer(record, view, { isDenied, doubt: isSure ? undefined : this.doubtOf(record, isDenied) });
        }
    }

    /**
     * For how long a case is in doubt. Of looks that are long apart the first one at which no endpoint denies it begins
     * the silence, and no earlier one.
     */
    private doubtOf(record: CaseRecord, isDenied: boolean): Doubt {
        const now = this.context.steady();
        const since = this.doubtedSince.get(keyOf(record)) ?? now;
        this.doubtedSince.set(keyOf(record), since);
        if (isDenied) {
            return { seconds: now - since, silentSeconds: 0 };
        }
        const silentSince = this.silentSince.get(keyOf(record)) ?? now;
        this.silentSince.set(keyOf(record), silentSince);
        return { seconds: now - since, silentSeconds: now - silentSince };
    }

    private async warn(record: CaseRecord, dispute: OpenedContract<Dispute>, answerBy: number): Promise<void> {
        const statement = (await dispute.getFile())!.about!.toString('hex');
        this.logOnce(record, 'a case before the committee: the owner may name their side until answerBy', {
            statement,
            answerBy,
        });
    }

    private async answer(
        record: CaseRecord,
        view: ShownCase,
        { isDenied, doubt }: { isDenied: boolean; doubt: Doubt | undefined },
    ): Promise<void> {
        const { source, state } = view;
        const dispute = source.open(Dispute.fromAddress(accountAddress(record.dispute)));
        const objection = await objectionTo(this.context, record, doubt);
        if (objection !== undefined) {
            this.logOnce(record, `a demand has no answer: ${objection}`);
            return;
        }
        const file = (await dispute.getFile())!;
        if (!file.job.equals(record.job) || file.query !== record.number) {
            throw new Error('An endpoint shows another case at the account of a demand');
        }
        const defence = await defend(this.context, file, state.result === 0n ? undefined : Number(state.missingPieces));
        if ('reason' in defence) {
            this.logOnce(record, `a demand has no answer: ${defence.reason}`);
            return;
        }
        const orders = await ordersOf(dispute, defence, this.wallet.address);
        const belief = isDenied ? this.views.beliefIn(view) : undefined;
        if (belief?.isEmpty === true) {
            return; // others have used it up meanwhile
        }
        belief?.spend();
        this.noteAnswer(record);
        for (const order of orders) {
            await this.sender.send({ key: keyOf(record), answerBy: Number(state.answerBy), order, bond: state.bond });
        }
        await this.confirm(record, dispute, defence);
        if (isDenied) {
            this.views.noteClosed(keyOf(record), view);
        }
        await this.attend(record);
    }

    private async confirm(
        record: CaseRecord,
        dispute: OpenedContract<Dispute>,
        { kind }: Pick<Defence, 'kind'>,
    ): Promise<void> {
        const { config, log } = this.context;
        const isClosed = async () => (await dispute.getCaseState()).state !== caseStates.open;
        if (!(await this.tasks.until(isClosed, { polls: CONFIRM_POLLS, ms: config.chain.pollSeconds * 1000 }))) {
            this.noteAnswer(record, 0);
            throw new Error('The answer to a demand was sent, and its case is still open');
        }
        log.info({ ...nameOf(record), kind }, 'a demand is answered');
    }

    /**
     * Counts an answer until the case is closed for certain: the endpoint that shows it closed may show it open again.
     * The next one is sent after a pause from now.
     */
    private noteAnswer(record: CaseRecord, more = 1): void {
        const { config, steady } = this.context;
        const count = (this.vain.get(keyOf(record))?.count ?? 0) + more;
        const pause = Math.min(MAX_PAUSE, config.cases.seconds * 2 ** (count - 1));
        this.vain.set(keyOf(record), { count, notBefore: steady() + pause });
    }

    /** Logs a message of a case once. */
    private logOnce(record: CaseRecord, message: string, more: object = {}): void {
        const key = `${keyOf(record)} ${message}`;
        if (!this.logged.has(key)) {
            this.logged.add(key);
            this.context.log.warn({ ...nameOf(record), ...more }, message);
        }
    }
}

/**
 * What an endpoint has told, each with the number of the endpoint; the newest first, because those are taken. Of each
 * account only the newest: an endpoint may tell of one case thousands of times.
 */
function announcedIn(
    reading: PromiseSettledResult<AnnouncedCase[] | undefined>,
    endpoint: number,
): [number, AnnouncedCase][] {
    const announced = reading.status === 'fulfilled' ? (reading.value ?? []) : [];
    const newest = new Map<string, AnnouncedCase>();
    for (const one of [...announced].reverse()) {
        const key = keyOf({ dispute: one.value.dispute.hash });
        newest.set(key, newest.get(key) ?? one);
    }
    return [...newest.values()].map((one) => [endpoint, one]);
}

/** Unix seconds before which a case is not late: a response window is an hour at least. */
const dueBy = ({ answerBy, reportedAt }: CaseRecord): number => answerBy || reportedAt + HOUR;
