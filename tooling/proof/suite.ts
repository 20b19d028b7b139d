/** Runs test files in this process, one after another, against a code that stands in for that of one contract. */
import { Cell } from '@ton/core';
import { readConfig } from 'jest-config';
import TestRunner from 'jest-runner';
import Runtime from 'jest-runtime';
import { join } from 'node:path';
import { ContractName, ROOT } from './records';

/** Milliseconds that a test may take on a mutant: long enough on a busy machine, so that only what never ends fails. */
const TEST_TIMEOUT = 300_000;

interface Standing {
    contract: ContractName;
    code?: string; // bag of cells, in hex; undefined: the build's
    tests?: Set<string>;
}

const shared = globalThis as { mutant?: Standing };

type Options = ConstructorParameters<typeof TestRunner>[0];
type Context = Awaited<ReturnType<typeof Runtime.createContext>>;

/** What a test file says: `failed` names the first test that fails, or the file if it fails as a whole. */
export interface FileOutcome {
    failed?: string;
    /** A test did not end: what it began may still run. */
    endless: boolean;
    ran: number;
}

export class Suite {
    private constructor(
        private readonly options: Options,
        private readonly context: Context,
    ) {}

    static async create(): Promise<Suite> {
        process.env.NODE_ENV ??= 'test'; // as jest's own command does
        const argv = { $0: 'mutate', _: [], silent: true, watchman: false } as unknown;
        const read = await readConfig(argv as Parameters<typeof readConfig>[0], join(ROOT, 'jest.config.js'));
        const config = {
            ...read.projectConfig,
            testEnvironment: join(__dirname, 'environment.js'),
            runtime: join(__dirname, 'runtime.js'),
        };
        const context = await Runtime.createContext(config, {
            ...{ console, maxWorkers: 1, watch: false, watchman: false },
        });
        return new Suite({ ...read.globalConfig, testTimeout: TEST_TIMEOUT, maxWorkers: 1 }, context);
    }

    /** Runs these tests of a file, or all, until one fails. Without a code they run against the build. */
    async run(
        file: string,
        { contract, code, tests }: { contract: ContractName; code?: Cell; tests?: string[] },
    ): Promise<FileOutcome> {
        const standing: Standing = {
            contract,
            ...(code === undefined ? {} : { code: code.toBoc().toString('hex') }),
            ...(tests === undefined ? {} : { tests: new Set(tests) }),
        };
        shared.mutant = standing;
        let outcome: FileOutcome | undefined;
        const runner = new TestRunner(this.options, {});
        runner.on('test-file-success', ([, { testResults, numPassingTests, testExecError }]) => {
            const failed = testResults.find(({ status }) => status === 'failed');
            const messages = failed?.failureMessages.join('\n') ?? '';
            const whole = testExecError === undefined ? undefined : file;
            outcome = {
                ran: numPassingTests + (failed === undefined ? 0 : 1),
                endless: messages.includes('Exceeded timeout of'),
                ...(failed === undefined && whole === undefined ? {} : { failed: failed?.fullName ?? whole }),
            };
        });
        runner.on('test-file-failure', () => {
            outcome = { failed: file, endless: false, ran: 0 };
        });
        const watcher = { isInterrupted: () => false, isWatchMode: () => false };
        await runner.runTests(
            [{ path: join(ROOT, file), context: this.context }],
            watcher as unknown as Parameters<TestRunner['runTests']>[1],
            { serial: true },
        );
        if (outcome === undefined) {
            throw new Error(`${file} said nothing`);
        }
        return outcome;
    }
}
