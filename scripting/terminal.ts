/** Makes Blueprint work without a terminal, in a pipe or a job. */
import { Interface } from 'node:readline';

/** Makes a command exit with 1 unless it completes, and closes Blueprint's prompt as Node 22 and older did. */
export function withoutTerminal(): void {
    // A question that nobody can answer ends the process with 0. When a command completes, Blueprint sets 0 itself.
    process.exitCode = 1;
    // Since Node 24, to pause a reader whose input has ended throws; Blueprint does so after each command.
    const pause = Interface.prototype.pause;
    Interface.prototype.pause = function (this: Interface & { closed?: boolean }) {
        return this.closed === true ? this : pause.call(this);
    };
}
