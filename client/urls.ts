/** Where a worker may lead its clients. */

const PRIVATE = [
    /^[^.[]*$/, // localhost, and other names without a dot
    /\.(localhost|local|internal|lan|home\.arpa)$/,
    /^(0|10|127)\./,
    /^(169\.254|192\.168)\./,
    /^172\.(1[6-9]|2\d|3[01])\./,
    /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./,
    /^\[/, // addresses of version 6: a worker has a name
];

const isPrivate = ({ hostname }: URL): boolean => PRIVATE.some((pattern) => pattern.test(hostname.replace(/\.$/, '')));

/** True if a URL leads to a private address by its text; where a name leads is not looked up. */
export const isPrivateUrl = (url: string): boolean => isPrivate(new URL(url));

/**
 * True if a client may ask a process of a worker at `url`. `worker`: the URL on chain. A public worker leads into no
 * private network, and one with encryption to nothing without it.
 */
export function mayFollow(url: string, worker: string): boolean {
    if (!URL.canParse(url) || !URL.canParse(worker)) {
        return false;
    }
    const [to, from] = [new URL(url), new URL(worker)];
    const isWeb = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
    return isWeb && (!isPrivate(to) || isPrivate(from));
}
