/**
 * Preloaded into a worker's process: kills it with SIGKILL at the CRASH_AT-th step, counted over every write to the
 * store (before it, and after its commit) and every piece of an HTTP answer (before it leaves, and after).
 */
import { ServerResponse } from 'node:http';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';

const at = Number(process.env.CRASH_AT ?? 0);
let step = 0;

function count(): void {
    step++;
    if (step === at) {
        process.kill(process.pid, 'SIGKILL');
    }
}

type Method = (...args: unknown[]) => unknown;

function wrap(prototype: object, name: string): void {
    const methods = prototype as Record<string, Method>;
    const original = methods[name];
    methods[name] = function (this: unknown, ...args: unknown[]) {
        count();
        const result = original.apply(this, args);
        if (result instanceof Promise) {
            return result.finally(count);
        }
        count();
        return result;
    };
}

['accept', 'decline', 'append', 'end', 'addVoucher'].forEach((name) => wrap(SqliteWorkerStore.prototype, name));
['write', 'end'].forEach((name) => wrap(ServerResponse.prototype, name));
