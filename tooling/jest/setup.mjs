// Runs before the tests: a contract that was changed since the last build is compiled, or else its tests would pass or
// fail by the code from before.
import { compileAll } from '../contracts.mjs';

export default compileAll;
