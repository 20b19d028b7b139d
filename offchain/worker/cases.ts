/** Watches the node's account for demands and cases, and answers demands before their deadline. */
import {
    caseOutcomes,
    caseStates,
    Dispute,
    faultClasses,
    Node,
    Provider,
    readReport,
    UNREADABLE,
} from '@cocoon-market/wrappers';
import type { CaseState } from '@cocoon-market/wrappers';
import type { OpenedContract } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMessages } from '../chain';
import type { Received, Transfer } from '../chain';
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

    constructor(
        private readonly context: WorkerContext,
        private readonly wallet: ClaimWallet,
    ) {}

    /** Looks at the chain at the configured interval until {@link stop}. */
    start(): void {
        this.loop = this.run();
    }

    async stop(): Promise<void> {
        this.stopping.abort();
        await this.loop;
    }

    private async run(): Promise<void> {
        const { config, log, store, now } = this.context;
        while (!this.stopping.signal.aborted) {
            try {
                await this.look();
                // Only after a look: what is needed for an answer goes when nobody can ask for it any more.
                await store.prune(now() - (await this.keepSeconds()));
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

    /** Seconds after a job's end for which somebody may still show a receipt of it. */
    private async keepSeconds(): Promise<number> {
        const { chain, config } = this.context;
        const { state } = await chain.account(config.node);
        const evidence =
            state === 'active' ? Number((await chain.open(Node.fromAddress(config.node)).getNodeRecord()).evidence) : 0;
        return Math.max(evidence, EVIDENCE_SECONDS) + ANSWER_SECONDS + HOUR;
    }

    private async collect(): Promise<void> {
        const { chain, config, store } = this.context;
        const after = await store.cases.readUntil();
        const parse = ({ body, failed }: Received) => {
            const report = failed ? undefined : readReport(body, config.network);
            if (report === UNREADABLE) {
                throw new Error('A report to the node is malformed');
            }
            return report;
        };
        const { found, newest } = await readMessages(chain, { address: config.node, after }, parse, (message, error) =>
            this.passed(message, error),
        );
        const cases: Parameters<typeof store.cases.found>[0] = [];
        for (const { message, value } of found) {
            const { class: faultClass, job, query: number, date } = value;
            const provider = chain.open(Provider.fromAddress(config.provider));
            const address = await provider.getDisputeAddress(
                BigInt(faultClasses[faultClass]),
                BigInt(`0x${job.toString('hex')}`),
                BigInt(number),
                BigInt(date),
            );
            cases.push({ dispute: address.hash, class: faultClass, job, number, reportedAt: message.at });
        }
        if (newest > after) {
            await store.cases.found(cases, newest);
        }
    }

    private passed({ lt, from }: Received, error: unknown): void {
        this.unreadable++;
        const named = { lt: lt.toString(), from: from.toRawString(), err: error };
        this.context.log.warn(named, 'cases: a message cannot be read and is passed');
    }

    private async attend(found: CaseRecord): Promise<void> {
        const { chain, log, now, store } = this.context;
        const address = accountAddress(found.dispute);
        const account = await chain.account(address);
        const dispute = chain.open(Dispute.fromAddress(address));
        const state = account.state === 'active' ? await dispute.getCaseState() : undefined;
        if (state === undefined || state.state === caseStates.new) {
            if (now() - found.reportedAt > ABSENT_AFTER) {
                await store.cases.set(found.dispute, { standing: 'absent' });
            }
            return;
        }
        if (state.state !== caseStates.open) {
            const standing = STANDINGS.get(state.outcome)!;
            await store.cases.set(found.dispute, { standing });
            log.warn({ ...nameOf(found), standing }, 'a case is closed');
            return;
        }
        const answerBy = Number(state.answerBy);
        if (answerBy !== found.answerBy) {
            await store.cases.set(found.dispute, { answerBy });
        }
        if (found.class === 'B1') {
            await this.warn(found, dispute, answerBy);
        } else if (account.at > answerBy) {
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
        const defence = await defend(this.context, file, state.result === 0n ? undefined : Number(state.wanted));
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

/** A case as logs name it. */
function nameOf({ class: faultClass, job, number, dispute }: CaseRecord) {
    return { class: faultClass, job: job.toString('hex'), number, dispute: accountAddress(dispute).toRawString() };
}
