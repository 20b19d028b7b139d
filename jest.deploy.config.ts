import type { Config } from 'jest';
import unit from './jest.config';

// Real processes against a local network: minutes, so not part of `npm test`.
const config: Config = {
    ...unit,
    testMatch: ['<rootDir>/tests/deploy/**/*.e2e.ts'],
    testTimeout: 240_000,
    maxWorkers: 1,
    bail: true,
};

export default config;
