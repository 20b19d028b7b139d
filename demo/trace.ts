/** Chains of transactions as people read them: who sent what to whom, with names, values, gas, fees and outcomes. */
import { errorName, formatTon, mTon, numberToHex, opcodeName, tags } from '@cocoon-market/wrappers';
import { Cell, Message, Transaction } from '@ton/core';

/** Names of accounts by their raw address; one that is missing is shown by the beginning of its address. */
export type Names = ReadonlyMap<string, string>;

/** One transaction. `fees` (nanoTON) is all that validators took for it, its message's forward fee included. */
export interface TraceStep {
    from: string;
    to: string;
    message: string;
    value: bigint | null; // nanoTON; null for a message from outside
    gas: bigint;
    fees: bigint; // nanoTON
    ok: boolean;
    outcome: string; // 'ok', or what went wrong, such as `ErrNothingNew (1012)`
}

const EXTERNAL_NAMES = new Map([
    [tags.TagOpenJobs, 'OpenJobs'],
    [tags.TagJobOrder, 'JobOrder'],
]);

const BOUNCED = 0xffffffff;

/** The steps of a list of transactions, in its order. */
export function trace(transactions: readonly Transaction[], names: Names = new Map()): TraceStep[] {
    return transactions.map((transaction) => step(transaction, names));
}

function nameOf(names: Names, raw: string): string {
    return names.get(raw) ?? `${raw.slice(0, raw.indexOf(':') + 7)}…`;
}

function step(transaction: Transaction, names: Names): TraceStep {
    const { inMessage, description, totalFees } = transaction;
    const info = inMessage?.info;
    const compute = 'computePhase' in description ? description.computePhase : undefined;
    const carried = info?.type === 'internal' ? info.forwardFee : 0n;
    const outcome = outcomeOf(transaction);
    return {
        from: info?.type === 'internal' ? nameOf(names, info.src.toRawString()) : 'outside',
        to: nameOf(names, `0:${numberToHex(transaction.address)}`),
        message: inMessage === undefined || inMessage === null ? 'tick' : messageName(inMessage),
        value: info?.type === 'internal' ? info.value.coins : null,
        gas: compute?.type === 'vm' ? compute.gasUsed : 0n,
        fees: totalFees.coins + carried,
        ok: outcome === 'ok',
        outcome,
    };
}

const NOT_RUN = {
    'no-state': 'nobody there',
    'bad-state': 'wrong state',
    'no-gas': 'too little value to run',
    suspended: 'suspended',
};

function outcomeOf({ description }: Transaction): string {
    if (description.type !== 'generic') {
        return 'ok';
    }
    if (description.computePhase.type === 'skipped') {
        return description.bouncePhase ? NOT_RUN[description.computePhase.reason] : 'ok';
    }
    const { computePhase, actionPhase } = description;
    if (computePhase.exitCode > 1 || !computePhase.success) {
        return errorName(computePhase.exitCode);
    }
    return actionPhase && !actionPhase.success ? errorName(actionPhase.resultCode) : 'ok';
}

/**
 * What a message is: the name of its opcode, `bounced X`, `deploy`, `transfer`, what kind of order is outside, or
 * `unreadable`, which strangers send.
 */
export function messageName({ info, body, init }: Message): string {
    if (body.isExotic) {
        return 'unreadable';
    }
    const slice = body.beginParse();
    if (info.type === 'external-in') {
        const order = body.refs[0] && firstWord(body.refs[0]);
        return (order === undefined ? undefined : EXTERNAL_NAMES.get(order)) ?? 'external';
    }
    const opcode = slice.remainingBits >= 32 ? slice.loadUint(32) : undefined;
    if (opcode === BOUNCED) {
        return slice.remainingBits >= 32 ? `bounced ${opcodeName(slice.loadUint(32))}` : 'bounced transfer';
    }
    if (opcode === 0) {
        return 'comment';
    }
    if (opcode === undefined) {
        return init ? 'deploy' : 'transfer';
    }
    return opcodeName(opcode);
}

function firstWord(cell: Cell): number | undefined {
    return !cell.isExotic && cell.bits.length >= 32 ? cell.beginParse().loadUint(32) : undefined;
}

/** Lines for a terminal, columns aligned. */
export function traceText(steps: readonly TraceStep[]): string {
    const rows = steps.map(({ from, to, message, value, gas, fees, outcome }) => [
        `${from} → ${to}`,
        message,
        value === null ? '' : `${formatTon(value)} TON`,
        `${gas} gas`,
        `${mTon(fees)} mTON`,
        outcome === 'ok' ? '' : `✗ ${outcome}`,
    ]);
    const widths = rows.reduce<number[]>((max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, cell.length)), []);
    return rows
        .map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
        .map((line) => line.trimEnd())
        .join('\n');
}
