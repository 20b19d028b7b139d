/** Brings alerts to the operator: posts them to a webhook, and runs a command with them. */
import { execFile } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { request } from 'undici';
import { Tasks } from '../../process/tasks';
import type { WorkerConfig } from '../config';
import type { AlertNotice } from './board';

const ANSWER_MS = 10_000;
const COMMAND_MS = 30_000;
const CLOSE_MS = 3000; // that a shutdown waits for deliveries
const PAUSES_MS = [5_000, 30_000, 120_000]; // between two tries

type Settings = Pick<WorkerConfig['alerts'], 'webhook' | 'command'>;

/** How one try ended; `unsure`: it failed, and the operator may have the notice all the same. */
type Outcome = 'delivered' | 'failed' | 'unsure';

export class Notifier {
    private readonly tasks = new Tasks();
    private readonly closing = new AbortController();
    private readonly channels: Channel[] = [];

    constructor(
        { webhook, command }: Settings,
        private readonly log: Logger,
        pausesMs: readonly number[] = PAUSES_MS,
    ) {
        setMaxListeners(0, this.closing.signal); // each command that runs adds one
        if (webhook !== undefined) {
            this.channels.push(new Channel((notice) => this.post(webhook, bodyOf(notice)), this.tasks, pausesMs));
        }
        if (command !== undefined) {
            this.channels.push(new Channel((notice) => this.run(command, notice), this.tasks, pausesMs));
        }
    }

    /**
     * Returns at once. The notice is tried until it is delivered, or until the alert has newer news. Calls `delivered`
     * for webhook and command each.
     */
    send(notice: AlertNotice, delivered: () => void = () => undefined): void {
        this.channels.forEach((channel) => channel.add({ notice, delivered }));
    }

    /** Lets the tries that run end for a while, and cuts the others. */
    async close(): Promise<void> {
        const bound = setTimeout(() => this.closing.abort(), CLOSE_MS);
        await this.tasks.close();
        clearTimeout(bound);
    }

    private async post(url: string, body: string): Promise<Outcome> {
        const headers = { 'content-type': 'application/json' };
        const signal = AbortSignal.any([AbortSignal.timeout(ANSWER_MS), this.closing.signal]);
        try {
            const answer = await request(url, { method: 'POST', headers, body, signal });
            await answer.body.dump();
            if (answer.statusCode < 300) {
                return 'delivered';
            }
            this.warn('the webhook refuses an alert', `HTTP ${answer.statusCode}`);
            return 'failed';
        } catch (error) {
            // Not its message, which may repeat the URL and a key in it.
            const { code, name } = error as NodeJS.ErrnoException;
            this.warn('the webhook does not take an alert', code ?? name);
            return code === 'ECONNREFUSED' || code === 'ENOTFOUND' ? 'failed' : 'unsure';
        }
    }

    private run([program, ...args]: readonly string[], notice: AlertNotice): Promise<Outcome> {
        return new Promise((resolve) => {
            const { signal } = this.closing;
            const env = environmentOf(notice);
            const options = { timeout: COMMAND_MS, killSignal: 'SIGKILL', signal, env } as const;
            const child = execFile(program, args, options, (error) => {
                if (error !== null) {
                    const reason = error.killed === true ? `it ran for ${COMMAND_MS / 1000} s` : String(error.code);
                    this.warn('the command for alerts failed', reason);
                }
                resolve(error === null ? 'delivered' : child.pid === undefined ? 'failed' : 'unsure');
            });
            child.stdin?.on('error', () => undefined); // it may end without reading
            child.stdin?.end(bodyOf(notice));
        });
    }

    private warn(message: string, reason: string): void {
        this.log.warn({ reason }, message);
    }
}

interface Pending {
    notice: AlertNotice;
    delivered: () => void;
}

/** What a channel has to say of one alert. */
interface Queue {
    next?: Pending; // the newest; it takes the place of one that is not delivered
    isTold: boolean; // the operator has it as raised
    isBusy: boolean;
    wake?: () => void; // ends a pause
}

/** One way to the operator. It delivers the news of an alert one after the other, so that none overtakes another. */
class Channel {
    private readonly queues = new Map<string, Queue>(); // of alerts that the operator has, or is to get

    constructor(
        private readonly deliver: (notice: AlertNotice) => Promise<Outcome>,
        private readonly tasks: Tasks,
        private readonly pausesMs: readonly number[],
    ) {}

    add(pending: Pending): void {
        const key = `${pending.notice.alert} ${pending.notice.subject}`;
        const queue = this.queues.get(key) ?? { isTold: false, isBusy: false };
        this.queues.set(key, queue);
        queue.next = pending;
        if (queue.isBusy) {
            queue.wake?.();
            return;
        }
        queue.isBusy = true;
        const woken = () => new Promise<void>((resolve) => (queue.wake = resolve));
        void this.tasks.add(
            this.tasks.retry(
                () => this.deliverNext(key, queue),
                this.pausesMs,
                () => undefined,
                woken,
            ),
        );
    }

    /** False if a try failed. */
    private async deliverNext(key: string, queue: Queue): Promise<boolean> {
        for (let current = queue.next; current !== undefined; current = queue.next) {
            const { notice, delivered } = current;
            const isEnd = notice.event === 'cleared';
            if (isEnd && !queue.isTold) {
                break; // the operator never heard of it
            }
            const outcome = await this.deliver(isEnd || queue.isTold ? notice : { ...notice, event: 'raised' });
            const isDelivered = outcome === 'delivered';
            queue.isTold = isEnd ? !isDelivered : queue.isTold || outcome !== 'failed';
            if (isDelivered) {
                delivered();
            }
            if (queue.next === current) {
                if (!isDelivered) {
                    return false;
                }
                queue.next = undefined;
            }
        }
        queue.isBusy = false;
        queue.next = undefined;
        if (!queue.isTold) {
            this.queues.delete(key);
        }
        return true;
    }
}

/** `text` and `content` are what common chat services show. */
export function bodyOf(notice: AlertNotice): string {
    const { event, severity, message, remedy } = notice;
    const text = event === 'cleared' ? `Cleared: ${message}` : `${severity}: ${message}. ${remedy}`;
    return JSON.stringify({ ...notice, text, content: text });
}

export function environmentOf(notice: AlertNotice): NodeJS.ProcessEnv {
    const { event, alert, severity, subject, message, remedy, since, node } = notice;
    return {
        ...process.env,
        COCOON_EVENT: event,
        COCOON_ALERT: alert,
        COCOON_SEVERITY: severity,
        COCOON_SUBJECT: subject,
        COCOON_MESSAGE: message,
        COCOON_REMEDY: remedy,
        COCOON_SINCE: String(since),
        COCOON_NODE: node,
    };
}
