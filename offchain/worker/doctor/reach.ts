/** Checks of what clients see: whether the listed endpoint leads here, the attestation, and the version of the link. */
import { createServer, type Server } from 'node:http';
import { signingKey, tiers } from '@cocoon-market/wrappers';
import pino from 'pino';
import { request } from 'undici';
import { rejectionOf, UNBOUND } from '../../attest';
import { endpointsOf, type ListedNode } from '../../chain';
import { encryptionKey, paths, wireVersions } from '../../link';
import { newSeed } from '../../process/keyFiles';
import { hostOf, isLocalChain, mayBePublic } from '../../process/publicAddress';
import { NodeAttestation } from '../attestation';
import type { WorkerConfig, WorkerSeeds } from '../config';
import { type Check, Failure, type Passed, skipped, warning } from './finding';

const ANSWER_MS = 8000;
const MAX_ANSWER = 1 << 20; // bytes
const HOUR = 3600;
const UNAVAILABLE = 503; // status

interface Reach {
    config: WorkerConfig;
    seeds: WorkerSeeds | undefined;
    node: Promise<ListedNode | undefined>;
    isServing: boolean;
}

/** What answers at a URL of the node. */
interface Answered {
    receiptKey?: unknown; // hex
    wire?: unknown;
    probe?: unknown; // of this check
}

/** While no worker runs, this check itself listens at the port for a moment. */
export function reachCheck({ config, seeds, node, isServing }: Reach): Check {
    return {
        name: 'reachable',
        remedy: 'see "How clients reach the worker" in docs/worker.md: forward the port, or point the proxy to it',
        seconds: 15,
        run: async () => {
            const listed = await node.catch(() => undefined);
            if (listed === undefined || seeds === undefined) {
                return skipped('the node is not read');
            }
            if (config.listen.port === 0 && !isServing) {
                return skipped('the port is chosen when the worker starts');
            }
            const { endpoint } = listed.service;
            const probe = newSeed().toString('hex');
            const server = isServing ? undefined : await listenFor(config, probe);
            if (server === null) {
                return skipped('the port is in use');
            }
            try {
                const own = signingKey(seeds.receiptKey).publicKey.toString('hex');
                const answer = await nodeAt(endpoint, `${endpoint}, which the listing names,`);
                if (isServing) {
                    await assertListens(config, own);
                }
                return judge(endpoint, answer, { own, probe: isServing ? undefined : probe }, config);
            } finally {
                server?.closeAllConnections();
                server?.close();
            }
        },
    };
}

/** `probe`: what this check itself answers; undefined while the worker runs. */
function judge(
    endpoint: string,
    answer: Answered,
    { own, probe }: { own: string; probe: string | undefined },
    config: WorkerConfig,
): Passed {
    if (probe !== undefined && answer.probe !== probe && answer.receiptKey === own) {
        throw new Failure(
            `at ${endpoint}, which the listing names, a worker with this key runs already, with another configuration`,
            'never run two with one key: stop that one and move key file, mark and store together, or use its configuration',
        );
    }
    if (probe === undefined ? answer.receiptKey !== own : answer.probe !== probe) {
        throw new Failure(
            `at ${endpoint}, which the listing names, another program answers`,
            'point the name, the proxy or the forwarded port to this worker, or change the endpoint in fleet.yaml and run "cocoon worker init" again',
        );
    }
    return weaknessOf(endpoint, config) ?? `${endpoint} leads to this worker`;
}

/** What clients find wrong with an endpoint that works from here. All clients of a chain on this machine are here. */
export function weaknessOf(endpoint: string, config: Pick<WorkerConfig, 'network' | 'endpoint'>): Passed | undefined {
    const urls = endpointsOf(config).map(({ url }) => url);
    if (isLocalChain(config.network, urls)) {
        return undefined;
    }
    if (!mayBePublic(endpoint)) {
        return warning(
            `${endpoint} is reachable from here, but ${hostOf(endpoint)} is no public address: no client elsewhere reaches it`,
            'put an endpoint that clients on the internet reach into fleet.yaml, and run "cocoon worker init" again',
        );
    }
    return endpoint.startsWith('https:')
        ? undefined
        : warning(
              `${endpoint} leads to this worker without TLS: everyone on the way sees who asks when, and how much`,
              'have a proxy with a certificate in front of the worker ("TLS" in docs/worker.md), and change the endpoint to https',
          );
}

/** Throws unless the running worker listens where the configuration says. */
async function assertListens(config: WorkerConfig, own: string): Promise<void> {
    const url = localUrl(config);
    const { receiptKey } = await nodeAt(url, `the configured address ${url}`).catch((): Answered => ({}));
    if (config.listen.port !== 0 && receiptKey !== own) {
        throw new Failure(
            `the running worker does not answer at ${url}, where the configuration has it listen`,
            'restart it, so that it takes the configuration, and have the proxy or the forwarded port lead there',
        );
    }
}

function localUrl({ listen: { host, port } }: WorkerConfig): string {
    return `http://${host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
}

/** `what`: names the endpoint in an error. */
async function nodeAt(endpoint: string, what: string): Promise<Answered> {
    const url = endpoint.replace(/\/+$/, '') + paths.node;
    try {
        const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(ANSWER_MS) });
        const bytes = Buffer.from(await body.arrayBuffer());
        if (statusCode === UNAVAILABLE) {
            throw new Failure(
                `${what} says that it cannot serve now (HTTP ${statusCode})`,
                'a worker says so while it has no attestation, and a proxy while it does not reach the worker',
            );
        }
        if (statusCode !== 200 || bytes.length > MAX_ANSWER) {
            return {};
        }
        return JSON.parse(bytes.toString('utf8')) as Answered;
    } catch (error) {
        if (error instanceof SyntaxError) {
            return {};
        }
        if (error instanceof Failure) {
            throw error;
        }
        const { code, name, message } = error as NodeJS.ErrnoException;
        throw new Failure(
            `${what} does not answer: ${code ?? (name === 'TimeoutError' ? 'no answer in time' : message)}`,
            'open the port in firewall and router, and look at name and certificate. A router may not lead its own public address back: then try it from outside (curl URL/v1/node)',
        );
    }
}

/** Answers at the worker's own port; null when something else listens there. */
function listenFor({ listen }: WorkerConfig, probe: string): Promise<Server | null> {
    return new Promise((resolve) => {
        const server = createServer((_request, response) => {
            response.setHeader('content-type', 'application/json').end(JSON.stringify({ probe }));
        });
        server.once('error', () => resolve(null));
        server.listen({ ...listen, exclusive: true }, () => resolve(server));
    });
}

/** `running`: what the running worker says of itself. */
export function linkCheck({ config, isServing }: Pick<Reach, 'config' | 'isServing'>): Check {
    const own = wireVersions.join(', ');
    return {
        name: 'link',
        remedy: 'restart the worker with this version of the program',
        run: async () => {
            if (!isServing) {
                return `this program speaks ${own}`;
            }
            const local = localUrl(config);
            const { wire } =
                config.listen.port === 0
                    ? { wire: [...wireVersions] }
                    : await nodeAt(local, `the running worker at ${local}`);
            const spoken = Array.isArray(wire) ? wire.join(', ') : 'nothing that this program knows';
            if (spoken !== own) {
                throw new Error(`the running worker speaks ${spoken}, and this program ${own}`);
            }
            return `the running worker speaks ${own}`;
        },
    };
}

export function attestationCheck(
    { config, seeds, isServing }: Pick<Reach, 'config' | 'seeds' | 'isServing'>,
    now: () => number,
): Check {
    const { attestation: source, node } = config;
    return {
        name: 'attestation',
        remedy: 'make the attestation again for these keys (docs/attestation.md)',
        seconds: 30,
        run: async () => {
            if (source === 'open') {
                const remedy = 'see docs/attestation.md; most clients refuse a node without an attestation';
                return warning('the node has no attestation ("open")', remedy);
            }
            if (seeds === undefined) {
                return skipped('the keys cannot be read');
            }
            if (isServing && typeof source !== 'string') {
                return 'the running worker renews it';
            }
            const keys = {
                node: node.hash,
                receiptKey: signingKey(seeds.receiptKey).publicKey,
                encryptionKey: (await encryptionKey(seeds.encryptionKey)).publicKey,
            };
            const log = pino({ level: 'silent' });
            const attestation = new NodeAttestation({ source, keys, log, now });
            await attestation.open().finally(() => attestation.close());
            const proof = attestation.current()!;
            if (proof.tier === 'open') {
                return warning('the attestation is of the tier "open"', 'see docs/attestation.md');
            }
            const hours = (proof.expiry - now()) / HOUR;
            // Measurements and authorities are the client's own choice.
            const rejection = rejectionOf(proof, keys, { tiers }, now());
            if (rejection === UNBOUND) {
                throw new Error(`the attestation is not of this node: ${rejection}`);
            }
            return hours < 2 && typeof source === 'string'
                ? warning(`the attestation ends in ${Math.round(hours * 60)} minutes`, 'make a new one in its file now')
                : `${proof.tier}, for ${hours.toFixed(0)} hours more`;
        },
    };
}
