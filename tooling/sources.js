// In a checkout the packages for other programs are their sources: what is packed of them is made by `npm pack` alone.
// tsconfig.json and jest.config.js say the same to compilers and tests.
const Module = require('node:module');
const { join } = require('node:path');

const NAME = /^@cocoon-market\/(wrappers|client|localnet)(\/.*)?$/;

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
    const [, folder, file = '/index.ts'] = NAME.exec(request) ?? [];
    return resolve.call(this, folder === undefined ? request : join(__dirname, '..', folder) + file, ...rest);
};
