// In a checkout the package of the wrappers is its sources: what is packed of them is made by `npm pack` alone.
// tsconfig.json and jest.config.js say the same to compilers and tests.
const Module = require('node:module');
const { join } = require('node:path');

const NAME = /^@cocoon-market\/wrappers(\/.*)?$/;
const SOURCES = join(__dirname, '../wrappers');

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
    const [, file = '/index.ts'] = NAME.exec(request) ?? [];
    return resolve.call(this, NAME.test(request) ? SOURCES + file : request, ...rest);
};
