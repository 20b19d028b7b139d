/** Which tests can tell a mutant from the original: those that execute an instruction at which the two differ. */
import { differences, instructionsOf, Instruction } from './instructions';
import { codeOf, ContractName, FileRecord } from './records';
import { Cell } from '@ton/core';

/** Tests of a file. */
export interface Selected {
    file: string;
    tests: string[];
    /** Milliseconds that they took when they were recorded. */
    ms: number;
}

/** Tests that hold any change of a code against it, however it behaves: they compare its gas or its size. */
const PINS: [file: RegExp, test: RegExp][] = [
    [/./, /gas ceiling|EscrowCells|reserve of an escrow is at least|reserves are a year/i],
    [/^tests\/dispute\/fees/, /what the getters name is enough/],
];
/** Sources of which these are the tests. */
const FEES = /[Ff]ees\.tact$/;

/** Milliseconds that a file takes besides its tests. */
const START = 500;
/** How much more a file of the contract's own folder promises. */
const OWN = 5;

export class Selection {
    readonly #original: Instruction[];
    readonly #kills = new Map<string, number>(); // by mutated file and file of tests

    constructor(
        private readonly contract: ContractName,
        private readonly files: FileRecord[],
    ) {
        this.#original = instructionsOf(codeOf(contract));
    }

    /** Notes that a test of this file killed a mutant of `source`: it is asked sooner from then on. */
    killed(file: string, source: string): void {
        const pair = `${source} ${file}`;
        this.#kills.set(pair, (this.#kills.get(pair) ?? 0) + 1);
    }

    /** The tests, those first that promise most in least time. `source` is the mutated file. */
    of(code: Cell, source: string): Selected[] {
        const places = differences(this.#original, instructionsOf(code)).map(({ place }) => place);
        const meets = (executes: FileRecord['shared']) => places.some((place) => executes(this.contract, place));
        const own = `tests/${this.contract.toLowerCase()}/`;
        return this.files
            .map(({ file, shared, tests }) => {
                const all = meets(shared);
                const chosen = tests
                    .filter(({ executes }) => all || meets(executes))
                    .filter(({ name }) => FEES.test(source) || !isPin(file, name));
                return {
                    file,
                    tests: chosen.map(({ name }) => name),
                    ms: chosen.reduce((sum, { ms }) => sum + (ms ?? 0), 0),
                };
            })
            .filter(({ tests }) => tests.length > 0)
            .map((selected) => {
                const kills = 1 + (this.#kills.get(`${source} ${selected.file}`) ?? 0);
                const weight = selected.file.startsWith(own) ? OWN : 1;
                return { ...selected, promise: (weight * kills) / (selected.ms + START) };
            })
            .sort((a, b) => b.promise - a.promise);
    }
}

function isPin(file: string, name: string): boolean {
    return PINS.some(([files, tests]) => files.test(file) && tests.test(name));
}
