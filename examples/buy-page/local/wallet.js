/**
 * A wallet for local networks, in the page itself: it signs as a v5r1 wallet and asks with a dialog of the browser. Its
 * key lies in localStorage, and a local network gives it coins. Real wallets know no local network.
 */
import { ton } from '../src/amounts'; // first, because the wrappers bring the Buffer that @ton/core expects
import {
    Address,
    beginCell,
    Cell,
    external,
    internal,
    loadStateInit,
    SendMode,
    storeMessage,
    storeStateInit,
} from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { TonClient, WalletContractV5R1 } from '@ton/ton';

const NETWORK = -3;
const FUNDS = 20_000_000_000n; // nanoTON that the local network gives
const NAMES = { seed: 'local-wallet seed', connected: 'local-wallet connected' };
const REJECTED = 300;

function readSeed() {
    const stored = localStorage.getItem(NAMES.seed);
    if (stored !== null) return Buffer.from(stored, 'hex');
    const seed = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
    localStorage.setItem(NAMES.seed, seed.toString('hex'));
    return seed;
}

const pair = keyPairFromSeed(readSeed());
const wallet = WalletContractV5R1.create({
    publicKey: pair.publicKey,
    walletId: { networkGlobalId: NETWORK, context: { workchain: 0, walletVersion: 'v5r1', subwalletNumber: 0 } },
});

const endpoint = fetch('./market.json')
    .then((response) => response.json())
    .then((settings) => settings.endpoint);

async function call(method, params) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const response = await fetch(await endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
    });
    return response.json();
}

const device = {
    ...{ platform: 'browser', appName: 'Local wallet', appVersion: '1', maxProtocolVersion: 2 },
    features: ['SendTransaction', { name: 'SendTransaction', maxMessages: 4 }],
};

function connectEvent() {
    const { code, data } = wallet.init;
    const init = beginCell().store(storeStateInit({ code, data })).endCell();
    const item = {
        ...{ name: 'ton_addr', address: wallet.address.toRawString(), network: String(NETWORK) },
        ...{ publicKey: pair.publicKey.toString('hex'), walletStateInit: init.toBoc().toString('base64') },
    };
    return { event: 'connect', id: Date.now(), payload: { items: [item], device } };
}

const refusal = (id, code, message) => ({ id, error: { code, message } });

/** Asks the person, signs, and sends. */
async function sendTransaction(id, request) {
    const { messages, valid_until: timeout, network } = request;
    if (network !== String(NETWORK)) return refusal(id, 1, 'This wallet is on another network');
    const list = messages.map(({ address, amount }) => `${ton(BigInt(amount))} to ${address}`).join('\n');
    if (!confirm(`Local wallet: send this?\n\n${list}`)) return refusal(id, REJECTED, 'The user said no');
    const client = new TonClient({ endpoint: await endpoint });
    const opened = client.open(wallet);
    const seqno = await opened.getSeqno();
    const body = wallet.createTransfer({
        ...{ seqno, secretKey: pair.secretKey, timeout },
        sendMode: SendMode.PAY_GAS_SEPARATELY + SendMode.IGNORE_ERRORS,
        messages: messages.map(({ address, amount, payload, stateInit }) =>
            internal({
                to: Address.parse(address),
                bounce: Address.isFriendly(address) ? Address.parseFriendly(address).isBounceable : true,
                value: BigInt(amount),
                body: payload === undefined ? undefined : Cell.fromBase64(payload),
                init: stateInit === undefined ? undefined : loadStateInit(Cell.fromBase64(stateInit).beginParse()),
            }),
        ),
    });
    const isNew = !(await client.isContractDeployed(wallet.address));
    const message = external({ to: wallet.address, body, init: isNew ? wallet.init : undefined });
    const boc = beginCell().store(storeMessage(message)).endCell().toBoc();
    await client.sendFile(boc);
    return { id, result: boc.toString('base64') };
}

globalThis.cocoonLocalWallet = {
    tonconnect: {
        deviceInfo: device,
        walletInfo: {
            ...{ name: 'Local wallet', app_name: 'local-wallet', about_url: 'https://ton.org', image: './icon.png' },
            ...{ platforms: ['chrome'], features: device.features },
        },
        protocolVersion: 2,
        isWalletBrowser: false,
        async connect() {
            const { result } = await call('getAddressInformation', { address: wallet.address.toString() });
            if (BigInt(result?.balance ?? 0) === 0n) {
                await call('localnet_faucet', { address: wallet.address.toString(), amount: FUNDS.toString() });
            }
            localStorage.setItem(NAMES.connected, 'yes');
            return connectEvent();
        },
        async restoreConnection() {
            const isConnected = localStorage.getItem(NAMES.connected) !== null;
            const payload = { code: 100, message: 'This page is not connected' };
            return isConnected ? connectEvent() : { event: 'connect_error', id: Date.now(), payload };
        },
        disconnect: () => localStorage.removeItem(NAMES.connected),
        async send({ id, method, params }) {
            if (method !== 'sendTransaction') return refusal(id, 400, 'This wallet only sends transactions');
            return sendTransaction(id, JSON.parse(params[0]));
        },
        listen: () => () => undefined,
    },
};
