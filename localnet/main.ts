#!/usr/bin/env node
/** Runs a local network until it is told to stop, or asks a running one for coins or time. */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { Address, toNano } from '@ton/core';
import { LocalnetClient, RPC_PATH } from './client';
import { PRICE_LEVELS } from './levels';

// What starts this: the bundle of a checkout, or the command of the package.
const IS_CHECKOUT = basename(process.argv[1]) === 'localnet.mjs';
const START = IS_CHECKOUT ? 'npm run localnet' : 'cocoon-localnet';
const HELP = `Usage: ${START}${IS_CHECKOUT ? ' --' : ''} [command] [options]

A local TON network behind the TON HTTP API v2, on 127.0.0.1 and in memory.

  (no command)              run until SIGINT or SIGTERM
  faucet ADDRESS AMOUNT     give an account AMOUNT TON on the network that runs at --port
  advance SECONDS           let time pass on the network that runs at --port
  wallet                    print 24 new words and the addresses of their wallets

  --port N          port to listen on, 0 for any; the port of the running one for faucet and advance (default 18081)
  --prices LEVEL    ${PRICE_LEVELS.join(' | ')} (default 2026)
  --clock MODE      wall | manual (default wall: real time plus what is advanced)
  --now SECONDS     unix time to start at (default real time)
  --network-id=N    what GLOBALID answers, and the network of v5r1 wallets (default -3, testnet's; mainnet's is -239)
  --state FILE      keep everything in FILE, over restarts
  --calls N         calls a second that are served, as public APIs have it; more are answered with 429 (default no limit)
  --help            this text
`;

const TESTNET = -3;

async function main(): Promise<void> {
    const { values, positionals } = parseArgs({
        allowPositionals: true,
        options: {
            port: { type: 'string', default: '18081' },
            prices: { type: 'string', default: '2026' },
            clock: { type: 'string', default: 'wall' },
            now: { type: 'string' },
            'network-id': { type: 'string', default: `${TESTNET}` },
            state: { type: 'string' },
            calls: { type: 'string' },
            help: { type: 'boolean', default: false },
        },
    });
    const [command, ...rest] = positionals;
    const port = integer('port', values.port, { min: 0, max: 65_535 });
    const networkId = integer('network-id', values['network-id'], { min: -(2 ** 31), max: 2 ** 31 - 1 });
    if (values.help) {
        process.stdout.write(HELP);
    } else if (command === 'faucet') {
        await faucet(port, rest);
    } else if (command === 'advance') {
        await advance(port, rest);
    } else if (command === 'wallet') {
        await newWallet(networkId, rest);
    } else if (command !== undefined) {
        throw new Error(`there is no command ${command}: leave it out to run the network, or see --help`);
    } else {
        const prices = oneOf('prices', PRICE_LEVELS, values.prices);
        // Loading takes long, and other commands do not need it.
        await import('./fast');
        const { startLocalnet } = await import('./index');
        const localnet = await startLocalnet({
            port,
            prices,
            clock: oneOf('clock', ['wall', 'manual'] as const, values.clock),
            now: values.now === undefined ? undefined : integer('now', values.now, { min: 0, max: 2 ** 32 - 1 }),
            networkId,
            state: values.state,
            ...(values.calls === undefined
                ? {}
                : { callsPerSecond: integer('calls', values.calls, { min: 1, max: Number.MAX_SAFE_INTEGER }) }),
        });
        console.log(`localnet listens on ${localnet.url} (prices ${values.prices}, network id ${networkId})`);
        for (const signal of ['SIGINT', 'SIGTERM'] as const) {
            process.once(signal, () => void localnet.close());
        }
    }
}

async function faucet(port: number, [to, amount, ...more]: string[]): Promise<void> {
    if (to === undefined || amount === undefined || more.length > 0) {
        throw new Error('faucet takes an address and an amount in TON, such as: faucet 0QC… 100');
    }
    if (!/^\d{1,9}(\.\d{1,9})?$/.test(amount)) {
        throw new Error(`${amount} is not an amount in TON: write digits and at most nine decimals, such as 1.5`);
    }
    if (!Address.isFriendly(to) && !Address.isRaw(to)) {
        throw new Error(`${to} is not an address`);
    }
    await clientAt(port).faucet(Address.parse(to), toNano(amount));
    console.log(`gave ${amount} TON to ${to}`);
}

async function advance(port: number, [seconds, ...more]: string[]): Promise<void> {
    if (seconds === undefined || more.length > 0 || !/^\d{1,9}$/.test(seconds)) {
        throw new Error('advance takes a whole number of seconds, such as: advance 600');
    }
    const now = await clientAt(port).advance(Number(seconds));
    console.log(`it is ${new Date(now * 1000).toISOString()} now`);
}

const clientAt = (port: number) => new LocalnetClient(`http://127.0.0.1:${port}${RPC_PATH}`);

async function newWallet(networkId: number, more: string[]): Promise<void> {
    if (more.length > 0) {
        throw new Error('wallet takes nothing but --network-id');
    }
    const { mnemonicNew, mnemonicToPrivateKey } = await import('@ton/crypto');
    const { WalletContractV4, WalletContractV5R1 } = await import('@ton/ton');
    const words = await mnemonicNew();
    const { publicKey } = await mnemonicToPrivateKey(words);
    const context = { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 } as const;
    const v5 = WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: networkId, context } });
    const v4 = WalletContractV4.create({ publicKey, workchain: 0 });
    const textOf = ({ address }: { address: Address }) =>
        address.toString({ bounceable: false, testOnly: networkId === TESTNET });
    console.log(`WALLET_MNEMONIC="${words.join(' ')}"\nv5r1: ${textOf(v5)}\nv4: ${textOf(v4)}`);
}

function integer(name: string, text: string, { min, max }: { min: number; max: number }): number {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
        throw new Error(`--${name} must be a whole number from ${min} to ${max}, not ${text}`);
    }
    return value;
}

function oneOf<T extends string>(name: string, allowed: readonly T[], text: string): T {
    if (!allowed.includes(text as T)) {
        throw new Error(`--${name} must be one of ${allowed.join(', ')}, not ${text}`);
    }
    return text as T;
}

main().catch((error: NodeJS.ErrnoException & { port?: number }) => {
    const remedies: Record<string, string> = {
        ECONNREFUSED: `no network runs at port ${error.port}: start "${START}", or give --port`,
        EADDRINUSE: `port ${error.port} is taken, perhaps by a network that runs already: give --port`,
    };
    console.error(remedies[error.code ?? ''] ?? error.message);
    process.exitCode = 1;
});
