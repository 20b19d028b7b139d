const unit = require('./jest.config');

// Real processes against a local network: minutes, so not part of `npm test`.
/** @type {import('jest').Config} */
module.exports = {
    ...unit,
    testMatch: ['<rootDir>/tests/deploy/**/*.e2e.ts'],
    testTimeout: 240_000,
    // A file has a network of its own, and mostly waits for one process at a time: two files fill two cores.
    maxWorkers: 2,
    bail: true,
};
