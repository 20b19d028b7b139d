/** The chain as gateway and worker meet it: blocks, stalls, and the life of an order. Times are seconds. */
import { HOUR, type Model } from './model';
import { isOrderTaken } from './rules';

/** When an order was taken and its channels were seen, or when it was found to have lapsed. */
interface OrderFate {
    isTaken: boolean;
    at: number; // when the block was made that took it, or that could not
    seenAt: number; // when the gateway knows
}

export class SimulatedChain {
    private readonly stalls: { from: number; to: number }[];

    constructor(private readonly model: Model) {
        const { stallHours, stallSeconds } = model.chain;
        this.stalls = stallHours.map((hour) => ({ from: hour * HOUR, to: hour * HOUR + stallSeconds }));
    }

    isStalled(at: number): boolean {
        return this.stallAt(at) !== undefined;
    }

    /** True if a stall has any part of this time. */
    isStalledBetween(from: number, to: number): boolean {
        return this.stalls.some((stall) => stall.from < to && from < stall.to);
    }

    /** The chain's own time: that of its newest block. */
    time(at: number): number {
        return this.stallAt(at)?.from ?? at;
    }

    /**
     * What becomes of an order that the gateway begins now: it reads the account, sends, and asks at intervals. The
     * next block takes the order, and the one after it deploys the channels. `validUntil` follows from the time of the
     * chain, so an order of a stall has lapsed when the stall ends after more seconds than it is valid.
     */
    order(now: number): OrderFate {
        const { blockSeconds, apiSeconds, pollSeconds } = this.model.chain;
        const sentAt = now + 2 * apiSeconds;
        const at = this.nextBlock(sentAt) + blockSeconds;
        const isTaken = isOrderTaken(at, this.time(now) + this.model.order.validSeconds);
        const visible = this.nextBlock(isTaken ? at + blockSeconds : at);
        const polls = wholeUp((visible - sentAt) / pollSeconds);
        return { isTaken, at, seenAt: sentAt + polls * pollSeconds + apiSeconds };
    }

    private nextBlock(at: number): number {
        const { blockSeconds } = this.model.chain;
        const next = wholeUp(at / blockSeconds) * blockSeconds;
        return this.stallAt(next)?.to ?? next;
    }

    private stallAt(at: number): { from: number; to: number } | undefined {
        return this.stalls.find(({ from, to }) => at >= from && at < to);
    }
}

/** Rounded up, except what is above a whole number only because of binary fractions. */
const wholeUp = (value: number): number => Math.ceil(value - 1e-6);
