import type { Config } from 'jest';

// Types are checked by `npm run check` (tsc), not here: swc only transpiles, many times faster than tsc.
const swc = (syntax: 'typescript' | 'ecmascript') =>
    [
        '@swc/jest',
        { jsc: { parser: { syntax }, target: 'es2022' }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
    ] as [string, Record<string, unknown>];

const config: Config = {
    testEnvironment: 'node',
    testMatch: ['<rootDir>/tests/**/*.spec.ts'],
    transform: {
        '^.+\\.ts$': swc('typescript'),
        // Pure ES modules among the dependencies: Node 20 can require() them, jest cannot.
        '/node_modules/cookie/.+\\.js$': swc('ecmascript'),
    },
    transformIgnorePatterns: ['/node_modules/(?!cookie/)'],
    moduleNameMapper: { '^\\./primitives/sha256$': '<rootDir>/tests/support/sha256.ts' }, // of @ton/crypto
    modulePathIgnorePatterns: ['<rootDir>/temp/'],
    // Looked up in a test's sandbox, these take longer than what is done with them: @ton/core writes numbers bit by bit.
    // Not Buffer: each becomes a parameter of every module, and undici declares a Buffer of its own.
    sandboxInjectedGlobals: ['BigInt', 'Number', 'Math', 'Uint8Array'],
    testTimeout: 60_000,
    maxWorkers: '100%', // by default jest leaves one core idle, and journeys mostly wait
};

export default config;
