/** A client as small as a test needs: registers a job, seals queries, opens answers, pays. */
import {
    Accept,
    channelCode,
    Decline,
    Fail,
    jobHash,
    type JobParameters,
    priceOf,
    Result,
    type SignedVoucher,
    type SigningKey,
    type Terms,
    Verifier,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { type Dispatcher, request } from 'undici';
import type { Frame, JobState, NodeInfo, QueryHead, Session } from '../../../offchain/link';
import {
    encodeQuery,
    endHash,
    FrameReader,
    keyCommitment,
    modelHash,
    nodeInfo,
    openReceipt,
    openSession,
    paths,
    querySecret,
    RecordReader,
    RecordType,
    requestHash,
    sealRequest,
    sessionHash,
    termsToWire,
    toWire,
    withProcess,
} from '../../../offchain/link';
import { chatRequest } from './requests';
import { randomSigningKey } from '../../support/keys';

/** What the client needs of a chain. */
export interface ClientChain {
    readonly network: number;
    /** Unix seconds. */
    now(): number;
    /** Deploys a job's channel with so many nanoTON. */
    openChannel(escrow: Address, job: JobParameters, code: Cell, deposit: bigint): Address | Promise<Address>;
}

export const DAY = 86_400;

/** Everything one answer brought. */
export interface Answer {
    status: number;
    refusal?: { code: string; message: string };
    accept?: ReturnType<(typeof Accept)['decode']>;
    result?: Result;
    decline?: ReturnType<(typeof Decline)['decode']>;
    fail?: ReturnType<(typeof Fail)['decode']>;
    receipts: Map<RecordType, Buffer>; // as they came
    bytes: Buffer; // of the answer, salt included
    frames: Frame[];
    text: string;
    complete: boolean; // the final frame came
    broken: boolean; // the connection ended before the records did
}

export interface Reply {
    status: number;
    body: Record<string, unknown> & { error?: { code: string; message: string } };
}

export interface Sealed {
    head: QueryHead;
    sealed: Buffer;
    secret: Buffer;
    hash: Buffer;
}

export interface AskOptions {
    ceiling?: bigint;
    maxTokens?: number;
    model?: string;
    voucher?: SignedVoucher | null;
    pays?: boolean; // pays by the meter while the answer arrives; default true
    onFrame?: (frame: Frame, cut: () => void) => void | Promise<void>;
}

export class TestClient {
    readonly key: SigningKey;
    terms!: Terms;
    info!: NodeInfo;
    jobNumber = 4;
    job!: Buffer;
    channel!: Address;
    session!: Session;
    newest: SignedVoucher | null = null;
    private readonly meters = new Map<number, bigint>();
    private readonly results = new Set<number>();

    constructor(
        public url: string,
        readonly chain: ClientChain,
        key?: SigningKey,
    ) {
        this.key = key ?? randomSigningKey();
    }

    /** A job on chain and at the worker. */
    static async withJob(url: string, chain: ClientChain, terms: Partial<Terms> = {}, deposit?: bigint) {
        const client = new TestClient(url, chain);
        await client.draft(terms);
        await client.open(deposit);
        const { status, body } = await client.register();
        if (status !== 200) {
            throw new Error(`The worker refused the job: ${JSON.stringify(body)}`);
        }
        return client;
    }

    /** Terms that the worker accepts, less what `terms` changes. */
    async draft(terms: Partial<Terms> = {}): Promise<void> {
        const { body } = await this.get(paths.node);
        this.info = nodeInfo.parse(body);
        const { info } = this;
        const offer = info.offers[0];
        this.terms = {
            escrow: randomBytes(32),
            provider: Address.parse(info.provider).hash,
            node: Address.parse(info.node).hash,
            receiptKey: info.receiptKey,
            payout: Address.parse(info.payout).hash,
            voucherKey: this.key.publicKey,
            model: modelHash(offer.model),
            rates: offer.rates,
            step: 10_000_000n,
            maxParallel: 4,
            maxAnswer: 200_000,
            notice: 3600,
            end: this.chain.now() + DAY,
            ...terms,
        };
    }

    get parameters() {
        const { end, notice, voucherKey, payout } = this.terms;
        return { end, notice, voucherKey, payout, job: this.jobNumber };
    }

    /** Opens the job's channel. */
    async open(deposit = 1_000_000_000n, code?: Cell): Promise<void> {
        const escrow = new Address(0, this.terms.escrow);
        this.channel = await this.chain.openChannel(escrow, this.parameters, code ?? (await channelCode()), deposit);
        this.job = jobHash(this.chain.network, this.channel.hash, this.terms);
    }

    async register(change: { signature?: Buffer; jobNumber?: number; newest?: Buffer[] } = {}) {
        const [wire] = this.info.wire;
        this.session = await openSession(this.info.encryptionKey, { job: this.job, wire });
        const { enc } = this.session;
        const signature = this.key.sign(sessionHash(this.job, { enc, wire }));
        const body = {
            terms: termsToWire(this.terms),
            ...(toWire({ jobNumber: this.jobNumber, enc, wire, signature, ...change }) as object),
        };
        const answer = await this.post(paths.jobs, body);
        const { boot } = answer.body as { boot?: string };
        this.session = boot === undefined ? this.session : withProcess(this.session, Buffer.from(boot, 'hex'));
        return answer;
    }

    async state(): Promise<JobState> {
        return (await this.get(paths.job(this.job.toString('hex')))).body as unknown as JobState;
    }

    async end() {
        const signature = this.key.sign(endHash(this.job)).toString('hex');
        return this.post(paths.endJob(this.job.toString('hex')), { signature });
    }

    seal(number: number, content: string | object, options: AskOptions = {}): Sealed {
        const { ceiling = 5_000_000n, maxTokens = 1000, model = this.info.offers[0].model } = options;
        const salt = randomBytes(16);
        const secret = querySecret(this.session, number, salt);
        const chat =
            typeof content !== 'string'
                ? content
                : chatRequest({ model, messages: [{ role: 'user', content }], maxTokens });
        const sealed = sealRequest(secret, number, Buffer.from(JSON.stringify(chat)));
        const commitment = keyCommitment(secret);
        const voucher = options.voucher === undefined ? this.newest : options.voucher;
        const head: QueryHead = { job: this.job, session: this.session.id, number, salt, commitment, ceiling, voucher };
        const hash = requestHash({ commitment, session: this.session.id, salt, sealed });
        return { head, sealed, secret, hash };
    }

    /** Seals, sends and reads one query to its end. */
    async ask(number: number, content: string | object, options: AskOptions = {}): Promise<Answer> {
        return this.send(this.seal(number, content, options), options);
    }

    async send(query: Sealed, options: AskOptions = {}): Promise<Answer> {
        const abort = new AbortController();
        const response = await request(this.url + paths.query, {
            method: 'POST',
            headers: { 'content-type': 'application/octet-stream' },
            body: encodeQuery(query.head, query.sealed),
            signal: abort.signal,
        });
        return this.read(response, query, options, () => abort.abort());
    }

    /** The stored records of a query. */
    async fetch(query: Sealed): Promise<Answer> {
        const path = paths.stored(query.head.job.toString('hex'), query.head.number);
        return this.read(await request(this.url + path), query, { pays: false }, () => undefined);
    }

    async read(
        response: Dispatcher.ResponseData,
        query: Sealed,
        options: AskOptions,
        cut: () => void,
    ): Promise<Answer> {
        const answer: Answer = {
            status: response.statusCode,
            receipts: new Map(),
            bytes: Buffer.alloc(0),
            frames: [],
            text: '',
            complete: false,
            broken: false,
        };
        if (response.statusCode !== 200) {
            answer.refusal = ((await response.body.json()) as { error: { code: string; message: string } }).error;
            return answer;
        }
        const reader = new RecordReader();
        const frames = new FrameReader(query.secret, query.head.number);
        try {
            for await (const chunk of response.body) {
                for (const { type, bytes } of reader.push(chunk as Buffer)) {
                    if (type === RecordType.Answer) {
                        answer.bytes = Buffer.concat([answer.bytes, bytes]);
                        for (const frame of frames.push(bytes)) {
                            await this.took(frame, answer, query, options, cut);
                        }
                    } else {
                        answer.receipts.set(type, Buffer.from(bytes));
                        this.opened(answer);
                        if (type === RecordType.Result) {
                            await this.settle(answer.result!, options);
                        }
                    }
                }
            }
        } catch {
            answer.broken = true;
        }
        answer.complete = frames.complete;
        return answer;
    }

    /** The answer with its receipts opened; throws when the node did not sign one. */
    opened(answer: Answer): Answer {
        const verifier = new Verifier(this.info.receiptKey);
        for (const [type, bytes] of answer.receipts) {
            if (type === RecordType.Accept) answer.accept = openReceipt(Accept, bytes, verifier);
            if (type === RecordType.Decline) answer.decline = openReceipt(Decline, bytes, verifier);
            if (type === RecordType.Fail) answer.fail = openReceipt(Fail, bytes, verifier);
            if (type === RecordType.Result) answer.result = openReceipt(Result, bytes, verifier);
        }
        return answer;
    }

    private async took(
        frame: Frame,
        answer: Answer,
        query: Sealed,
        options: AskOptions,
        cut: () => void,
    ): Promise<void> {
        answer.frames.push(frame);
        answer.text += frame.text;
        const price = priceOf(frame.meter, this.terms.rates);
        const { number } = query.head;
        this.meters.set(number, price);
        if (options.pays !== false && this.owed() - (this.newest?.cumulative ?? 0n) >= this.terms.step / 4n) {
            await this.pay();
        }
        await options.onFrame?.(frame, cut);
    }

    private async settle(result: Result, options: AskOptions): Promise<void> {
        this.meters.set(result.number, result.price);
        this.results.add(result.index);
        if (options.pays !== false) {
            await this.pay();
        }
    }

    /** nanoTON of all results and meters. */
    owed(): bigint {
        return [...this.meters.values()].reduce((sum, price) => sum + price, 0n);
    }

    /** Results 1 to this all arrived. */
    count(): number {
        let count = 0;
        while (this.results.has(count + 1)) count++;
        return count;
    }

    voucher(
        cumulative: bigint,
        count: number,
        key: SigningKey = this.key,
        channel: Address = this.channel,
    ): SignedVoucher {
        const signature = key.sign(Voucher.hash(voucherFor(this.chain.network, channel, cumulative, count)));
        return { cumulative, count, signature };
    }

    /** Signs and posts what is owed, or another voucher. */
    async pay(voucher: SignedVoucher = this.voucher(this.owed(), this.count())) {
        const answer = await this.post(paths.voucher, toWire({ job: this.job, voucher }) as object);
        if (answer.status === 200 && (this.newest === null || voucher.cumulative >= this.newest.cumulative)) {
            this.newest = voucher;
        }
        return answer;
    }

    async post(path: string, body: object): Promise<Reply> {
        const headers = { 'content-type': 'application/json' };
        const response = await request(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
        return { status: response.statusCode, body: (await response.body.json()) as Reply['body'] };
    }

    async get(path: string): Promise<Reply> {
        const response = await request(this.url + path);
        return { status: response.statusCode, body: (await response.body.json()) as Reply['body'] };
    }
}
