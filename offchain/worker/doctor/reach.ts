/** Checks of what clients see: whether the listed endpoint leads here, the attestation, and the version of the link. */
import { createServer, type Server } from 'node:http';
import { signingKey, tiers } from '@cocoon-market/wrappers';
import pino from 'pino';
import { request } from 'undici';
import { rejectionOf } from '../../attest';
import type { ListedNode } from '../../chain';
import { encryptionKey, paths, wireVersions } from '../../link';
import { newSeed } from '../../process/keyFiles';
import { hostOf, mayBePublic } from '../../process/publicAddress';
import { NodeAttestation } from '../attestation';
import type { WorkerConfig, WorkerSeeds } from '../config';
import { type Check, Failure, type Passed, skipped, warning } from './finding';

const ANSWER_MS = 8000;
const MAX_ANSWER = 1 << 20; // bytes
const HOUR = 3600;
const TESTNETS = -3;

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
                return judge(endpoint, await nodeAt(endpoint), { own, probe }, config.network);
            } finally {
                server?.closeAllConnections();
                server?.close();
            }
        },
    };
}

function judge(
    endpoint: string,
    answer: Answered,
    { own, probe }: { own: string; probe: string },
    network: number,
): Passed {
    if (answer.probe !== probe && answer.receiptKey !== own) {
        throw new Failure(
            `at ${endpoint}, which the listing names, another program answers`,
            'point the name, the proxy or the forwarded port to this worker, or change the endpoint in fleet.yaml and run "cocoon worker init" again',
        );
    }
    if (network !== TESTNETS && !mayBePublic(endpoint)) {
        return warning(
            `${endpoint} is reachable from here, but ${hostOf(endpoint)} is no public address`,
            'register an endpoint that clients on the internet reach',
        );
    }
    return `${endpoint} leads to this worker`;
}

async function nodeAt(endpoint: string): Promise<Answered> {
    const url = endpoint.replace(/\/+$/, '') + paths.node;
    try {
        const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(ANSWER_MS) });
        const bytes = Buffer.from(await body.arrayBuffer());
        if (statusCode !== 200 || bytes.length > MAX_ANSWER) {
            return {};
        }
        return JSON.parse(bytes.toString('utf8')) as Answered;
    } catch (error) {
        if (error instanceof SyntaxError) {
            return {};
        }
        const { code, name, message } = error as NodeJS.ErrnoException;
        throw new Failure(
            `${endpoint}, which the listing names, does not answer: ${code ?? (name === 'TimeoutError' ? 'no answer in time' : message)}`,
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
            const { host, port } = config.listen;
            const local = `http://${host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
            const { wire } = port === 0 ? { wire: [...wireVersions] } : await nodeAt(local);
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
            const opened = await NodeAttestation.open({ source, keys, log, now });
            opened.close();
            const proof = opened.current();
            if (proof.tier === 'open') {
                return warning('the attestation is of the tier "open"', 'see docs/attestation.md');
            }
            const hours = (proof.expiry - now()) / HOUR;
            // Measurements and authorities are the client's own choice.
            const rejection = rejectionOf(proof, keys, { tiers }, now());
            if (rejection?.includes('does not bind these keys') === true) {
                throw new Error(`the attestation is not of this node: ${rejection}`);
            }
            return hours < 2 && typeof source === 'string'
                ? warning(`the attestation ends in ${Math.round(hours * 60)} minutes`, 'make a new one in its file now')
                : `${proof.tier}, for ${hours.toFixed(0)} hours more`;
        },
    };
}
