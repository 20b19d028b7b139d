/** What Blueprint takes for granted of the terminal that it runs in, and that is not there in a pipe or a job. */
import { Interface } from 'node:readline';

/** Makes a command end with 1 unless it comes to its end, and closes Blueprint's prompt as Node 22 and older did. */
export function withoutTerminal(): void {
    // A question that nobody can answer ends the process as if all were well. Blueprint exits with 0 by itself when it is.
    process.exitCode = 1;
    // Since Node 24, to pause a reader whose input has ended throws; Blueprint does so after each command.
    const pause = Interface.prototype.pause;
    Interface.prototype.pause = function (this: Interface & { closed?: boolean }) {
        return this.closed === true ? this : pause.call(this);
    };
}
