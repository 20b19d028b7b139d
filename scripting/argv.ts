/**
 * Blueprint takes only its own options and leaves to a script what stands after `--`. This moves a script's options
 * there, so that `npx blueprint run joinMarket --testnet --mnemonic --stake 3 --yes` means what it says.
 */

const SWITCHES = ['mainnet', 'testnet', 'tetra', 'tonconnect', 'deeplink', 'mnemonic'];
const EXPLORERS = ['tonscan', 'tonviewer', 'toncx', 'dton'];
const WITH_VALUE = ['custom', 'custom-type', 'custom-version', 'custom-key', 'custom-global-id', 'compiler-version'];

const WALLETS = ['tonconnect', 'deeplink', 'mnemonic'];
/** The names of scripts that only read. */
const READING = /^(check|show|plan)[A-Z]/i;

/**
 * The arguments of `blueprint run <script> …` with the script's own after `--`; any other command unchanged.
 * Blueprint asks for a wallet if no flag names one. A script that reads needs none, and without a terminal nobody can
 * answer, so both get no wallet.
 */
export function sortArguments(argv: readonly string[], { terminal = true } = {}): string[] {
    const [command, script, ...rest] = argv;
    if (command !== 'run' || script === undefined || script.startsWith('-')) {
        return [...argv];
    }
    const [own, blueprints]: [string[], string[]] = [[], []];
    for (let i = 0; i < rest.length; i++) {
        const [name] = rest[i].replace(/^--/, '').split('=');
        if (rest[i] === '--') {
            own.push(...rest.slice(i + 1));
            break;
        } else if (!rest[i].startsWith('--')) {
            own.push(rest[i]);
        } else if (SWITCHES.includes(name) || EXPLORERS.includes(name)) {
            blueprints.push(rest[i]);
        } else if (WITH_VALUE.includes(name)) {
            blueprints.push(...(rest[i].includes('=') ? [rest[i]] : rest.slice(i, ++i + 1)));
        } else {
            own.push(rest[i]);
        }
    }
    const namesWallet = blueprints.some((option) => WALLETS.includes(option.replace(/^--/, '')));
    if (!namesWallet && (READING.test(script) || !terminal)) {
        blueprints.push('--deeplink'); // no wallet
    }
    return own.length === 0 ? [command, script, ...blueprints] : [command, script, ...blueprints, '--', ...own];
}

/** The script's own arguments of a whole command line, sorted or not. */
export function scriptArguments(argv: readonly string[]): string[] {
    const sorted = sortArguments(argv);
    const dashes = sorted.indexOf('--');
    return dashes < 0 ? [] : sorted.slice(dashes + 1);
}
