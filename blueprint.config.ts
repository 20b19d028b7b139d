import type { Config } from '@ton/blueprint';
import { sortArguments } from './deploy/argv';

// Blueprint refuses a script's own options unless they stand after `--`: put them there before it looks.
process.argv.splice(2, Infinity, ...sortArguments(process.argv.slice(2)));

// Contracts and their outputs are listed in tact.config.json; the network comes from the command line
// (`--testnet`, `--mainnet`, or `--custom URL` for the local network).
export const config: Config = {
    separateCompilables: true, // wrappers/ holds wrappers only
    requestTimeout: 20_000, // ms
};
