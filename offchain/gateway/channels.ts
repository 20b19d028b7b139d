/** What the chain says of the channels of jobs. */
import { loadChannelData } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { answersOf, ChainAccount, Chain, Confirmer, CONFIRM_READS } from '../chain';
import { holdsDeposit } from '../link';

const SOON_READS = 10; // while an end is waited for that was asked for
const DUE = 'due';

type ChannelData = ReturnType<typeof loadChannelData>;

/**
 * What the chain says of a job's channel. A message that takes money out of sight is `unclear` until it was confirmed:
 * that the account is gone, or has paid more than was ever signed. `due`: the time of the refund has come.
 * `dueConfirmed`: several readings agree, and every endpoint that answers.
 */
export type ChannelView =
    | ({ type: 'active'; due: boolean; dueConfirmed: boolean; balance: bigint; at: number } & ChannelData)
    | { type: 'ended' }
    | { type: 'unclear'; message: string };

/** A job's channel and the most that it can have paid, nanoTON; undefined where that is not known. */
export interface PaidChannel {
    channel: Address;
    maxPaid: bigint | undefined;
}

/** What one endpoint says of a channel. */
export interface ShownChannel {
    isActive: boolean;
    balance: bigint; // nanoTON
    due: boolean; // the time of its refund has come
    isLeft: boolean | undefined; // its refund is no farther than the notice; undefined unless it is active
}

export class JobChannels {
    private readonly slow: Confirmer;
    private readonly fast: Confirmer;

    /** `confirmSeconds`: see the configuration; `now`: seconds of the clock that it is measured with. */
    constructor(
        private readonly chain: Chain,
        { confirmSeconds, pollMs, now }: { confirmSeconds: number; pollMs: number; now?: () => number },
    ) {
        // A refund that comes too early costs a fee, so an endpoint that is down keeps none of this gateway's money.
        const silentAgree = (finding: string | undefined) => finding === DUE;
        const soon = ((SOON_READS - 1) * pollMs) / 1000;
        this.slow = new Confirmer(chain, { reads: CONFIRM_READS, seconds: confirmSeconds, silentAgree }, now);
        this.fast = new Confirmer(chain, { reads: SOON_READS, seconds: soon, silentAgree });
    }

    /** The channel as the chain has it. What the chain says for `confirmSeconds` is confirmed. */
    read(channel: PaidChannel): Promise<ChannelView> {
        return readWith(this.slow, channel);
    }

    /** What each of several endpoints says of a channel now; nothing is confirmed. Of one endpoint that is nothing. */
    compare(channel: Address): Promise<ShownChannel[]> {
        return answersOf(this.chain, async (one) => {
            const { state, balance, data, at } = await one.account(channel);
            if (state !== 'active' || data === undefined) {
                return { isActive: false, balance, due: false, isLeft: undefined };
            }
            const { refundAt, notice } = loadChannelData(data);
            return { isActive: true, balance, due: at >= refundAt, isLeft: refundAt <= at + notice };
        });
    }

    /**
     * True if a channel exists that was believed not to: as the first endpoint says, and most of several. `deposit`:
     * nanoTON of its order, which most of several must show there.
     */
    async hasAppeared(channel: Address, deposit = 0n): Promise<boolean> {
        if ((await this.read({ channel, maxPaid: undefined })).type !== 'active') {
            return false;
        }
        const views = await this.compare(channel);
        const shows = ({ isActive, balance }: ShownChannel) => isActive && holdsDeposit(balance, deposit);
        return views.length === 0 || views.filter(shows).length * 2 > views.length;
    }

    /** The channel while an end is waited for that was asked for: what the chain says in ten polls is confirmed. */
    readSoon(channel: PaidChannel): Promise<ChannelView> {
        return readWith(this.fast, channel);
    }
}

async function readWith(confirmed: Confirmer, { channel, maxPaid }: PaidChannel): Promise<ChannelView> {
    const messageOf = (account: ChainAccount): string | undefined => {
        if (account.state !== 'active' || account.data === undefined) {
            return 'ended';
        }
        const { paid, refundAt } = loadChannelData(account.data);
        if (maxPaid !== undefined && paid > maxPaid) {
            return `it has paid ${paid} nanoTON, more than was signed`;
        }
        return account.at >= refundAt ? DUE : undefined;
    };
    const reading = await confirmed.read(channel, messageOf);
    const { value: account, finding: message } = reading;
    if (message !== undefined && message !== DUE && !reading.confirmed) {
        return { type: 'unclear', message };
    }
    if (account.data === undefined || message === 'ended') {
        return { type: 'ended' };
    }
    const data = loadChannelData(account.data);
    const due = account.at >= data.refundAt;
    const { balance, at } = account;
    return { type: 'active', due, dueConfirmed: due && reading.confirmed, balance, at, ...data };
}
