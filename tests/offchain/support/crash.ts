/**
 * Kills this process with SIGKILL at a step, counted over every write to the store (before it, and after its commit)
 * and every piece of an HTTP answer (before it leaves, and after).
 */
import { ServerResponse } from 'node:http';
import { SqliteJobs } from '../../../offchain/store/sqliteJobs';
import { SqliteQueries } from '../../../offchain/store/sqliteQueries';
import { SqlJobs } from '../../../offchain/store/sqlJobs';
import { SqlQueries } from '../../../offchain/store/sqlQueries';

let remaining = 0; // steps to the kill; 0: none is counted

/** Counts from now on; 0 for no kill. */
export function crashAfter(steps: number): void {
    remaining = steps;
}

function count(): void {
    if (remaining > 0 && --remaining === 0) {
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

for (const queries of [SqliteQueries, SqlQueries]) {
    ['accept', 'decline', 'append', 'end'].forEach((name) => wrap(queries.prototype, name));
}
[SqliteJobs, SqlJobs].forEach((jobs) => wrap(jobs.prototype, 'addVoucher'));
['write', 'end'].forEach((name) => wrap(ServerResponse.prototype, name));
