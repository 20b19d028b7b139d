/** What became of the mutants of a contract, in numbers, and what is wrong with that. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContractName, ROOT } from './records';
import { counts, Results } from './campaign';
import { Mutant, Operator, OPERATORS } from './mutants';

/** Of the mutants that are another contract, so many are killed, in percent. */
const MIN_PERCENT = 95;
export const SURVIVORS = 'tests/proof/survivors.json';

/** A mutant that no test kills. `equivalent`: none can, because it does what the original does. */
export interface Survivor {
    contract: ContractName;
    mutant: string;
    equivalent: boolean;
    reason: string;
}

export interface MutationReport {
    contract: ContractName;
    /** Mutants of its sources, and those of them that were tried. */
    mutants: number;
    tried: number;
    /** Tried ones that do not compile; whose code is that of the original; whose code is that of another mutant. */
    refused: number;
    same: number;
    duplicates: number;
    killed: number;
    /** Of the killed, those that never end. */
    endless: number;
    survived: number;
    /** Of the survived, those that do what the original does. */
    equivalent: number;
    /** Killed of all that are no equivalents. */
    percent: number;
    operators: Partial<Record<Operator, { killed: number; survived: number }>>;
    survivors: string[];
}

export function listed(): Survivor[] {
    return JSON.parse(readFileSync(join(ROOT, SURVIVORS), 'utf8')) as Survivor[];
}

/** The numbers of one contract, of those of `mutants` that were tried. */
export function reportOf(
    contract: ContractName,
    mutants: Mutant[],
    results: Results,
    survivors: Survivor[],
): MutationReport {
    const tried = mutants.flatMap(({ id }) => (results[id] === undefined ? [] : [{ id, ...results[id] }]));
    const of = (...outcomes: string[]) => tried.filter(({ outcome }) => outcomes.includes(outcome)).length;
    const lives = tried.filter(({ outcome }) => outcome === 'survived' || outcome === 'unseen').map(({ id }) => id);
    const equals = survivors.filter((each) => each.contract === contract && each.equivalent);
    const equivalent = lives.filter((id) => equals.some(({ mutant }) => mutant === id)).length;
    const killed = of('killed', 'endless');
    const operators = Object.keys(OPERATORS).flatMap((name) => {
        const own = tried.filter((each) => each.operator === name && counts(each));
        const survived = own.filter(({ id }) => lives.includes(id)).length;
        return own.length === 0 ? [] : [[name, { killed: own.length - survived, survived }]];
    });
    const different = killed + lives.length - equivalent;
    return {
        ...{ contract, mutants: mutants.length, tried: tried.length },
        ...{ refused: of('refused'), same: of('same'), duplicates: of('duplicate') },
        ...{ killed, endless: of('endless'), survived: lives.length, equivalent },
        percent: different === 0 ? 0 : Math.floor((killed / different) * 10_000) / 100,
        operators: Object.fromEntries(operators) as MutationReport['operators'],
        survivors: lives,
    };
}

/** What is wrong, in sentences. */
export function breaches(reports: MutationReport[], survivors: Survivor[]): string[] {
    return reports.flatMap(({ contract, percent, survivors: lives }) => {
        const reasons = survivors.filter((each) => each.contract === contract).map(({ mutant }) => mutant);
        return [
            ...(percent < MIN_PERCENT ? [`${contract}: ${percent} % of its mutants are killed`] : []),
            ...lives
                .filter((id) => !reasons.includes(id))
                .map((id) => `${contract}: no test kills ${id}; ${SURVIVORS} has no reason`),
        ];
    });
}

export function table(reports: MutationReport[]): string {
    const names = ['mutants', 'tried', 'refused', 'same', 'duplicates', 'killed', 'survived', 'equivalent'] as const;
    const rows = reports.map((report) => [
        report.contract,
        ...names.map((name) => `${report[name]}`),
        `${report.percent.toFixed(2)} %`,
    ]);
    return [['', ...names, 'killed'], ...rows]
        .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(10) : cell.padStart(11))).join(''))
        .join('\n');
}
