/**
 * A proxy before a worker that passes everything on as it is, and records what the worker has said on the wire: every
 * receipt, and every voucher that it has acknowledged.
 */
import { payloadOf } from '@cocoon-market/wrappers';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { decodeQuery, RecordReader, RecordType, type WireRecord } from '../../offchain/link';
import { receiptLayouts } from '../../offchain/link/records';

type ReceiptType = keyof typeof receiptLayouts;

const isReceipt = ({ type }: WireRecord): boolean => type in receiptLayouts;

/** What all proxies of a run have recorded. */
export class WireLog {
    readonly breaches: string[] = []; // signed twice, or gone back
    receipts = 0;
    vouchers = 0;
    /** nanoTON of the newest acknowledged voucher, by job (hex). */
    readonly acknowledged = new Map<string, bigint>();
    private readonly signed = new Map<string, string>(); // receipts by what must be signed once
    private readonly results = new Map<string, number>(); // highest index that a worker has stated, by job

    addReceipt(type: ReceiptType, bytes: Buffer): void {
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

    private once(name: string, receipt: string): void {
        const earlier = this.signed.get(name) ?? receipt;
        if (earlier !== receipt) {
            this.breaches.push(`two receipts for the ${name}`);
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
        private readonly port: number,
        private readonly workerPort: number,
    ) {}

    async start(): Promise<void> {
        const server = createServer((incoming, outgoing) => this.pass(incoming, outgoing));
        server.keepAliveTimeout = 0;
        this.server = server;
        await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    }

    close(): void {
        this.server?.closeAllConnections();
        this.server?.close();
    }

    private pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
        const sent: Buffer[] = [];
        const upstream = request({
            ...{ host: '127.0.0.1', port: this.workerPort, agent: false },
            ...{ method: incoming.method, path: incoming.url, headers: incoming.headers },
        });
        incoming.on('data', (bytes: Buffer) => sent.push(bytes));
        incoming.pipe(upstream);
        outgoing.on('close', () => upstream.destroy());
        upstream.on('error', () => outgoing.destroy());
        upstream.on('response', (answer) => {
            outgoing.writeHead(answer.statusCode!, answer.headers);
            answer.on('error', () => outgoing.destroy());
            answer.on('aborted', () => outgoing.destroy());
            const watch = this.watcherOf(incoming, answer, () => Buffer.concat(sent));
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

    /** Is told each piece of an answer, and nothing at its end. */
    private watcherOf(
        { method, url }: IncomingMessage,
        { statusCode, headers }: IncomingMessage,
        body: () => Buffer,
    ): (bytes?: Buffer) => void {
        if (statusCode !== 200) {
            return () => undefined;
        }
        if (headers['content-type']?.startsWith('application/octet-stream') === true) {
            const reader = new RecordReader();
            const head = url === '/v1/query' ? decodeQuery(body()).head : undefined;
            return (bytes) => {
                for (const record of bytes === undefined ? [] : reader.push(bytes).filter(isReceipt)) {
                    this.log.addReceipt(record.type as ReceiptType, record.bytes);
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
            if (method === 'POST' && url === '/v1/voucher') {
                const { job } = JSON.parse(body().toString()) as { job: string };
                this.log.acknowledge(job, BigInt(answer().voucher!.cumulative));
            } else if (/^\/v1\/jobs(\/[0-9a-f]{64})?$/.test(url ?? '')) {
                const { job, results, voucher } = answer();
                this.log.addState(job, { index: results.index, cumulative: BigInt(voucher?.cumulative ?? 0) });
            }
        };
    }
}

interface WorkerAnswer {
    job: string;
    results: { index: number };
    voucher: { cumulative: string } | null;
}
