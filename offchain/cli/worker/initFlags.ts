/** The flags of `cocoon worker init`, as they were typed, and how those that several parts need are read. */
import { GLOBAL_IDS, parseTon, readAddress } from '@cocoon-market/wrappers';
import { endpointsOf } from '../../chain';
import { Remedied } from '../../process/errors';
import { isLocalChain, mayBePublic } from '../../process/publicAddress';
import type { WorkerConfig } from '../../worker/config';

/** The flags about the machine. */
export interface MachineFlags {
    gpuModel?: string;
    gpus?: string;
    vram?: string;
    gpuClass?: string;
    backend?: string;
    backendKey?: string;
    model?: string[];
    prompt?: string;
    cached?: string;
    completion?: string;
    reasoning?: string;
    anyPrice?: boolean;
    speed?: string;
}

export interface InitFlags extends MachineFlags {
    dir: string;
    network?: string;
    endpoint?: string;
    apiKey?: string;
    registry?: string;
    owner?: string;
    wallet?: string;
    url?: string;
    listen: string;
    name: string;
    region: string;
    uptime: string;
    stake?: string;
    anyCode?: boolean;
    fund: string;
    wait: string;
    print?: boolean;
    yes?: boolean;
    json?: boolean;
    start?: boolean;
    sweep?: boolean; // false: --no-sweep
}

/** The number of a network by its name. */
export function networkNamed(text: string): number {
    const byName = (GLOBAL_IDS as Partial<Record<string, number>>)[text];
    if (byName === undefined && !/^-?\d{1,10}$/.test(text)) {
        throw new Error(`"${text}" is no network: write mainnet, testnet, or a number`);
    }
    return byName ?? Number(text);
}

/** The endpoint of a network unless the owner names one. */
export function endpointOf(network: number): string {
    if (network === GLOBAL_IDS.mainnet) {
        return 'https://toncenter.com/api/v2/jsonRPC';
    }
    if (network === GLOBAL_IDS.testnet) {
        return 'https://testnet.toncenter.com/api/v2/jsonRPC';
    }
    throw new Remedied(`Missing: --endpoint URL, the TON HTTP API v2 of network ${network}`);
}

/** nanoTON of a flag. */
export function tonFlag(flag: string, text: string): bigint {
    return readFlag(flag, text, parseTon);
}

/** What a flag says. Throws a {@link Remedied} that names the flag. */
export function readFlag<T>(flag: string, text: string, read: (text: string) => T): T {
    try {
        return read(text);
    } catch (error) {
        throw new Remedied(`${flag}: ${(error as Error).message}`, { cause: error });
    }
}

/** Reads a whole number from `min` to `max`. */
export const wholeFrom = (min: number, max: number) => (text: string) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
        throw new Error(`"${text}" is not a whole number from ${min} to ${max}`);
    }
    return value;
};

/** The URL of a worker, without a slash at its end. */
export function urlOf(text: string): string {
    if (!/^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/.test(text) || !URL.canParse(text)) {
        throw new Error(`"${text}" is not the URL of a worker: write https://host:port`);
    }
    return text.replace(/\/+$/, '');
}

/** A URL for the listing. Unless the chain is on this machine, clients do not connect to private addresses. */
export function reachableUrl(text: string, { network, endpoint }: { network: number; endpoint: string }): string {
    const url = urlOf(text);
    if (!mayBePublic(url) && !isLocalChain(network, [endpoint])) {
        throw new Error(
            `"${url}" is a private address, to which clients do not connect: write one that works from outside`,
        );
    }
    return url;
}

/** Throws if flags name another market or endpoint than a configuration: the owner's coins would go to its market. */
export function assertSameMarket(
    flags: InitFlags,
    config: Pick<WorkerConfig, 'network' | 'registry' | 'endpoint'>,
    file: string,
): void {
    const checks: [string, string | undefined, (text: string) => boolean][] = [
        ['--network', flags.network, (text) => readFlag('--network', text, networkNamed) === config.network],
        [
            '--registry',
            flags.registry,
            (text) => config.registry?.equals(readFlag('--registry', text, readAddress)) === true,
        ],
        ['--endpoint', flags.endpoint, (text) => endpointsOf(config).some(({ url }) => url === text)],
    ];
    const different = checks.find(([, text, isSame]) => text !== undefined && !isSame(text));
    if (different !== undefined) {
        throw new Remedied(
            `${different[0]} ${different[1]} is not what ${file} says: leave the flag out, or name another folder ` +
                'with --dir',
        );
    }
}
