// Longer than 350 lines because it plays every part of one protocol.
/** A worker that speaks the link protocol and does what a script says, lies included. */
import Fastify, { FastifyInstance, FastifyReply } from 'fastify';
import { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Address } from '@ton/core';
import { reportData } from '../../../../offchain/attest';
import {
    acceptSession,
    AttestationProof,
    decodeQuery,
    encodeRecord,
    encodeRetryAfter,
    EncryptionKey,
    encryptionKey,
    FrameKind,
    FrameWriter,
    jobRequest,
    NodeInfo,
    openRequest,
    paths,
    QueryHead,
    querySecret,
    RecordType,
    RefusalCode,
    requestHash,
    ModelRequest,
    Session,
    sessionHash,
    withProcess,
    signReceipt,
    toWire,
    voucherRequest,
    wireVersions,
} from '../../../../offchain/link';
import {
    Accept,
    answerRoot,
    Channel,
    contentHash,
    Decline,
    Fail,
    Finish,
    jobHash,
    priceOf,
    Rates,
    Reason,
    Result,
    SignedVoucher,
    SigningKey,
    Terms,
    TokenCounts,
    Verifier,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { NETWORK, testKey } from '../../../support/market';

export const MODEL = 'test-model';

/** Prices at which a token of an answer costs 1000 nanoTON. */
export const RATES: Rates = {
    prompt: 100_000_000n,
    cached: 10_000_000n,
    completion: 1_000_000_000n,
    reasoning: 1_000_000_000n,
};

// Not known to a gateway, so prompts count by bytes, and whether one is too dear for a step is left to the worker.
const TOKENIZER = 'of-the-worker';

/** What one query gets; everything left out is honest. */
export interface Script {
    frames?: string[];
    reasoning?: string[]; // frames before the others
    tokensPerFrame?: number; // default 1
    finish?: Finish;
    refuse?: RefusalCode; // unsigned
    decline?: Reason;
    failAtOnce?: Reason; // after the accept
    retryAfter?: number; // seconds, said before a fail
    failAtEnd?: Reason; // after every frame, as if nothing had been stored
    cut?: 'before accept' | 'after accept' | number; // the connection ends, after so many frames
    accept?: (accept: Accept) => Accept;
    meter?: (meter: TokenCounts, frame: number) => TokenCounts;
    result?: (result: Result) => Result;
    receiptKey?: SigningKey; // signs instead of the node's
    twoAccepts?: boolean;
    twoResults?: boolean;
    spoilFrame?: number; // its bytes are changed
    storedPrefix?: number; // after a cut, only so many frames were stored
    contradict?: boolean; // after a cut, another answer is stored
    withholds?: boolean; // after a cut, the ending
    goesOn?: boolean; // after the client has cut the query
    holdsOpen?: boolean; // the connection, after the end
    lost?: boolean; // after a cut, the worker knows nothing of it
    wait?: (frame: number) => Promise<unknown>; // before each frame
}

interface Query {
    head: QueryHead;
    modelRequest: ModelRequest;
    records: Buffer[];
    ended: boolean;
}

interface HeldJob {
    hash: Buffer;
    terms: Terms;
    jobNumber: number;
    channel: Address;
    tokenizer: string; // of the offer when it took the job
    sessions: Map<string, Session>;
    queries: Map<number, Query>;
    vouchers: SignedVoucher[]; // accepted ones, in order
    index: number;
    cumulative: bigint;
    ended: boolean;
}

export class FakeWorker {
    readonly jobs = new Map<string, HeldJob>();
    readonly scripts: Script[] = []; // one for each coming query
    processes: string[] = []; // URLs that it names to those who show it a job
    readonly wire: { path: string; body: Buffer | string }[] = [];
    readonly posted: SignedVoucher[] = []; // every voucher that came, in order
    highest: number | undefined; // what is told instead of the highest number
    falseIndex: number | undefined; // what is told instead of the newest result's
    attestation: AttestationProof = { tier: 'open' };
    info: (info: NodeInfo) => NodeInfo = (info) => info;
    /** What is answered to a voucher instead of the newest. */
    answerVoucher: (newest: SignedVoucher) => SignedVoucher = (newest) => newest;
    refuseVoucher: RefusalCode | undefined;
    refuseJob: RefusalCode | undefined;
    refuseJobStatus = 422; // HTTP
    refusedJobs = 0; // how often
    proxyPages = 0; // of a proxy, that come instead of stored answers
    longest = Infinity; // bytes of a query, above which a proxy answers with a page of its own
    dripped = -1; // bytes of stored answers that came one by one and never end; -1: they come as they are
    letGo = 0; // connections held open after the end that the gateway ended
    boot = Buffer.alloc(16, 7); // of its process
    readonly shown: Buffer[][] = []; // the receipts that came with each registration
    claims = true; // what it says when a job is ended
    onEnd: (job: HeldJob) => Promise<void> = async () => undefined;
    url = '';
    private server: FastifyInstance | undefined;
    private port = 0;
    private encryption!: EncryptionKey;

    constructor(
        readonly payout: Address,
        private readonly now: () => number,
        readonly receiptKey: SigningKey = testKey(40),
        readonly node: Address = new Address(0, Buffer.alloc(32, 0x4e)),
    ) {}

    async start(): Promise<this> {
        this.encryption ??= await encryptionKey(this.receiptKey.publicKey);
        const server = Fastify({ forceCloseConnections: true });
        this.server = server;
        server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) =>
            done(null, body),
        );
        server.addHook('preHandler', async (request) => {
            const body = Buffer.isBuffer(request.body) ? request.body : JSON.stringify(request.body ?? null);
            this.wire.push({ path: request.url, body });
        });
        server.get(paths.node, async () => toWire(this.info(this.describe())));
        server.post(paths.jobs, (request, reply) => this.register(request.body, reply));
        server.get<{ Params: { job: string } }>('/v1/jobs/:job', (request, reply) =>
            this.withJob(request.params.job, reply, (job) => this.stateOf(job)),
        );
        server.post<{ Params: { job: string } }>('/v1/jobs/:job/end', (request, reply) =>
            this.withJob(request.params.job, reply, async (job) => {
                job.ended = true;
                await this.onEnd(job);
                return { claims: this.claims };
            }),
        );
        server.get<{ Params: { job: string; number: string } }>('/v1/jobs/:job/queries/:number', (request, reply) =>
            this.withJob(request.params.job, reply, (job) => {
                if (this.proxyPages > 0) {
                    this.proxyPages--;
                    return reply.code(404).type('text/html').send('<h1>Not Found</h1>');
                }
                if (this.dripped >= 0) {
                    reply.hijack();
                    reply.raw.writeHead(200, { 'content-type': 'application/octet-stream' });
                    const drip = setInterval(() => reply.raw.write(Buffer.alloc(++this.dripped && 1)), 5);
                    reply.raw.once('close', () => clearInterval(drip));
                    return reply;
                }
                const query = job.queries.get(Number(request.params.number));
                if (query === undefined) {
                    return this.refuse(reply, 'bad_request', 404);
                }
                return query.ended
                    ? reply.type('application/octet-stream').send(Buffer.concat(query.records))
                    : this.refuse(reply, 'running', 409);
            }),
        );
        server.post(paths.voucher, (request, reply) => {
            const { job, voucher } = voucherRequest.parse(request.body);
            return this.withJob(job.toString('hex'), reply, (held) => this.takeVoucher(held, voucher, reply));
        });
        server.post(paths.query, (request, reply) => this.query(request.body as Buffer, reply));
        await server.listen({ host: '127.0.0.1', port: this.port });
        this.port = (server.server.address() as AddressInfo).port;
        this.url = `http://127.0.0.1:${this.port}`;
        return this;
    }

    /** Goes down with every connection; `start` brings it back at the same URL with what it knew. */
    async stop(): Promise<void> {
        await this.server?.close();
        this.server = undefined;
    }

    get only(): HeldJob {
        return [...this.jobs.values()][0];
    }

    /** What was asked of it in queries, in order. */
    get asked(): ModelRequest[] {
        return [...this.jobs.values()].flatMap((job) =>
            [...job.queries.values()].map(({ modelRequest }) => modelRequest),
        );
    }

    get keys() {
        return {
            encryptionKey: this.encryption.publicKey,
            receiptKey: this.receiptKey.publicKey,
            node: this.node.hash,
        };
    }

    reportData(expiry: number): Buffer {
        return reportData(this.keys, expiry);
    }

    private describe(): NodeInfo {
        return {
            network: NETWORK,
            node: this.node.toRawString(),
            provider: new Address(0, Buffer.alloc(32, 0x50)).toRawString(),
            payout: this.payout.toRawString(),
            receiptKey: this.receiptKey.publicKey,
            encryptionKey: this.encryption.publicKey,
            attestation: this.attestation,
            wire: [...wireVersions],
            offers: [{ model: MODEL, rates: RATES, features: [], tokenizer: TOKENIZER }],
            limits: {
                minStep: 1n,
                maxStep: 10n ** 18n,
                maxParallel: 16,
                maxAnswer: 1 << 20,
                minNotice: 3600,
                minDeposit: 0n,
            },
            channelCodes: [],
            processes: this.processes,
        };
    }

    private refuse(reply: FastifyReply, code: RefusalCode, status = 400) {
        return reply.code(status).send({ error: { code, message: 'the fake worker says so' } });
    }

    private withJob(id: string, reply: FastifyReply, action: (job: HeldJob) => unknown) {
        const job = this.jobs.get(id);
        return job === undefined ? this.refuse(reply, 'unknown_job', 404) : action(job);
    }

    private async register(body: unknown, reply: FastifyReply) {
        const { terms, jobNumber, enc, wire, signature, newest } = jobRequest.parse(body);
        if (this.refuseJob !== undefined) {
            this.refusedJobs++;
            return this.refuse(reply, this.refuseJob, this.refuseJobStatus);
        }
        const parameters = {
            job: jobNumber,
            end: terms.end,
            notice: terms.notice,
            voucherKey: terms.voucherKey,
            payout: terms.payout,
        };
        const { address } = await Channel.ofJob(new Address(0, terms.escrow), parameters);
        const hash = jobHash(NETWORK, address.hash, terms);
        if (!new Verifier(terms.voucherKey).verify(sessionHash(hash, { enc, wire }), signature)) {
            return this.refuse(reply, 'bad_signature', 403);
        }
        const id = hash.toString('hex');
        const known = this.jobs.get(id) ?? {
            hash,
            terms,
            jobNumber,
            channel: address,
            tokenizer: this.info(this.describe()).offers[0]?.tokenizer ?? 'bytes',
            sessions: new Map(),
            queries: new Map(),
            vouchers: [],
            index: 0,
            cumulative: 0n,
            ended: false,
        };
        this.jobs.set(id, known);
        const session = withProcess(await acceptSession(this.encryption, enc, { job: hash, wire }), this.boot);
        this.shown.push(newest);
        known.sessions.set(session.id.toString('hex'), session);
        return this.stateOf(known);
    }

    private stateOf(job: HeldJob) {
        return toWire({
            job: job.hash,
            channel: job.channel.toRawString(),
            tokenizer: job.tokenizer,
            balance: 10n ** 9n,
            highest: this.highest ?? Math.max(0, ...job.queries.keys()),
            results: { index: this.falseIndex ?? job.index, cumulative: job.cumulative },
            voucher: job.vouchers.at(-1) ?? null,
            boot: this.boot,
            ...(this.processes.length > 0 ? { processes: this.processes } : {}),
        });
    }

    private takeVoucher(job: HeldJob, voucher: SignedVoucher, reply: FastifyReply) {
        this.posted.push(voucher);
        const hash = Voucher.hash(voucherFor(NETWORK, job.channel, voucher.cumulative, voucher.count));
        if (this.refuseVoucher !== undefined || !new Verifier(job.terms.voucherKey).verify(hash, voucher.signature)) {
            return this.refuse(reply, this.refuseVoucher ?? 'bad_voucher', 422);
        }
        this.keep(job, voucher);
        return toWire({ voucher: this.answerVoucher(job.vouchers.at(-1)!) });
    }

    private keep(job: HeldJob, voucher: SignedVoucher): void {
        const newest = job.vouchers.at(-1);
        if (newest === undefined || voucher.cumulative > newest.cumulative || voucher.count > newest.count) {
            job.vouchers.push(voucher);
        }
    }

    private async query(body: Buffer, reply: FastifyReply) {
        if (body.length > this.longest) {
            return reply.code(413).type('text/html').send('<h1>413 Request Entity Too Large</h1>');
        }
        const { head, sealed } = decodeQuery(body);
        const job = this.jobs.get(head.job.toString('hex'));
        const session = job?.sessions.get(head.session.toString('hex'));
        const script = this.scripts.shift() ?? {};
        if (job === undefined || session === undefined) {
            return this.refuse(reply, job === undefined ? 'unknown_job' : 'unknown_session', 404);
        }
        if (script.refuse !== undefined) {
            return this.refuse(reply, script.refuse, 409);
        }
        if (job.queries.has(head.number)) {
            return this.refuse(reply, 'used_number', 409);
        }
        if (head.voucher !== null) {
            this.keep(job, head.voucher);
        }
        reply.hijack();
        const { raw } = reply;
        raw.writeHead(200, { 'content-type': 'application/octet-stream' });
        raw.flushHeaders();
        if (script.cut === 'before accept') {
            raw.destroy();
            return;
        }
        const secret = querySecret(session, head.number, head.salt);
        const modelRequest = JSON.parse(openRequest(secret, head.number, sealed).toString()) as ModelRequest;
        const query: Query = { head, modelRequest, records: [], ended: false };
        job.queries.set(head.number, query);
        if (script.lost === true) {
            job.queries.delete(head.number);
        }
        const request = requestHash({ commitment: head.commitment, session: head.session, salt: head.salt, sealed });
        await this.run({ job, query, script, secret, request, raw });
    }

    private async run(args: {
        job: HeldJob;
        query: Query;
        script: Script;
        secret: Buffer;
        request: Buffer;
        raw: FastifyReply['raw'];
    }): Promise<void> {
        const { job, query, script, secret, request, raw } = args;
        const { number, ceiling } = query.head;
        const key = script.receiptKey ?? this.receiptKey;
        const send = (type: RecordType, bytes: Buffer, stored = true) => {
            const record = encodeRecord(type, bytes);
            if (stored) {
                query.records.push(record);
            }
            if (!raw.destroyed) {
                raw.write(record);
            }
        };
        const refusal = (reason: Reason) => ({ job: job.hash, number, request, reason, signedAt: this.now() });
        const finishWith = () => {
            query.ended = true;
            if (script.holdsOpen === true) {
                raw.once('close', () => this.letGo++);
            } else {
                raw.end();
            }
        };

        if (script.decline !== undefined) {
            send(RecordType.Decline, signReceipt(Decline, refusal(script.decline), key));
            return finishWith();
        }
        const accept = { job: job.hash, number, request, ceiling, deadline: this.now() + 600 };
        const accepted = signReceipt(Accept, script.accept?.(accept) ?? accept, key);
        send(RecordType.Accept, accepted);
        if (script.twoAccepts === true) {
            send(RecordType.Accept, accepted);
        }
        if (script.cut === 'after accept') {
            await tick();
            raw.destroy();
            send(RecordType.Fail, signReceipt(Fail, refusal(Reason.Stopped), key));
            query.ended = true;
            return;
        }
        if (script.failAtOnce !== undefined) {
            await script.wait?.(0);
            if (script.retryAfter !== undefined) {
                raw.write(encodeRetryAfter(script.retryAfter));
            }
            send(RecordType.Fail, signReceipt(Fail, refusal(script.failAtOnce), key));
            return finishWith();
        }

        const salt = randomBytes(16);
        const writer = new FrameWriter(secret, number, salt);
        const reasoning = script.reasoning ?? [];
        const texts = [...reasoning, ...(script.frames ?? ['Hello', ' world'])];
        const per = script.tokensPerFrame ?? 1;
        let answer = salt;
        let counts: TokenCounts = { prompt: 10, cached: 2, completion: 0, reasoning: 0 };
        send(RecordType.Answer, salt);
        let cut = false;
        for (const [i, text] of texts.entries()) {
            await script.wait?.(i);
            if ((raw.destroyed && script.goesOn !== true) || script.cut === i) {
                cut = true;
                break;
            }
            const kind = i < reasoning.length ? FrameKind.Reasoning : FrameKind.Content;
            const grown = kind === FrameKind.Reasoning ? 'reasoning' : 'completion';
            counts = { ...counts, [grown]: counts[grown] + per };
            const final = i === texts.length - 1;
            let bytes = writer.write({
                meter: script.meter?.(counts, i) ?? counts,
                kind,
                choice: 0,
                text,
                more: false,
                final,
            });
            if (script.spoilFrame === i) {
                bytes = Buffer.from(bytes);
                bytes[bytes.length - 1] ^= 1;
            }
            const kept = script.storedPrefix === undefined || i < script.storedPrefix;
            send(RecordType.Answer, bytes, kept);
            if (kept) {
                answer = Buffer.concat([answer, bytes]);
            }
            await tick();
        }
        if (script.failAtEnd !== undefined) {
            send(RecordType.Fail, signReceipt(Fail, refusal(script.failAtEnd), key));
            return finishWith();
        }
        if (cut) {
            raw.destroy();
            if (script.withholds === true) {
                return;
            }
        }
        if (script.contradict === true) {
            const fresh = randomBytes(16);
            const frame = new FrameWriter(secret, number, fresh).write({
                meter: counts,
                kind: FrameKind.Content,
                choice: 0,
                text: 'no',
                more: false,
                final: false,
            });
            answer = Buffer.concat([fresh, frame]);
            query.records.splice(1, Infinity, encodeRecord(RecordType.Answer, answer));
            counts = { ...counts, completion: 1 };
        }
        if (script.storedPrefix !== undefined) {
            counts = { ...counts, completion: script.storedPrefix * per };
        }
        const price = priceOf(counts, job.terms.rates);
        const finish =
            script.finish ?? (cut ? (script.cut === undefined ? Finish.CutByClient : Finish.CutByWorker) : Finish.Stop);
        const honest: Result = {
            job: job.hash,
            number,
            index: ++job.index,
            content: contentHash(request, answerRoot(answer)),
            ...counts,
            price,
            cumulative: job.cumulative + price,
            finishedAt: this.now(),
            finish,
        };
        job.cumulative += price;
        const receipt = signReceipt(Result, script.result?.(honest) ?? honest, key);
        send(RecordType.Result, receipt);
        if (script.twoResults === true) {
            send(RecordType.Result, receipt);
        }
        finishWith();
    }
}

function tick(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1));
}
