/** A process of `npm run mutate`: compiles one mutant after another and runs the tests that can tell it apart. */
import { ContractName, records } from './records';
import { Compiler } from './compiler';
import { Mutant } from './mutants';
import { Selection } from './selection';
import { Suite } from './suite';

/** What is asked. */
export interface MutantTask {
    contract: ContractName;
    mutant: Mutant;
    /** Codes whose end is known, by their hashes: the same code is not run twice. */
    codes: string[];
}

/**
 * What is answered. `refused`: it does not compile. `same`: the code is that of the original. `duplicate`: the code is
 * that of a mutant of before. `endless`: a test did not end. `unseen`: no test executes what differs.
 */
export interface MutantAnswer {
    outcome: 'refused' | 'same' | 'duplicate' | 'killed' | 'endless' | 'survived' | 'unseen';
    /** Hash of the code. */
    code?: string;
    /** The test that failed. */
    by?: string;
    /** Tests that ran. */
    ran?: number;
}

/** Says that a file of tests begins, so that the parent knows that the process lives. */
export interface Beginning {
    begins: string;
}

const files = records();
const compilers = new Map<ContractName, { compiler: Compiler; selection: Selection }>();
const confirmed = new Set<string>();
let suite: Suite | undefined;

async function answer({ contract, mutant, codes }: MutantTask): Promise<MutantAnswer> {
    let tools = compilers.get(contract);
    if (tools === undefined) {
        tools = { compiler: new Compiler(contract), selection: new Selection(contract, files) };
        compilers.set(contract, tools);
    }
    const compiled = await tools.compiler.compile(mutant);
    if (compiled.kind !== 'changed') {
        return { outcome: compiled.kind };
    }
    const code = compiled.code.hash().toString('hex');
    if (codes.includes(code)) {
        return { outcome: 'duplicate', code };
    }
    const chosen = tools.selection.of(compiled.code, mutant.file);
    suite ??= await Suite.create();
    let ran = 0;
    for (const { file, tests } of chosen) {
        process.send!({ begins: file } satisfies Beginning);
        const outcome = await suite.run(file, { contract, code: compiled.code, tests });
        ran += outcome.ran;
        if (outcome.failed !== undefined) {
            tools.selection.killed(file, mutant.file);
            if (!outcome.endless) {
                await confirm(contract, file, outcome.failed);
            }
            return { outcome: outcome.endless ? 'endless' : 'killed', code, by: `${file}: ${outcome.failed}`, ran };
        }
    }
    return { outcome: chosen.length === 0 ? 'unseen' : 'survived', code, ran };
}

/** A test that failed on a mutant must pass on the original, in this process too, or its failing says nothing. */
async function confirm(contract: ContractName, file: string, test: string): Promise<void> {
    if (confirmed.has(`${file} ${test}`)) {
        return;
    }
    const { failed } = await suite!.run(file, { contract, ...(test === file ? {} : { tests: [test] }) });
    if (failed !== undefined) {
        throw new Error(`${file}: ${failed} fails on the original code`);
    }
    confirmed.add(`${file} ${test}`);
}

process.on('message', (task: MutantTask) => {
    answer(task).then(
        (reply) => process.send!(reply),
        (error: unknown) => {
            console.error(error);
            process.exitCode = 1;
            process.disconnect();
        },
    );
});
