/** The arithmetic of one job's money, as the client counts it. Pure: no clock, no network, no disk. */
import { payEvery } from '../link';

/** What a voucher says, without its signature. */
export interface VoucherAmounts {
    cumulative: bigint; // nanoTON since the job began
    count: number; // results 1 to count all arrived
}

/** A verified result's place in its job. */
export interface ResultEntry {
    index: number; // 1, 2, 3 ... in the node's order of signing
    price: bigint; // nanoTON
    cumulative: bigint; // nanoTON, of all results up to this index
}

export class Ledger {
    private settled = 0n; // nanoTON of all verified results
    private readonly meters = new Map<number, bigint>(); // nanoTON of running queries by number
    private metered = 0n; // nanoTON, the sum of them
    private last: { index: number; cumulative: bigint } = { index: 0, cumulative: 0n };
    private readonly aboveGap = new Map<number, ResultEntry>(); // results, by index
    private paid: VoucherAmounts = { cumulative: 0n, count: 0 };

    /** The newest voucher's amounts: what is paid already. They never fall. */
    get voucher(): VoucherAmounts {
        return this.paid;
    }

    /** nanoTON of every query so far: the price of a verified result, else its meter. */
    get total(): bigint {
        return this.settled + this.metered;
    }

    /** nanoTON of verified results alone. */
    get results(): bigint {
        return this.settled;
    }

    /** Results that arrived together with every result before them. */
    get count(): number {
        return this.last.index;
    }

    /** How many results were verified. */
    get verified(): number {
        return this.last.index + this.aboveGap.size;
    }

    /** nanoTON owed and not yet under a voucher; 0 while credit of a failed query lasts. */
    get unpaid(): bigint {
        const unpaid = this.total - this.paid.cumulative;
        return unpaid > 0n ? unpaid : 0n;
    }

    /** Takes a running query's meter in nanoTON; a lower one changes nothing. */
    raiseMeter(number: number, price: bigint): void {
        const meter = this.meterOf(number);
        if (price > meter) {
            this.meters.set(number, price);
            this.metered += price - meter;
        }
    }

    /** nanoTON that a running query's meter says. */
    meterOf(number: number): bigint {
        return this.meters.get(number) ?? 0n;
    }

    /** Why a result does not fit its neighbours; undefined when it does. */
    objection({ index, price, cumulative }: ResultEntry): string | undefined {
        if (index <= this.last.index || this.aboveGap.has(index)) {
            return `another result already has index ${index}`;
        }
        const below = index === this.last.index + 1 ? this.last : this.aboveGap.get(index - 1);
        if (below !== undefined && below.cumulative + price !== cumulative) {
            return `its cumulative is not that of result ${index - 1} plus its price`;
        }
        const above = this.aboveGap.get(index + 1);
        if (above !== undefined && cumulative + above.price !== above.cumulative) {
            return `its cumulative plus the price of result ${index + 1} is not the cumulative of that result`;
        }
        return cumulative - price < this.last.cumulative
            ? 'its cumulative is below that of an earlier result'
            : undefined;
    }

    /** nanoTON that would be unpaid if a query that has a meter, or none, cost `price`. */
    unpaidWith(number: number, price: bigint): bigint {
        return this.total - this.meterOf(number) + price - this.paid.cumulative;
    }

    /** Takes a verified result in place of the query's meter. */
    addResult(number: number, entry: ResultEntry): void {
        this.dropMeter(number);
        this.settled += entry.price;
        this.aboveGap.set(entry.index, entry);
        for (let next = this.aboveGap.get(this.last.index + 1); next; next = this.aboveGap.get(this.last.index + 1)) {
            this.aboveGap.delete(next.index);
            this.last = next;
        }
    }

    /** nanoTON that a query without a price was paid by its meter: a budget counts what was paid, not what is owed. */
    paidFor(number: number): bigint {
        const meter = this.meterOf(number);
        const above = this.paid.cumulative - this.settled;
        return above <= 0n ? 0n : above < meter ? above : meter;
    }

    /** A query ended without a price; what was paid for its meter stays as credit. */
    dropMeter(number: number): void {
        this.metered -= this.meterOf(number);
        this.meters.delete(number);
    }

    /** What the next voucher says: neither number is ever below that of the last one. */
    nextVoucher(): VoucherAmounts {
        const { total, count, paid } = this;
        return {
            cumulative: total > paid.cumulative ? total : paid.cumulative,
            count: count > paid.count ? count : paid.count,
        };
    }

    /** True when the next voucher would say more than the last. */
    get hasGrown(): boolean {
        const { cumulative, count } = this.nextVoucher();
        return cumulative > this.paid.cumulative || count > this.paid.count;
    }

    /** True when a quarter of a step is unpaid: then a voucher is due although no result arrived. */
    isDue(step: bigint): boolean {
        const due = payEvery(step);
        return this.unpaid > 0n && this.unpaid >= due;
    }

    /** Takes the amounts of the newest voucher. */
    setVoucher(amounts: VoucherAmounts): void {
        if (amounts.cumulative < this.paid.cumulative || amounts.count < this.paid.count) {
            throw new RangeError('A voucher never says less than the one before');
        }
        this.paid = amounts;
    }
}
