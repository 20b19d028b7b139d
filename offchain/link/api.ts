/**
 * What gateway and worker say to each other over HTTP besides the answer stream: paths, JSON shapes, refusals.
 * Buffers travel as lower-case hex, nanoTON as decimal strings, addresses in their raw form (`0:hex`).
 */
import { loadTerms, SignedVoucher, Terms, termsCell, Verifier, Voucher } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { hex, nano, rates } from '../process/fields';
import { listOf } from './request';

export const paths = {
    node: '/v1/node',
    jobs: '/v1/jobs', // POST: register a job or a new session of it
    job: (job: string) => `/v1/jobs/${job}`, // GET: JobState
    endJob: (job: string) => `/v1/jobs/${job}/end`, // POST: the client no longer needs the job
    query: '/v1/query', // POST: a query, answered by records
    stored: (job: string, number: number) => `/v1/jobs/${job}/queries/${number}`, // GET: the stored records
    voucher: '/v1/voucher', // POST
} as const;

/** At most `n` bytes as hex; parses to a Buffer. */
const hexUpTo = (n: number) =>
    z
        .string()
        .max(2 * n)
        .regex(/^([0-9a-f]{2})+$/, 'expected bytes of hex')
        .transform((text): Buffer => Buffer.from(text, 'hex'));

/** An address as `0:hex`. It is the only text of a stranger that is printed in messages and terminals. */
const rawAddress = z.string().regex(/^0:[0-9a-f]{64}$/, 'expected a raw address');

/** A name that a version of this protocol gives, of this one or a later one. It may be printed. */
const protocolName = z.string().regex(/^[\x21-\x7e]{1,40}$/, 'expected printable ASCII');

const uint32 = z.number().int().min(0).max(0xffffffff);

const MAX_CHAIN = 16 << 10; // characters

/** Offers of a node, features of an offer and codes of channels; the chain takes eight offers. */
const MAX_LISTED = 64;

/** Processes of one node that an answer names. */
export const MAX_PROCESSES = 16;

/** Characters of a URL of a process. */
export const MAX_URL = 200;

const processUrl = z.url({ protocol: /^https?$/ }).max(MAX_URL);

/** Of a node's processes. Default: there is one. */
const processUrls = listOf(processUrl, MAX_PROCESSES).default([]).catch([]);

/** Proof that a node's keys belong to a measured machine; `open` says that the node has none. */
export const attestation = z.discriminatedUnion('tier', [
    z.object({ tier: z.literal('open') }),
    z.object({
        tier: z.literal('testca'),
        measurement: hex(48), // of the image, as the authority states it
        expiry: uint32, // unix seconds
        signature: hex(64), // by the authority
    }),
    z.object({
        tier: z.literal('tdx'),
        quote: hexUpTo(16 << 10), // of a TDX machine, version 4
        expiry: uint32, // unix seconds; bound by the quote's report data
        collateral: z.object({
            // What Intel says of such machines. A node brings it, so that a client asks no third party.
            tcbInfo: z.string().max(128 << 10), // the very text that was signed
            tcbInfoSignature: hex(64),
            tcbInfoChain: z.string().max(MAX_CHAIN), // PEM
            qeIdentity: z.string().max(64 << 10),
            qeIdentitySignature: hex(64),
            qeIdentityChain: z.string().max(MAX_CHAIN),
            rootCrl: hexUpTo(32 << 10), // DER
            pckCrl: hexUpTo(128 << 10),
        }),
    }),
]);
export type AttestationProof = z.output<typeof attestation>;

/** What a worker says of a model that it offers. */
export const nodeOffer = z.object({
    model: z.string().regex(/^[^\p{Cc}]{1,200}$/u),
    rates: z.object(rates),
    features: listOf(protocolName, MAX_LISTED), // see `features`; those of later versions are passed over
    context: uint32.optional(), // tokens of prompt and answer together
    tokenizer: protocolName.optional(), // that counts what no server counts; default: bytes
    available: z.boolean().optional(), // false while the node answers no queries of the model; default: true
});

/** GET /v1/node: what a worker says of itself. Everything that matters is checked against the chain. */
export const nodeInfo = z.object({
    network: z.number().int(),
    node: rawAddress,
    provider: rawAddress,
    payout: rawAddress,
    receiptKey: hex(32),
    encryptionKey: hex(32),
    attestation,
    wire: listOf(protocolName, 16).refine(({ length }) => length > 0), // versions of the wire that the worker speaks
    offers: listOf(nodeOffer, MAX_LISTED),
    limits: z.object({
        minStep: nano,
        maxStep: nano,
        maxParallel: uint32,
        maxAnswer: uint32, // bytes
        minNotice: uint32, // seconds
        minDeposit: nano, // of a job's channel
    }),
    channelCodes: listOf(hex(32), MAX_LISTED),
    processes: processUrls, // the one that answers first
});
export type NodeInfo = z.output<typeof nodeInfo>;

export const signedVoucher = z.object({ cumulative: nano, count: uint32, signature: hex(64) });

const MAX_TERMS = 1024; // characters; three cells need half of it, and a stranger must not have more hashed

export const terms = z
    .string()
    .max(MAX_TERMS)
    .transform((text, context): Terms => {
        try {
            return loadTerms(Cell.fromBase64(text));
        } catch {
            context.addIssue({ code: 'custom', message: 'expected the terms as a bag of cells in base64' });
            return z.NEVER;
        }
    });

/**
 * POST /v1/jobs: the client shows the terms and begins a session; signed by the voucher key, see {@link sessionHash}.
 */
export const jobRequest = z.object({
    terms,
    jobNumber: z
        .number()
        .int()
        .min(0)
        .max(2 ** 40 - 1), // see jobNumber() of the wrappers; it decides the channel's address
    wire: z.string().max(40), // the version that the client chose
    enc: hex(32),
    signature: hex(64),
    // The node's own receipts that the client has of this job: of the highest ended query, and the result of highest
    // index.
    newest: listOf(hexUpTo(256), 2).default([]),
});

/** Answer to POST /v1/jobs and GET /v1/jobs/:job. */
export const jobState = z.object({
    job: hex(32),
    channel: z.string(), // raw address
    tokenizer: protocolName, // of the job's offer when the worker took the job: it counts by this one
    balance: nano, // of the channel, when the worker last read it
    highest: uint32, // the highest query number ever used, 0 for none
    results: z.object({ index: uint32, cumulative: nano }), // of the newest result, 0 for none
    voucher: signedVoucher.nullable(), // the newest one the worker holds
    boot: hex(16), // of the worker's process: sessions end with it
    processes: processUrls, // the one that has the job first
});
export type JobState = z.output<typeof jobState>;

/** POST /v1/jobs/:job/end, signed by the voucher key, see {@link endHash}. The worker claims and closes. */
export const endRequest = z.object({ signature: hex(64) });
/**
 * `claims`: false if the worker sends nothing, because the job is worth less than a claim costs. The client then leaves
 * by itself.
 */
export const endAnswer = z.object({ claims: z.boolean() });

/** POST /v1/voucher. The answer is the newest voucher the worker holds, this one or a newer. */
export const voucherRequest = z.object({ job: hex(32), voucher: signedVoucher });
export const voucherAnswer = z.object({ voucher: signedVoucher });

/** The head of POST /v1/query; the sealed request follows it in the body, see {@link encodeQuery}. */
export const queryHead = z.object({
    job: hex(32),
    session: hex(32),
    number: uint32.min(1),
    salt: hex(16),
    commitment: hex(32),
    ceiling: nano, // the most the client pays for this query
    voucher: signedVoucher.nullable(), // the newest one, so that a lost post does no harm
});
export type QueryHead = z.output<typeof queryHead>;

/** Why a worker refuses without a signature; nothing is owed and no number is used. */
export const refusalCodes = [
    'bad_request',
    'bad_signature',
    'unknown_job',
    'unknown_session',
    'used_number', // and the stored answer is not this request's
    'running', // the stored answer is still being made
    'wrong_terms',
    'wrong_channel', // code, data or balance are not what the terms need
    'leaving', // the channel's refund is too near
    'bad_voucher',
    'not_sealed', // the request does not open, or not under the committed key
    'too_large',
    'declined', // too often in this job to sign each time
    'chain_down', // the TON API does not answer: known jobs go on, and no new one begins
    'paused', // the worker takes no new jobs and queries for now; known jobs stay
    'no_storage', // for the notes that the query asks for, of this client or of anyone; others go on
    'shutting_down',
    'other_process', // another process of the node has the job: `url` leads to it
    'taking_over', // the process that had the job has stopped, and another takes the job: ask again in a moment
    'internal', // the worker failed; its log says more
] as const;
export type RefusalCode = (typeof refusalCodes)[number];
/** `url`: of the process that has the job. */
export const refusal = z.object({
    error: z.object({ code: z.enum(refusalCodes), message: z.string(), url: processUrl.optional().catch(undefined) }),
});

/** A value as {@link toWire} makes it: amounts are decimal strings. */
export type Wire<T> = T extends bigint ? string : T extends object ? { [Name in keyof T]: Wire<T[Name]> } : T;

/** JSON for any of the shapes above: Buffers as hex, bigints as decimal strings. */
export function toWire(value: unknown): unknown {
    if (Buffer.isBuffer(value)) {
        return value.toString('hex');
    }
    if (typeof value === 'bigint') {
        return value.toString();
    }
    if (Array.isArray(value)) {
        return value.map(toWire);
    }
    if (typeof value === 'object' && value !== null) {
        return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, toWire(field)]));
    }
    return value;
}

/** The terms as {@link jobRequest} carries them. */
export function termsToWire(terms: Terms): string {
    return termsCell(terms).toBoc().toString('base64');
}

/** The body of POST /v1/query: length of the head (4 bytes), the head as JSON, the sealed request. */
export function encodeQuery(head: QueryHead, sealed: Buffer): Buffer {
    const json = Buffer.from(JSON.stringify(toWire(head)));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(json.length);
    return Buffer.concat([length, json, sealed]);
}

const MAX_HEAD = 4096; // bytes; a head has some 700, and a stranger must not have more parsed

/** The parts of a body that {@link encodeQuery} made. Throws when it is malformed. */
export function decodeQuery(body: Buffer): { head: QueryHead; sealed: Buffer } {
    if (body.length < 4 || body.length < 4 + body.readUInt32BE(0)) {
        throw new Error('The body is shorter than its head says');
    }
    const end = 4 + body.readUInt32BE(0);
    if (end > 4 + MAX_HEAD) {
        throw new Error('The head is longer than any');
    }
    return { head: queryHead.parse(JSON.parse(body.toString('utf8', 4, end))), sealed: body.subarray(end) };
}

/** What the voucher key signs to begin a session, so that only its owner can use the job's query numbers. */
export function sessionHash(job: Buffer, { enc, wire }: { enc: Buffer; wire: string }): Buffer {
    return createHash('sha256').update('cocoon-market session').update(job).update(enc).update(wire).digest();
}

/** What the voucher key signs to end a job. */
export function endHash(job: Buffer): Buffer {
    return createHash('sha256').update('cocoon-market end').update(job).digest();
}

/**
 * True if this key signed the voucher for this channel (account). False also for one whose numbers fit in no voucher.
 */
export function isSignedVoucher(verifier: Verifier, network: number, channel: Buffer, voucher: SignedVoucher): boolean {
    const hash = voucherHash(network, channel, voucher);
    return hash !== undefined && verifier.verify(hash, voucher.signature);
}

/** {@link isSignedVoucher}, in a thread of its own. */
export async function isSignedVoucherAside(
    verifier: Verifier,
    network: number,
    channel: Buffer,
    voucher: SignedVoucher,
): Promise<boolean> {
    const hash = voucherHash(network, channel, voucher);
    return hash !== undefined && verifier.verifyAside(hash, voucher.signature);
}

function voucherHash(network: number, channel: Buffer, { cumulative, count }: SignedVoucher): Buffer | undefined {
    try {
        return Voucher.hash({ network, channel, cumulative, count });
    } catch {
        return undefined;
    }
}

/** The catalogue id of a model as terms name it. */
export function modelHash(model: string): Buffer {
    return createHash('sha256').update(model).digest();
}

export type { SignedVoucher };
