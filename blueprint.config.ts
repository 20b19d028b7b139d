import './offchain/bin/node';
import './tooling/sources';
import type { Config } from '@ton/blueprint';
import { normaliseWords } from './wrappers/words';
import { sortArguments } from './scripting/argv';
import type { scriptLines } from './scripting/list';
import { withoutTerminal } from './scripting/terminal';

const terminal = process.stdin.isTTY === true;
if (!terminal) {
    withoutTerminal();
}

// Blueprint refuses a script's own options unless they stand after `--`: put them there before it looks.
process.argv.splice(2, Infinity, ...sortArguments(process.argv.slice(2), { terminal }));

const [command, script = '-'] = process.argv.slice(2);
if (command === 'run' && script.startsWith('-')) {
    // Blueprint lists their names alone. Loaded here, since it loads all of them.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- Blueprint does not wait for its configuration
    const list = require('./scripting/list') as { scriptLines: typeof scriptLines };
    console.log(list.scriptLines().join('\n'));
}

// Blueprint splits words at each space, so that two in a row would open another wallet.
if (process.env.WALLET_MNEMONIC !== undefined) {
    process.env.WALLET_MNEMONIC = normaliseWords(process.env.WALLET_MNEMONIC);
}

// Contracts and their outputs are listed in tact.config.json; the network comes from the command line
// (`--testnet`, `--mainnet`, or `--custom URL` for the local network).
export const config: Config = {
    separateCompilables: true, // wrappers/ holds wrappers only
    requestTimeout: 20_000, // ms
};
