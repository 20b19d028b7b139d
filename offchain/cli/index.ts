/** The `cocoon` command line: what GPU owners and app developers run. */
import { Command } from 'commander';

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
        console.error(`cocoon: ${remedyOf(error) ?? (error instanceof Error ? error.message : String(error))}`);
        process.exitCode = 1;
    }
}

/** What to do about a file or a server, where the system only says what it could not do with it. */
function remedyOf(error: unknown): string | undefined {
    const { code, path, message, name } = error as { code?: string; path?: string; message?: string; name?: string };
    if (name === 'ChainError' && message?.includes('does not answer') === true) {
        return `${message}: look at "endpoint" in the configuration, and whether it runs`;
    }
    if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT') {
        return `Nothing answers (${message || code}): look at "endpoint" in the configuration, and whether it runs`;
    }
    const remedies: Record<string, string> = {
        ENOENT: `There is no ${path}: check the name and its folder`,
        EEXIST: `${path} is there already, and nothing is written over it: name another file`,
        EACCES: `This user may not use ${path}: look at its owner and mode`,
        EISDIR: `${path} is a folder: name a file`,
    };
    return path === undefined || code === undefined ? undefined : remedies[code];
}
