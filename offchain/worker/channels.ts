/**
 * Reads channels from the chain. A reading may be some seconds old, because what can change for the worse changes
 * slowly: a claim moves money from `balance` to `paid`, and the worker counts both; a client who leaves gives notice.
 */
import { loadChannelData, type Terms } from '@cocoon-market/wrappers';
import { Address, type Cell } from '@ton/core';
import { type AccountReader, answerSoon, type ChainAccount, ChainError, CONFIRM_READS, Confirmer } from '../chain';
import { Turns } from '../process/doors';
import type { ChannelSnapshot } from '../store/worker';
import type { DisputedJobs } from './disputedJobs';
import { Refused } from './refusal';
import { answersInTime, type SaysNo, type ChannelVote, nonesIn, voteOf, yesesIn } from './votes';

/**
 * A channel's account now. `confirmed`: several readings and every endpoint agree that it is gone, or has paid more.
 */
export type ChannelReading = { confirmed: boolean } & (
    { exists: false; at: number } | ({ exists: true } & ChannelSnapshot)
);

/** The basechain address of an account. */
export function accountAddress(account: Buffer): Address {
    return new Address(0, account);
}

/** Who causes a reading: the worker itself, or a client. */
export type ReadingCause = 'routine' | 'client';

/** An endpoint, or several; `name`: of the endpoint, without keys. */
type UrgentReader = AccountReader & {
    readonly name?: string;
    as?(urgency: 'client' | 'stranger'): AccountReader;
};

const SILENCE_MS = 15_000; // for which a failure of the API counts; then one query waits for another try
const MAX_UNKNOWN = 8; // channels of strangers that are read at once; as many wait

/** Reads channels and compares them with terms. */
export class Channels {
    private readonly confirmer: Confirmer;
    private readonly ends: Confirmer<object>; // of channels, as most endpoints show them
    private readonly forClients: AccountReader;
    private readonly turns = new Turns(MAX_UNKNOWN);
    private failedAt = -Infinity; // milliseconds of performance.now(), when the API last failed to answer

    /**
     * `codes`: the channel codes that this worker accepts; `confirmSeconds`: the time over which a reading that would
     * end something of value is confirmed; `now`: seconds of a monotonic clock.
     */
    constructor(
        private readonly chain: UrgentReader & { readonly others?: readonly UrgentReader[] },
        readonly codes: readonly Cell[],
        readonly disputes: DisputedJobs,
        confirmSeconds: number,
        now: () => number,
    ) {
        this.forClients = chain.as?.('client') ?? chain;
        const rules = { reads: CONFIRM_READS, seconds: confirmSeconds };
        this.confirmer = new Confirmer(chain, rules, now);
        this.ends = new Confirmer({}, rules, now);
    }

    /** True while the API failed just now, so that nothing waits for another answer in vain. */
    get isSilent(): boolean {
        return performance.now() - this.failedAt < SILENCE_MS;
    }

    /** Forgets the readings of a channel whose job has ended. */
    forget(channel: Buffer): void {
        this.confirmer.forget(accountAddress(channel));
        this.ends.forget(accountAddress(channel));
    }

    /** True once most of all endpoints have shown none of the terms several times over a while, as in this vote. */
    async confirmsEnd(channel: Buffer, vote: ChannelVote): Promise<boolean> {
        const finding = this.isMajority(nonesIn(vote)) ? 'gone' : undefined;
        const key = accountAddress(channel).toRawString();
        const ask = async () => finding;
        const { confirmed } = await this.ends.ask(key, ask, (found) => found);
        return confirmed;
    }

    /**
     * The channel of a job, which has confirmed to have paid `confirmedPaid` nanoTON.
     * @throws {Refused} when it is not that of the terms; {@link ChannelUnreadable}
     */
    async read(
        channel: Buffer,
        terms: Terms,
        jobNumber: number,
        { confirmedPaid = 0n, cause = 'routine' }: { confirmedPaid?: bigint; cause?: ReadingCause } = {},
    ): Promise<ChannelReading> {
        const address = accountAddress(channel);
        const ask = (source: AccountReader) =>
            (source === this.chain && cause === 'client' ? this.forClients : source).account(address);
        const findingOf = (account: ChainAccount): string | undefined => {
            const paid = account.state === 'active' ? this.check(account, terms, jobNumber).paid : undefined;
            return paid === undefined ? 'gone' : paid > confirmedPaid ? `paid ${paid}` : undefined;
        };
        return this.reading(terms, jobNumber, async () => {
            try {
                const answer = await this.confirmer.ask(address.toRawString(), ask, findingOf);
                this.failedAt = -Infinity;
                return answer;
            } catch (error) {
                const isBusy = error instanceof ChainError && error.busy;
                this.failedAt = isBusy || error instanceof Refused ? this.failedAt : performance.now();
                throw error;
            }
        });
    }

    /**
     * A channel that no job of this worker has, for a stranger: it gets few calls of the API, and after all others. One
     * that most endpoints deny does not exist, and one that most show does, with the least that they show where the
     * first one shows more than most. `from`: its address; `vote`: undefined if none shows it.
     */
    async readUnknown(
        channel: Buffer,
        terms: Terms,
        jobNumber: number,
        from: string,
    ): Promise<{ reading: ChannelReading; vote: ChannelVote | undefined }> {
        const endTurn = await this.turns.take(from);
        if (endTurn === undefined) {
            throw new ChannelUnreadable(new Error('too many unknown channels are read now'));
        }
        const chain = this.chain.as?.('stranger') ?? this.chain;
        const read = async () => {
            const reading = await this.reading(terms, jobNumber, async () => ({
                value: await chain.account(accountAddress(channel)),
                confirmed: false,
            })).catch((error: unknown) => {
                if (this.canVote && isOtherContract(error)) {
                    return error;
                }
                throw error;
            });
            if (reading instanceof Refused || (!reading.exists && this.canVote)) {
                return this.readHidden(channel, terms, jobNumber, reading);
            }
            if (!reading.exists) {
                return { reading, vote: undefined };
            }
            const { at, balance } = reading;
            const says: SaysNo = (snapshot) => snapshot === undefined || snapshot.balance < balance;
            const vote = await this.vote(channel, terms, jobNumber, { says, urgency: 'stranger' });
            if (vote.verdict !== 'denied') {
                return { reading, vote };
            }
            return this.asMostShow(vote) ?? { reading: { exists: false as const, confirmed: false, at }, vote };
        };
        return read().finally(endTurn);
    }

    /** The least of a channel that endpoints show if most do, and what they say of that; undefined if too few do. */
    private asMostShow({ words }: ChannelVote): { reading: ChannelReading; vote: ChannelVote } | undefined {
        const [minimal, ...more] = words
            .flatMap(({ snapshot }) => snapshot ?? [])
            .sort((one, other) => Number(one.balance - other.balance));
        if (minimal === undefined || !this.isMajority(1 + more.length)) {
            return undefined;
        }
        const ofMinimal = words.map((one) => (one.snapshot === undefined ? one : { ...one, word: 'yes' as const }));
        return { reading: { exists: true, confirmed: false, ...minimal }, vote: voteOf(ofMinimal) };
    }

    /**
     * {@link readUnknown} of one that the first endpoint does not show, or with other terms. A client whose channel is
     * called none leaves it, which costs it fees, and the node for a while: so it is not called none by the word of one
     * endpoint.
     */
    private async readHidden(
        channel: Buffer,
        terms: Terms,
        jobNumber: number,
        first: ChannelReading | Refused,
    ): Promise<{ reading: ChannelReading; vote: ChannelVote | undefined }> {
        const says: SaysNo = (snapshot) => snapshot === undefined;
        const vote = await this.vote(channel, terms, jobNumber, { says, urgency: 'stranger' });
        const agreed = this.asMostShow(vote);
        if (agreed === undefined && yesesIn(vote) > 0) {
            throw new ChannelUnreadable(new Error('the endpoints do not agree that the channel exists'));
        }
        if (agreed !== undefined) {
            return agreed;
        }
        if (first instanceof Refused) {
            throw first;
        }
        return { reading: first, vote: undefined };
    }

    /** The channel as each of the endpoints has it that shows it. */
    async readElsewhere(channel: Buffer, terms: Terms, jobNumber: number): Promise<ChannelSnapshot[]> {
        const read = async (source: AccountReader) => {
            const account = await source.account(accountAddress(channel));
            return account.state === 'active' ? [this.check(account, terms, jobNumber)] : [];
        };
        // One may not answer, or show another contract.
        const readings = await Promise.allSettled((this.chain.others ?? []).map(read));
        return readings.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    }

    /** True if there are several endpoints, so that what one says can be compared. */
    get canVote(): boolean {
        return (this.chain.others ?? []).length > 1;
    }

    /** True if so many are most of all endpoints. */
    isMajority(count: number): boolean {
        return 2 * count > (this.chain.others ?? []).length;
    }

    /**
     * What the endpoints say together by how they show the channel. `says`: no; `urgency`: a stranger asks for a new
     * channel, or a client is the cause.
     *
     * @throws {ChannelUnreadable} if strangers or clients use up the calls to so many that most are not heard
     */
    async vote(
        channel: Buffer,
        terms: Terms,
        jobNumber: number,
        { says, urgency }: { says: SaysNo; urgency: ReadingCause | 'stranger' },
    ): Promise<ChannelVote> {
        const { others = [] } = this.chain;
        const ask = async (source: UrgentReader) => {
            const reader = urgency === 'routine' ? source : (source.as?.(urgency) ?? source);
            const account = await reader.account(accountAddress(channel));
            const snapshot = account.state === 'active' ? this.tryCheck(account, terms, jobNumber) : undefined;
            return { word: says(snapshot) ? ('no' as const) : ('yes' as const), snapshot };
        };
        const answers = await answersInTime(others.map(ask));
        const reasons = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
        const busy = reasons.find((reason) => reason instanceof ChainError && reason.busy);
        if (busy !== undefined && urgency !== 'routine' && !this.isMajority(answers.length - reasons.length)) {
            throw new ChannelUnreadable(busy); // whoever causes many calls must not silence those that would say no
        }
        const words = answers.map((answer, i) => ({
            endpoint: others[i].name ?? `endpoint ${i + 1}`,
            ...(answer.status === 'fulfilled' ? answer.value : { word: undefined }),
        }));
        return voteOf(words);
    }

    /**
     * The channel as one of several endpoints shows it, or undefined: it shows none, or does not answer soon. `turn`:
     * the endpoints have turns, of which 0 is the first one's.
     */
    async readInTurn(
        turn: number,
        channel: Buffer,
        terms: Terms,
        jobNumber: number,
    ): Promise<ChannelSnapshot | undefined> {
        const { others = [] } = this.chain;
        if (others.length === 0) {
            return undefined;
        }
        try {
            const account = await answerSoon(others[turn % others.length].account(accountAddress(channel)));
            return account.state === 'active' ? this.check(account, terms, jobNumber) : undefined;
        } catch {
            return undefined;
        }
    }

    private async reading(
        terms: Terms,
        jobNumber: number,
        read: () => Promise<{ value: ChainAccount; confirmed: boolean }>,
    ): Promise<ChannelReading> {
        try {
            const { value: account, confirmed } = await read();
            return account.state === 'active'
                ? { exists: true, confirmed, ...this.check(account, terms, jobNumber) }
                : { exists: false, confirmed, at: account.at };
        } catch (error) {
            if (error instanceof Refused) {
                throw error;
            }
            throw new ChannelUnreadable(error);
        }
    }

    private tryCheck(...args: Parameters<Channels['check']>): ChannelSnapshot | undefined {
        try {
            return this.check(...args);
        } catch {
            return undefined;
        }
    }

    private check(account: ChainAccount, terms: Terms, jobNumber: number): ChannelSnapshot {
        const { code, data, balance, at } = account;
        if (code === undefined || !this.codes.some((accepted) => accepted.hash().equals(code.hash()))) {
            throw new Refused('wrong_channel', "This node does not accept the channel's code");
        }
        const channel = data && parsed(data);
        const { notice, voucherKey, payout } = terms;
        if (
            channel === undefined ||
            !channel.escrow.equals(accountAddress(terms.escrow)) ||
            !channel.voucherKey.equals(voucherKey) ||
            !channel.payout.equals(payout) ||
            channel.notice !== notice ||
            channel.job !== jobNumber
        ) {
            throw new Refused('wrong_channel', "The channel's data does not match the terms");
        }
        const { paid, refundAt } = channel;
        return { balance, paid, refundAt, at };
    }
}

/** The API did not answer, so the state of the channel is not known. */
export class ChannelUnreadable extends Refused {
    constructor(
        cause: unknown,
        message = 'The TON API of this node does not show the channel now: try again in a minute',
    ) {
        super('chain_down', message);
        this.cause = cause;
        this.name = 'ChannelUnreadable';
    }
}

/** True for what {@link Channels.read} throws if the endpoint shows another contract than that of the terms. */
export const isOtherContract = (error: unknown): error is Refused =>
    error instanceof Refused && !(error instanceof ChannelUnreadable);

function parsed(data: Cell): ReturnType<typeof loadChannelData> | undefined {
    try {
        return loadChannelData(data);
    } catch {
        return undefined;
    }
}
