/** The `cocoon` command line: what GPU owners and app developers run. */
import { Command } from 'commander';
import { version } from '../package.json';
import { tellFailure } from './failure';

interface Part {
    about: string;
    load: () => Promise<Command>;
}

// Each loads what it needs when it is asked for: a key is made, or a status shown, without loading all of worker and
// gateway.
const COMMANDS: Readonly<Record<string, Part>> = {
    worker: {
        about: 'serve queries as a provider and claim what they earn',
        load: async () => (await import('./worker')).workerCommand(),
    },
    gateway: {
        about: 'buy answers: an OpenAI-compatible API on this machine',
        load: async () => (await import('./gateway')).gatewayCommand(),
    },
    attest: {
        about: 'handle the quotes of TDX machines',
        load: async () => (await import('./attest')).attestCommand(),
    },
    dispute: {
        about: 'show the faults of nodes on chain, and follow what comes of it',
        load: async () => (await import('./dispute')).disputeCommand(),
    },
    committee: {
        about: 'rule on cases as M of N members',
        load: async () => (await import('./committee')).committeeCommand(),
    },
    rerun: {
        about: 'check an opened query and repeat it: match (exit code 0), mismatch (2) or undecided (3)',
        load: async () => (await import('./rerun')).rerunCommand(),
    },
};

/** Runs the command line; an error is printed as one line that says what to do, and the exit code is 1. */
export async function main(argv: string[]): Promise<void> {
    const program = new Command('cocoon')
        .description('A marketplace for private AI computation on TON')
        .version(version);
    // `cocoon help worker` shows what `cocoon worker --help` does.
    const named = argv[2] === 'help' ? argv[3] : argv[2];
    for (const [name, { about, load }] of Object.entries(COMMANDS)) {
        program.addCommand((name === named ? await load() : new Command(name)).description(about));
    }
    try {
        await program.parseAsync(argv);
    } catch (error) {
        console.error(`cocoon: ${tellFailure(error)}`);
        process.exitCode = 1;
    }
}
