/**
 * `npm run coverage`: which instructions of the codes that ship the contracts' suite executes. Exits 1 below a floor,
 * or where an instruction that nothing executes is not listed with its reason; 2 for wrong flags.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readFlags } from './flags';
import { instructionsOf, reachable } from './proof/instructions';
import { codeOf, ContractName, CONTRACTS, FileRecord, record, records, ROOT } from './proof/records';

/** Reached in percent, at least: of each contract, whatever its own floor says. */
const MIN_PERCENT = 97;
const FLOORS = 'tests/proof/floors.json';
const UNREACHED = 'tests/proof/unreached.json';
const SHOWN = 8; // instructions of a block
const USAGE = `npm run coverage -- [--reuse] [--json] [FILES]
  FILES    records only these test files anew, and keeps what is recorded of the others; the whole suite unless given
  --reuse  records nothing, and reports on the last recording
  --json   one JSON object on standard output; what the tests print goes to standard error`;

/** Blocks of code of which no test executes some instructions, and why. */
export interface Unreached {
    contract: ContractName;
    /** The instructions, as the report prints them. */
    instructions: string;
    blocks: number;
    reason: string;
}

export interface ContractCoverage {
    contract: ContractName;
    /** Instructions that a run can come to. */
    reachable: number;
    executed: number;
    percent: number;
    /** Of each block what no test executes: the instructions, and how the block is found. */
    missing: { instructions: string; block: string }[];
}

/** What the recorded tests execute of a contract. */
export function coverageOf(contract: ContractName, recorded: FileRecord[]): ContractCoverage {
    const all = reachable(instructionsOf(codeOf(contract)));
    const executed = new Set(recorded.flatMap((file) => file.places(contract)));
    const strange = [...executed].filter((place) => !all.has(place));
    if (strange.length > 0) {
        throw new Error(`${contract}: ${strange[0]} was executed and is no instruction of its code; record anew`);
    }
    const blocks = new Map<string, string[]>();
    for (const [place, { block, name }] of all) {
        if (!executed.has(place)) {
            blocks.set(block, [...(blocks.get(block) ?? []), name]);
        }
    }
    return {
        ...{ contract, reachable: all.size, executed: executed.size },
        percent: Math.floor((executed.size / all.size) * 10_000) / 100,
        missing: [...blocks].map(([block, names]) => ({ instructions: shortened(names), block })),
    };
}

function shortened(names: string[]): string {
    const rest = names.length - SHOWN;
    return [...names.slice(0, SHOWN), ...(rest > 0 ? [`and ${rest} more`] : [])].join(' ');
}

/** What is wrong with a coverage, in sentences. */
export function breaches(
    list: ContractCoverage[],
    floors: Partial<Record<ContractName, number>>,
    unreached: Unreached[],
): string[] {
    return list.flatMap(({ contract, percent, missing }) => {
        const floor = Math.max(floors[contract] ?? 100, MIN_PERCENT);
        const listed = unreached.filter((each) => each.contract === contract);
        const found = missing.map(({ instructions }) => instructions);
        const all = [...new Set([...found, ...listed.map(({ instructions }) => instructions)])];
        return [
            ...(percent < floor ? [`${contract} is at ${percent} %, its floor is ${floor} %`] : []),
            ...all.flatMap((instructions) => {
                const count = found.filter((each) => each === instructions).length;
                const listedBlocks = listed.find((each) => each.instructions === instructions)?.blocks ?? 0;
                return count === listedBlocks
                    ? []
                    : [
                          `${contract}: no test executes ${instructions} in ${count} blocks, ${UNREACHED} has ${listedBlocks}`,
                      ];
            }),
        ];
    });
}

function read<T>(file: string): T {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as T;
}

function table(list: ContractCoverage[]): string {
    const rows = list.map(({ contract, reachable: all, executed, percent }) =>
        [contract, `${all}`, `${executed}`, `${percent.toFixed(2)} %`].map((cell, i) =>
            i === 0 ? cell.padEnd(12) : cell.padStart(12),
        ),
    );
    const head = ['contract    ', '   reachable', '    executed', '     percent'];
    return [head, ...rows].map((row) => row.join('')).join('\n');
}

interface Flags {
    paths: string[];
    reuse: boolean;
    json: boolean;
}

/** Undefined where only the usage is asked for; throws what is wrong with the flags. */
function flagsOf(args: string[]): Flags | undefined {
    const flag = { type: 'boolean', default: false } as const;
    const { values, positionals } = parseArgs({
        ...{ args, allowPositionals: true },
        options: { reuse: flag, json: flag, help: flag },
    });
    const { reuse, json, help } = values;
    if (reuse && positionals.length > 0) {
        throw new Error(`--reuse records nothing, so it takes no ${positionals[0]}`);
    }
    return help ? undefined : { paths: positionals, reuse, json };
}

function main(args: string[]): void {
    const flags = readFlags('coverage', USAGE, () => flagsOf(args));
    if (flags === undefined) {
        return;
    }
    const { paths, reuse, json } = flags;
    if (!reuse) {
        record(paths);
    }
    const recorded = records();
    console.error(`recorded test files: ${recorded.length}`);
    const list = CONTRACTS.map((contract) => coverageOf(contract, recorded));
    const wrong = breaches(list, read(FLOORS), read(UNREACHED));
    if (json) {
        console.log(JSON.stringify({ contracts: list, breaches: wrong }, undefined, 2));
    } else {
        console.log(table(list));
        for (const { contract, missing } of list) {
            missing.forEach(({ instructions, block }) => console.log(`${contract}: ${instructions} | ${block}`));
        }
    }
    wrong.forEach((each) => console.error(each));
    process.exitCode = wrong.length === 0 ? 0 : 1;
}

if (require.main === module) {
    try {
        main(process.argv.slice(2));
    } catch (error) {
        console.error(`coverage: ${(error as Error).message}`);
        process.exitCode = 1;
    }
}
