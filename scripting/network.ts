/** Which network a script really talks to, and what its addresses look like. */
import { configParams, GLOBAL_IDS } from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import type { NetworkProvider } from '@ton/blueprint';
import { TonClient } from '@ton/ton';
import { ChainApi } from '../offchain/chain/api';
import { TonHttpChain } from '../offchain/chain/chain';
import { type EndpointSettings, GLOBAL_ID_PARAM } from '../offchain/chain/endpoint';
import { ChainError } from '../offchain/chain/errors';
import { isLocalChain } from '../offchain/process/publicAddress';
import { ScriptError } from './scriptError';

export type NetworkName = 'mainnet' | 'testnet' | 'local';

const ANSWER_WITHIN = 5000; // milliseconds
/** Where a network keeps its parameters. */
export const CONFIG_ADDRESS = new Address(-1, Buffer.alloc(32, 0x55));

/** The network as a script knows it before it does anything. */
export interface Network {
    name: NetworkName;
    globalId: number; // what GLOBALID answers
    testOnly: boolean; // whether friendly addresses carry the test mark
    chain: TonHttpChain | undefined; // undefined if Blueprint does not use an HTTP API v2
}

/**
 * Asks the endpoint for its network. Refuses an endpoint that does not answer, answers nonsense or is of another
 * network.
 */
export async function identify(provider: NetworkProvider, within = ANSWER_WITHIN): Promise<Network> {
    const called = provider.network();
    const endpoint = endpointOf(provider);
    if (called === 'tetra' || called === 'custom') {
        throw new ScriptError(
            'The network has no name',
            'give --testnet or --mainnet, or --custom-type testnet (or mainnet) beside --custom',
        );
    }
    const globalId = (await configParam(provider, GLOBAL_ID_PARAM, within)).beginParse().loadInt(32);
    const expected = called === 'testnet' ? GLOBAL_IDS.testnet : GLOBAL_IDS.mainnet;
    if (globalId !== expected) {
        const is =
            globalId === GLOBAL_IDS.testnet ? 'testnet' : globalId === GLOBAL_IDS.mainnet ? 'mainnet' : 'neither';
        throw new ScriptError(
            `Wrong network: the endpoint's id is ${globalId} (${is}), Blueprint was told ${called} (${expected})`,
            is === 'testnet'
                ? 'give --testnet, or --custom-type testnet beside --custom'
                : 'give --mainnet, or --custom-type mainnet beside --custom; a local network takes --network-id=-3',
        );
    }
    const chain = chainOf(provider, globalId);
    const isLocal = endpoint !== undefined && isLocalChain(globalId, [endpoint]);
    return { name: isLocal ? 'local' : called, globalId, testOnly: called === 'testnet', chain };
}

const clients = new WeakMap<NetworkProvider, ChainApi>();

/** Makes Blueprint's own client send its calls through ours, with retries, a budget and the further endpoints. */
function chainOf(provider: NetworkProvider, network: number): TonHttpChain | undefined {
    const endpoint = endpointsOf(provider);
    if (endpoint.length === 0) {
        return undefined;
    }
    const chain = new TonHttpChain({ network, endpoint });
    innerOf(provider).adapter = chain.api.adapter();
    clients.set(provider, chain.api);
    return chain;
}

/** Blueprint's endpoint, and after it those of COCOON_ENDPOINTS (URLs with commas between). */
function endpointsOf(provider: NetworkProvider): EndpointSettings[] {
    const url = endpointOf(provider);
    if (url === undefined) {
        return [];
    }
    const more = (process.env.COCOON_ENDPOINTS ?? '').split(',').map((each) => each.trim());
    const wrong = more.find((each) => each !== '' && !URL.canParse(each));
    if (wrong !== undefined) {
        throw new ScriptError(
            `COCOON_ENDPOINTS: "${wrong}" is not a URL`,
            'write URLs of TON HTTP APIs v2 with commas between',
        );
    }
    const { apiKey } = innerOf(provider);
    return [{ url, apiKey }, ...more.filter((each) => each !== '' && each !== url).map((each) => ({ url: each }))];
}

/** The settings that TonClient keeps for itself; it reads them with each call. */
function innerOf(provider: NetworkProvider): { apiKey?: string; adapter?: unknown } {
    return (provider.api() as unknown as { api: { parameters: { apiKey?: string; adapter?: unknown } } }).api
        .parameters;
}

/** The endpoint of an HTTP API v2; undefined for the other kinds that Blueprint speaks to. */
export function endpointOf(provider: NetworkProvider): string | undefined {
    const api = provider.api();
    return api instanceof TonClient ? api.parameters.endpoint : undefined;
}

/** Where `amount` (TON, as text) comes from for a wallet that has too little. */
export function faucetFor({ name }: Network, provider: NetworkProvider, address: string, amount: string): string {
    switch (name) {
        case 'mainnet':
            return `buy TON and send ${amount} to it`;
        case 'testnet':
            return 'ask the faucet https://t.me/testgiver_ton_bot for coins to it; it gives 2 an hour';
        case 'local':
            return `npm run localnet -- faucet ${address} ${amount} --port ${new URL(endpointOf(provider)!).port}`;
    }
}

/** True for an error of the HTTP client or its endpoint when they cannot serve. */
export function isEndpointFailure(error: unknown): error is Error {
    const { isAxiosError, code, name, message } = error as { isAxiosError?: boolean; code?: string } & Error;
    return (
        error instanceof ChainError ||
        isAxiosError === true ||
        ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'ECONNABORTED'].includes(code ?? '') ||
        ['ZodError', 'SyntaxError', 'TimeoutError'].includes(name) ||
        /Malformed response|fetch failed/.test(message)
    );
}

const LOOKS_FIRST = 'run the script again: before it sends anything, it checks the outcome of what was sent';

/** The sentence for a failure of the endpoint. */
export function endpointRefusal(endpoint: string | undefined, error: unknown): ScriptError {
    if (error instanceof ChainError) {
        const { message, unknown, final } = error;
        return /\(429\)/.test(message)
            ? new ScriptError(message, 'wait, or give an API key with --custom-key')
            : new ScriptError(
                  message,
                  unknown
                      ? LOOKS_FIRST
                      : final
                        ? undefined
                        : 'is it up, and is the URL right, /api/v2/jsonRPC included?',
              );
    }
    const answer = (error as { response?: { status: number; data?: { error?: string } } }).response;
    const cause = (error as Error & { cause?: { code?: string } }).cause?.code ?? (error as { code?: string }).code;
    const reason = answer?.data?.error ?? cause ?? (error as Error).message.split('\n')[0];
    return new ScriptError(
        `${endpoint ?? 'The endpoint'} does not serve: ${answer === undefined ? '' : `${answer.status} `}${reason}`,
        LOOKS_FIRST,
    );
}

/** A parameter of the network's configuration. Refuses an endpoint that does not answer, or answers nonsense. */
export async function configParam(provider: NetworkProvider, id: number, within = ANSWER_WITHIN): Promise<Cell> {
    const endpoint = endpointOf(provider);
    return endpoint === undefined ? paramByAccount(provider, id) : paramByHttp(provider, { endpoint, within }, id);
}

async function paramByHttp(
    provider: NetworkProvider,
    { endpoint, within }: { endpoint: string; within: number },
    id: number,
): Promise<Cell> {
    const first = endpointsOf(provider).map((each) => ({ ...each, answerSeconds: within / 1000 }));
    const client = clients.get(provider) ?? new ChainApi(first);
    let answer: unknown;
    try {
        answer = await client.call('getConfigParam', { config_id: id });
    } catch (error) {
        throw endpointRefusal(endpoint, error);
    }
    try {
        return Cell.fromBase64((answer as { config: { bytes: string } }).config.bytes);
    } catch {
        throw new ScriptError(
            `${client.names[0]} answers, but not as a TON HTTP API: ${JSON.stringify(answer).slice(0, 80)}`,
            'check the URL: it ends in /api/v2/jsonRPC',
        );
    }
}

async function paramByAccount(provider: NetworkProvider, id: number): Promise<Cell> {
    const { state } = await provider.getContractState(CONFIG_ADDRESS);
    if (state.type !== 'active' || !state.data) {
        throw new ScriptError('The endpoint does not return the configuration of the network', 'use another endpoint');
    }
    return configParams(Cell.fromBoc(state.data)[0].refs[0]).get(id)!;
}
