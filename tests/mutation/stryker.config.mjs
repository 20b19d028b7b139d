// How Stryker mutates the module that main.mjs names in the environment.
const { MUTATION_MODULE: name, MUTATION_FILES: files = '[]', MUTATION_CONCURRENCY: concurrency } = process.env;

export default {
    mutate: JSON.parse(files),
    testRunner: 'jest',
    jest: {
        projectType: 'custom',
        configFile: 'tests/mutation/jest.config.js',
        enableFindRelatedTests: false, // the module says which, and coverage which of these
    },
    plugins: ['@stryker-mutator/jest-runner', './tests/mutation/texts.mjs'],
    ignorers: ['texts'],
    coverageAnalysis: 'perTest',
    incremental: true,
    incrementalFile: `temp/mutation/${name}.incremental.json`,
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: `temp/mutation/${name}.json` },
    tempDirName: 'temp/stryker',
    ignorePatterns: ['temp', 'coverage', 'docs', 'examples', '**/dist'],
    disableTypeChecks: false, // nothing checks types here
    concurrency: Number(concurrency),
    timeoutMS: 30_000, // a machine may be busy, and a mutant that is only late must not count as killed
    dryRunTimeoutMinutes: 15,
    allowConsoleColors: false,
};
