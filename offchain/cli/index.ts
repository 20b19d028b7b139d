/** The `cocoon` command line: what GPU owners and app developers run. */
import { Command } from 'commander';
import { tellFailure } from './failure';

// Each loads what it needs when it is asked for: a key is made, or a status shown, without loading all of worker and gateway.
const COMMANDS = new Map<string, () => Promise<Command>>([
    ['worker', async () => (await import('./worker')).workerCommand()],
    ['gateway', async () => (await import('./gateway')).gatewayCommand()],
    ['attest', async () => (await import('./attest')).attestCommand()],
    ['dispute', async () => (await import('./dispute')).disputeCommand()],
    ['committee', async () => (await import('./committee')).committeeCommand()],
    ['rerun', async () => (await import('./rerun')).rerunCommand()],
]);

/** Runs the command line; an error is printed as one line that says what to do, and the exit code is 1. */
export async function main(argv: string[]): Promise<void> {
    const program = new Command('cocoon').description('A marketplace for private AI computation on TON');
    const asked = COMMANDS.get(argv[2]);
    for (const command of asked === undefined ? COMMANDS.values() : [asked]) {
        program.addCommand(await command());
    }
    try {
        await program.parseAsync(argv);
    } catch (error) {
        console.error(`cocoon: ${tellFailure(error)}`);
        process.exitCode = 1;
    }
}
