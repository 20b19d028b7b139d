import type { Config } from '@ton/blueprint';

// Contracts and their outputs are listed in tact.config.json; the network comes from the command line
// (`--testnet`, `--mainnet`, or `--custom URL` for the local network).
export const config: Config = {
    separateCompilables: true, // wrappers/ holds wrappers only
    requestTimeout: 20_000, // ms
};
