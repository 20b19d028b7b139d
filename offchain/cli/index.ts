/** The `cocoon` command line: what GPU owners and app developers run. */
import { Command } from 'commander';
import { attestCommand } from './attest';
import { committeeCommand } from './committee';
import { disputeCommand } from './dispute';
import { gatewayCommand } from './gateway';
import { rerunCommand } from './rerun';
import { workerCommand } from './worker';

/** Runs the command line; an error is printed as one line that says what to do, and the exit code is 1. */
export async function main(argv: string[]): Promise<void> {
    const program = new Command('cocoon')
        .description('A marketplace for private AI computation on TON')
        .addCommand(workerCommand())
        .addCommand(gatewayCommand())
        .addCommand(attestCommand())
        .addCommand(disputeCommand())
        .addCommand(committeeCommand())
        .addCommand(rerunCommand());
    try {
        await program.parseAsync(argv);
    } catch (error) {
        console.error(`cocoon: ${error instanceof Error ? error.message : String(error)}`);
        process.exitCode = 1;
    }
}
