/** What the market asks of an endpoint: the client that a program has already, and the network's configuration. */
import { Address, Cell, type Contract, type ContractProvider, type Transaction } from '@ton/core';
import type { Actor } from '../actions/actor';
import { configParams, type Prices, pricesOf } from '../prices';
import { MarketError, type MarketErrorCode } from './errors';

/**
 * What reads the chain: a `TonClient` or `TonClient4` of @ton/ton, or anything else that opens contracts.
 *
 * @example
 * ```ts
 * import { TonClient } from '@ton/ton';
 * import type { MarketClient } from '@cocoon-market/wrappers/market';
 *
 * const client: MarketClient = new TonClient({ endpoint: 'https://toncenter.com/api/v2/jsonRPC' });
 * ```
 */
export interface MarketClient extends Pick<Actor, 'open'> {
    /** Lists transactions from one on. If it is there, old transactions are asked for too, as `TonClient` can. */
    getTransactions?(
        address: Address,
        from: { limit: number; lt?: string; hash?: string; archival?: boolean; inclusive?: boolean },
    ): Promise<Transaction[]>;
    /**
     * The transaction that sent a message, as the method of this name of `TonClient`; throws if there is none. Only
     * with it a watch sees the claim that ended a job: no endpoint lists what an account did that is deleted.
     */
    tryLocateSourceTx?(source: Address, destination: Address, createdLt: string): Promise<Transaction>;
}

/** An account as the endpoint has it. */
export interface AccountReading {
    newest: TransactionName | undefined; // undefined before its first transaction
    balance: bigint; // nanoTON
    code: Cell | undefined; // undefined unless it is active
    data: Cell | undefined;
}

/** A transaction by its logical time and its hash (32 bytes). */
export interface TransactionName {
    lt: bigint;
    hash: Buffer;
}

const GLOBAL_ID = 19; // parameter of the configuration
const CONFIGURATION = new Address(-1, Buffer.alloc(32, 0x55));

class Account implements Contract {
    constructor(readonly address: Address) {}

    async getAccount(provider: ContractProvider): Promise<AccountReading> {
        const { last, balance, state } = await provider.getState();
        const cellOf = (boc: Buffer | null | undefined) => (boc ? Cell.fromBoc(boc)[0] : undefined);
        const isActive = state.type === 'active';
        return {
            newest: last === null || last.lt === 0n ? undefined : { lt: BigInt(last.lt), hash: Buffer.from(last.hash) },
            balance,
            code: isActive ? cellOf(state.code) : undefined,
            data: isActive ? cellOf(state.data) : undefined,
        };
    }

    async getPage(provider: ContractProvider, { lt, hash }: TransactionName, limit: number): Promise<Transaction[]> {
        return provider.getTransactions(this.address, lt, hash, limit);
    }
}

/** The account at an address. */
export function readAccount(client: MarketClient, address: Address): Promise<AccountReading> {
    return client.open(new Account(address)).getAccount();
}

/**
 * Whether a contract is believed whose code this release does not know, such as one of an earlier release. It says what
 * a message to it has to bring, so a stranger's would ask for all that the wallet has.
 *
 * @example
 * ```ts
 * import { type Address } from '@ton/core';
 * import { type Actor, refundJob } from '@cocoon-market/wrappers';
 * import type { CodeConsent } from '@cocoon-market/wrappers/market';
 *
 * const ownJob: CodeConsent = { anyCode: true }; // one that an earlier release opened
 * const refund = (actor: Actor, channel: Address) => refundJob(actor, { channel, ...ownJob });
 * ```
 */
export interface CodeConsent {
    anyCode?: boolean | undefined;
}

/**
 * The account, unless it does not run one of these codes, and `anyCode` is not true. Whatever it answers, such as the
 * value to attach, would be what a stranger wrote. `absent`: the code of the error where nothing is deployed.
 * @throws {MarketError} `foreign-code`
 */
export async function requireCode(
    client: MarketClient,
    address: Address,
    codes: readonly Cell[],
    { anyCode, absent = 'foreign-code' }: CodeConsent & { absent?: MarketErrorCode } = {},
): Promise<AccountReading> {
    const account = await readAccount(client, address);
    const { code } = account;
    if (code === undefined) {
        throw new MarketError(absent, `Nothing is deployed at ${address.toString()}`, 'Check the address.');
    }
    if (anyCode !== true && !codes.some((each) => each.equals(code))) {
        throw new MarketError(
            'foreign-code',
            `${address.toString()} does not run a code of this release`,
            'Use the release that the market names.',
        );
    }
    return account;
}

/** Transactions of an account, newest first, from this one on. */
export function readPage(
    client: MarketClient,
    address: Address,
    from: TransactionName,
    limit: number,
): Promise<Transaction[]> {
    if (client.getTransactions === undefined) {
        return client.open(new Account(address)).getPage(from, limit);
    }
    const start = { lt: from.lt.toString(), hash: from.hash.toString('base64') };
    return client.getTransactions(address, { limit, ...start, archival: true, inclusive: true });
}

/** The present configuration of the network. @throws {MarketError} `no-configuration` */
export async function readConfiguration(client: MarketClient): Promise<Cell> {
    const { data } = await readAccount(client, CONFIGURATION);
    if (data === undefined || data.refs.length === 0) {
        throw new MarketError(
            'no-configuration',
            'The endpoint does not return the configuration of the network',
            'Use an endpoint that has the accounts of the masterchain.',
        );
    }
    return data.refs[0];
}

/** What the network charges now. @throws {MarketError} `no-configuration` */
export async function readNetworkPrices(client: MarketClient): Promise<Prices> {
    const configuration = await readConfiguration(client);
    try {
        return pricesOf(configuration);
    } catch (error) {
        throw new MarketError('no-configuration', (error as Error).message, 'Use another endpoint.');
    }
}

/** What GLOBALID answers under a configuration. */
export function networkOf(configuration: Cell): number {
    const param = configParams(configuration).get(GLOBAL_ID);
    if (param === undefined) {
        throw new MarketError(
            'no-configuration',
            'The configuration of the network has no id',
            'Use another endpoint.',
        );
    }
    return param.beginParse().loadInt(32);
}
