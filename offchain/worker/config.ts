/** The configuration of a worker: a JSON file, and a key file that only its owner may read. */
import { listingBounds } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { z } from 'zod';
import { EMBEDDED_MODEL } from '../backend/embedded/tokenizer';
import { serverKinds } from '../backend/servers';
import { ANSWER_SECONDS, features, waits } from '../link';
import { reasonOf, Remedied } from '../process/errors';
import { address, endpoint, hex, logLevel, nano, ofOneNetwork, rates } from '../process/fields';
import { newSeed, readSecret, writeSecret } from '../process/keyFiles';
import { metricsListen } from '../process/metrics';
import { readSettings } from '../process/settings';
import { tokenizerNames } from '../tokens';
import { withManifestOffers } from './manifestOffers';

const MiB = 1 << 20;

const code = z.string().transform((text, context): Cell => {
    try {
        return Cell.fromBase64(text);
    } catch {
        context.addIssue({ code: 'custom', message: 'expected code as a bag of cells in base64' });
        return z.NEVER;
    }
});

const seconds = z.number().int().positive();
const integerFrom = (min: number) => z.number().int().min(min);

const limits = z
    .strictObject({
        minStep: nano.prefault('1000000'), // nanoTON
        // One job may leave maxStep × maxParallel unpaid: by default 0.8 TON, less than the deposit of a job.
        maxStep: nano.prefault('100000000'), // nanoTON that the worker may lose with one query
        maxParallel: integerFrom(1).default(8),
        // Of unpaid work for a client, over all its jobs, before it has paid.
        startSteps: integerFrom(1).default(1),
        maxAnswer: integerFrom(1024).default(4 * MiB), // bytes of sealed frames
        minNotice: seconds.default(3600),
        minDeposit: nano.optional(), // nanoTON in the channel of a new job; default: the cost of fifty claims
        maxRequest: integerFrom(1024).default(2 * MiB), // bytes of a whole request
    })
    .prefault({});

const ofBackend = {
    // In logs, metrics and the status; default: `embedded`, or host and port of the URL.
    name: z
        .string()
        .regex(/^[\w.:-]{1,60}$/, 'expected letters, digits and . : - _')
        .optional(),
    maxParallel: integerFrom(1).default(64), // queries that it answers at once; further ones wait for their turn
};

const backend = z
    .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('embedded'), ...ofBackend }),
        z.strictObject({
            kind: z.literal('openai'),
            url: z.url(),
            apiKey: z.string().optional(),
            server: z.enum(serverKinds).optional(), // how it counts as it streams; default: by its list of models
            // Names at the backend by the models' ids; default: it serves all offers, under their own names.
            models: z.record(z.string().min(1), z.string().min(1)).optional(),
            ...ofBackend,
        }),
    ])
    .transform(({ name, ...rest }) => ({
        ...rest,
        name: name ?? (rest.kind === 'openai' ? new URL(rest.url).host : rest.kind),
        models: rest.kind === 'openai' ? rest.models : { [EMBEDDED_MODEL]: EMBEDDED_MODEL },
    }));

const backends = z
    .array(backend)
    .min(1)
    .superRefine((all, context) => {
        for (const [i, { name }] of all.entries()) {
            if (all.findIndex((other) => other.name === name) < i) {
                const message = `two backends are called ${name}: give each a name of its own`;
                context.addIssue({ code: 'custom', path: [i, 'name'], message });
            }
        }
    });

const offer = z.strictObject({
    model: z.string().min(1),
    rates: z.strictObject(rates),
    // What the model server does besides plain chat; default: what servers of its kind do for any model.
    features: z.array(z.enum(features)).optional(),
    context: integerFrom(1).optional(), // tokens of prompt and answer together
    tokenizer: z.enum(tokenizerNames).optional(), // default: by the model's name
    maxParallel: integerFrom(1).optional(), // queries of this model at once, over all backends; default: as they allow
});

/** The config file of a worker; see docs/worker.md. */
export const workerConfig = z
    .strictObject({
        network: z.number().int(), // -239 mainnet, -3 testnet
        endpoint, // TON HTTP API v2: a URL, or a list of them
        apiKey: z.string().optional(), // of the first endpoint
        registry: address.optional(), // of the market; the node must be listed with these keys and offers
        node: address,
        provider: address,
        payout: address.optional(), // default: the worker's wallet; one for each node, or a deposit backs two jobs
        keyFile: z.string(),
        store: z.string(),
        listen: z.strictObject({ host: z.string().default('127.0.0.1'), port: z.number().int().min(0).max(65535) }),
        metrics: metricsListen.optional(), // where Prometheus reads; left out: nowhere
        backends, // a query goes to one that has its model
        queue: z
            .strictObject({
                max: integerFrom(0).default(64), // queries of one model that wait for a backend; others are declined
                seconds: z.number().positive().default(30), // after which a query that waits fails
            })
            .prefault({}),
        health: z
            .strictObject({
                seconds: z.number().positive().default(15), // between two checks of a backend
                // From the first failure of a check to the next check; then twice as long each time, up to a minute.
                retrySeconds: z.number().positive().default(1),
            })
            .prefault({}),
        manifest: z.string().optional(), // the fleet's file, which then says the rates of the offers
        offers: z.array(offer).max(listingBounds.maxOffers).default([]),
        extraFields: z.array(z.string().min(1)).default([]), // of requests, that the model server takes at no other cost
        limits,
        marginSeconds: seconds.default(1800), // before a channel's refund: no new queries, and every voucher is claimed
        claim: z
            .strictObject({
                threshold: nano.prefault('100000000'), // nanoTON of unclaimed vouchers
                // After this time a job is claimed below the threshold, if it brings ten times what the claim costs.
                maxAgeSeconds: seconds.default(86_400),
                minAmount: nano.optional(), // nanoTON; a smaller claim is never sent; default: the cost of a claim
                seconds: z.number().positive().default(60), // between two rounds
                // In a row, before a job waits the maximal time: a quarter of the margin.
                attempts: integerFrom(1).default(5),
            })
            .prefault({}),
        // Sends what the worker's wallet earned to the owner of the provider.
        sweep: z
            .strictObject({
                to: address, // the owner; any other address is refused
                above: nano.prefault('2000000000'), // nanoTON in the wallet from which it sweeps by itself
                keep: nano.prefault('500000000'), // nanoTON that remain; more if claims and demands need more
            })
            .refine(({ above, keep }) => above > keep, { message: 'above is more than keep', path: ['above'] })
            .optional(),
        cases: z
            .strictObject({
                seconds: z.number().positive().default(60), // between two rounds; a demand leaves an hour at least
            })
            .prefault({}),
        chain: z
            .strictObject({
                freshSeconds: z.number().min(0).default(5), // after which a channel is read again in the background
                staleSeconds: z.number().min(0).default(60), // after which a query waits for a new reading
                confirmSeconds: z.number().min(0).default(600), // over which a reading that would end money is confirmed
                pollSeconds: z.number().positive().default(1), // while it waits for the wallet or a channel
                // TON Center's streaming API: it only wakes what reads the chain at intervals anyway.
                stream: z.strictObject({ url: z.url(), apiKey: z.string().optional() }).optional(),
            })
            .prefault({}),
        alerts: z
            .strictObject({
                // Gets each alert as JSON by POST.
                webhook: z.url({ protocol: /^https?$/, error: 'expected a URL of http or https' }).optional(),
                command: z.array(z.string().min(1)).min(1).optional(), // runs for each alert, with it as JSON on stdin
                repeatSeconds: seconds.default(21_600), // after which an alert that is still true is sent again
                walletBelow: nano.prefault('100000000'), // nanoTON
                seconds: z.number().positive().default(30), // between two looks
            })
            .prefault({}),
        answerSeconds: seconds.max(ANSWER_SECONDS).default(ANSWER_SECONDS), // from acceptance to result
        creditSeconds: z.number().positive().default(30), // of waiting for a voucher, before the answer is cut
        shutdownSeconds: z.number().min(0).default(waits.shutdown), // in which running queries may end by themselves
        channelCodes: z.array(code).min(1).optional(), // default: this version's, plain and as a library
        attestation: z
            .union([
                z.string(), // 'open', or a file with the attestation
                z.strictObject({
                    // Prints the attestation; its arguments: report data (hex) and expiry.
                    command: z.array(z.string().min(1)).min(1),
                    seconds: seconds.default(86_400), // of an attestation's life; it is renewed after half of them
                }),
            ])
            .default('open'),
        logLevel,
    })
    .superRefine((settings, context) => {
        const withSweep = { ...settings, 'sweep.to': settings.sweep?.to };
        ofOneNetwork(withSweep, context);
    })
    .refine(({ marginSeconds, limits }) => limits.minNotice >= 2 * marginSeconds, {
        message: 'marginSeconds is at most half of limits.minNotice',
        path: ['marginSeconds'],
    });
export type WorkerConfig = z.output<typeof workerConfig>;
export type WorkerConfigInput = z.input<typeof workerConfig>;

/** The config in a JSON file; paths in it start at its folder. Throws an error that names every wrong field. */
export function readWorkerConfig(path: string): WorkerConfig {
    const config = readConfig(path, withOffers);
    if (config.offers.length === 0) {
        const remedy = 'name the fleet\'s file as "manifest", or write "offers"';
        throw new Remedied(`${path} offers no model`, { remedy });
    }
    return config;
}

/**
 * As {@link readWorkerConfig}, for commands about money: they work whatever the manifest says of models and prices, and
 * also if it no longer has the node. Then there are no offers.
 */
export function readMoneyConfig(path: string): WorkerConfig {
    return readConfig(path, (file, from) => {
        try {
            return withOffers(file, from);
        } catch (error) {
            if (error instanceof Remedied) {
                return { ...(file as object), offers: [] };
            }
            throw error;
        }
    });
}

function readConfig(path: string, complete: typeof withOffers): WorkerConfig {
    const { settings, from } = readSettings(workerConfig, path, 'worker', {}, (file, resolve) => {
        assertNoFormer(file, path);
        return complete(file, resolve);
    });
    const { attestation, manifest } = settings;
    const isFile = typeof attestation === 'string' && attestation !== 'open';
    return {
        ...settings,
        ...(isFile && { attestation: from(attestation) }),
        ...(manifest !== undefined && { manifest: from(manifest) }),
    };
}

// By settings of earlier releases: what takes their place.
const FORMER: Readonly<Record<string, string>> = { backend: '"backends", a list: "backends": [{"kind": …}]' };

function assertNoFormer(file: unknown, path: string): void {
    const former = Object.keys(FORMER).find((name) => typeof file === 'object' && file !== null && name in file);
    if (former !== undefined) {
        const remedy = `write ${FORMER[former]} (docs/worker.md names the settings)`;
        throw new Remedied(`${path} has the setting "${former}" of an earlier release`, { remedy });
    }
}

function withOffers(file: unknown, from: (file: string) => string): unknown {
    return withManifestOffers(file, from, (keyFile) => readKeys(keyFile).receiptKey);
}

const seeds = z.object({ receiptKey: hex(32), encryptionKey: hex(32), wallet: hex(32) });

/** The three seeds of a worker, 32 bytes each. */
export type WorkerSeeds = z.output<typeof seeds>;

/** Writes three seeds, new ones except for `existing`, to a new key file. Throws if the file exists. */
export function writeKeys(path: string, existing: Partial<WorkerSeeds> = {}): WorkerSeeds {
    const made = { receiptKey: newSeed(), encryptionKey: newSeed(), wallet: newSeed(), ...existing };
    const texts = Object.fromEntries(Object.entries(made).map(([name, seed]) => [name, seed.toString('hex')]));
    writeSecret(path, JSON.stringify(texts, null, 4));
    return made;
}

/** A key file that cannot be used. */
export class KeyFileError extends Remedied {}

/**
 * The seeds of a key file.
 * @throws {KeyFileError} if there is none, others may read it, or it holds something else; it never repeats its text
 */
export function readKeys(path: string): WorkerSeeds {
    try {
        return seedsIn(path);
    } catch (error) {
        const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const { what, remedy = 'make keys with "cocoon worker keygen --out FILE", or name the file as "keyFile"' } =
            error instanceof Remedied ? error : { what: reasonOf(error) };
        throw new KeyFileError(isAbsent ? `There is no key file ${path}` : what, { remedy, cause: error });
    }
}

function seedsIn(path: string): WorkerSeeds {
    const text = readSecret(path);
    let json: unknown;
    try {
        json = JSON.parse(text);
    } catch {
        // Without its cause, which quotes the text.
        throw new Error(`${path} is not JSON`);
    }
    const parsed = seeds.safeParse(json);
    if (!parsed.success) {
        throw new Error(`${path} does not hold three seeds of 32 bytes`);
    }
    return parsed.data;
}
