// The project's jest, with the tests of the module that is mutated (modules.mjs), which the process gets as JSON.
const { join } = require('node:path');
const project = require('../../jest.config.js');

const root = join(__dirname, '../..');

module.exports = {
    ...project,
    rootDir: root,
    globalSetup: null, // the contracts are built, and the same for every mutant
    testEnvironment: join(root, 'tooling/jest/environment.js'), // Stryker does not expand <rootDir>
    testMatch: JSON.parse(process.env.MUTATION_TESTS ?? '[]').map((tests) => `<rootDir>/${tests}`),
    reporters: [],
};
