/** The gateway's settings: one JSON file, some of it overridden by flags. Amounts are nanoTON as decimal strings. */
import { jobRules } from '@cocoon-market/wrappers';
import { resolve } from 'node:path';
import { z } from 'zod';
import { CLOCK_TOLERANCE, waits } from '../link';
import { address, chainFields, hex, logLevel, nano, ofOneNetwork, rates, whole } from '../process/fields';
import { metricsListen } from '../process/metrics';
import { isOnThisMachine } from '../process/publicAddress';
import { readSettings } from '../process/settings';

const model = z.strictObject({
    maxPrice: z.strictObject(rates), // nanoTON per million tokens that the client accepts
    workers: z.array(z.url()).optional(), // which of the workers; all when left out
});

const job = z
    .strictObject({
        deposit: nano.prefault('1000000000'), // a job begins with
        notice: whole(jobRules.minNotice, jobRules.maxNotice).default(3600), // seconds
        lifetime: whole(7200, jobRules.maxEnd).default(7 * 86400), // seconds
        step: nano.prefault('10000000'), // the most unpaid work per running query
        maxParallel: whole(1, 1024).default(8),
        maxAnswer: whole(1024, 0xffffffff).default(4 << 20), // bytes
        openAhead: z.number().min(0).max(0.9).default(0.25), // the next job is opened below this part of the deposit
        aheadSeconds: z.number().min(0).max(3600).default(120), // the next job is opened if use will be more by then
        maxOpen: whole(1, 256).default(16), // jobs of one model that are open at once
        idleHours: z.number().positive().default(24), // without a query; then a job that another can replace is settled
        lastHours: z.number().min(0).default(2), // no new query begins in the last hours of a job
        maxSpoiled: whole(1).default(8), // jobs in 24 hours that nodes may spoil before they paid off
    })
    .prefault({});

// What Intel says of a machine's firmware. A machine of any other status has open holes that are known.
const tcbStatus = z.enum(['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded']);

const discovery = z
    .strictObject({
        enabled: z.boolean().optional(), // read nodes from the events of the registry; default: if "workers" is left out
        everySeconds: whole(1).default(60), // between two readings
        maxNodes: whole(1, 1000).default(32), // that are asked for one model, of all that were found
        allowPrivate: z.boolean().optional(), // also workers at private addresses; default: if the chain is on this machine
    })
    .prefault({});

const routing = z
    .strictObject({
        regions: z.array(z.string().min(1).max(16)).default([]), // preferred ones, as nodes list them
        slowSeconds: z.number().min(0).default(2), // an answer of 200 tokens that takes less is never slow
    })
    .prefault({});

const attestation = z
    .strictObject({
        allowOpen: z.boolean().default(false), // also nodes that attest nothing
        authority: hex(32).optional(), // Ed25519 key of the testca authority
        measurements: z.array(hex(48)).default([]), // images that may run
        tcbStatuses: z.array(tcbStatus).min(1).default(['UpToDate']), // of TDX machines that may be used
    })
    .prefault({});

const origin = z
    .string()
    .refine((text) => URL.canParse(text) && new URL(text).origin === text, 'expected an origin: https://app.example');

/** The schema of the configuration file. */
export const gatewayConfig = z
    .strictObject({
        ...chainFields,
        pollMs: whole(10).default(1000), // between two looks at the chain while it is waited for
        owner: address.optional(), // the client's wallet, from which the escrow's address follows
        escrow: address.optional(),
        registry: address.optional(), // of the market: a node must be there with the keys and prices it names
        keyFile: z.string().min(1), // seed of the spend key and of every voucher key
        store: z.string().min(1), // path of the SQLite file
        listen: z
            .strictObject({
                host: z.string().default('127.0.0.1'), // beyond loopback only with API keys
                port: whole(0, 65535).default(10000),
                tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(), // PEM files
            })
            .prefault({}),
        workers: z.array(z.url()).min(1).optional(), // left out: those that the registry's events name
        discovery,
        routing,
        models: z.record(z.string(), model),
        job,
        attestation,
        allowJailed: z.boolean().default(false), // also providers in jail, or with less stake than their nodes require
        keepHours: z.number().min(0).default(0), // so long answered queries are kept whole, to be opened in a dispute
        confirmSeconds: whole(0).default(300), // an account that looks gone, for so long, is believed to be
        clockTolerance: whole(1, CLOCK_TOLERANCE).default(CLOCK_TOLERANCE), // seconds
        extraFields: z.array(z.string().min(1)).default([]), // of requests, passed on because the nodes' servers know them
        maxQueries: whole(1).default(256), // at once, over all jobs; each holds a prompt and an answer
        commentSeconds: z.number().positive().max(60).default(waits.comment), // of silence, before a stream is sent a comment
        shutdownSeconds: z.number().min(0).default(waits.shutdown), // for running answers to end by themselves
        banSeconds: whole(0).default(1800), // a node that cheated or failed twice is not used for so long
        metrics: metricsListen.optional(), // where Prometheus reads; left out: nowhere
        cors: z
            .strictObject({
                origins: z.array(origin).default([]), // of pages in browsers that may ask, such as https://app.example
                anyOrigin: z.boolean().default(false), // also all others, which then need an API key
            })
            .prefault({}),
        idempotency: z
            .strictObject({
                seconds: whole(0, 86400).default(3600), // that an answer is remembered for its Idempotency-Key
                maxBytes: whole(1 << 20).default(64 << 20), // of all these answers, in memory
            })
            .prefault({}),
        logLevel,
    })
    .superRefine(ofOneNetwork)
    .refine(({ owner, escrow }) => (owner === undefined) !== (escrow === undefined), {
        message: 'give either "owner" or "escrow"',
        path: ['escrow'],
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
export function allowsPrivate({ discovery, endpoint }: Pick<GatewayConfig, 'discovery' | 'endpoint'>): boolean {
    const urls = (typeof endpoint === 'string' ? [endpoint] : endpoint).map((one) =>
        typeof one === 'string' ? one : one.url,
    );
    return discovery.allowPrivate ?? urls.every(isOnThisMachine);
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
        store: store && resolve(store), // a path on the command line starts where the command runs
        logLevel,
    });
    const { tls } = settings.listen;
    if (tls !== undefined) {
        settings.listen.tls = { cert: from(tls.cert), key: from(tls.key) };
    }
    return settings;
}
