import type { Config } from 'jest';

// Types are checked by `npm run check` (tsc), not here: isolatedModules in tsconfig.json makes ts-jest only transpile.
const config: Config = {
    testEnvironment: 'node',
    testMatch: ['<rootDir>/tests/**/*.spec.ts'],
    transform: {
        '^.+\\.ts$': 'ts-jest',
        // Pure ES modules among the dependencies: Node 20 can require() them, jest cannot.
        '/node_modules/cookie/.+\\.js$': ['ts-jest', { tsconfig: { allowJs: true, isolatedModules: true } }],
    },
    transformIgnorePatterns: ['/node_modules/(?!cookie/)'],
    modulePathIgnorePatterns: ['<rootDir>/temp/'],
    testTimeout: 60_000,
};

export default config;
