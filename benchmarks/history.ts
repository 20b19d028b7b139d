/**
 * What today's figures are, and what benchmarks/gas.json says they were: one entry per change, newest last, each with
 * the figures that it changed. The first entry has all of them; null takes one away.
 */
import { Cell } from '@ton/core';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { built, contractNames } from '../tooling/schema';
import { sizeOf } from '@cocoon-market/wrappers';
import type { LevelReport } from './report';

const FILE = join(__dirname, 'gas.json');

/**
 * Gas and fees (nanoTON) by operation at the prices of 2025, fees at those of 2026, gas by floor, cells and bits of
 * code by contract.
 */
const KINDS = ['gas', 'fees', 'fees2026', 'floors', 'cells', 'bits'] as const;
type Kind = (typeof KINDS)[number];
type Named<Value> = Record<string, Value>;

export type Figures = Record<Kind, Named<number>>;

export interface HistoryEntry extends Partial<Record<Kind, Named<number | null>>> {
    date: string; // YYYY-MM-DD, UTC
    reason: string;
}

export interface Change {
    kind: Kind;
    name: string;
    oldValue?: number;
    newValue?: number;
}

/** The figures of the reports of 2025 and 2026, and of the contracts as they are built. */
export function figuresOf(report: LevelReport, report2026: LevelReport): Figures {
    const { operations, floors } = report;
    const codes = contractNames().map((name) => [name, sizeOf(Cell.fromBoc(built(name, 'code.boc'))[0])] as const);
    return {
        gas: Object.fromEntries(Object.entries(operations).map(([name, { gas }]) => [name, Number(gas)])),
        fees: feesOf(report),
        fees2026: feesOf(report2026),
        floors: Object.fromEntries(Object.entries(floors).map(([name, gas]) => [name, Number(gas)])),
        cells: Object.fromEntries(codes.map(([name, { cells }]) => [name, Number(cells)])),
        bits: Object.fromEntries(codes.map(([name, { bits }]) => [name, Number(bits)])),
    };
}

function feesOf({ operations, rentPerYear, nodeRentPerYear, library }: LevelReport): Named<number> {
    return {
        ...Object.fromEntries(Object.entries(operations).map(([name, { fees }]) => [name, Number(fees)])),
        rent: Number(rentPerYear),
        rentOfNode: Number(nodeRentPerYear),
        rentOfLibrary: Number(library.rentPerYear),
    };
}

export function readHistory(): HistoryEntry[] {
    return JSON.parse(readFileSync(FILE, 'utf8')) as HistoryEntry[];
}

/** The figures as the last entry leaves them. */
export function latest(history: HistoryEntry[]): Figures {
    const of = (kind: Kind) => {
        const all = history.reduce<Named<number | null>>((sum, entry) => ({ ...sum, ...entry[kind] }), {});
        return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, number] => pair[1] !== null));
    };
    return {
        gas: of('gas'),
        fees: of('fees'),
        fees2026: of('fees2026'),
        floors: of('floors'),
        cells: of('cells'),
        bits: of('bits'),
    };
}

/** Every figure that is not what it was, new ones and lost ones included. */
export function changes(oldFigures: Figures, newFigures: Figures): Change[] {
    return KINDS.flatMap((kind) =>
        [...new Set([...Object.keys(oldFigures[kind]), ...Object.keys(newFigures[kind])])]
            .map((name) => ({ kind, name, oldValue: oldFigures[kind][name], newValue: newFigures[kind][name] }))
            .filter((change) => change.oldValue !== change.newValue),
    );
}

/** A change as people read it: `gas of claim: 9607 -> 9500`. */
export function changeText({ kind, name, oldValue, newValue }: Change): string {
    return `${kind} of ${name}: ${oldValue ?? 'none'} -> ${newValue ?? 'none'}`;
}

/** The entry that these changes make. */
export function entryOf(changed: Change[], date: string, reason: string): HistoryEntry {
    const of = (kind: Kind) => {
        const ofKind = changed.filter((change) => change.kind === kind);
        const figures = Object.fromEntries(ofKind.map(({ name, newValue }) => [name, newValue ?? null]));
        return ofKind.length === 0 ? {} : { [kind]: figures };
    };
    return Object.assign({ date, reason }, ...KINDS.map(of)) as HistoryEntry;
}

/** Writes down what changed since the newest entry. Returns the changes; throws when there are none, or no reason. */
export function record(today: Figures, reason: string, date = new Date()): Change[] {
    const history = readHistory();
    const changed = changes(latest(history), today);
    if (changed.length === 0) {
        throw new Error('Nothing changed since the newest entry of benchmarks/gas.json');
    }
    if (reason.trim() === '') {
        throw new Error('An entry needs a reason: npm run bench:gas -- --record "what changed"');
    }
    const entry = entryOf(changed, date.toISOString().slice(0, 10), reason.trim());
    writeFileSync(FILE, `${JSON.stringify([...history, entry], null, 4)}\n`);
    return changed;
}
