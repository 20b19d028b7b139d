/** The `cocoon` command with one function of the worker replaced. First argument: which fault. */
import { main } from '../../../offchain/cli';
import { type FaultName, faults } from './faults';

const [node, entry, fault, ...args] = process.argv;
faults[fault as FaultName]();
void main([node, entry, ...args]);
