/** Asks the gateway that runs on this machine, over its admin paths. */
import { Agent, request } from 'undici';
import { Remedied } from '../process/errors';

/**
 * The answer of the gateway at a URL. Throws {@link Remedied} if none answers, or an error with the gateway's message.
 */
export async function askGateway(
    url: string,
    method: 'GET' | 'POST',
    path: string,
    sentBody: unknown = {},
): Promise<unknown> {
    const { adminHeaders } = await import('../gateway/adminToken');
    const json = method === 'POST' ? { 'content-type': 'application/json' } : {};
    const headers = { ...adminHeaders(url), ...json };
    const post = method === 'POST' ? { body: JSON.stringify(sentBody) } : {};
    const dispatcher = isOwnMachine(url) ? { dispatcher: unverified() } : {};
    const sent = request(url.replace(/\/+$/, '') + path, { method, headers, ...post, ...dispatcher });
    const response = await sent.catch((cause: { code?: string }) => {
        throw new Remedied(
            `no gateway answers at ${url} (${cause.code ?? 'no connection'}): start "cocoon gateway up", or give --url`,
            { cause },
        );
    });
    const body = (await response.body.json().catch(() => ({}))) as { error?: { message?: string } };
    if (response.statusCode >= 300) {
        throw new Error(body.error?.message ?? `the gateway answered with HTTP ${response.statusCode}`);
    }
    return body;
}

// A certificate names the gateway for others, not for its own machine, where it is reached by a loopback address.
const isOwnMachine = (url: string): boolean => {
    const { protocol, hostname } = new URL(url);
    return protocol === 'https:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
};

const unverified = () => new Agent({ connect: { rejectUnauthorized: false } });
