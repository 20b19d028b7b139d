/** Tells the operator of an alert: posts it to a webhook, and runs a command with it. */
import { execFile, spawn } from 'node:child_process';
import type { Logger } from 'pino';
import { request } from 'undici';
import { Tasks } from '../../process/tasks';
import type { WorkerConfig } from '../config';
import type { AlertNotice } from './board';

const ANSWER_MS = 10_000;
const COMMAND_MS = 30_000;
const PAUSES_MS = [5_000, 30_000, 120_000];
const MAX_TRIES = 4;
const MAX_WAITING = 100; // notices whose webhook does not answer; further ones are only logged

/** Posts from a process of its own, because the worker ends at once. */
const POST =
    "fetch(process.env.WEBHOOK,{method:'POST',headers:{'content-type':'application/json'},body:process.env.BODY})";

type Settings = Pick<WorkerConfig['alerts'], 'webhook' | 'command'>;

export class Notifier {
    private readonly tasks = new Tasks();
    private waiting = 0;

    constructor(
        private readonly settings: Settings,
        private readonly log: Logger,
        private readonly pausesMs = PAUSES_MS,
    ) {}

    /** Returns at once; what fails is logged, and the webhook is tried again a few times. */
    send(notice: AlertNotice): void {
        const { webhook, command } = this.settings;
        if (webhook !== undefined && this.waiting < MAX_WAITING) {
            this.waiting++;
            void this.tasks.add(this.post(webhook, bodyOf(notice)).finally(() => this.waiting--));
        }
        if (command !== undefined) {
            void this.tasks.add(this.run(command, notice));
        }
    }

    /** Tells that this process ends now; others deliver it. */
    sendLast(notice: AlertNotice): void {
        const { webhook, command } = this.settings;
        const detached = { detached: true, stdio: 'ignore' } as const;
        if (webhook !== undefined) {
            const env = { ...process.env, WEBHOOK: webhook, BODY: bodyOf(notice) };
            spawn(process.execPath, ['-e', POST], { ...detached, env })
                .on('error', () => undefined)
                .unref();
        }
        if (command !== undefined) {
            const [program, ...args] = command;
            spawn(program, args, { ...detached, env: environmentOf(notice) })
                .on('error', () => undefined)
                .unref();
        }
    }

    async close(): Promise<void> {
        await this.tasks.close();
    }

    private async post(url: string, body: string): Promise<void> {
        const send = async (attempt: number): Promise<boolean> => {
            const headers = { 'content-type': 'application/json' };
            const signal = AbortSignal.timeout(ANSWER_MS);
            try {
                const answer = await request(url, { method: 'POST', headers, body, signal });
                await answer.body.dump();
                if (answer.statusCode < 300) {
                    return true;
                }
                this.warn('the webhook refuses an alert', `HTTP ${answer.statusCode}`);
                const isLasting = answer.statusCode < 500 && answer.statusCode !== 429;
                return isLasting || attempt + 1 >= MAX_TRIES;
            } catch (error) {
                // Not its message, which may repeat the URL and a key in it.
                const { code, name } = error as NodeJS.ErrnoException;
                this.warn('the webhook does not take an alert', code ?? name);
                return attempt + 1 >= MAX_TRIES;
            }
        };
        await this.tasks.retry(send, this.pausesMs, () => undefined);
    }

    private run([program, ...args]: readonly string[], notice: AlertNotice): Promise<void> {
        return new Promise((resolve) => {
            const options = { timeout: COMMAND_MS, env: environmentOf(notice) };
            const child = execFile(program, args, options, (error) => {
                if (error !== null) {
                    const reason = error.killed === true ? `it ran for ${COMMAND_MS / 1000} s` : String(error.code);
                    this.warn('the command for alerts failed', reason);
                }
                resolve();
            });
            child.stdin?.on('error', () => undefined); // it may end without reading
            child.stdin?.end(bodyOf(notice));
        });
    }

    private warn(message: string, reason: string): void {
        this.log.warn({ reason }, message);
    }
}

/** `text` and `content` are what common chat services show. */
function bodyOf(notice: AlertNotice): string {
    const { event, severity, message, remedy } = notice;
    const text = event === 'cleared' ? `Cleared: ${message}` : `${severity}: ${message}. ${remedy}`;
    return JSON.stringify({ ...notice, text, content: text });
}

function environmentOf({
    event,
    alert,
    severity,
    subject,
    message,
    remedy,
    since,
    node,
}: AlertNotice): NodeJS.ProcessEnv {
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
