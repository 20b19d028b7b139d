// The `cocoon` command with one function of the worker replaced. First argument: which fault.
require('../../../offchain/bin/typescript');
const [node, entry, fault, ...args] = process.argv;
require('./faults').faults[fault]();
void require('../../../offchain/cli').main([node, entry, ...args]);
