/** What each test executes of the contracts' codes, as tooling/jest/coverage.js recorded it. */
import { Cell } from '@ton/core';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(__dirname, '../..');
/** Where the last recording lies. */
export const RECORDS = join(ROOT, 'build/coverage');
/** The contracts of the market; what holds money first. */
export const CONTRACTS = ['Channel', 'Escrow', 'Provider', 'Node', 'Dispute', 'Registry', 'Library'] as const;
export type ContractName = (typeof CONTRACTS)[number];

/** Places that a part of a file executes, by contract: a set of numbers, as bits of base64. */
type Hits = Partial<Record<ContractName, string>>;

interface Recorded {
    file: string;
    contracts: Partial<Record<ContractName, string[]>>;
    shared: Hits[];
    tests: { name: string; ms: number; hits: Hits }[];
}

export interface TestRecord {
    /** Full name, as jest has it. */
    name: string;
    ms: number;
    executes(contract: ContractName, place: string): boolean;
}

export interface FileRecord {
    /** Path from the root. */
    file: string;
    /** What its tests share: set-up of the file and of its groups. */
    shared: TestRecord['executes'];
    tests: TestRecord[];
    /** All that it executes of a contract. */
    places(contract: ContractName): string[];
}

/** The code of a contract that ships. */
export function codeOf(contract: ContractName): Cell {
    return Cell.fromBoc(readFileSync(join(ROOT, `build/${contract}/${contract}_${contract}.code.boc`)))[0];
}

/** What `npm run test:contracts` gives to jest: files and folders. */
export function suite(): string[] {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
        scripts: Record<string, string>;
    };
    return scripts['test:contracts'].split(' jest ')[1].split(' ');
}

/** Runs tests and records what they execute. Without `paths` the whole suite, and the recording of before is gone. */
export function record(paths: string[] = []): void {
    if (paths.length === 0) {
        rmSync(RECORDS, { recursive: true, force: true });
    }
    const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
    const { status, error } = spawnSync(
        process.execPath,
        [jest, '--testTimeout=300000', ...(paths.length === 0 ? suite() : paths)],
        { cwd: ROOT, env: { ...process.env, COVERAGE: RECORDS }, stdio: ['ignore', 2, 2] },
    );
    if (error !== undefined) {
        throw error;
    }
    if (status !== 0) {
        throw new Error('A test failed, so nothing is said about coverage');
    }
}

/** The last recording, without files that no longer exist. */
export function records(): FileRecord[] {
    if (!existsSync(RECORDS)) {
        throw new Error('Nothing is recorded yet: npm run coverage');
    }
    return readdirSync(RECORDS)
        .filter((name) => name.endsWith('.json'))
        .map((name) => JSON.parse(readFileSync(join(RECORDS, name), 'utf8')) as Recorded)
        .filter(({ file }) => existsSync(join(ROOT, file)))
        .map(fileRecord);
}

function fileRecord({ file, contracts, shared, tests }: Recorded): FileRecord {
    const numbers = new Map(
        Object.entries(contracts).map(([contract, places]) => {
            return [contract, new Map(places.map((place, number) => [place, number]))];
        }),
    );
    const executes = (parts: Hits[]): TestRecord['executes'] => {
        const bits = new Map<string, Buffer[]>();
        return (contract, place) => {
            const number = numbers.get(contract)?.get(place);
            if (number === undefined) {
                return false;
            }
            let sets = bits.get(contract);
            if (sets === undefined) {
                sets = parts.map((hits) => Buffer.from(hits[contract] ?? '', 'base64'));
                bits.set(contract, sets);
            }
            return sets.some((set) => (((set[number >> 3] ?? 0) >> (number & 7)) & 1) === 1);
        };
    };
    return {
        file,
        shared: executes(shared),
        tests: tests.map(({ name, ms, hits }) => ({ name, ms, executes: executes([hits]) })),
        places: (contract) => contracts[contract] ?? [],
    };
}
