// Runs before the tests: a contract that was changed since the last build is compiled, or else its tests would pass or
// fail by the code from before.
import { compileAll } from '../contracts.mjs';
import SharedRuntime from './runtime.js';

export default function setUp() {
    SharedRuntime.forget();
    compileAll();
}
