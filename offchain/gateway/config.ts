/** The gateway's settings: one JSON file, some of it overridden by flags. Amounts are nanoTON as decimal strings. */
import { jobRules } from '@cocoon-market/wrappers';
import { resolve } from 'node:path';
import { z } from 'zod';
import { CLOCK_TOLERANCE, waits } from '../link';
import { address, chainFields, distinct, hex, logLevel, nano, ofOneNetwork, rates, whole } from '../process/fields';
import { metricsListen } from '../process/metrics';
import { proxies } from '../process/proxies';
import { isLocalChain } from '../process/publicAddress';
import { readSettings } from '../process/settings';
import { isPostgres } from '../process/storeAddress';

const workerUrls = z
    .array(z.url())
    .min(1)
    .superRefine(
        distinct(
            (url) => new URL(url).href,
            (url) => `${url} is listed twice: leave it once`,
        ),
    );

const model = z.strictObject({
    maxPrice: z.strictObject(rates).describe('The highest rates that the client accepts.'),
    workers: workerUrls.optional().describe('URLs of the workers that may serve it. Left out: all'),
});

const job = z
    .strictObject({
        deposit: nano.prefault('1000000000').describe('deposit that a job begins with'),
        notice: whole(jobRules.minNotice, jobRules.maxNotice)
            .default(3600)
            .meta({ unit: 'seconds' })
            .describe('time that the provider has to claim after the client leaves'),
        lifetime: whole(7200, jobRules.maxEnd)
            .default(7 * 86400)
            .meta({ unit: 'seconds' })
            .describe('time after which a job ends'),
        step: nano.prefault('10000000').describe('the most unpaid work of one running query'),
        maxParallel: whole(1, 1024).default(8).describe('queries of one job at once'),
        maxAnswer: whole(1024, 0xffffffff)
            .default(4 << 20)
            .meta({ unit: 'bytes' })
            .describe('the longest answer'),
        openAhead: z
            .number()
            .min(0)
            .max(0.9)
            .default(0.25)
            .describe('part of the deposit below which the next job opens'),
        aheadSeconds: z
            .number()
            .min(0)
            .max(3600)
            .default(120)
            .describe('the next job opens if the running use spends the deposit within this time'),
        maxOpen: whole(1, 256)
            .default(16)
            .describe('jobs of one model that are open at once, beside those of nodes that serve badly'),
        idleHours: z
            .number()
            .positive()
            .default(24)
            .describe('time without a query, after which a job that another can replace is settled'),
        lastHours: z.number().min(0).default(2).describe('time before the end of a job in which no new query begins'),
        maxSpoiled: whole(1).default(8).describe('jobs in 24 hours that nodes may spoil before they paid off'),
    })
    .prefault({})
    .describe('The jobs that the gateway opens.');

// What Intel says of a machine's firmware. A machine of any other status has open holes that are known.
const tcbStatus = z.enum(['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded']);

const discovery = z
    .strictObject({
        enabled: z
            .boolean()
            .optional()
            .describe('reads nodes from the events of the registry. Left out: if `workers` is left out'),
        everySeconds: whole(1).default(60).describe('interval between two readings'),
        maxNodes: whole(1, 1000).default(32).describe('nodes that are asked for one model, of all that were found'),
        allowPrivate: z
            .boolean()
            .optional()
            .describe('also workers at private addresses. Left out: if the chain is a test network on this machine'),
    })
    .prefault({})
    .describe('How nodes are found.');

const routing = z
    .strictObject({
        regions: z
            .array(z.string().min(1).max(16))
            .default([])
            .describe('regions that are preferred, as nodes list them'),
        slowSeconds: z.number().min(0).default(2).describe('an answer of 200 tokens that takes less is never slow'),
    })
    .prefault({})
    .describe('Which node gets a query.');

const attestation = z
    .strictObject({
        allowOpen: z.boolean().default(false).describe('also nodes that attest nothing'),
        authority: hex(32).optional().describe('Ed25519 key of the testca authority. Left out: no testca'),
        measurements: z.array(hex(48)).default([]).describe('images that may run'),
        tcbStatuses: z
            .array(tcbStatus)
            .min(1)
            .default(['UpToDate'])
            .describe('states of the firmware of TDX machines that may be used'),
    })
    .prefault({})
    .describe('Which nodes may read the prompts.');

const origin = z
    .string()
    .refine((text) => URL.canParse(text) && new URL(text).origin === text, 'expected an origin: https://app.example');

/** The schema of the configuration file. offchain/settings.md is generated from it. */
export const gatewayConfig = z
    .strictObject({
        ...chainFields,
        pollMs: whole(10).default(1000).describe('interval between two looks at the chain while it is waited for'),
        owner: address
            .optional()
            .describe("the client's wallet, from which the escrow's address follows. Give either this or `escrow`"),
        escrow: address.optional().describe("the client's escrow"),
        registry: address
            .optional()
            .describe('registry of the market. A node must be there with the keys and prices that it states'),
        keyFile: z.string().min(1).describe('file with the seed of the spend key and of every voucher key'),
        store: z
            .string()
            .min(1)
            .describe('SQLite file of jobs, vouchers and people, or the postgres:// address of a database for them'),
        cluster: z
            .strictObject({
                url: z.url().optional().describe('where people reach this process and no other, for messages'),
            })
            .optional()
            .describe(
                'Lets other processes of the escrow share the store, which is a PostgreSQL database then. Left out: ' +
                    'this process has the store alone.',
            ),
        listen: z
            .strictObject({
                host: z
                    .string()
                    .default('127.0.0.1')
                    .describe('address to listen at; beyond loopback only with API keys'),
                port: whole(0, 65535).default(10000).describe('port; 0: any free one'),
                proxies,
                tls: z
                    .strictObject({
                        cert: z.string().min(1).describe('PEM file of the certificate'),
                        key: z.string().min(1).describe('PEM file of its key'),
                    })
                    .optional()
                    .describe('Left out: plain HTTP.'),
            })
            .prefault({})
            .describe('Where apps reach the gateway.'),
        workers: workerUrls.optional().describe("URLs of workers. Left out: those that the registry's events name"),
        discovery,
        routing,
        models: z.record(z.string(), model).describe('The models that apps may ask for, by their ids.'),
        job,
        attestation,
        allowJailed: z
            .boolean()
            .default(false)
            .describe('also providers in jail, or with less stake than their nodes require'),
        keepHours: z
            .number()
            .min(0)
            .default(0)
            .describe('time for which answered queries are kept whole, to be opened in a dispute'),
        confirmSeconds: whole(0).default(300).describe('time after which an account that looks gone is believed to be'),
        clockTolerance: whole(1, CLOCK_TOLERANCE)
            .default(CLOCK_TOLERANCE)
            .meta({ unit: 'seconds' })
            .describe('difference between the clocks of gateway, worker and chain that is taken'),
        extraFields: z
            .array(z.string().min(1))
            .default([])
            .describe("fields of requests that are passed on because the nodes' servers know them"),
        maxQueries: whole(1)
            .default(256)
            .describe('queries at once, over all jobs. Each holds a prompt and an answer in memory'),
        commentSeconds: z
            .number()
            .positive()
            .max(60)
            .default(waits.comment)
            .describe('silence after which a stream is sent a comment'),
        shutdownSeconds: z
            .number()
            .min(0)
            .default(waits.shutdown)
            .describe('time in which running answers may end when the gateway stops'),
        banSeconds: whole(0).default(1800).describe('time without a node that cheated, or failed twice'),
        metrics: metricsListen.optional(),
        cors: z
            .strictObject({
                origins: z
                    .array(origin)
                    .default([])
                    .describe('origins of pages in browsers that may ask, such as https://app.example'),
                anyOrigin: z.boolean().default(false).describe('also all others, which then need an API key'),
            })
            .prefault({})
            .describe('Which pages in browsers may ask.'),
        idempotency: z
            .strictObject({
                seconds: whole(0, 86400)
                    .default(3600)
                    .describe('time for which an answer is remembered for its Idempotency-Key'),
                maxBytes: whole(1 << 20)
                    .default(64 << 20)
                    .describe('all these answers, in memory'),
            })
            .prefault({})
            .describe('Requests that are sent again.'),
        logLevel,
    })
    .superRefine(ofOneNetwork)
    .refine(({ owner, escrow }) => (owner === undefined) !== (escrow === undefined), {
        message: 'give either "owner" or "escrow"',
        path: ['escrow'],
    })
    .refine(({ cluster, store }) => cluster === undefined || isPostgres(store), {
        message: 'processes share a PostgreSQL database, not a file: name one in "store"',
        path: ['cluster'],
    })
    .superRefine(({ registry, workers, discovery: { enabled = workers === undefined } }, context) => {
        if (registry === undefined && enabled) {
            const message = 'name the "registry" of the market, whose events say where nodes are, or name "workers"';
            context.addIssue({ code: 'custom', path: [workers === undefined ? 'workers' : 'discovery'], message });
        }
    });
export type GatewayConfig = z.output<typeof gatewayConfig>;
export type GatewayConfigInput = z.input<typeof gatewayConfig>;

/** True if nodes are found by the events of the registry. */
export const findsNodes = ({
    workers,
    discovery: { enabled },
}: Pick<GatewayConfig, 'workers' | 'discovery'>): boolean => enabled ?? workers === undefined;

/** True if workers at private addresses may be used that the chain names. Those of the configuration always may. */
export function allowsPrivate({
    discovery,
    network,
    endpoint,
}: Pick<GatewayConfig, 'discovery' | 'network' | 'endpoint'>): boolean {
    const urls = (typeof endpoint === 'string' ? [endpoint] : endpoint).map((one) =>
        typeof one === 'string' ? one : one.url,
    );
    return discovery.allowPrivate ?? isLocalChain(network, urls);
}

/** Flags of the command line that win over the file. */
export interface GatewayFlags {
    host?: string;
    port?: number;
    store?: string;
    allowOpen?: boolean;
    logLevel?: string;
}

/** The settings in a file, with the flags in the place of what it says. */
export function readGatewayConfig(path: string, flags: GatewayFlags = {}): GatewayConfig {
    const { host, port, allowOpen, store, logLevel } = flags;
    const { settings, from } = readSettings(gatewayConfig, path, 'gateway', {
        listen: { host, port },
        attestation: { allowOpen },
        // A path on the command line starts where the command runs.
        store: store === undefined || isPostgres(store) ? store : resolve(store),
        logLevel,
    });
    const { tls } = settings.listen;
    if (tls !== undefined) {
        settings.listen.tls = { cert: from(tls.cert), key: from(tls.key) };
    }
    return settings;
}
