/** Which network a script really talks to, and what its addresses look like. */
import { Address, Cell, Dictionary } from '@ton/core';
import type { NetworkProvider } from '@ton/blueprint';
import { TonClient } from '@ton/ton';
import { Refusal } from './refusal';

export type NetworkName = 'mainnet' | 'testnet' | 'local';

export const GLOBAL_IDS = { mainnet: -239, testnet: -3 } as const;

const ANSWER_WITHIN = 15_000; // milliseconds
const CONFIG_ADDRESS = new Address(-1, Buffer.alloc(32, 0x55));
const GLOBAL_ID_PARAM = 19;

/** What a script knows of its network before it does anything. */
export interface Network {
    name: NetworkName;
    globalId: number; // what GLOBALID answers
    testOnly: boolean; // whether friendly addresses carry the test mark
}

/** Asks the endpoint what it is. Refuses one that does not answer, answers nonsense, or is another network than named. */
export async function identify(provider: NetworkProvider, within = ANSWER_WITHIN): Promise<Network> {
    const called = provider.network();
    const endpoint = endpointOf(provider);
    const local = endpoint !== undefined && isLoopback(endpoint);
    if (called === 'tetra' || (called === 'custom' && !local)) {
        throw new Refusal(
            'Nobody said which network this is',
            'give --testnet or --mainnet, or --custom-type testnet (or mainnet) beside --custom',
        );
    }
    const globalId = (await configParam(provider, GLOBAL_ID_PARAM, within)).beginParse().loadInt(32);
    const expected = called === 'testnet' ? GLOBAL_IDS.testnet : GLOBAL_IDS.mainnet;
    if (globalId !== expected) {
        const is =
            globalId === GLOBAL_IDS.testnet ? 'testnet' : globalId === GLOBAL_IDS.mainnet ? 'mainnet' : 'neither';
        throw new Refusal(
            `Wrong network: the endpoint's id is ${globalId} (${is}), Blueprint was told ${called} (${expected})`,
            is === 'testnet'
                ? 'give --testnet, or --custom-type testnet beside --custom'
                : 'give --mainnet, or --custom-type mainnet beside --custom; a local network takes --network-id=-3',
        );
    }
    return { name: local ? 'local' : (called as NetworkName), globalId, testOnly: called === 'testnet' };
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

/** True for what an HTTP client, or the endpoint behind it, does when it cannot serve. */
export function isEndpointFailure(error: unknown): error is Error {
    const { isAxiosError, code, name, message } = error as { isAxiosError?: boolean; code?: string } & Error;
    return (
        isAxiosError === true ||
        ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'ECONNABORTED'].includes(code ?? '') ||
        ['ZodError', 'SyntaxError', 'TimeoutError'].includes(name) ||
        /Malformed response|fetch failed/.test(message)
    );
}

/** The sentence for a failure of the endpoint. */
export function endpointRefusal(endpoint: string | undefined, error: unknown): Refusal {
    const answer = (error as { response?: { status: number; data?: { error?: string } } }).response;
    const cause = (error as Error & { cause?: { code?: string } }).cause?.code ?? (error as { code?: string }).code;
    const said = answer?.data?.error ?? cause ?? (error as Error).message.split('\n')[0];
    const where = endpoint ?? 'the endpoint';
    return answer?.status === 429
        ? new Refusal(`${where} takes no more calls for now (429)`, 'wait, or give an API key with --custom-key')
        : new Refusal(
              `${where} does not serve: ${answer === undefined ? '' : `${answer.status} `}${said}`,
              'is it up, and is the URL right, /api/v2/jsonRPC included? Running the script again is safe',
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
    const { apiKey } = (provider.api() as TonClient).parameters;
    const body = { id: 1, jsonrpc: '2.0', method: 'getConfigParam', params: { config_id: id } };
    let text: string;
    try {
        const response = await fetch(endpoint, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }) },
            body: JSON.stringify(body),
            signal: AbortSignal.timeout(within),
        });
        text = await response.text();
    } catch (error) {
        throw (error as Error).name === 'TimeoutError'
            ? new Refusal(`${endpoint} did not answer within ${within / 1000} s`, 'try again, or use another endpoint')
            : endpointRefusal(endpoint, error);
    }
    try {
        const { result } = JSON.parse(text) as { result: { config: { bytes: string } } };
        return Cell.fromBase64(result.config.bytes);
    } catch {
        throw new Refusal(
            `${endpoint} answers, but not as a TON HTTP API: ${text.slice(0, 80).replace(/\s+/g, ' ')}`,
            'check the URL: it ends in /api/v2/jsonRPC',
        );
    }
}

async function paramByAccount(provider: NetworkProvider, id: number): Promise<Cell> {
    const { state } = await provider.getContractState(CONFIG_ADDRESS);
    if (state.type !== 'active' || !state.data) {
        throw new Refusal('The endpoint does not know the configuration of the network', 'use another endpoint');
    }
    const params = Cell.fromBoc(state.data)[0].beginParse().loadRef().beginParse();
    return params.loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell()).get(id)!;
}

function isLoopback(endpoint: string): boolean {
    try {
        return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(endpoint).hostname);
    } catch {
        return false;
    }
}
