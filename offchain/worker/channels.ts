/**
 * What the worker knows of its jobs' channels. A channel's state is kept for a while, because all that can change for
 * the worse does so slowly: a claim moves money the worker counts to where it still counts it, and a client who leaves
 * gives notice.
 */
import { loadChannelData } from '@cocoon-market/wrappers';
import type { Terms } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Cell } from '@ton/core';
import type { Account, Chain } from '../chain';
import type { SeenChannel } from '../store/worker';
import { Refused } from './refusal';

/** A channel's account now: gone, or what it holds. */
export type ChannelState = { gone: true; at: number } | ({ gone: false } & SeenChannel);

/** The basechain address of an account. */
export function accountAddress(account: Buffer): Address {
    return new Address(0, account);
}

/** Reads channels and compares them with what terms say they are. */
export class Channels {
    private readonly gone = new Map<string, number>(); // channel -> when it first looked gone, unix seconds of the chain
    private readonly closed = new Set<string>();

    /** `codes`: the channel codes that this worker knows to be sound. */
    constructor(
        private readonly chain: Chain,
        readonly codes: readonly Cell[],
    ) {}

    /** Notes that a channel looks gone at `at`; says for how many seconds it has, each time it was looked at. */
    looksGone(channel: Buffer, at: number): number {
        const name = channel.toString('hex');
        const since = this.gone.get(name);
        this.gone.set(name, since ?? at);
        return since === undefined ? -1 : at - since;
    }

    isThere(channel: Buffer): void {
        this.gone.delete(channel.toString('hex'));
    }

    /** Notes that the wallet has sent its last claim. */
    closes(channel: Buffer): void {
        this.closed.add(channel.toString('hex'));
    }

    isClosed(channel: Buffer): boolean {
        return this.closed.has(channel.toString('hex'));
    }

    /** Forgets a channel whose job has ended. */
    ended(channel: Buffer): void {
        this.gone.delete(channel.toString('hex'));
        this.closed.delete(channel.toString('hex'));
    }

    /** True when a channel looked gone at the last look. */
    isGone(channel: Buffer): boolean {
        return this.gone.has(channel.toString('hex'));
    }

    /** The state of a job's channel. Throws {@link Refused} when it is not what the terms say. */
    async read(channel: Buffer, terms: Terms, jobNumber: number): Promise<ChannelState> {
        const account = await this.account(accountAddress(channel));
        return account.state === 'active'
            ? { gone: false, ...this.check(account, terms, jobNumber) }
            : { gone: true, at: account.at };
    }

    private async account(address: Address): Promise<Account> {
        try {
            return await this.chain.account(address);
        } catch (error) {
            throw new ChannelUnreadable(error);
        }
    }

    private check(account: Account, terms: Terms, jobNumber: number): SeenChannel {
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
        return { there: balance, paid, refundAt, at };
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
