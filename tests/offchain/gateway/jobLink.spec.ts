/** Which process of a worker is asked about a job. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { JobLink } from '../../../offchain/payer/jobLink';
import { Nodes } from '../../../offchain/gateway/nodes';
import { WorkerDown, WorkerRefusal } from '../../../offchain/payer/workerErrors';
import { type WorkerClient } from '../../../offchain/gateway/workers';
import { jobState } from '../../../offchain/link';

const [A, B, C] = ['http://a', 'http://b', 'http://c'];
const JOB = Buffer.alloc(32);

/** What each process answers; `undefined`: it is none that may be asked. */
let answers: Record<string, Error | string[] | undefined>;
let calls: string[];
let seconds: number; // on the clock of the gateway

beforeEach(() => {
    answers = {};
    calls = [];
    seconds = 0;
});

const refusal = (code: WorkerRefusal['code'], url?: string) => new WorkerRefusal(code, 421, '', undefined, url);
const down = (code: string) => new WorkerDown('down', Object.assign(new Error(code), { code }));
const DOWN = down('ECONNREFUSED');

function linkOf(processes: string[] = [], callSeconds = 0): JobLink {
    const clientOf = (url: string) => {
        if (!(url in answers)) {
            return undefined;
        }
        const call = async () => {
            calls.push(url);
            seconds += callSeconds;
            const answer = answers[url];
            if (answer instanceof Error) {
                throw answer;
            }
            return { processes: answer } as never;
        };
        return { register: call, voucher: call, query: call, stored: call, end: call } as unknown as WorkerClient;
    };
    return new JobLink(A, processes, clientOf, () => seconds);
}

const register = (link: JobLink) => link.register({} as never);
const voucher = (link: JobLink) => link.voucher(JOB, {} as never);
const query = (link: JobLink) => link.query({} as never, JOB, new AbortController().signal);

describe('A job is asked', () => {
    it('of the URL of its worker, and then of the process that the worker names first', async () => {
        answers = { [A]: [B, A], [B]: [] };
        const link = linkOf();
        await register(link);
        await voucher(link);
        expect(calls).toEqual([A, B]);
    });

    it('of the process that another names as the owner, from then on', async () => {
        answers = { [A]: refusal('other_process', C), [C]: [] };
        const link = linkOf();
        await query(link);
        await query(link);
        expect(calls).toEqual([A, C, C]);
    });

    it('of the others when its owner does not answer', async () => {
        answers = { [A]: [], [B]: DOWN };
        const link = linkOf([B, A]);
        await query(link);
        await query(link);
        expect(calls).toEqual([B, A, A]);
    });

    it('again later when no process has it yet, which blames nobody', async () => {
        answers = { [A]: refusal('other_process', B), [B]: DOWN };
        await expect(query(linkOf([B, A]))).rejects.toMatchObject({ code: 'taking_over', status: 503 });
        answers = { [A]: refusal('taking_over'), [B]: DOWN };
        await expect(voucher(linkOf([B, A]))).rejects.toMatchObject({ code: 'taking_over' });
        answers = { [A]: refusal('other_process', B), [B]: refusal('other_process', A) };
        await expect(voucher(linkOf([B, A]))).rejects.toMatchObject({ code: 'taking_over' });
    });

    it('of its worker when something else answers at the URL of a process', async () => {
        answers = { [B]: refusal('unknown'), [A]: [] };
        const link = linkOf([B]);
        await register(link);
        await voucher(link);
        expect(calls).toEqual([B, A, A]);
    });

    it('of nobody else when its worker answers with what the protocol does not know', async () => {
        answers = { [A]: refusal('unknown'), [B]: [] };
        await expect(voucher(linkOf([A, B]))).rejects.toMatchObject({ code: 'unknown' });
        expect(calls).toEqual([A]);
    });

    it('of no other process when the answer is about the job itself', async () => {
        answers = { [A]: refusal('unknown_session'), [B]: [] };
        await expect(query(linkOf([A, B]))).rejects.toMatchObject({ code: 'unknown_session' });
        expect(calls).toEqual([A]);
    });

    it('of no other process when one may have read a query; what may be repeated is', async () => {
        answers = { [A]: down('UND_ERR_SOCKET'), [B]: [] };
        await expect(query(linkOf([A, B]))).rejects.toThrow(WorkerDown);
        await voucher(linkOf([A, B]));
        expect(calls).toEqual([A, A, B]);
    });

    it('of one process after another, each once, and all are down', async () => {
        answers = { [A]: DOWN, [B]: DOWN, [C]: DOWN };
        await expect(query(linkOf([C, B, A]))).rejects.toThrow(WorkerDown);
        expect(calls).toEqual([C, B, A]);
    });

    it('of one URL that is not in the list, whatever the processes name', async () => {
        for (let i = 0; i < 40; i++) {
            answers[`http://${i}`] = refusal('other_process', `http://${i + 1}`);
        }
        answers[A] = refusal('other_process', 'http://0');
        const link = linkOf();
        await expect(query(link)).rejects.toMatchObject({ code: 'taking_over' });
        answers[A] = refusal('other_process', 'http://9');
        await expect(query(link)).rejects.toMatchObject({ code: 'taking_over' });
        expect(calls).toEqual([A, 'http://0', A, 'http://9']);
    });

    it('for 30 s in all, however many processes it has', async () => {
        const urls = Array.from({ length: 16 }, (_, i) => `http://${i}`);
        answers = Object.fromEntries(urls.map((url) => [url, DOWN]));
        await expect(voucher(linkOf(urls, 10))).rejects.toThrow(WorkerDown);
        expect(calls).toHaveLength(3);
    });

    it('for 15 s while no process has it; then its worker is to blame, until one takes a query', async () => {
        answers = { [A]: refusal('taking_over') };
        const link = linkOf();
        await expect(query(link)).rejects.toMatchObject({ isOverdue: false });
        seconds = 15;
        await expect(query(link)).rejects.toMatchObject({ isOverdue: false });
        seconds = 16;
        await expect(query(link)).rejects.toMatchObject({ isOverdue: true });
        answers = { [A]: [] };
        await voucher(link); // proves nothing of queries
        answers = { [A]: refusal('taking_over') };
        await expect(query(link)).rejects.toMatchObject({ isOverdue: true });
        answers = { [A]: [] };
        await query(link);
        answers = { [A]: refusal('taking_over') };
        await expect(query(link)).rejects.toMatchObject({ isOverdue: false });
    });
});

describe('The URL of a process', () => {
    const nodesOf = (workers: string[] | undefined, allowPrivate: boolean) => {
        const config = { models: {}, workers, registry: {}, discovery: { enabled: true, allowPrivate }, endpoint: [] };
        return new Nodes(
            { ...config, attestation: {}, routing: {} } as never,
            () => 0,
            {} as never,
            undefined,
            {} as never,
        );
    };

    it.each(['http://127.0.0.1:1', 'http://10.0.0.1', 'http://169.254.169.254', 'http://[::1]', 'http://x.local'])(
        'may not be private (%s), unless the configuration accepts that or names such a worker itself',
        (url) => {
            const worker = 'https://worker.example';
            expect(nodesOf(undefined, false).processClient(worker, url)).toBeUndefined();
            expect(nodesOf([worker], false).processClient(worker, url)).toBeUndefined();
            expect(nodesOf(undefined, true).processClient(worker, url)).toBeDefined();
            expect(nodesOf(['http://10.0.0.2'], false).processClient('http://10.0.0.2', url)).toBeDefined();
            expect(nodesOf(undefined, false).processClient(worker, 'https://two.example')).toBeDefined();
        },
    );

    it('keeps its client while an answer comes, and only 16 of a worker have one', async () => {
        const worker = 'https://worker.example';
        const streaming = createServer((_, response) => void response.write('begin'));
        await new Promise<void>((resolve) => streaming.listen(0, '127.0.0.1', resolve));
        const nodes = nodesOf(undefined, true);
        const busyUrl = `http://127.0.0.1:${(streaming.address() as AddressInfo).port}`;
        const busy = nodes.processClient(worker, busyUrl)!;
        const head = { job: JOB, boot: Buffer.alloc(16), number: 1 } as never;
        const answer = (await busy.query(head, JOB, new AbortController().signal))[Symbol.asyncIterator]();
        expect((await answer.next()).value.toString()).toBe('begin');
        const first = nodes.processClient(worker, 'https://0.example');
        const other = nodes.processClient('https://other.example', 'https://0.example');
        for (let i = 1; i < 40; i++) {
            expect(nodes.processClient(worker, `https://${i}.example`)).toBeDefined();
        }
        expect(nodes.processClient(worker, busyUrl)).toBe(busy);
        expect(nodes.processClient(worker, 'https://0.example')).not.toBe(first);
        expect(nodes.processClient('https://other.example', 'https://0.example')).toBe(other);
        let isBroken = false;
        void answer.next().catch(() => (isBroken = true));
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(isBroken).toBe(false);
        await nodes.close();
        streaming.closeAllConnections();
        streaming.close();
    });

    it('is one of 16 at most, of http or https, or the whole list is passed over', () => {
        const state = (processes: unknown) =>
            jobState.parse({
                ...{ job: '00'.repeat(32), channel: '', tokenizer: 'bytes', balance: '0', highest: 0 },
                ...{ results: { index: 0, cumulative: '0' }, voucher: null, boot: '00'.repeat(16), processes },
            }).processes;
        const urls = Array.from({ length: 16 }, (_, i) => `https://${i}.example`);
        expect(state(urls)).toEqual(urls);
        expect(state([...urls, A])).toEqual([]);
        expect(state(['ftp://a'])).toEqual([]);
        expect(state([`http://${'a'.repeat(200)}`])).toEqual([]);
        expect(state(undefined)).toEqual([]);
    });
});
