// The `cocoon` command with one function of the worker replaced. First argument: which fault.
const { join } = require('node:path');
require('ts-node').register({ project: join(__dirname, '../../../tsconfig.json') });
const [node, entry, fault, ...args] = process.argv;
require('./faults').faults[fault]();
void require('../../../offchain/cli').main([node, entry, ...args]);
