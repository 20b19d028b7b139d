/** One TON HTTP API v2: where it is, what it may be asked, whether it serves, and which network it is of. */
import { Cell } from '@ton/core';
import { request } from 'undici';
import { retryAfterOf } from '../link/causes';
import { Budget } from './budget';
import { ChainError } from './errors';

/** An endpoint as a configuration names it. */
export interface EndpointSettings {
    url: string; // ends in /api/v2/jsonRPC with most providers
    apiKey?: string | undefined;
    callsPerSecond?: number | undefined; // default 10 with a key, 1 without, no limit on this machine
    answerSeconds?: number | undefined; // that one answer may take; default 5
}

const KEYLESS = 0.95; // calls a second: toncenter takes one, and a call may overtake another on the way
const KEYED = 9.5;
const RESTS = [500, 1000, 2000, 4000, 8000, 15_000]; // milliseconds after the first, second, … failure in a row
/** The parameter of a network's configuration that holds its id. */
export const GLOBAL_ID_PARAM = 19;
const EXIT_CODE = /exit ?code[=: ]*(-?\d+)/i;
const ANSWER_SECONDS = 5;
/** Seconds for which an endpoint may tell one and the same time of the chain before it is believed no more. */
export const FROZEN_SECONDS = 120;
const TELLS_TIME = 'getAddressInformation'; // the method whose answers say when they were true
const SLOW = ['getTransactions', 'sendBoc']; // methods that may take twice as long

/** What is said of an endpoint that gets no more calls than it has. */
export const BUSY = 'takes no more calls for now';

/** What came back: an answer, or why there was none. */
export type Answered =
    | { kind: 'answer'; result: unknown }
    | { kind: 'refusal'; status: number; said: string } // in the API's own form
    | { kind: 'busy'; after: number; said: string } // 429; milliseconds to wait
    | { kind: 'failure'; said: string; silent?: boolean }; // not the API's answer, or none (silent)

export class Endpoint {
    readonly budget: Budget;
    /** What errors call it: without keys, which may stand in the URL's query, user or path. */
    readonly name: string;
    private readonly headers: Record<string, string>;
    private failures = 0;
    private restsUntil = 0;
    private trouble: Extract<Answered, { said: string }> = { kind: 'failure', said: BUSY }; // the last one
    private identity: Promise<void> | undefined;
    private told: { at: unknown; since: number; last: number } | undefined; // the time of the chain, and when it was told so

    constructor(
        private readonly settings: EndpointSettings,
        private readonly network: number | undefined, // that it must be of; unchecked when undefined
    ) {
        const { url, apiKey, callsPerSecond } = settings;
        this.name = endpointName(url);
        this.budget = new Budget(callsPerSecond ?? (apiKey ? KEYED : isLoopback(url) ? Infinity : KEYLESS));
        this.headers = { 'content-type': 'application/json', ...(apiKey ? { 'x-api-key': apiKey } : {}) };
    }

    /** Milliseconds until it may be asked again after it failed or said that it is too much. */
    get rest(): number {
        return Math.max(0, this.restsUntil - performance.now(), this.budget.pause);
    }

    /** True while it does not serve, and the next to ask would only wait in vain. */
    get down(): boolean {
        return this.failures > 0 && this.restsUntil > performance.now();
    }

    /** Why it did not serve the last time. */
    get error(): ChainError {
        return errorOf(this, this.trouble);
    }

    /** Posts one call of JSON-RPC; never throws. */
    async post(method: string, call: string): Promise<Answered> {
        const within = (this.settings.answerSeconds ?? ANSWER_SECONDS) * (SLOW.includes(method) ? 2000 : 1000);
        if (this.failures > 0) {
            this.restsUntil = performance.now() + within; // one asks whether it serves again; the others need not
        }
        const round = this.failures;
        const answered = this.believed(method) ? await this.timed(method, call, within) : this.outdated;
        if (answered.kind === 'failure') {
            this.failures = Math.max(this.failures, round + 1); // calls that failed side by side are one failure
            this.restsUntil = performance.now() + RESTS[Math.min(this.failures, RESTS.length) - 1];
            this.trouble = answered;
        } else {
            this.failures = 0;
            this.restsUntil = 0;
        }
        if (answered.kind === 'busy') {
            this.budget.slow(answered.after);
            this.trouble = answered;
        } else if (answered.kind !== 'failure') {
            this.budget.served();
        }
        return answered;
    }

    // Only a reading that tells its time can show that it goes on; what it carries to the chain may arrive.
    private believed(method: string): boolean {
        return method === TELLS_TIME || method === 'sendBoc' || this.frozenSeconds < FROZEN_SECONDS;
    }

    /** Asks, and takes an answer whose time has stood still for long as none. */
    private async timed(method: string, call: string, within: number): Promise<Answered> {
        const answered = await this.ask(call, within);
        if (method !== TELLS_TIME || answered.kind !== 'answer') {
            return answered;
        }
        const { sync_utime: at } = (answered.result ?? {}) as { sync_utime?: unknown };
        const [now, { told }] = [performance.now() / 1000, this];
        this.told = { at, since: told !== undefined && told.at === at ? told.since : now, last: now };
        return this.frozenSeconds < FROZEN_SECONDS ? answered : this.outdated;
    }

    /** Seconds over which it has told one and the same time. */
    private get frozenSeconds(): number {
        return this.told === undefined ? 0 : this.told.last - this.told.since;
    }

    private get outdated(): Answered {
        const said = `has told the same time of the chain for ${Math.floor(this.frozenSeconds)} s, so it is not believed`;
        return { kind: 'failure', said };
    }

    /** How often in a row it did not serve. */
    get failed(): number {
        return this.failures;
    }

    /** Throws a ChainError when this endpoint is of another network; asks it once, within `patience` milliseconds. */
    identified(patience: number): Promise<void> {
        this.identity ??= this.identify(patience).catch((error: unknown) => {
            if (!(error instanceof ChainError && error.final)) {
                this.identity = undefined; // not known yet: asked again by the next call
            }
            throw error;
        });
        return this.identity;
    }

    private async identify(patience: number): Promise<void> {
        if (this.network === undefined) {
            return;
        }
        if (!(await this.budget.turn('claim', patience))) {
            throw this.error;
        }
        const params = { config_id: GLOBAL_ID_PARAM };
        const method = 'getConfigParam';
        const answered = await this.post(method, JSON.stringify({ id: '1', jsonrpc: '2.0', method, params }));
        if (answered.kind !== 'answer') {
            throw errorOf(this, answered);
        }
        let id: number;
        try {
            const { config } = answered.result as { config: { bytes: string } };
            id = Cell.fromBase64(config.bytes).beginParse().loadInt(32);
        } catch {
            throw new ChainError(`${this.name} does not say which network it is of: is it a TON HTTP API v2?`);
        }
        if (id !== this.network) {
            const said = `${this.name} is an endpoint of network ${id}, and ${this.network} is configured`;
            throw new ChainError(`Wrong network: ${said}`, undefined, { final: true });
        }
    }

    private async ask(call: string, within: number): Promise<Answered> {
        let code: number;
        let header: string | string[] | undefined;
        let text: string;
        try {
            const signal = AbortSignal.timeout(within);
            const response = await request(this.settings.url, {
                method: 'POST',
                headers: this.headers,
                body: call,
                signal,
            });
            code = response.statusCode;
            header = response.headers['retry-after'];
            text = await response.body.text();
        } catch (error) {
            return { kind: 'failure', said: failureText(error as Error, within), silent: true };
        }
        const body = answerOf(text);
        const said = this.withoutKey(body?.error ?? `answers, but not as a TON HTTP API (${code})`);
        const status = body !== undefined && body.ok !== true && body.code ? body.code : code;
        if (status === 429) {
            return { kind: 'busy', after: retryAfter(header), said: `takes no more calls for now (429): ${said}` };
        }
        if (body === undefined) {
            return code === 401 || code === 403 || code === 404
                ? { kind: 'refusal', status: code, said }
                : { kind: 'failure', said };
        }
        return body.ok === true ? { kind: 'answer', result: body.result } : { kind: 'refusal', status, said };
    }

    private withoutKey(text: string): string {
        const { apiKey } = this.settings;
        return apiKey ? text.replaceAll(apiKey, '…') : text;
    }
}

/** What to throw when there is no answer. */
export function errorOf({ name }: Pick<Endpoint, 'name'>, answered: Extract<Answered, { said: string }>): ChainError {
    if (answered.kind !== 'refusal') {
        const silent = answered.kind === 'failure' && answered.silent === true;
        return new ChainError(`${name} ${answered.said}`, undefined, { silent });
    }
    const exitCode = EXIT_CODE.exec(answered.said)?.[1];
    const final = answered.status < 500;
    return new ChainError(
        `${name} refuses (${answered.status}): ${answered.said}`,
        exitCode === undefined ? undefined : Number(exitCode),
        { final },
    );
}

/** A URL for people: host and path, without what could be a key. */
export function endpointName(url: string): string {
    try {
        const { protocol, host, pathname } = new URL(url);
        const path = pathname
            .split('/')
            .map((part) => (/^[a-zA-Z0-9.-]{0,12}$/.test(part) ? part : '…'))
            .join('/');
        return `${protocol}//${host}${path === '/' ? '' : path}`;
    } catch {
        return 'the endpoint';
    }
}

/** True for an endpoint on this machine. */
export function isLoopback(url: string): boolean {
    try {
        return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
    } catch {
        return false;
    }
}

function failureText(error: Error & { code?: string }, within: number): string {
    if (error.name === 'TimeoutError' || error.name === 'AbortError') {
        return `did not answer within ${within / 1000} s`;
    }
    return `does not answer: ${error.code ?? error.message}`;
}

function answerOf(text: string): { ok?: unknown; result?: unknown; error?: string; code?: number } | undefined {
    try {
        const body = JSON.parse(text) as { ok?: unknown; result?: unknown; error?: unknown; code?: unknown } | null;
        if (typeof body !== 'object' || body === null || (body.ok !== true && body.error === undefined)) {
            return undefined;
        }
        return {
            ok: body.ok,
            result: body.result,
            ...(body.error === undefined
                ? {}
                : { error: typeof body.error === 'string' ? body.error : JSON.stringify(body.error) }),
            ...(typeof body.code === 'number' ? { code: body.code } : {}),
        };
    } catch {
        return undefined;
    }
}

const WAIT = 1000; // milliseconds after a 429 that does not say how long
const MAX_WAIT = 60_000;

function retryAfter(header: string | string[] | undefined): number {
    const seconds = retryAfterOf(header);
    return seconds === undefined ? WAIT : Math.min(MAX_WAIT, seconds * 1000);
}
