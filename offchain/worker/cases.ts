/** Watches what the Provider tells of its node's demands and cases, and answers demands before their deadline. */
import {
    caseOutcomes,
    caseStates,
    Dispute,
    isJudged,
    Node,
    Provider,
    readCaseOpened,
    UNREADABLE,
} from '@cocoon-market/wrappers';
import type { CaseOpened, CaseState } from '@cocoon-market/wrappers';
import type { Address, Cell, OpenedContract } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONFIRM_READS, Confirmer, readMessages } from '../chain';
import type { ChainReader, Emitted, Transfer } from '../chain';
import { ANSWER_SECONDS, EVIDENCE_SECONDS } from '../link';
import type { CaseRecord, CaseStanding } from '../store/worker';
import { accountAddress } from './channels';
import type { ClaimWallet } from './claims';
import type { WorkerContext } from './context';
import { defend } from './defence';
import type { Defence } from './defence';

const HOUR = 3600;
const ABSENT_AFTER = 24 * HOUR; // a report whose Dispute is not there by then came back to its sender
const PIECES_PER_ORDER = 3; // an external message has at most 64 KiB
const CONFIRM_POLLS = 30;
const ASK_MS = 300_000; // between two times that the chain is asked how many cases there are

const STANDINGS = new Map<bigint, CaseStanding>([
    [caseOutcomes.innocent, 'innocent'],
    [caseOutcomes.guilty, 'guilty'],
    [caseOutcomes.draw, 'draw'],
]);

/** The cases about one worker's node. */
export class Cases {
    private readonly stopping = new AbortController();
    private readonly told = new Set<string>(); // what was logged once, and need not be at every look
    private loop: Promise<void> | undefined;
    /** Messages that could not be read since the start. */
    unreadable = 0;
    private evidence = EVIDENCE_SECONDS;
    private serial = 0; // of the newest case that was told of since the start
    private askedAt = -Infinity; // when the chain was asked how many there are, milliseconds
    private number: number | undefined; // of the node at its provider
    private readonly words: Confirmer<ChainReader>;

    constructor(
        private readonly context: WorkerContext,
        private readonly wallet: ClaimWallet,
    ) {
        const { chain, config } = context;
        this.words = new Confirmer(chain, { reads: CONFIRM_READS, seconds: config.chain.goneSeconds });
    }

    /** Looks at the chain at the configured interval until {@link stop}. */
    start(): void {
        this.loop = this.run();
    }

    async stop(): Promise<void> {
        this.stopping.abort();
        await this.loop;
    }

    private async run(): Promise<void> {
        const { config, log, store } = this.context;
        while (!this.stopping.signal.aborted) {
            try {
                await this.look();
                // Only after a look: what is needed for an answer goes when nobody can ask for it any more.
                await store.prune(await this.forgetBefore());
            } catch (error) {
                log.error({ err: error }, 'cases: could not look at the chain');
            }
            const pause = sleep(config.cases.seconds * 1000, undefined, { signal: this.stopping.signal });
            await pause.catch(() => undefined);
        }
    }

    private async look(): Promise<void> {
        const { log, store } = this.context;
        await this.collect();
        for (const found of await store.cases.open()) {
            if (this.stopping.signal.aborted) {
                return;
            }
            await this.attend(found).catch((error: unknown) =>
                log.error({ ...nameOf(found), err: error }, 'cases: not answered yet, tried again'),
            );
        }
    }

    /**
     * The end of jobs (unix seconds) of which nobody can show a receipt any more, by the longest window ever read. Neither this
     * machine's clock nor one answer of the API brings it nearer alone.
     */
    private async forgetBefore(): Promise<number> {
        const { chain, config, now } = this.context;
        const { state, at } = await chain.account(config.node);
        if (state === 'active') {
            const { evidence } = await chain.open(Node.fromAddress(config.node)).getNodeRecord();
            this.evidence = Math.max(this.evidence, Number(evidence));
        }
        return Math.min(now(), at) - (this.evidence + ANSWER_SECONDS + HOUR);
    }

    /** What the Provider itself tells of its cases. From the beginning when the chain counts others than were told. */
    private async collect(): Promise<void> {
        const { store } = this.context;
        const missed = await this.hasMissed();
        const after = missed ? 0n : await store.cases.cursor();
        const node = await this.nodeNumber();
        const { parsed, newest } = await readMessages(
            this.context.chain.emitted(this.context.config.provider, after),
            after,
            ({ body }) => openedIn(body),
            (message, error) => this.passed(message, error),
        );
        const cases: Parameters<typeof store.cases.add>[0] = [];
        this.serial = missed ? 0 : this.serial; // a false message may have named a later one than there is
        for (const { message, value } of parsed) {
            const { class: faultClass, job, query: number, dispute, serial } = value;
            this.serial = Math.max(this.serial, serial);
            if (isJudged(faultClass) && (node === undefined || node === value.node)) {
                cases.push({ dispute: dispute.hash, class: faultClass, job, number, reportedAt: message.at });
            }
        }
        if (newest > after || cases.length > 0) {
            await store.cases.add(cases, newest);
        }
    }

    /** At the start and every few minutes: true when cases are open and the newest is not the one told of last. */
    private async hasMissed(): Promise<boolean> {
        const { chain, config } = this.context;
        if (performance.now() - this.askedAt < ASK_MS) {
            return false;
        }
        const { cases, opened } = await chain.open(Provider.fromAddress(config.provider)).getStanding();
        this.askedAt = performance.now();
        return cases > 0n && Number(opened) !== this.serial;
    }

    /**
     * The node's number at its provider, which the node's address bears out: one answer of an API is not enough. Undefined when
     * it is not known: then every case is looked at, and no other's answered.
     */
    private async nodeNumber(): Promise<number | undefined> {
        const { chain, config } = this.context;
        if (this.number === undefined) {
            try {
                const number = Number((await chain.open(Node.fromAddress(config.node)).getNodeState()).number);
                const { address } = await Node.ofProvider(config.provider, number);
                this.number = address.equals(config.node) ? number : undefined;
            } catch {
                return undefined; // asked again with the next look
            }
        }
        return this.number;
    }

    private passed({ lt }: Emitted, error: unknown): void {
        this.unreadable++;
        this.context.log.warn({ lt: lt.toString(), err: error }, 'cases: a message cannot be read and is passed');
    }

    private async attend(found: CaseRecord): Promise<void> {
        const { chain, log, now, store } = this.context;
        const address = accountAddress(found.dispute);
        // A case is looked after no longer only when every endpoint has said again and again that there is none.
        const { value, finding, confirmed } = await this.words.ask(
            address.toRawString(),
            (source) => readCase(source, address),
            endOf,
        );
        const { state, at } = value;
        if (state === undefined || finding !== undefined) {
            const standing = finding as CaseStanding;
            if (!confirmed || (standing === 'absent' && now() - found.reportedAt <= ABSENT_AFTER)) {
                return;
            }
            await store.cases.set(found.dispute, { standing });
            if (standing !== 'absent') {
                log.warn({ ...nameOf(found), standing }, 'a case is closed');
            }
            return;
        }
        const dispute = chain.open(Dispute.fromAddress(address));
        const answerBy = Number(state.answerBy);
        if (answerBy !== found.answerBy) {
            await store.cases.set(found.dispute, { answerBy });
        }
        if (found.class === 'B1') {
            await this.warn(found, dispute, answerBy);
        } else if (at > answerBy) {
            this.tell(found, 'a demand was not answered in time');
        } else {
            await this.answer(found, dispute, state);
        }
    }

    private async warn(found: CaseRecord, dispute: OpenedContract<Dispute>, answerBy: number): Promise<void> {
        const statement = (await dispute.getFile())!.about!.toString('hex');
        this.tell(found, 'a case before the committee: the owner may name his side until answerBy', {
            statement,
            answerBy,
        });
    }

    private async answer(found: CaseRecord, dispute: OpenedContract<Dispute>, state: CaseState): Promise<void> {
        const file = (await dispute.getFile())!;
        const defence = await defend(this.context, file, state.result === 0n ? undefined : Number(state.missingPieces));
        if ('why' in defence) {
            this.tell(found, `a demand has no answer: ${defence.why}`);
            return;
        }
        for (const order of await this.orders(dispute, defence)) {
            await this.send(order, state.bond);
        }
        await this.confirm(found, dispute, defence);
    }

    private async confirm(
        found: CaseRecord,
        dispute: OpenedContract<Dispute>,
        { kind }: Pick<Defence, 'kind'>,
    ): Promise<void> {
        const { config, log } = this.context;
        for (let poll = 0; poll < CONFIRM_POLLS && !this.stopping.signal.aborted; poll++) {
            if ((await dispute.getCaseState()).state !== caseStates.open) {
                log.info({ ...nameOf(found), kind }, 'a demand is answered');
                await this.attend(found);
                return;
            }
            await sleep(config.chain.pollSeconds * 1000);
        }
        throw new Error('The answer to a demand was sent, and its case is open all the same');
    }

    /** The messages of an answer in orders that the wallet can carry. */
    private async orders(
        dispute: OpenedContract<Dispute>,
        defence: Exclude<Defence, { why: string }>,
    ): Promise<Transfer[][]> {
        const transfers: Transfer[] = [];
        const via = {
            address: this.wallet.address,
            send: async ({ to, value, body }: Transfer) => void transfers.push({ to, value, ...(body && { body }) }),
        };
        const value = ((await dispute.getCloseValue()) * 11n) / 10n; // prices may change on the way
        const collecting = via as Parameters<typeof dispute.sendFail>[0];
        switch (defence.kind) {
            case 'voucher':
                await dispute.sendVoucher(collecting, { value, ...defence });
                break;
            case 'fail':
                await dispute.sendFail(collecting, { value, ...defence });
                break;
            case 'pieces':
                for (const index of defence.indexes) {
                    await dispute.sendPiece(collecting, { value, ...defence, index });
                }
        }
        const orders: Transfer[][] = [];
        while (transfers.length > 0) {
            orders.push(transfers.splice(0, PIECES_PER_ORDER));
        }
        return orders;
    }

    /** The bond is what posting four pieces costs, so a quarter of it covers any one message. */
    private async send(order: Transfer[], bond: bigint): Promise<void> {
        const needed = order.reduce((sum, { value }) => sum + value + bond / 4n, 0n);
        if ((await this.wallet.balance()) < needed) {
            const address = this.wallet.address.toString();
            throw new Error(`The hot wallet ${address} needs ${needed} nanoTON to answer a demand`);
        }
        await this.wallet.send(order);
    }

    /** Logs what stays true over many looks once. */
    private tell(found: CaseRecord, message: string, more: object = {}): void {
        const key = `${found.dispute.toString('hex')} ${message}`;
        if (!this.told.has(key)) {
            this.told.add(key);
            this.context.log.warn({ ...nameOf(found), ...more }, message);
        }
    }
}

/** The case that a message of the Provider tells of. Throws for one that cannot be read. */
function openedIn(body: Cell): CaseOpened | undefined {
    const opened = readCaseOpened(body);
    if (opened === UNREADABLE) {
        throw new Error('It says that it tells of a case, and no more can be read');
    }
    return opened;
}

/** A case as one endpoint has it: without a state where there is no account. */
async function readCase(source: ChainReader, address: Address): Promise<{ at: number; state: CaseState | undefined }> {
    const { state: account, at } = await source.account(address);
    const dispute = source.open(Dispute.fromAddress(address));
    return { at, state: account === 'active' ? await dispute.getCaseState() : undefined };
}

/** How a case has ended, as far as one reading says; undefined while it is open. */
function endOf({ state }: { state: CaseState | undefined }): CaseStanding | undefined {
    if (state === undefined || state.state === caseStates.new) {
        return 'absent';
    }
    return state.state === caseStates.open ? undefined : STANDINGS.get(state.outcome)!;
}

/** A case as logs name it. */
function nameOf({ class: faultClass, job, number, dispute }: CaseRecord) {
    return { class: faultClass, job: job.toString('hex'), number, dispute: accountAddress(dispute).toRawString() };
}
