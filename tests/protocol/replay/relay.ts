/**
 * The wire between a gateway and its worker, held in hand: every query, record, voucher and stored answer waits here
 * until a trace lets it arrive, or it is lost.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeQuery, encodeQuery, encodeRecord, paths, RecordReader, RecordType } from '../../../offchain/link';

type Kind = 'introduction' | 'query' | 'voucher' | 'stored' | 'end';

/** A request of the gateway that waits. */
export interface HeldRequest {
    kind: Kind;
    method: string;
    path: string;
    headers: IncomingMessage['headers'];
    body: Buffer;
    response: ServerResponse;
}

type RecordKind = 'accept' | 'answer' | 'result' | 'decline' | 'fail';

/** What the worker sent in answer to a query, and has not arrived. */
export type HeldRecord =
    { kind: RecordKind; bytes: Buffer } | { kind: 'refused'; status: number; bytes: Buffer } | { kind: 'closed' };

const KINDS = {
    [RecordType.Accept]: 'accept',
    [RecordType.Answer]: 'answer',
    [RecordType.Result]: 'result',
    [RecordType.Decline]: 'decline',
    [RecordType.Fail]: 'fail',
    [RecordType.RetryAfter]: 'answer',
} as const;

/** The query whose connection is open. */
interface Stream {
    body: Buffer; // of the request
    response: ServerResponse; // to the gateway
    records: HeldRecord[];
    arrived: Buffer[]; // bytes of the answer
    accept: Buffer | undefined; // once it arrived
    end: () => void; // of the connection to the worker
}

export interface Introduced {
    request: Buffer; // that showed the job
    boot: string;
}

const octets = { 'content-type': 'application/octet-stream' };

export class Relay {
    /** Of the worker; undefined while it is down. */
    upstream: string | undefined;
    /** False while the gateway is dead: nothing of an abandoned one comes through. */
    isOpen = true;
    /** Kinds of requests that arrive at once. */
    passes: ReadonlySet<Kind> = new Set();
    held: HeldRequest[] = [];
    stream: Stream | undefined;
    lastQuery: Buffer | undefined;
    introduced: Introduced | undefined;
    url = '';
    private readonly server = createServer((message, response) => void this.take(message, response));

    async start(): Promise<this> {
        this.server.listen(0, '127.0.0.1');
        await once(this.server, 'listening');
        this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
        return this;
    }

    async stop(): Promise<void> {
        this.cut();
        this.server.close();
        this.server.closeAllConnections();
        await once(this.server, 'close');
    }

    /** The newest request of a kind that waits. */
    find(kind: Kind): HeldRequest | undefined {
        this.held = this.held.filter(({ response }) => !response.destroyed);
        return this.held.filter((one) => one.kind === kind).at(-1);
    }

    /** Ends every connection: one of the two processes has died. */
    cut(): void {
        this.breakStream();
        this.held.splice(0).forEach(({ response }) => response.destroy());
    }

    breakStream(): void {
        const { stream } = this;
        this.stream = undefined;
        stream?.end();
        stream?.response.destroy();
    }

    lose(held: HeldRequest): void {
        this.held = this.held.filter((one) => one !== held);
        held.response.destroy();
    }

    /** The request arrives. Its answer goes back, unless it is lost. */
    async deliver(held: HeldRequest, { isAnswered = true } = {}): Promise<void> {
        this.held = this.held.filter((one) => one !== held);
        const { status, headers, body } = await this.ask(held);
        if (held.kind === 'introduction' && held.method === 'POST') {
            const { boot } = JSON.parse(body.toString()) as { boot?: string };
            this.introduced = boot === undefined ? this.introduced : { request: held.body, boot };
        }
        if (isAnswered) {
            held.response.writeHead(status, { 'content-type': headers['content-type'] ?? 'application/json' });
            held.response.end(body);
        } else {
            held.response.destroy();
        }
    }

    /** Answers in the name of the worker. */
    answer(held: HeldRequest, status: number, body: object): void {
        this.held = this.held.filter((one) => one !== held);
        held.response.writeHead(status, { 'content-type': 'application/json' });
        held.response.end(JSON.stringify(body));
    }

    /** Sends something to the worker that no gateway sent. */
    async post(path: string, body: Buffer, headers: Record<string, string>): Promise<{ status: number; body: Buffer }> {
        const answer = await this.send({ method: 'POST', path, headers, body });
        return { status: answer.statusCode!, body: await collect(answer) };
    }

    /** The query arrives; its records wait here. */
    deliverQuery(held: HeldRequest, { bare = false } = {}): void {
        this.held = this.held.filter((one) => one !== held);
        const { head, sealed } = decodeQuery(held.body);
        const body = bare ? encodeQuery({ ...head, voucher: null }, sealed) : held.body;
        this.lastQuery = body;
        const upstream = request(this.upstream! + held.path, { method: 'POST', headers: { ...octets } });
        const stream: Stream = {
            ...{ body, response: held.response, records: [], arrived: [], accept: undefined },
            end: () => void upstream.destroy(),
        };
        this.stream = stream;
        upstream.on('error', () => close(stream));
        upstream.on('response', (answer) => void this.read(stream, answer));
        upstream.end(body);
    }

    /** The next record arrives at the gateway. */
    deliverRecord(): void {
        const stream = this.stream!;
        const record = stream.records.shift()!;
        const { response } = stream;
        if (record.kind === 'closed') {
            response.destroy();
            this.stream = undefined;
        } else if (record.kind === 'refused') {
            response.writeHead(record.status, { 'content-type': 'application/json' });
            response.end(record.bytes);
            this.stream = undefined;
        } else {
            this.write(record.kind, record.bytes);
        }
    }

    /** Sends the gateway a record in the place of all that the worker would send. */
    forge(kind: RecordKind, bytes: Buffer): void {
        const stream = this.stream!;
        stream.end();
        this.write(kind, bytes);
        stream.response.end();
        this.stream = undefined;
    }

    private write(kind: RecordKind, bytes: Buffer): void {
        const stream = this.stream!;
        if (!stream.response.headersSent) {
            stream.response.writeHead(200, octets);
        }
        const type = Number(Object.entries(KINDS).find(([, name]) => name === kind)![0]) as RecordType;
        stream.response.write(encodeRecord(type, bytes));
        if (kind === 'answer') {
            stream.arrived.push(bytes);
        } else if (kind === 'accept') {
            stream.accept = bytes;
        } else {
            stream.response.end();
            this.stream = undefined;
        }
    }

    private async read(stream: Stream, answer: IncomingMessage): Promise<void> {
        const records = new RecordReader();
        try {
            if (answer.statusCode !== 200) {
                const bytes = await collect(answer);
                stream.records.push({ kind: 'refused', status: answer.statusCode!, bytes });
                return;
            }
            for await (const chunk of answer) {
                for (const { type, bytes } of records.push(chunk as Buffer)) {
                    stream.records.push({ kind: KINDS[type], bytes: Buffer.from(bytes) });
                }
            }
        } catch {
            // It broke off.
        }
        close(stream);
    }

    private async take(message: IncomingMessage, response: ServerResponse): Promise<void> {
        const path = message.url!;
        const method = message.method!;
        response.on('error', () => undefined);
        response.setHeader('connection', 'close'); // a kept one may be used again in the moment in which it ends
        const body = await collect(message).catch(() => undefined);
        if (body === undefined) {
            return;
        }
        const held = { kind: kindOf(path), method, path, headers: message.headers, body, response };
        const isBarred = held.kind === 'introduction' || held.kind === 'end';
        if (!this.isOpen || (isBarred && (this.upstream === undefined || !this.passes.has(held.kind)))) {
            response.destroy();
        } else if (this.passes.has(held.kind)) {
            await (held.kind === 'query'
                ? this.deliverQuery(held)
                : this.deliver(held).catch(() => response.destroy()));
        } else {
            this.held.push(held);
        }
    }

    private async ask({ method, path, headers, body }: HeldRequest) {
        const type = headers['content-type'];
        const answer = await this.send({
            method,
            path,
            body,
            headers: type === undefined ? {} : { 'content-type': type },
        });
        return { status: answer.statusCode!, headers: answer.headers, body: await collect(answer) };
    }

    private async send(sent: { method: string; path: string; headers: Record<string, string>; body: Buffer }) {
        if (this.upstream === undefined) {
            throw new Error('The worker is down');
        }
        const { method, headers } = sent;
        const upstream = request(this.upstream + sent.path, { method, headers });
        const answered = once(upstream, 'response') as Promise<[IncomingMessage]>;
        upstream.end(sent.body);
        return (await answered)[0];
    }
}

/** The worker sends nothing more. */
function close({ records, ...stream }: Stream): void {
    const isOver = records.some(({ kind }) => kind !== 'accept' && kind !== 'answer');
    if (!isOver && !stream.response.writableEnded) {
        records.push({ kind: 'closed' });
    }
}

function kindOf(path: string): Kind {
    if (path === paths.query) return 'query';
    if (path === paths.voucher) return 'voucher';
    if (path.includes('/queries/')) return 'stored';
    return path.endsWith('/end') ? 'end' : 'introduction';
}

async function collect(message: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) {
        chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks);
}
