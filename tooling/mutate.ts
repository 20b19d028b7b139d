/**
 * `npm run mutate`: changes the sources of the contracts in one place at a time and asks whether a test notices. Needs
 * what `npm run coverage` recorded. `-- --help` shows the flags. Exits 1 if too few are killed, 2 for wrong flags.
 */
import { parseArgs } from 'node:util';
import { coverageOf } from './coverage';
import { readFlags } from './flags';
import { ContractName, CONTRACTS, records } from './proof/records';
import { campaign, counts, storedResults, Results, shuffled } from './proof/campaign';
import { Compiler } from './proof/compiler';
import { breaches, listed, MutationReport, reportOf, table } from './proof/report';

const USAGE = `npm run mutate [-- flags]
  --contract NAME  of this contract only; may be given more than once
  --limit N        of each contract, so many that are another code; all by default
  --seed S         which come first; random by default
  --resume         takes over what is known from runs before
  --survivors      asks again about those that survived before, and no others
  --report         asks about none, and says what is known
  --workers N      processes, 1 by default
  --json           prints one object`;

interface Flags {
    contracts: ContractName[];
    limit: number;
    seed: number;
    workers: number;
    resume: boolean;
    survivors: boolean;
    report: boolean;
    json: boolean;
}

/** Undefined where only the usage is asked for; throws what is wrong with the flags. */
function flagsOf(args: string[]): Flags | undefined {
    const flag = { type: 'boolean', default: false } as const;
    const { values } = parseArgs({
        args,
        options: {
            contract: { type: 'string', multiple: true, default: [...CONTRACTS] },
            limit: { type: 'string', default: `${Number.MAX_SAFE_INTEGER}` },
            seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
            workers: { type: 'string', default: '1' },
            ...{ resume: flag, survivors: flag, report: flag, json: flag, help: flag },
        },
    });
    const whole = (name: 'limit' | 'seed' | 'workers') => {
        if (!/^\d+$/.test(values[name])) {
            throw new Error(`--${name} takes a whole number, not ${values[name]}`);
        }
        return Number(values[name]);
    };
    const contracts = values.contract.map((name) => {
        const contract = CONTRACTS.find((each) => each === name);
        if (contract === undefined) {
            throw new Error(`--contract takes one of ${CONTRACTS.join(', ')}, not ${name}`);
        }
        return contract;
    });
    const { resume, survivors, report, json } = values;
    return values.help
        ? undefined
        : {
              ...{ contracts, limit: whole('limit'), seed: whole('seed'), workers: whole('workers') },
              ...{ resume, survivors, report, json },
          };
}

async function reportFor(contract: ContractName, flags: Flags): Promise<MutationReport> {
    const mutants = shuffled(new Compiler(contract).mutants(), flags.seed);
    const results = flags.resume || flags.survivors || flags.report ? storedResults(contract) : {};
    if (!flags.report) {
        const again = flags.survivors ? mutants.filter(({ id }) => isSurvivor(results, id)) : mutants;
        again.forEach(({ id }) => {
            if (flags.survivors) {
                delete results[id];
            }
        });
        const limit = flags.survivors ? again.length : flags.limit;
        await campaign(contract, again, { limit, workers: flags.workers, results, say: console.error });
    }
    return reportOf(contract, mutants, results, listed());
}

function isSurvivor(results: Results, id: string): boolean {
    const result = results[id];
    return result !== undefined && counts(result) && !['killed', 'endless'].includes(result.outcome);
}

/** Without a recording of this very code no test would be found for any mutant. */
function requireRecording(contracts: ContractName[]): void {
    const recorded = records();
    const unrecorded = contracts.find((contract) => coverageOf(contract, recorded).executed === 0);
    if (unrecorded !== undefined) {
        throw new Error(`Nothing is recorded of the code of ${unrecorded}: npm run coverage`);
    }
}

async function main(args: string[]): Promise<void> {
    const flags = readFlags('mutate', USAGE, () => flagsOf(args));
    if (flags === undefined) {
        return;
    }
    console.error(`seed ${flags.seed}`);
    if (!flags.report) {
        requireRecording(flags.contracts);
    }
    const reports: MutationReport[] = [];
    for (const contract of flags.contracts) {
        reports.push(await reportFor(contract, flags));
    }
    const wrong = breaches(reports, listed());
    console.log(
        flags.json
            ? JSON.stringify({ seed: flags.seed, contracts: reports, breaches: wrong }, undefined, 2)
            : table(reports),
    );
    wrong.forEach((each) => console.error(each));
    process.exitCode = wrong.length === 0 ? 0 : 1;
}

main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(`mutate: ${(error as Error).message}`);
    process.exitCode = 1;
});
