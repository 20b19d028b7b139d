#!/usr/bin/env node
// Runs the command line from its TypeScript sources.
require('../../tooling/node');
require('./typescript');
void require('../cli').main(process.argv);
