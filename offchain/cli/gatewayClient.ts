/** Asks the gateway that runs on this machine, over its admin paths. */
import { request } from 'undici';
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
    const sent = request(url.replace(/\/+$/, '') + path, { method, headers, ...post });
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
