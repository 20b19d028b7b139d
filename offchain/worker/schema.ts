/** The settings of a worker, as a schema of its configuration file. offchain/settings.md is generated from it. */
import { listingBounds } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { z } from 'zod';
import { EMBEDDED_MODEL } from '../backend/embedded/tokenizer';
import { serverKinds } from '../backend/servers';
import { ANSWER_SECONDS, features, MAX_URL, waits } from '../link';
import { address, chainFields, distinct, logLevel, nano, ofOneNetwork, rates } from '../process/fields';
import { metricsListen } from '../process/metrics';
import { proxies } from '../process/proxies';
import { isPostgres } from '../process/storeAddress';
import { tokenizerNames } from '../tokens';
import { MAX_STEP } from './reserves';

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
const interval = z.number().positive();
const integerFrom = (min: number) => z.number().int().min(min);

const limits = z
    .strictObject({
        minStep: nano.prefault('1000000').describe('smallest step of a job: the unpaid work that one query may be'),
        maxStep: nano
            .prefault(MAX_STEP.toString())
            .describe(
                'what the worker may lose with one query. A job may leave this times `maxParallel` unpaid, so by default ' +
                    '0.8 TON, which is less than the deposit of a job',
            ),
        maxParallel: integerFrom(1).default(8).describe('queries of one job at once'),
        startSteps: integerFrom(1)
            .default(1)
            .describe('unpaid steps of a client over all its jobs, before its first payment'),
        maxAnswer: integerFrom(1024)
            .default(4 * MiB)
            .meta({ unit: 'bytes' })
            .describe('sealed frames of one answer'),
        minNotice: seconds.default(3600).meta({ unit: 'seconds' }).describe('time to claim after a client leaves'),
        minDeposit: nano.optional().describe('deposit of a new job. Left out: the cost of fifty claims'),
        maxRequest: integerFrom(1024)
            .default(2 * MiB)
            .meta({ unit: 'bytes' })
            .describe('a whole request'),
    })
    .prefault({})
    .describe('What the worker accepts of clients.');

const ofBackend = {
    name: z
        .string()
        .regex(/^[\w.:-]{1,60}$/, 'expected letters, digits and . : - _')
        .optional()
        .describe('name in logs, metrics and the status. Left out: `embedded`, or host and port of the URL'),
    maxParallel: integerFrom(1)
        .default(64)
        .describe('queries that it answers at once. Further ones wait for their turn'),
};

const backend = z
    .discriminatedUnion('kind', [
        z.strictObject({
            kind: z.literal('embedded').describe('the model of this package, for trying things out'),
            ...ofBackend,
        }),
        z.strictObject({
            kind: z.literal('openai').describe('a model server with the API of OpenAI'),
            url: z.url().describe('its URL, with `/v1` if it has that'),
            apiKey: z.string().optional().describe('key that it asks for'),
            server: z
                .enum(serverKinds)
                .optional()
                .describe('which server it is, and so how it counts tokens. Left out: told by its list of models'),
            models: z
                .record(z.string().min(1), z.string().min(1))
                .optional()
                .describe('its names of the models, by their ids. Left out: it serves all offers, by their ids'),
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
    .superRefine(
        distinct(
            ({ name }) => name,
            (name) => `two backends are called ${name}: give each a name of its own`,
        ),
    );

const offer = z.strictObject({
    model: z.string().min(1).describe('id of the model on the market'),
    rates: z.strictObject(rates).describe('What the tokens of a query cost.'),
    features: z
        .array(z.enum(features))
        .optional()
        .describe('what the model server does besides plain chat. Left out: what its kind does for any model'),
    context: integerFrom(1).optional().meta({ unit: 'tokens' }).describe('prompt and answer together'),
    tokenizer: z.enum(tokenizerNames).optional().describe("how tokens are counted. Left out: by the model's name"),
    maxParallel: integerFrom(1)
        .optional()
        .describe('queries of this model at once, over all backends. Left out: as many as they answer at once'),
});

export const workerConfig = z
    .strictObject({
        ...chainFields,
        registry: address
            .optional()
            .describe('registry of the market. The node must be listed there with these keys and offers'),
        node: address.describe('the node of this worker'),
        provider: address.describe('the provider whose stake backs the node'),
        payout: address
            .optional()
            .describe(
                "address that jobs pay, one for each node, or a deposit backs two jobs. Left out: the worker's wallet",
            ),
        keyFile: z.string().describe('file with the three keys, which only its owner may read'),
        store: z
            .string()
            .describe('SQLite file of jobs and vouchers, or the postgres:// address of a database for them'),
        cluster: z
            .strictObject({
                url: z
                    .url({ protocol: /^https?$/, error: 'expected a URL of http or https' })
                    .max(MAX_URL)
                    .describe('where gateways reach this process and no other'),
            })
            .optional()
            .describe(
                'Lets other processes of the node share the store, which is a PostgreSQL database then. Each names ' +
                    'its own URL. Left out: this process has the store alone.',
            ),
        listen: z
            .strictObject({
                host: z.string().default('127.0.0.1').describe('address to listen at'),
                port: z.number().int().min(0).max(65535).describe('port; 0: any free one'),
                proxies,
            })
            .describe('Where gateways reach the worker.'),
        metrics: metricsListen.optional(),
        backends: backends.describe('The model servers. A query goes to one that has its model.'),
        queue: z
            .strictObject({
                max: integerFrom(0)
                    .default(64)
                    .describe('queries of one model that wait for a backend. Others are declined'),
                seconds: interval.default(30).describe('wait after which a query fails'),
            })
            .prefault({})
            .describe('Queries that wait for a backend.'),
        health: z
            .strictObject({
                seconds: interval.default(15).describe('interval between two checks of a backend'),
                retrySeconds: interval
                    .default(1)
                    .describe('wait after a failed check. It doubles with each failure, up to a minute'),
            })
            .prefault({})
            .describe('How backends are checked.'),
        manifest: z.string().optional().describe("the fleet's file, which then says models and rates"),
        offers: z
            .array(offer)
            .max(listingBounds.maxOffers)
            .superRefine(
                distinct(
                    ({ model }) => model,
                    (model) => `two offers are of ${model}: leave one`,
                ),
            )
            .default([])
            .describe('The models that are sold. With `manifest`: only their other settings, without `rates`.'),
        extraFields: z
            .array(z.string().min(1))
            .default([])
            .describe('fields of requests that the model server takes at no other cost. Others are declined'),
        limits,
        marginSeconds: seconds
            .default(1800)
            .describe(
                'time before the refund of a job: it gets no new queries, and every voucher is claimed. At most half ' +
                    'of `limits.minNotice`',
            ),
        claim: z
            .strictObject({
                threshold: nano.prefault('100000000').describe('unclaimed vouchers of a job that are worth a claim'),
                maxAgeSeconds: seconds
                    .default(86_400)
                    .describe('age at which less is claimed too, if it brings ten times what the claim costs'),
                minAmount: nano.optional().describe('smallest claim that is ever sent. Left out: what a claim costs'),
                seconds: interval.default(60).describe('interval between two rounds'),
                attempts: integerFrom(1)
                    .default(5)
                    .describe(
                        'failed claims of a job in a row, before it waits the longest time: a quarter of the margin',
                    ),
            })
            .prefault({})
            .describe('When vouchers are claimed on chain.'),
        sweep: z
            .strictObject({
                to: address.describe('the owner of the provider. Any other address is refused'),
                above: nano.prefault('2000000000').describe('balance of the wallet from which it sweeps by itself'),
                keep: nano.prefault('500000000').describe('what remains, or more if claims and demands need more'),
            })
            .refine(({ above, keep }) => above > keep, { message: 'above is more than keep', path: ['above'] })
            .optional()
            .describe("Sends what the worker's wallet earned to the owner. Left out: only by command."),
        cases: z
            .strictObject({
                seconds: interval.default(60).describe('interval between two rounds. A demand leaves an hour at least'),
            })
            .prefault({})
            .describe('How demands and disputes are watched.'),
        chain: z
            .strictObject({
                freshSeconds: z
                    .number()
                    .min(0)
                    .default(5)
                    .describe('age at which the state of a channel is read again in the background'),
                staleSeconds: z
                    .number()
                    .min(0)
                    .default(60)
                    .describe(
                        'age at which a query waits for a new reading, three seconds at most before half of `marginSeconds`',
                    ),
                confirmSeconds: z
                    .number()
                    .min(0)
                    .default(600)
                    .describe('time over which a reading that would end money is confirmed'),
                pollSeconds: interval
                    .default(1)
                    .describe('interval between two readings while it waits for the wallet or a channel'),
                stream: z
                    .strictObject({
                        url: z.url().describe('its URL'),
                        apiKey: z.string().optional().describe('its key'),
                    })
                    .optional()
                    .describe(
                        "TON Center's streaming API. It only wakes what reads the chain at intervals anyway. Left out: none.",
                    ),
            })
            .prefault({})
            .describe('How the chain is read.'),
        alerts: z
            .strictObject({
                webhook: z
                    .url({ protocol: /^https?$/, error: 'expected a URL of http or https' })
                    .optional()
                    .describe('URL that gets each alert as JSON by POST'),
                command: z
                    .array(z.string().min(1))
                    .min(1)
                    .optional()
                    .describe('program and arguments that run for each alert, with it as JSON on standard input'),
                repeatSeconds: seconds.default(21_600).describe('interval at which an alert that lasts is sent again'),
                walletBelow: nano.prefault('100000000').describe("balance of the worker's wallet that raises an alert"),
                seconds: interval.default(30).describe('interval between two looks'),
            })
            .prefault({})
            .describe('Who is told that something is wrong.'),
        answerSeconds: seconds
            .max(ANSWER_SECONDS)
            .default(ANSWER_SECONDS)
            .describe('time of one query from its acceptance to its result'),
        creditSeconds: interval.default(30).describe('wait for a voucher, after which the answer is cut'),
        shutdownSeconds: z
            .number()
            .min(0)
            .default(waits.shutdown)
            .describe('time in which running queries may end when the worker stops'),
        channelCodes: z
            .array(code)
            .min(1)
            .optional()
            .describe("codes of channels that it serves, in base64. Left out: this version's, plain and as a library"),
        attestation: z
            .union([
                z.string(),
                z.strictObject({
                    command: z
                        .array(z.string().min(1))
                        .min(1)
                        .describe('program and arguments that print it. They get the report data (hex) and the expiry'),
                    seconds: seconds
                        .default(86_400)
                        .describe('life of an attestation. Half of it before it is renewed'),
                }),
            ])
            .default('open')
            .describe('`open`, a file with the attestation, or the command that makes it.'),
        logLevel,
    })
    .superRefine((settings, context) => {
        const withSweep = { ...settings, 'sweep.to': settings.sweep?.to };
        ofOneNetwork(withSweep, context);
    })
    .refine(({ cluster, store }) => cluster === undefined || isPostgres(store), {
        message: 'processes share a PostgreSQL database, not a file: name one in "store"',
        path: ['cluster'],
    })
    .refine(({ marginSeconds, limits }) => limits.minNotice >= 2 * marginSeconds, {
        message: 'marginSeconds is at most half of limits.minNotice',
        path: ['marginSeconds'],
    });
