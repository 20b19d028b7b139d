#!/usr/bin/env node
// Runs the command line from its TypeScript sources.
require('../../tooling/node');
require('ts-node').register({ project: require('node:path').join(__dirname, '../../tsconfig.json') });
void require('../cli').main(process.argv);
