#!/usr/bin/env node
// Runs the command line from its bundle (offchain/dist).
require('./node');
import('../dist/cocoon.mjs').then(
    ({ main }) => main(process.argv),
    (error) => {
        const isAbsent = error.code === 'ERR_MODULE_NOT_FOUND';
        console.error(isAbsent ? 'cocoon: The program is not built: run "npm run build" in its checkout' : error);
        process.exitCode = 1;
    },
);
