/** Which addresses of the internet protocol are public. What a stranger names must not lead into a private network. */
import { isTestOnly } from '@cocoon-market/wrappers';
import { lookup as dnsLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

// Networks that are private or reserved, by the special-purpose registries of IANA.
const PRIVATE_4 =
    '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 ' +
    '192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4';
// Below 2000::/3, which holds every public address. Some of these carry an address of version 4 inside.
const RESERVED_6 = '2001::/23 2001:db8::/32 2002::/16 3fff::/20';

const listOf = (text: string, family: 'ipv4' | 'ipv6') => {
    const list = new BlockList();
    for (const network of text.split(' ')) {
        const [address, prefix] = network.split('/');
        list.addSubnet(address, Number(prefix), family);
    }
    return list;
};
const private4 = listOf(PRIVATE_4, 'ipv4');
const reserved6 = listOf(RESERVED_6, 'ipv6');
const unicast6 = listOf('2000::/3', 'ipv6');

/** True if the text is an address that anybody on the internet may have. */
export function isPublicAddress(text: string): boolean {
    switch (isIP(text)) {
        case 4:
            return !private4.check(text, 'ipv4');
        case 6:
            return unicast6.check(text, 'ipv6') && !reserved6.check(text, 'ipv6');
        default:
            return false;
    }
}

/** The name leads to an address that is not public. */
export class PrivateAddress extends Error {
    readonly code = 'PRIVATE_ADDRESS';

    constructor(host: string) {
        super(`${host} is a private address`);
        this.name = 'PrivateAddress';
    }
}

/** The host of a URL, without the brackets of an address of version 6. */
export const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, '');

/** True of a host at which only programs of this machine reach who listens there. */
export const isLoopback = (host: string): boolean => /^(127\.0\.0\.1|localhost|::1)$/.test(host);

/** True of the Host header of a request by a name that this machine has for itself, not by a stranger's. */
export const isLoopbackHeader = (host: string | undefined): boolean =>
    /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host ?? '');

/** True if a URL leads to the machine that it is used on. */
export function isOnThisMachine(url: string): boolean {
    const host = URL.canParse(url) ? hostOf(url) : '';
    return isLoopback(host) || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * True of a test network whose every endpoint is on this machine: so are its nodes and clients. A mainnet endpoint here
 * is a node of one's own, and the market is everybody's.
 */
export const isLocalChain = (network: number, endpoints: readonly string[]): boolean =>
    isTestOnly(network) && endpoints.every(isOnThisMachine);

/** False if a URL names an address that is not public. A name is looked up only when it is connected to. */
export function mayBePublic(url: string): boolean {
    const host = hostOf(url);
    return isIP(host) === 0 ? !/(^|\.)(localhost|local|internal)$/.test(host) : isPublicAddress(host);
}

/**
 * Looks a name up for a connection, and refuses one with any private address. The connection uses the addresses that
 * were checked, so a name that changes in between gains nothing.
 */
export const publicLookup: LookupFunction = (host, options, done) => {
    dnsLookup(host, { ...options, all: true }, (error, addresses) => {
        if (error !== null) {
            done(error, []);
        } else if (!addresses.every(({ address }) => isPublicAddress(address))) {
            done(new PrivateAddress(host), []);
        } else if (options.all === true) {
            done(null, addresses);
        } else {
            done(null, addresses[0].address, addresses[0].family);
        }
    });
};
