/** Wallets and raw requests for the tests of the local network. */
import { request } from 'node:http';
import { Address, internal, SendMode } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { type OpenedContract, WalletContractV4, WalletContractV5R1 } from '@ton/ton';

export const keys = keyPairFromSeed(Buffer.alloc(32, 7));
export const stranger = new Address(0, Buffer.alloc(32, 0x5a));

export function walletV4() {
    return WalletContractV4.create({ workchain: 0, publicKey: keys.publicKey });
}

export function walletV5() {
    return WalletContractV5R1.create({ publicKey: keys.publicKey });
}

/** Sends `value` nanoTON from a wallet and pays the fees on top; deploys the wallet if it is not active. */
export async function transfer(
    wallet: OpenedContract<WalletContractV4> | OpenedContract<WalletContractV5R1>,
    seqno: number,
    to: Address,
    value: bigint,
): Promise<void> {
    const message = {
        seqno,
        secretKey: keys.secretKey,
        // The default is 60 s from real time, which the network's clock may be far from.
        timeout: 0xffffffff,
        sendMode: SendMode.PAY_GAS_SEPARATELY,
        messages: [internal({ to, value, bounce: false })],
    };
    await (wallet as OpenedContract<WalletContractV4>).sendTransfer(message);
}

/** What the server says to a call that fails, as TonClient's caller sees it. */
export async function failureOf(call: Promise<unknown>): Promise<{ status: number; error: string }> {
    try {
        await call;
    } catch (error) {
        const { status, data } = (error as { response: { status: number; data: { error: string } } }).response;
        return { status, error: data.error };
    }
    throw new Error('the call did not fail');
}

/** Posts any text, with no client in between. */
export function post(url: string, body: string, type = 'application/json') {
    return new Promise<{ status: number; answer: { ok: boolean; error: string; result: unknown; id?: unknown } }>(
        (resolve, reject) => {
            const sent = request(url, { method: 'POST', headers: { 'content-type': type } }, (response) => {
                let text = '';
                response.setEncoding('utf8');
                response.on('data', (chunk: string) => (text += chunk));
                response.on('end', () => resolve({ status: response.statusCode!, answer: JSON.parse(text) }));
            });
            sent.on('error', reject);
            sent.end(body);
        },
    );
}

/** Calls a method by JSON-RPC and returns its result. */
export async function rpc(url: string, method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    return (await post(url, JSON.stringify({ id: 1, jsonrpc: '2.0', method, params }))).answer.result;
}

/** A shortcut to transactions of an account as JSON, which TonClient does not show. */
export async function newestFee(url: string, account: Address): Promise<bigint> {
    const [newest] = (await rpc(url, 'getTransactions', { address: account.toString(), limit: 1 })) as {
        fee: string;
    }[];
    return BigInt(newest.fee);
}
