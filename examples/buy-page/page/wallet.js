/** TonConnect: which wallets there are, the connection, and what the wallet is asked to send. */
import {
    BadRequestError,
    isWalletInfoCurrentlyInjected,
    isWalletInfoRemote,
    TonConnect,
    UserRejectsError,
    WalletNotConnectedError,
    WalletNotSupportFeatureError,
    WalletWrongNetworkError,
} from '@tonconnect/sdk';
import { encode } from 'uqr';
import { Address } from '@ton/core';
import { WalletRejected } from '../src/outbox';
import { byId, element, setText, show } from './parts';

const MAX_WALLETS = 12;

/** Errors after which nothing was sent. After others the wallet may have sent it: the chain says so. */
const UNSENT = [BadRequestError, WalletNotConnectedError, WalletNotSupportFeatureError, WalletWrongNetworkError];

export class WalletLink {
    /** `onWallet` is called with each wallet that connects, and with undefined when it is gone. */
    constructor(onWallet) {
        const manifestUrl = new URL('./tonconnect-manifest.json', location.href).href;
        this.link = new TonConnect({ manifestUrl, analytics: { mode: 'off' } });
        this.link.onStatusChange(
            (wallet) => onWallet(wallet === null ? undefined : connected(wallet)),
            (error) => show(byId('connect-problem'), problemOf(error)),
        );
    }

    /** Takes up the connection of an earlier load of the page. */
    async restore() {
        await this.link.restoreConnection().catch(() => undefined);
        return this.link.connected;
    }

    async disconnect() {
        await this.link.disconnect().catch(() => undefined);
    }

    /** Asks the wallet. Rejects with WalletRejected if nothing was sent for certain. */
    async send(request) {
        try {
            return await this.link.sendTransaction(request);
        } catch (error) {
            if (error instanceof UserRejectsError) throw new WalletRejected();
            throw UNSENT.some((kind) => error instanceof kind)
                ? new WalletRejected('Your wallet cannot do this')
                : error;
        }
    }

    /** Shows what can be connected: wallets in this browser first, and those on phones behind a code. */
    async list() {
        const wallets = await this.link.getWallets().catch(() => []);
        const injected = [...localWallets(), ...wallets.filter(isWalletInfoCurrentlyInjected)];
        byId('wallets').replaceChildren(
            ...injected.map(({ name, jsBridgeKey }) => button(name, () => this.connect({ jsBridgeKey }))),
        );
        if (injected.length === 0) {
            byId('wallets').replaceChildren(element('li', { text: 'No wallet was found in this browser.' }));
        }
        const remote = wallets.filter(isWalletInfoRemote).slice(0, MAX_WALLETS);
        byId('more-wallets').hidden = remote.length === 0;
        byId('remote-wallets').replaceChildren(
            ...remote.map(({ name, universalLink, bridgeUrl }) =>
                button(name, () => showLink(name, this.connect({ universalLink, bridgeUrl }))),
            ),
        );
    }

    connect(source) {
        show(byId('connect-problem'), undefined);
        byId('link').hidden = true;
        try {
            return this.link.connect(source);
        } catch (error) {
            show(byId('connect-problem'), problemOf(error));
            return undefined;
        }
    }
}

const LOCAL = 'cocoonLocalWallet';

/** The wallet of a build for local networks, which no list of wallets has. */
const localWallets = () =>
    LOCAL in globalThis ? [{ name: globalThis[LOCAL].tonconnect.walletInfo.name, jsBridgeKey: LOCAL }] : [];

const connected = ({ account, device }) => ({
    address: Address.parse(account.address),
    network: Number(account.chain),
    name: device.appName,
});

const problemOf = (error) =>
    error instanceof UserRejectsError
        ? 'You said no in your wallet. Nothing is connected.'
        : 'The wallet did not connect. Unlock it, and try again.';

const button = (name, onclick) =>
    element('li', { children: [element('button', { type: 'button', text: name.slice(0, 60), onclick })] });

const SVG = 'http://www.w3.org/2000/svg';

/** A code that a phone scans, and the same as a link. */
function showLink(name, url) {
    if (typeof url !== 'string' || !/^https:|^tc:/.test(url)) return;
    const { data, size } = encode(url);
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `Code for ${name}`);
    const ground = document.createElementNS(SVG, 'rect');
    ground.setAttribute('width', size);
    ground.setAttribute('height', size);
    const dots = document.createElementNS(SVG, 'path');
    const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
    dots.setAttribute('d', dark.join(''));
    svg.append(ground, dots);
    byId('code').replaceChildren(svg);
    setText(byId('link-name'), name);
    byId('link-open').href = url;
    byId('link').hidden = false;
}
