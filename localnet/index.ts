/**
 * A local TON network: the TON HTTP API v2 over the sandbox, for processes that otherwise talk to toncenter. It runs
 * each chain of messages to its end before the next one starts. Its state is in memory and, optionally, in a file.
 */
import { type AddressInfo } from 'node:net';
import { type Address } from '@ton/core';
import { type Blockchain } from '@ton/sandbox';
import { RPC_PATH } from './client';
import { NetworkClock, type ClockMode } from './clock';
import { networkConfig } from './config';
import { Disturbances } from './disturbances';
import { LocalLedger, type LedgerState } from './ledger';
import { type PriceLevel } from './levels';
import { type LoggedTransaction } from './record';
import { createServer } from './server';
import { keepState } from './stateFile';

export { LocalnetClient } from './client';
export { type ClockMode } from './clock';
export { configParam, networkConfig, networkIdOf } from './config';
export { type Disturbance, Disturbances } from './disturbances';
export { FAUCET_ADDRESS, type LedgerState } from './ledger';
export { PRICE_LEVELS, type PriceLevel } from './levels';
export { type LoggedMessage, type LoggedTransaction } from './record';

/** The options of a local network. All are optional. */
export interface LocalnetOptions {
    /** 0, the default, takes any free port. */
    port?: number;
    /** Default '2026', the prices in force. */
    prices?: PriceLevel;
    /** Default 'wall'. */
    clock?: ClockMode;
    /** Unix seconds at the start; default real time. */
    now?: number;
    /** What GLOBALID answers; default the sandbox's own, -239 as on mainnet. Testnet is -3. */
    networkId?: number;
    /** File that holds the network's state over restarts; made when it does not exist. */
    state?: string;
    /** Calls a second that are served, as public APIs have it; more are answered with 429. Default no limit. */
    callsPerSecond?: number;
}

/** A running local network, seen from the process that started it. */
export interface Localnet {
    /** The JSON-RPC endpoint, exactly as TonClient and Blueprint want it. */
    readonly url: string;
    readonly port: number;
    readonly networkId: number;
    /** The limit of calls, and the failures that a test plans. */
    readonly disturbances: Disturbances;
    /** The sandbox underneath. What is sent on it directly is logged; for snapshots use `snapshot` and `restore`. */
    readonly blockchain: Blockchain;
    /** Every transaction so far, in the order of execution. */
    readonly transactions: readonly LoggedTransaction[];
    /** Sends new coins to an account, which need not exist. */
    faucet(address: Address, nanoTON: bigint): Promise<LoggedTransaction>;
    /** Unix seconds. */
    now(): number;
    /** Moves time forward to a unix second. */
    setTime(time: number): void;
    advance(seconds: number): void;
    /** Accounts, time and log as they are now. */
    snapshot(): Promise<LedgerState>;
    /** Goes back to a snapshot of this network, or of one with the same configuration. */
    restore(state: LedgerState): Promise<void>;
    /** Calls `listener` after each transaction; the result ends it. */
    onTransaction(listener: (transaction: LoggedTransaction) => void): () => void;
    close(): Promise<void>;
}

/** Starts a local network on the loopback interface. */
export async function startLocalnet(options: LocalnetOptions = {}): Promise<Localnet> {
    const { port = 0, prices = '2026', clock: mode = 'wall', now, networkId, state, callsPerSecond } = options;
    const clock = new NetworkClock(mode, now);
    const ledger = await LocalLedger.create(clock, networkConfig(prices, networkId));
    const saveState = state === undefined ? undefined : await keepState(state, ledger);
    const disturbances = new Disturbances();
    disturbances.limit = callsPerSecond;
    const server = createServer(ledger, disturbances);
    await server.listen({ host: '127.0.0.1', port });
    const bound = (server.server.address() as AddressInfo).port;
    return {
        url: `http://127.0.0.1:${bound}${RPC_PATH}`,
        port: bound,
        networkId: ledger.networkId,
        disturbances,
        blockchain: ledger.blockchain,
        get transactions() {
            return ledger.log();
        },
        faucet: (address, nanoTON) => ledger.credit(address, nanoTON),
        now: () => clock.now(),
        setTime: (time) => clock.set(time),
        advance: (seconds) => clock.advance(seconds),
        onTransaction: (listener) => ledger.onTransaction(listener),
        snapshot: () => ledger.save(),
        restore: (snapshot) => ledger.restore(snapshot),
        close: async () => {
            disturbances.close();
            await server.close();
            await saveState?.();
        },
    };
}
