/** What validators take, nanoTON: real contracts in the sandbox, wallet v5r1, library code (benchmarks/gas.json). */
import { latest, readHistory } from '../history';

export type Level = '2025' | '2026';
export const LEVELS: readonly Level[] = ['2025', '2026'];

/** How often each operation happened. `orders[jobs]`: orders that opened so many jobs. */
export interface OperationCounts {
    orders: number[];
    leaves: number;
    leavesByOwner: number;
    refunds: number;
    wallets: number; // orders of workers' wallets
    claims: number; // but the last of a job
    lastClaims: number;
    priceChanges: number;
}

/** The largest order that the contract takes, and that was measured. */
const MAX_ORDER = 4;

/** Jobs that one node of a tree of references holds. */
const WIDTH = 4;

const GAS_PRICE = 400; // nanoTON, of 2025; those of 2026 are a sixth
const FORWARD_CELL = 40_000; // nanoTON for a cell of a message, of 2025

/**
 * A reference more in a larger order: the forward fee of a cell twice (as import and as what the escrow counts), and
 * gas. Assumed, because the contract has no such orders: 100 gas to load it, and 150 to go through its four references.
 */
const INNER_CELL = { fees: 2 * FORWARD_CELL + 250 * GAS_PRICE, gas: 250 };

export class Fees {
    private readonly fees: Record<string, number>;
    private readonly innerCell: number;

    constructor(level: Level) {
        const figures = latest(readHistory());
        this.fees = level === '2025' ? figures.fees : figures.fees2026;
        this.innerCell = level === '2025' ? INNER_CELL.fees : INNER_CELL.fees / 6;
    }

    /** An order for so many jobs. Beyond four it is a tree, which the contract does not take. */
    order(jobs: number): number {
        const each = (this.fees.openFour - this.fees.open) / (MAX_ORDER - 1);
        return this.fees.open + each * (jobs - 1) + innerCells(jobs) * this.innerCell;
    }

    /** What the client pays. */
    ofClient({ orders, leaves, leavesByOwner, refunds }: OperationCounts): number {
        const { leaveBySpendKey, leaveByOwner, refundAtEnd } = this.fees;
        const opened = orders.reduce((sum, count, jobs) => sum + (count > 0 ? count * this.order(jobs) : 0), 0);
        return opened + leaves * leaveBySpendKey + leavesByOwner * leaveByOwner + refunds * refundAtEnd;
    }

    /** What the providers pay for claims. An order of a wallet costs something besides its claims. */
    ofClaims({ wallets, claims, lastClaims }: OperationCounts): number {
        const { claim, claimInBatchOf10, closeOne, closeTen } = this.fees;
        const eachClaim = (claimInBatchOf10 - claim) / 9;
        const eachLast = (closeTen - closeOne) / 9;
        return wallets * (claim - eachClaim) + claims * eachClaim + lastClaims * eachLast;
    }

    /** What the providers pay for their nodes: changes of prices, and rent for so many days. */
    ofNodes({ priceChanges }: OperationCounts, nodes: number, days: number): number {
        return priceChanges * this.fees.changePrice + (nodes * days * this.fees.rentOfNode) / 365;
    }
}

/** Cells between an order and its jobs, if each holds four references. */
export function innerCells(jobs: number): number {
    const level = Math.ceil(jobs / WIDTH);
    return level <= 1 ? 0 : level + innerCells(level);
}

/** Jobs of the largest tree whose cells an escrow can look at with the gas that the network lends it. */
export function maxTree(gasCredit: number, gasUsed: number): number {
    let jobs = WIDTH;
    while (gasUsed + innerCells(jobs * 2) * INNER_CELL.gas <= gasCredit) {
        jobs *= 2;
    }
    return jobs;
}
