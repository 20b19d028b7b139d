/**
 * A proxy before a worker that passes everything on as it is, and records what the worker has said on the wire: every
 * receipt, and every voucher that it has acknowledged.
 */
import { payloadOf, type SignedVoucher } from '@cocoon-market/wrappers';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { decodeQuery, paths, RecordReader, RecordType, voucherRequest, type WireRecord } from '../../offchain/link';
import { receiptLayouts } from '../../offchain/link/records';

type ReceiptType = keyof typeof receiptLayouts;

const isReceipt = ({ type }: WireRecord): boolean => type in receiptLayouts;

/** An answer of a worker about a job. */
export interface Served {
    job: string; // hex
    worker: string; // name of its process
    askedAt: number; // milliseconds of performance.now()
}

/** What all proxies of a run have recorded. */
export class WireLog {
    readonly breaches: string[] = []; // signed twice, or gone back
    receipts = 0;
    vouchers = 0;
    /** The newest answer about each job (hex). */
    readonly served = new Map<string, Served>();
    /** nanoTON of the newest acknowledged voucher, by job (hex). */
    readonly acknowledged = new Map<string, bigint>();
    private readonly signed = new Map<string, string>(); // receipts and vouchers by what must be signed once
    private readonly sent = new Map<string, Pick<SignedVoucher, 'count' | 'cumulative'>[]>(); // by job
    private readonly results = new Map<string, number>(); // highest index that a worker has stated, by job

    /** Returns the job that the receipt is of (hex). */
    addReceipt(type: ReceiptType, bytes: Buffer): string {
        this.receipts++;
        const { job, number, ...values } = receiptLayouts[type].decode(payloadOf(bytes)) as {
            job: Buffer;
            number: number;
            index?: number;
        };
        const name = `${job.toString('hex')} ${number}`;
        const hex = bytes.toString('hex');
        if (type === RecordType.Accept) {
            this.once(`accept of ${name}`, hex);
            this.excludes(`accept of ${name}`, `decline of ${name}`);
        } else {
            this.once(`end of ${name}`, hex);
        }
        if (type === RecordType.Decline) {
            this.once(`decline of ${name}`, hex);
            this.excludes(`accept of ${name}`, `decline of ${name}`);
        }
        if (values.index !== undefined) {
            this.once(`index ${values.index} of ${job.toString('hex')}`, hex);
        }
        return job.toString('hex');
    }

    /** The receipts so far that a store must have, by what must be signed once. */
    get promised(): Map<string, string> {
        return new Map([...this.signed].filter(([name]) => /^(accept|end) /.test(name)));
    }

    /** A voucher that a gateway has sent. Of two, the one over more money counts no fewer results. */
    addVoucher(job: string, { signature, count, cumulative }: SignedVoucher): void {
        this.once(`voucher ${count} of ${job} over ${cumulative}`, signature.toString('hex'));
        const sent = this.sent.get(job) ?? [];
        for (const other of sent) {
            if ((cumulative - other.cumulative) * BigInt(count - other.count) < 0n) {
                const texts = [`${count} results over ${cumulative}`, `${other.count} over ${other.cumulative}`];
                this.breaches.push(`job ${job} has vouchers of ${texts.join(' and of ')}`);
            }
        }
        if (!sent.some((other) => other.count === count && other.cumulative === cumulative)) {
            this.sent.set(job, [...sent, { count, cumulative }]);
        }
    }

    serve(served: Served): void {
        this.served.set(served.job, served);
    }

    acknowledge(job: string, cumulative: bigint): void {
        this.vouchers++;
        if (cumulative > (this.acknowledged.get(job) ?? 0n)) {
            this.acknowledged.set(job, cumulative);
        }
    }

    /** A worker's statement about a job, which never goes back. */
    addState(job: string, { index, cumulative }: { index: number; cumulative: bigint }): void {
        const stated = this.results.get(job) ?? 0;
        if (index < stated) {
            this.breaches.push(`job ${job} had ${stated} results, and later ${index}`);
        }
        this.results.set(job, Math.max(index, stated));
        const acknowledged = this.acknowledged.get(job) ?? 0n;
        if (cumulative < acknowledged) {
            this.breaches.push(`job ${job} had a voucher over ${acknowledged}, and later ${cumulative}`);
        }
    }

    private once(name: string, signed: string): void {
        const earlier = this.signed.get(name) ?? signed;
        if (earlier !== signed) {
            this.breaches.push(`two signatures for the ${name}`);
        }
        this.signed.set(name, earlier);
    }

    private excludes(one: string, other: string): void {
        if (this.signed.has(one) && this.signed.has(other)) {
            this.breaches.push(`an ${one} and a ${other}`);
        }
    }
}

/** Passes what comes to one port on to another, and records it. */
export class Recorder {
    private server: Server | undefined;

    constructor(
        private readonly log: WireLog,
        private readonly worker: string, // name of its process
        private readonly ports: { own: number; worker: number },
    ) {}

    async start(): Promise<void> {
        const server = createServer((incoming, outgoing) => this.pass(incoming, outgoing));
        server.keepAliveTimeout = 0;
        this.server = server;
        await new Promise<void>((resolve) => server.listen(this.ports.own, '127.0.0.1', resolve));
    }

    close(): void {
        this.server?.closeAllConnections();
        this.server?.close();
    }

    private pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
        const sent: Buffer[] = [];
        const askedAt = performance.now();
        const upstream = request({
            ...{ host: '127.0.0.1', port: this.ports.worker, agent: false },
            ...{ method: incoming.method, path: incoming.url, headers: incoming.headers },
        });
        incoming.on('data', (bytes: Buffer) => sent.push(bytes));
        incoming.on('end', () => this.noteVoucher(incoming.url, Buffer.concat(sent)));
        incoming.pipe(upstream);
        outgoing.on('close', () => upstream.destroy());
        upstream.on('error', () => outgoing.destroy());
        upstream.on('response', (answer) => {
            outgoing.writeHead(answer.statusCode!, answer.headers);
            answer.on('error', () => outgoing.destroy());
            answer.on('aborted', () => outgoing.destroy());
            const watch = this.watcherOf(incoming, answer, { askedAt, body: () => Buffer.concat(sent) });
            answer.on('data', (bytes: Buffer) => {
                watch(bytes);
                outgoing.write(bytes);
            });
            answer.on('end', () => {
                watch();
                outgoing.end();
            });
        });
    }

    /** Records the voucher in the body of a request, whatever becomes of it. */
    private noteVoucher(url: string | undefined, body: Buffer): void {
        if (url === paths.voucher) {
            const { job, voucher } = voucherRequest.parse(JSON.parse(body.toString()));
            this.log.addVoucher(job.toString('hex'), voucher);
        } else if (url === paths.query) {
            const { job, voucher } = decodeQuery(body).head;
            if (voucher) {
                this.log.addVoucher(job.toString('hex'), voucher);
            }
        }
    }

    /** Is told each piece of an answer, and nothing at its end. */
    private watcherOf(
        { method, url }: IncomingMessage,
        { statusCode, headers }: IncomingMessage,
        { askedAt, body }: { askedAt: number; body: () => Buffer },
    ): (bytes?: Buffer) => void {
        const serve = (job: string) => this.log.serve({ job, worker: this.worker, askedAt });
        if (statusCode !== 200) {
            return () => undefined;
        }
        if (headers['content-type']?.startsWith('application/octet-stream') === true) {
            const reader = new RecordReader();
            const head = url === paths.query ? decodeQuery(body()).head : undefined;
            return (bytes) => {
                for (const record of bytes === undefined ? [] : reader.push(bytes).filter(isReceipt)) {
                    serve(this.log.addReceipt(record.type as ReceiptType, record.bytes));
                    // The worker stores the voucher of a query before it signs the accept.
                    if (record.type === RecordType.Accept && head?.voucher) {
                        this.log.acknowledge(head.job.toString('hex'), head.voucher.cumulative);
                    }
                }
            };
        }
        const pieces: Buffer[] = [];
        return (bytes) => {
            if (bytes !== undefined) {
                pieces.push(bytes);
                return;
            }
            const answer = () => JSON.parse(Buffer.concat(pieces).toString()) as WorkerAnswer;
            if (method === 'POST' && url === paths.voucher) {
                const { job } = JSON.parse(body().toString()) as { job: string };
                this.log.acknowledge(job, BigInt(answer().voucher!.cumulative));
                serve(job);
            } else if (/^\/v1\/jobs(\/[0-9a-f]{64})?$/.test(url ?? '')) {
                const { job, results, voucher } = answer();
                this.log.addState(job, { index: results.index, cumulative: BigInt(voucher?.cumulative ?? 0) });
                serve(job);
            }
        };
    }
}

interface WorkerAnswer {
    job: string;
    results: { index: number };
    voucher: { cumulative: string } | null;
}
