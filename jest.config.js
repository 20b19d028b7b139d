const { availableParallelism } = require('node:os');
const { temporaryFolder } = require('./tooling/jest/folder.js');

process.env.TMPDIR = temporaryFolder(); // for each process of a test, and what it starts

/** @type {import('jest').Config} */
module.exports = {
    testEnvironment: '<rootDir>/tooling/jest/environment.js',
    runtime: '<rootDir>/tooling/jest/runtime.js',
    testMatch: ['<rootDir>/tests/**/*.spec.ts'],
    transform: { '^.+\\.ts$': '<rootDir>/tooling/jest/transform.js' },
    // As tsconfig.json: in a checkout a package is its sources, and not what is packed of them.
    moduleNameMapper: {
        '^@cocoon-market/(wrappers|client|localnet)$': '<rootDir>/$1/index.ts',
        '^@cocoon-market/(wrappers|client|localnet)/(.*)$': '<rootDir>/$1/$2',
    },
    globalSetup: '<rootDir>/tooling/jest/setup.mjs',
    setupFiles: ['<rootDir>/tests/support/faster.ts'],
    reporters: ['default', '<rootDir>/tooling/jest/slowest.js'],
    modulePathIgnorePatterns: ['<rootDir>/temp/'],
    testTimeout: 60_000,
    testSequencer: '<rootDir>/tooling/jest/sequencer.js',
    // One more than cores: journeys, and tests of what an API does in real time, mostly wait. Jest reads '150%' as 150
    // workers.
    maxWorkers: availableParallelism() + 1,
};
