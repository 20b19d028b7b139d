/** Client for what a local network can do beyond the TON HTTP API: coins, time and the log of all transactions. */
import { request } from 'node:http';
import { Address } from '@ton/core';
import { type LoggedTransaction, reviveTransaction } from './record';

/** The path of the JSON-RPC endpoint. It is the same as toncenter's. */
export const RPC_PATH = '/api/v2/jsonRPC';

interface Answer {
    ok: boolean;
    result?: unknown;
    error?: string;
}

interface WireTransaction {
    index: number;
    account: string;
    boc: string;
}

/** Talks to a local network in another process. */
export class LocalnetClient {
    /** @param url the JSON-RPC endpoint, as given to TonClient */
    constructor(readonly url: string) {}

    /** Sends new coins to an account, which need not exist. */
    async faucet(address: Address, nanoTON: bigint): Promise<LoggedTransaction> {
        const params = { address: address.toString(), amount: nanoTON.toString() };
        return revive((await this.call('localnet_faucet', params)) as WireTransaction);
    }

    /** Moves time forward; the result is the new time in unix seconds. */
    async advance(seconds: number): Promise<number> {
        return ((await this.call('localnet_advance', { seconds })) as { now: number }).now;
    }

    /** Unix seconds on the network. */
    async now(): Promise<number> {
        return ((await this.call('localnet_time', {})) as { now: number }).now;
    }

    /** What GLOBALID answers on the network. */
    async networkId(): Promise<number> {
        return ((await this.call('localnet_info', {})) as { networkId: number }).networkId;
    }

    /** The number of transactions so far. `transactions` with this position returns the later ones. */
    async height(): Promise<number> {
        return ((await this.call('localnet_info', {})) as { seqno: number }).seqno;
    }

    /**
     * Sets the limit of calls a second; undefined removes it. Returns the number of refused calls, and of served
     * calls by method.
     */
    async limit(callsPerSecond?: number): Promise<{ refused: number; calls: Record<string, number> }> {
        const params = callsPerSecond === undefined ? {} : { callsPerSecond };
        return (await this.call('localnet_limit', params)) as { refused: number; calls: Record<string, number> };
    }

    /** Every transaction after position `from` of the log, in the order of execution. */
    async transactions(from = 0): Promise<LoggedTransaction[]> {
        const all: LoggedTransaction[] = [];
        for (;;) {
            const page = (await this.call('localnet_transactions', { from: from + all.length })) as WireTransaction[];
            if (page.length === 0) {
                return all;
            }
            all.push(...page.map(revive));
        }
    }

    private async call(method: string, params: Record<string, unknown>): Promise<unknown> {
        const answer = await post(this.url, JSON.stringify({ id: 1, jsonrpc: '2.0', method, params }));
        if (!answer.ok) {
            throw new Error(`${method}: ${answer.error}`);
        }
        return answer.result;
    }
}

function revive(wire: WireTransaction): LoggedTransaction {
    return reviveTransaction({ ...wire, account: Address.parseRaw(wire.account) });
}

function post(url: string, body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
        // Without an agent: the server may close an idle connection at the moment when it is used again.
        const sent = request(url, { method: 'POST', headers, agent: false }, (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => {
                try {
                    resolve(JSON.parse(Buffer.concat(chunks).toString()) as Answer);
                } catch {
                    reject(new Error(`${url} answered ${response.statusCode} and no JSON`));
                }
            });
        });
        sent.on('error', reject);
        sent.end(body);
    });
}
