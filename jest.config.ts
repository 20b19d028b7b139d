import type { Config } from 'jest';

const config: Config = {
    testEnvironment: 'node',
    transform: { '^.+\\.ts$': 'ts-jest' },
    testMatch: ['<rootDir>/tests/**/*.spec.ts'],
    modulePathIgnorePatterns: ['<rootDir>/temp/'],
    testTimeout: 60_000,
};

export default config;
