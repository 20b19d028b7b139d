/** The `cocoon` commands of disputes within this process, so that a test need not wait for another one each time. */
import { committeeCommand } from '../../../offchain/cli/committee';
import { disputeCommand } from '../../../offchain/cli/dispute';

type Name = 'dispute' | 'committee';

/** Runs `cocoon dispute …` or `cocoon committee …` with --json; returns what it printed. Throws what it throws. */
export async function cocoon<T>(name: Name, ...args: string[]): Promise<T> {
    return JSON.parse(await cocoonText(name, ...args, '--json')) as T;
}

/** The same without --json: returns the lines that people see. */
export async function cocoonText(name: Name, ...args: string[]): Promise<string> {
    const command = name === 'dispute' ? disputeCommand() : committeeCommand();
    const printed: string[] = [];
    const log = jest.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
    try {
        await command.parseAsync(args, { from: 'user' });
    } finally {
        log.mockRestore();
    }
    return printed.join('\n');
}
