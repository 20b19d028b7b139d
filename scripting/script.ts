/** The frame of every script: who it is for, its flags, and how it is started. */
import type { NetworkProvider } from '@ton/blueprint';
import { forTerminal } from '../offchain/process/terminal';
import { scriptArguments } from './argv';
import type { Flags, FlagValues } from './flags';
import { flagLines, optionName, readFlags, splitArguments, toggle, address } from './flags';
import { endpointRefusal, isEndpointFailure } from './network';
import { type Row, table } from './output';
import { settleOrder } from './pending';
import { ScriptError } from './scriptError';
import { ScriptSession } from './session';
import { carryOut, type Task } from './task';

/** Whom a script is for, and the title of those scripts in the list. */
export const GROUPS = {
    governor: 'for the governor',
    provider: 'for providers',
    client: 'for clients',
    anyone: 'for anyone',
    look: 'to look',
} as const;
export type Group = keyof typeof GROUPS;

/** The description of a script. */
export interface About {
    readonly name: string;
    readonly about: string;
    readonly group: Group;
    readonly flags: Flags;
    readonly sends: boolean;
}

interface Spec<F extends Flags> {
    name: string;
    about: string;
    group: Group;
    flags: F;
    prepare(session: ScriptSession, values: FlagValues<F>): Promise<Task>;
}

interface CheckSpec<F extends Flags> {
    name: string;
    about: string;
    group: Group;
    flags: F;
    /** Rows to show; throws a ScriptError if something is wrong, after printing what it found. */
    read(session: ScriptSession, values: FlagValues<F>): Promise<Row[]>;
}

const common = {
    from: address.optional(
        'the account that will send, if it is not the wallet of the command line; for --print and --dry-run',
    ),
    dryRun: toggle('print what would be sent and stop'),
    print: toggle('print address, value, body and link of each message for another wallet, and stop'),
    yes: toggle('send without asking'),
    json: toggle('print one line of JSON at the end, amounts in nanoTON'),
    help: toggle('this text'),
};
const readOnly = { json: common.json, help: common.help };

const NETWORKS = /^--(mainnet|testnet|tetra|custom)(=|$)/;

/** What the file of a script exports as `run`. */
export type Run = ((provider: NetworkProvider, args: string[]) => Promise<void>) & { readonly spec: About };

/** A script that sends. Its file exports the result as `run`. */
export function script<F extends Flags>(spec: Spec<F>): Run {
    const flags = { ...spec.flags, ...common };
    return framed({ ...spec, flags, sends: true }, async (session, values) => {
        const consent = values as unknown as FlagValues<typeof common>;
        session.actsAs = consent.from;
        await settleOrder(session);
        await carryOut(session, await spec.prepare(session, values), consent);
    });
}

/** A script that only reads. */
export function check<F extends Flags>(spec: CheckSpec<F>): Run {
    const flags = { ...spec.flags, ...readOnly };
    return framed({ ...spec, flags, sends: false }, async (session, values) => {
        const rows = await spec.read(session, values);
        console.log(values.json ? forTerminal(JSON.stringify(Object.fromEntries(rows))) : table(rows));
    });
}

function framed<F extends Flags>(
    { name, about, group, flags, sends }: About & { flags: F },
    play: (session: ScriptSession, values: FlagValues<F>) => Promise<void>,
): Run {
    // Blueprint asks for a network before it calls `run`; help needs none, so it is answered while the file loads.
    const argv = process.argv.slice(2);
    const isAsked = argv[0] === 'run' && argv[1]?.toLowerCase() === name.toLowerCase();
    if (isAsked && scriptArguments(argv).includes('--help')) {
        console.log(`${helpText(name, about, flags)}\n`);
        // eslint-disable-next-line no-restricted-properties -- or Blueprint goes on to ask for a network
        process.exit(0);
    }
    if (isAsked && !process.stdin.isTTY && !argv.some((option) => NETWORKS.test(option))) {
        throw new ScriptError('Missing: the network', 'give --testnet, --mainnet, or --custom URL with --custom-type');
    }
    const run = async (provider: NetworkProvider, args: string[]) => {
        const texts = splitArguments(flags, args);
        if (texts.has('help')) {
            console.log(helpText(name, about, flags));
            return;
        }
        console.log(); // ends the line that Blueprint keeps redrawing
        const instead = sends ? '--from ADDRESS' : 'the flag that names the account (--help)';
        const session = await orRefusal(provider, () => ScriptSession.open(provider, instead));
        const reading = { testOnly: session.network.testOnly, network: session.network.name };
        await askForMissing(provider, flags, texts);
        const values = readFlags(flags, texts, reading);
        await orRefusal(provider, () => play(session, values));
    };
    return Object.assign(run, { spec: { name, about, group, flags, sends } });
}

function helpText(name: string, about: string, flags: Flags): string {
    const usage = `npx blueprint run ${name} --testnet --mnemonic [flags]`;
    return `${about}\n\n${usage}\n\n${flagLines(flags).join('\n')}`;
}

async function orRefusal<T>(provider: NetworkProvider, work: () => Promise<T>): Promise<T> {
    try {
        return await work();
    } catch (error) {
        if (isEndpointFailure(error)) {
            const api = provider.api() as { parameters?: { endpoint?: string } };
            throw endpointRefusal(api.parameters?.endpoint, error);
        }
        throw error;
    }
}

async function askForMissing(provider: NetworkProvider, flags: Flags, texts: Map<string, string>): Promise<void> {
    const missing = Object.entries(flags).filter(([name, { required }]) => required && !texts.has(name));
    if (missing.length > 0 && !process.stdin.isTTY) {
        const names = missing.map(([name, { takes }]) => `--${optionName(name)} ${takes}`).join(' ');
        throw new ScriptError(`Missing: ${names}`, 'give it, or run the script in a terminal to be asked');
    }
    for (const [name, { about, takes }] of missing) {
        texts.set(name, (await provider.ui().input(`${about} (${takes})`)).trim());
    }
}
