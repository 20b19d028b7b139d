/** The `cocoon` command line: what GPU owners and app developers run. */
import { Command } from 'commander';
import { version } from '../package.json';
import { tellFailure } from './failure';

interface Part {
    about: string;
    load: () => Promise<Command>;
}

// Each loads its code only when it is called: a key is made or a status printed without loading all of worker and
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
        about: 'report the faults of nodes on chain, and follow the cases',
        load: async () => (await import('./dispute')).disputeCommand(),
    },
    committee: {
        about: 'decide cases as M of N members',
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
    // `cocoon help worker` prints the same as `cocoon worker --help`.
    const requested = argv[2] === 'help' ? argv[3] : argv[2];
    for (const [name, { about, load }] of Object.entries(COMMANDS)) {
        program.addCommand((name === requested ? await load() : new Command(name)).description(about));
    }
    try {
        await program.parseAsync(argv);
    } catch (error) {
        console.error(`cocoon: ${tellFailure(error)}`);
        process.exitCode = 1;
    }
}
