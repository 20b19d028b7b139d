/** What happened on the local chain: transactions by step, balances by party, and whether every nanoTON is accounted for. */
import { mTon, Names, trace, traceText, TraceStep } from '@cocoon-market/wrappers';
import { Address, Cell, loadTransaction } from '@ton/core';
import { FAUCET_ADDRESS, Localnet, LoggedTransaction } from '@cocoon-market/localnet';

/** A step of the demo: what it is called and what it cost on chain. */
export interface Step {
    name: string;
    gas: bigint;
    fees: bigint; // nanoTON
}

export class DemoLedger {
    readonly steps: Step[] = [];
    private readonly names = new Map<string, string>();
    private seen = 0;

    constructor(private readonly network: Localnet) {}

    /** Gives an account the name by which it is shown. */
    name(address: Address, name: string): void {
        this.names.set(address.toRawString(), name);
    }

    /** Closes a step: all transactions since the last one are its own. Returns them for a terminal. */
    close(name: string): { text: string; step: Step } {
        const logged = this.network.transactions.slice(this.seen).filter(({ inMessage }) => !isMint(inMessage));
        this.seen = this.network.transactions.length;
        const rows = trace(logged.map(parsed), this.names as Names);
        const step = { name, gas: sum(rows, 'gas'), fees: sum(rows, 'fees') };
        this.steps.push(step);
        const total = `${logged.length} transactions, ${step.gas} gas, ${mTon(step.fees)} mTON of fees`;
        return { text: `${traceText(rows)}\n${total}`, step };
    }

    /** Transactions of all steps, without those that made the coins. */
    get transactions(): number {
        return this.network.transactions.filter(({ inMessage }) => !isMint(inMessage)).length;
    }

    /** True when what was made equals what all accounts hold and what validators took. */
    async conserved(balanceOf: (address: Address) => Promise<bigint>): Promise<boolean> {
        const made = this.network.transactions
            .filter(({ inMessage }) => isMint(inMessage))
            .reduce((total, { inMessage }) => total + (inMessage?.value ?? 0n), 0n);
        const taken = sum(trace(this.network.transactions.map(parsed)), 'fees');
        const accounts = [...new Set(this.network.transactions.map(({ account }) => account))];
        const balances = await Promise.all(accounts.map((account) => balanceOf(Address.parseRaw(account))));
        return made === taken + balances.reduce((total, balance) => total + balance, 0n);
    }
}

function isMint(message: LoggedTransaction['inMessage']): boolean {
    return message?.source === FAUCET_ADDRESS.toRawString();
}

function parsed({ boc }: LoggedTransaction) {
    return loadTransaction(Cell.fromBase64(boc).beginParse());
}

function sum(rows: TraceStep[], field: 'gas' | 'fees'): bigint {
    return rows.reduce((total, row) => total + row[field], 0n);
}
