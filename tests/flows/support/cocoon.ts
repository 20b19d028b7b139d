/** The `cocoon` commands of disputes within this process, so that a test need not wait for another one each time. */
import { committeeCommand } from '../../../offchain/cli/committee';
import { disputeCommand } from '../../../offchain/cli/dispute';

/** Runs `cocoon dispute …` or `cocoon committee …` with --json; returns what it printed. Throws what it throws. */
export async function cocoon<T>(name: 'dispute' | 'committee', ...args: string[]): Promise<T> {
    const command = name === 'dispute' ? disputeCommand() : committeeCommand();
    const printed: string[] = [];
    const log = jest.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
    try {
        await command.parseAsync([...args, '--json'], { from: 'user' });
    } finally {
        log.mockRestore();
    }
    return JSON.parse(printed.join('\n')) as T;
}
