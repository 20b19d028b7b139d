/** The `cocoon` command line: what GPU owners and app developers run. */
import { Command } from 'commander';
import { version } from '../package.json';
import { tellFailure } from './failure';
import { forTerminal } from '../process/terminal';

// Each loads its code only when it is called: a key is made or a status printed without loading all of worker and
// gateway.
const LOADERS = {
    worker: async () => (await import('./worker')).workerCommand(),
    gateway: async () => (await import('./gateway')).gatewayCommand(),
    keys: async () => (await import('./keys')).keysCommand(),
    attest: async () => (await import('./attest')).attestCommand(),
    dispute: async () => (await import('./dispute')).disputeCommand(),
    committee: async () => (await import('./committee')).committeeCommand(),
    receipt: async () => (await import('./receipt')).receiptCommand(),
    market: async () => (await import('./market')).marketCommand(),
    rerun: async () => (await import('./rerun')).rerunCommand(),
    index: async () => (await import('./marketIndex')).indexCommand(),
} satisfies Record<string, () => Promise<Command>>;

const ABOUT: Readonly<Record<keyof typeof LOADERS, string>> = {
    worker: 'serve queries as a provider and claim what they earn',
    gateway: 'buy answers: an OpenAI-compatible API on this machine',
    keys: "make and limit the API keys of a gateway's users",
    attest: 'handle the quotes of TDX machines',
    dispute: 'report the faults of nodes on chain, and follow the cases',
    committee: 'decide cases as M of N members',
    receipt: 'show and check what a node signed of an answer',
    index: 'read a market from the chain: providers, nodes, prices, demand, jobs and faults; export and match them',
    market: 'show a market on a page: whether it lives, what it pays and sells',
    rerun: 'check an opened query and repeat it: match (exit code 0), mismatch (2) or undecided (3)',
};

/** Runs the command line; an error is printed as one line that says what to do, and the exit code is 1. */
export async function main(argv: string[]): Promise<void> {
    const program = new Command('cocoon')
        .description('A marketplace for private AI computation on TON')
        .version(version);
    // `cocoon help worker` prints the same as `cocoon worker --help`.
    const requested = argv[2] === 'help' ? argv[3] : argv[2];
    for (const name of Object.keys(LOADERS) as (keyof typeof LOADERS)[]) {
        program.addCommand((name === requested ? await LOADERS[name]() : new Command(name)).description(ABOUT[name]));
    }
    try {
        await program.parseAsync(argv);
    } catch (error) {
        console.error(forTerminal(`cocoon: ${tellFailure(error)}`));
        process.exitCode = 1;
    }
}
