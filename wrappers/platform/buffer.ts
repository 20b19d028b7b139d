/** Gives a browser the `Buffer` that @ton/core expects. The build for browsers loads this file before all others. */
import { Buffer as Polyfill } from 'buffer/';

const scope = globalThis as { Buffer?: unknown };
scope.Buffer ??= Polyfill;
