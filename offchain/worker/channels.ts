/**
 * What the worker knows of its jobs' channels. A channel's state is kept for a while, because all that can change for
 * the worse does so slowly: a claim moves money the worker counts to where it still counts it, and a client who leaves
 * gives notice.
 */
import { loadChannelData } from '@cocoon-market/wrappers';
import type { Terms } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Cell } from '@ton/core';
import { CONFIRM_READS, Confirmer } from '../chain';
import type { AccountState, AccountReader } from '../chain';
import type { ChannelSnapshot } from '../store/worker';
import { Turns } from '../process/doors';
import { Refused } from './refusal';

/** A channel's account now. `confirmed`: what it takes out of sight was said again and again, and elsewhere. */
export type ChannelState = { confirmed: boolean } & ({ gone: true; at: number } | ({ gone: false } & ChannelSnapshot));

/** The basechain address of an account. */
export function accountAddress(account: Buffer): Address {
    return new Address(0, account);
}

const MAX_UNKNOWN = 8; // channels of strangers that are read at once; as many wait

/** Reads channels and compares them with what terms say they are. */
export class Channels {
    private readonly words: Confirmer;
    private readonly unknown = new Turns(MAX_UNKNOWN);

    /**
     * `codes`: the channel codes that this worker knows to be sound; `goneSeconds`: for how long a word that takes money out
     * of sight must be said; `now`: seconds of a clock that nobody sets.
     */
    constructor(
        private readonly chain: AccountReader & { as?(urgency: 'stranger'): AccountReader },
        readonly codes: readonly Cell[],
        goneSeconds: number,
        now: () => number,
    ) {
        this.words = new Confirmer(chain, { reads: CONFIRM_READS, seconds: goneSeconds }, now);
    }

    /** Forgets what was said of a channel whose job has ended. */
    ended(channel: Buffer): void {
        this.words.forget(accountAddress(channel));
    }

    /**
     * The state of a job's channel, which has surely paid `sure` nanoTON. Throws {@link Refused} when it is not what the
     * terms say, and {@link ChannelUnreadable}.
     */
    async read(channel: Buffer, terms: Terms, jobNumber: number, sure = 0n): Promise<ChannelState> {
        const findingOf = (account: AccountState): string | undefined => {
            const paid = account.state === 'active' ? this.check(account, terms, jobNumber).paid : undefined;
            return paid === undefined ? 'gone' : paid > sure ? `paid ${paid}` : undefined;
        };
        try {
            const { account, confirmed } = await this.words.read(accountAddress(channel), findingOf);
            return account.state === 'active'
                ? { gone: false, confirmed, ...this.check(account, terms, jobNumber) }
                : { gone: true, confirmed, at: account.at };
        } catch (error) {
            throw error instanceof Refused ? error : new ChannelUnreadable(error);
        }
    }

    /** A channel that no job of this worker has, for somebody unknown: it gets few calls of the API, and after all others. */
    async readUnknown(channel: Buffer, terms: Terms, jobNumber: number): Promise<ChannelState> {
        const done = await this.unknown.take();
        if (done === undefined) {
            throw new ChannelUnreadable(new Error('too many unknown channels are read now'));
        }
        try {
            const chain = this.chain.as?.('stranger') ?? this.chain;
            const account = await chain.account(accountAddress(channel));
            return account.state === 'active'
                ? { gone: false, confirmed: false, ...this.check(account, terms, jobNumber) }
                : { gone: true, confirmed: false, at: account.at };
        } catch (error) {
            throw error instanceof Refused ? error : new ChannelUnreadable(error);
        } finally {
            done();
        }
    }

    private check(account: AccountState, terms: Terms, jobNumber: number): ChannelSnapshot {
        const { code, data, balance, at } = account;
        if (code === undefined || !this.codes.some((known) => known.hash().equals(code.hash()))) {
            throw new Refused('wrong_channel', "The channel's code is none that this node accepts");
        }
        const found = data && parsed(data);
        const { notice, voucherKey, payout } = terms;
        if (
            found === undefined ||
            !found.escrow.equals(accountAddress(terms.escrow)) ||
            !found.voucherKey.equals(voucherKey) ||
            !found.payout.equals(payout) ||
            found.notice !== notice ||
            found.job !== jobNumber
        ) {
            throw new Refused('wrong_channel', "The channel's data is not what the terms say");
        }
        const { paid, refundAt } = found;
        return { balance: balance, paid, refundAt, at };
    }
}

/** The API did not answer, so nothing is known of the channel. */
export class ChannelUnreadable extends Error {
    constructor(cause: unknown) {
        super('The channel cannot be read now', { cause });
        this.name = 'ChannelUnreadable';
    }
}

function parsed(data: Cell): ReturnType<typeof loadChannelData> | undefined {
    try {
        return loadChannelData(data);
    } catch {
        return undefined;
    }
}
