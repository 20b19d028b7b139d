/** What happened on the local chain: transactions by step, and whether every nanoTON is accounted for. */
import { FAUCET_ADDRESS, Localnet, LoggedTransaction } from '@cocoon-market/localnet';
import { mTon } from '@cocoon-market/wrappers';
import { Address, Cell, loadTransaction } from '@ton/core';
import { Names, trace, traceText, TraceStep } from './trace';

/** A step of the demo: what it is called and what it cost on chain. */
export interface Step {
    name: string;
    gas: bigint;
    fees: bigint; // nanoTON
    rows: TraceStep[];
}

export class DemoLedger {
    readonly steps: Step[] = [];
    private position = 0;

    /** `names`: of accounts in the output, by their raw address; read at each step. */
    constructor(
        private readonly network: Localnet,
        private readonly names?: Names,
    ) {}

    /** Closes a step, which holds all transactions since the last one; returns it as text. */
    close(name: string): string {
        const logged = this.network.transactions.slice(this.position).filter((transaction) => !isMint(transaction));
        this.position = this.network.transactions.length;
        const rows = trace(logged.map(parsed), this.names);
        const step = { name, gas: sum(rows, 'gas'), fees: sum(rows, 'fees'), rows };
        this.steps.push(step);
        return `${traceText(rows)}\n${rows.length} transactions, ${step.gas} gas, ${mTon(step.fees)} mTON of fees`;
    }

    /** How many transactions there were, without those that made the coins. */
    get transactions(): number {
        return this.steps.reduce((total, { rows }) => total + rows.length, 0);
    }

    total(): { gas: bigint; fees: bigint } {
        const rows = this.steps.flatMap((step) => step.rows);
        return { gas: sum(rows, 'gas'), fees: sum(rows, 'fees') };
    }

    /** See {@link paidBy}. */
    paidBy(channel: Address, payout: Address): bigint {
        return paidBy(this.network.transactions, channel, payout);
    }

    /** See {@link isConserved}. */
    conserved(balanceOf: (address: Address) => Promise<bigint>): Promise<boolean> {
        return isConserved(this.network.transactions, balanceOf);
    }
}

/** All that a channel has paid to the payout in its life, nanoTON; what came with the claims is not counted. */
export function paidBy(transactions: readonly LoggedTransaction[], channel: Address, payout: Address): bigint {
    let [balance, paid] = [0n, 0n];
    for (const logged of transactions.filter(({ account }) => account === channel.toRawString())) {
        const balanceBefore = balance;
        const { totalFees, outMessages } = parsed(logged);
        const sent = outMessages.values().map(({ info }) => {
            return info.type === 'internal' ? info.value.coins + info.forwardFee : 0n;
        });
        balance += (logged.inMessage?.value ?? 0n) - totalFees.coins - sent.reduce((sum, value) => sum + value, 0n);
        if (logged.inMessage?.source === payout.toRawString()) {
            const toOthers = logged.outMessages.filter(({ destination }) => destination !== payout.toRawString());
            paid += balanceBefore - logged.storageFees - toOthers.reduce((sum, { value }) => sum + value, 0n) - balance;
        }
    }
    return paid;
}

/** True when all coins that were made are in an account or with the validators. */
export async function isConserved(
    transactions: readonly LoggedTransaction[],
    balanceOf: (address: Address) => Promise<bigint>,
): Promise<boolean> {
    const made = transactions.filter(isMint).reduce((total, { inMessage }) => total + (inMessage?.value ?? 0n), 0n);
    const fees = sum(trace(transactions.map(parsed)), 'fees');
    const accounts = [...new Set(transactions.map(({ account }) => account))];
    const balances = await Promise.all(accounts.map((account) => balanceOf(Address.parseRaw(account))));
    return made === fees + balances.reduce((total, balance) => total + balance, 0n);
}

function isMint({ inMessage }: LoggedTransaction): boolean {
    return inMessage?.source === FAUCET_ADDRESS.toRawString();
}

function parsed({ boc }: LoggedTransaction) {
    return loadTransaction(Cell.fromBase64(boc).beginParse());
}

function sum(rows: TraceStep[], field: 'gas' | 'fees'): bigint {
    return rows.reduce((total, row) => total + row[field], 0n);
}
