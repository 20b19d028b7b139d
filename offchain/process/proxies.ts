/** Proxies in front of a server, and the address of a client behind them. */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { z } from 'zod';
import { distinct } from './fields';

const familyOf = (address: string) => (isIP(address) === 4 ? 'ipv4' : 'ipv6');

/** An address, or a network such as `10.0.0.0/8`. */
const network = z.string().refine((text) => {
    const [address, prefix, ...rest] = text.split('/');
    const max = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
    return rest.length === 0 && (prefix === undefined ? max > 0 : /^\d{1,3}$/.test(prefix) && Number(prefix) <= max);
}, 'expected an address or a network, such as 127.0.0.1 or 10.0.0.0/8');

export const proxies = z
    .array(network)
    .superRefine(distinct(String, (text) => `${text} is listed twice`))
    .default([])
    .describe(
        'addresses and networks of your own reverse proxies, which may open any number of the connections; their ' +
            'header X-Forwarded-For says which client a request is of',
    );

/**
 * What a client is counted by: its address of version 4, or the first 64 bits of one of version 6, because one line has
 * all addresses that begin with them.
 */
export function placeOfAddress(address: string): string {
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
    if (mapped !== undefined || isIP(address) !== 6) {
        return mapped ?? address;
    }
    const [start, end = ''] = address
        .replace(/%.*/, '')
        .replace(/\d+(\.\d+){3}$/, '0:0')
        .split('::');
    const [first, last] = [start, end].map((text) => (text === '' ? [] : text.split(':')));
    const zeros = Array<string>(8 - first.length - last.length).fill('0');
    return [...first, ...zeros, ...last]
        .slice(0, 4)
        .map((group) => parseInt(group, 16).toString(16))
        .join(':');
}

/** The listed proxies of a server. */
export class Proxies {
    private readonly list = new BlockList();

    constructor(listed: readonly string[] = []) {
        for (const text of listed) {
            const [address, prefix] = text.split('/');
            if (prefix === undefined) {
                this.list.addAddress(address, familyOf(address));
            } else {
                this.list.addSubnet(address, Number(prefix), familyOf(address));
            }
        }
    }

    has(address: string): boolean {
        return isIP(address) !== 0 && this.list.check(address, familyOf(address));
    }

    /** Where the client is, see {@link placeOfAddress}. */
    placeOf(request: Parameters<Proxies['clientOf']>[0]): string {
        return placeOfAddress(this.clientOf(request));
    }

    /**
     * The address of the client: that of the connection, and behind listed proxies the one that the last of them names.
     * Each proxy adds to the end of X-Forwarded-For, so what stands before that is only the client's own word.
     */
    clientOf({ socket, headers }: { socket: Pick<Socket, 'remoteAddress'>; headers: IncomingHttpHeaders }): string {
        const hops = String(headers['x-forwarded-for'] ?? '').split(',');
        let client = socket.remoteAddress ?? '';
        while (this.has(client)) {
            const hop = hops.pop()?.trim() ?? '';
            if (isIP(hop) === 0) {
                break;
            }
            client = hop;
        }
        return client;
    }
}
