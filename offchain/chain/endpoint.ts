/** One endpoint of TON HTTP API v2: its address, its budget of calls, its availability and its network. */
import { Cell } from '@ton/core';
import { type Dispatcher, request } from 'undici';
import { isOnThisMachine } from '../process/publicAddress';
import { retryAfterOf } from '../process/retryAfter';
import { isAccountShape } from './accountShape';
import { AnswerBytes } from './answerBytes';
import { measureOf } from './bags';
import { Budget } from './budget';
import { ChainError } from './errors';

/** An endpoint as a configuration names it. */
export interface EndpointSettings {
    url: string; // ends in /api/v2/jsonRPC with most providers
    apiKey?: string | undefined;
    callsPerSecond?: number | undefined; // default 10 with a key, 1 without, no limit on this machine
    answerSeconds?: number | undefined; // limit for one answer; default 5
}

const KEYLESS = 0.95; // calls a second: toncenter allows one, and calls may overtake each other on the way
const KEYED = 9.5; // calls a second
const PAUSES = [500, 1000, 2000, 4000, 8000, 15_000]; // milliseconds after the first, second, … failure in a row
const LATELY_MS = 60_000;
const HALF_LIFE = 60_000; // milliseconds in which half of what its answers usually take is forgotten
/** The parameter of a network's configuration that holds its id. */
export const GLOBAL_ID_PARAM = 19;
const EXIT_CODE = /exit ?code[=: ]*(-?\d+)/i;
const ANSWER_SECONDS = 5;
const MAX_MESSAGE = 1000; // characters of an error of its own, which logs repeat
/** Seconds for which an endpoint may report the same time of the chain; after that its answers are not used. */
const FROZEN_SECONDS = 120;
const NETWORK_METHOD = 'getConfigParam';
const TIMED_METHOD = 'getAddressInformation'; // its answers carry the time of the chain
const SLOW = ['getTransactions', 'sendBoc']; // methods that may take twice as long
const MAX_BALANCE = 1n << 64n; // nanoTON, more than there is

/** The reason while an endpoint's budget is used up. */
export const BUSY = 'takes no more calls for now';

/** The outcome of one call: an answer, or why none came. */
export type EndpointAnswer =
    | { kind: 'answer'; result: unknown }
    | { kind: 'refusal'; status: number; message: string } // in the API's own form
    | { kind: 'busy'; waitMs: number; message: string } // HTTP 429
    | { kind: 'failure'; message: string; silent?: boolean }; // another server's answer, or none (silent)

export class Endpoint {
    readonly budget: Budget;
    /** Its name in errors, without keys: a URL may carry one in its query, user or path. */
    readonly name: string;
    private readonly headers: Record<string, string>;
    private readonly bytes: AnswerBytes;
    private readonly times = new Map<string, { ms: number; at: number }>(); // by method, on average, the last ones most
    private failures = 0;
    private pausedUntil = 0;
    private trouble: Extract<EndpointAnswer, { message: string }> = { kind: 'failure', message: BUSY }; // the last one
    private identity: Promise<void> | undefined;
    private identified = false;
    // Time of the chain; seconds of its reports.
    private reportedTime: { at: unknown; since: number; last: number } | undefined;

    constructor(
        private readonly settings: EndpointSettings,
        private readonly network: number | undefined, // the network that it must be of; undefined: unchecked
    ) {
        const { url, apiKey, callsPerSecond } = settings;
        this.name = endpointName(url);
        this.budget = new Budget(callsPerSecond ?? (apiKey ? KEYED : isOnThisMachine(url) ? Infinity : KEYLESS));
        this.bytes = new AnswerBytes(this.budget);
        this.headers = { 'content-type': 'application/json', ...(apiKey ? { 'x-api-key': apiKey } : {}) };
    }

    /** Milliseconds until it may be asked again after a failure or a refusal for too many calls. */
    get pause(): number {
        return Math.max(0, this.pausedUntil - performance.now(), this.budget.pause);
    }

    /** True while a call to it would only wait in vain. */
    get isDown(): boolean {
        return this.failures > 0 && this.pausedUntil > performance.now();
    }

    /** True for a minute after the pause of its last failure, unless it has served since. */
    get hasFailedLately(): boolean {
        return this.failures > 0 && performance.now() - this.pausedUntil < LATELY_MS;
    }

    /** True if it has a call that nothing else needs, and does not pause after failures. */
    get hasSpare(): boolean {
        return this.pause === 0 && this.budget.hasSpare;
    }

    /** Milliseconds that a call takes, by its last answers to the method, and before its network is known, to that. */
    usualMs(method: string): number {
        return this.averageMs(method) + (this.identified ? 0 : this.averageMs(NETWORK_METHOD));
    }

    /** Of its last answers to calls of a method, less the longer ago they are. */
    private averageMs(method: string): number {
        const { ms, at } = this.times.get(method) ?? { ms: 0, at: 0 };
        return ms * 2 ** ((at - performance.now()) / HALF_LIFE);
    }

    /** Why its last failed call failed. */
    get error(): ChainError {
        return errorOf(this, this.trouble);
    }

    /** Posts one call of JSON-RPC; never throws. */
    async post(method: string, call: string): Promise<EndpointAnswer> {
        const within = (this.settings.answerSeconds ?? ANSWER_SECONDS) * (SLOW.includes(method) ? 2000 : 1000);
        if (this.failures > 0) {
            this.pausedUntil = performance.now() + within; // one call probes whether it serves again; the others wait
        }
        const [round, from] = [this.failures, performance.now()];
        const answer = this.mayUse(method) ? await this.askTimed(method, call, within) : this.outdated;
        const at = performance.now();
        this.times.set(method, { ms: (this.averageMs(method) + at - from) / 2, at });
        if (answer.kind === 'failure') {
            this.noteFailure(answer, round);
        } else {
            this.failures = 0;
            this.pausedUntil = 0;
        }
        if (answer.kind === 'busy') {
            this.budget.slowDown(answer.waitMs);
            this.trouble = answer;
        } else if (answer.kind !== 'failure') {
            this.budget.noteServed();
        }
        return answer;
    }

    /** Notes a failure after so many in a row when the call was made: parallel calls that fail count as one failure. */
    private noteFailure(trouble: Endpoint['trouble'], round: number): void {
        this.failures = Math.max(this.failures, round + 1);
        this.pausedUntil = performance.now() + PAUSES[Math.min(this.failures, PAUSES.length) - 1];
        this.trouble = trouble;
    }

    // While its time stands still, only an answer with a time can show progress, and a message may still reach the
    // chain.
    private mayUse(method: string): boolean {
        return method === TIMED_METHOD || method === 'sendBoc' || this.frozenSeconds < FROZEN_SECONDS;
    }

    /** Asks. An answer about an account counts as a failure if it cannot be, or its time stands still for too long. */
    private async askTimed(method: string, call: string, within: number): Promise<EndpointAnswer> {
        const answer = await this.ask(method, call, within);
        if (method !== TIMED_METHOD || answer.kind !== 'answer') {
            return answer;
        }
        const { sync_utime: at, balance } = (answer.result ?? {}) as { sync_utime?: unknown; balance?: unknown };
        if (!isTime(at) || !isBalance(balance)) {
            return { kind: 'failure', message: 'answers with a time or a balance that no account has' };
        }
        if (!isAccountShape(answer.result)) {
            return { kind: 'failure', message: 'answers with an account that cannot be read' };
        }
        const now = performance.now() / 1000;
        const since = this.reportedTime?.at === at ? this.reportedTime!.since : now;
        this.reportedTime = { at, since, last: now };
        return this.frozenSeconds < FROZEN_SECONDS ? answer : this.outdated;
    }

    /** Seconds over which it has reported the same time. */
    private get frozenSeconds(): number {
        return this.reportedTime === undefined ? 0 : this.reportedTime.last - this.reportedTime.since;
    }

    private get outdated(): EndpointAnswer {
        const message = `has reported the same time of the chain for ${Math.floor(this.frozenSeconds)} s, so it is not used`;
        return { kind: 'failure', message };
    }

    /** Failures in a row. */
    get failureCount(): number {
        return this.failures;
    }

    /** True once it is known to be of the network that it must be of. */
    get isIdentified(): boolean {
        return this.identified;
    }

    /** Throws a ChainError when this endpoint is of another network. Asks it once, within `patience` milliseconds. */
    requireNetwork(patience: number): Promise<void> {
        this.identity ??= this.identify(patience).catch((error: unknown) => {
            if (!(error instanceof ChainError && error.otherNetwork)) {
                this.identity = undefined; // not known yet, so the next call asks again
            }
            throw error;
        });
        return this.identity;
    }

    private async identify(patience: number): Promise<void> {
        if (this.network === undefined) {
            this.identified = true;
            return;
        }
        if (!(await this.budget.turn('urgent', patience))) {
            throw this.error;
        }
        const call = { id: '1', jsonrpc: '2.0', method: NETWORK_METHOD, params: { config_id: GLOBAL_ID_PARAM } };
        const round = this.failures;
        const answer = await this.post(NETWORK_METHOD, JSON.stringify(call));
        const id = answer.kind === 'answer' ? idOf(answer.result) : undefined;
        if (id === undefined) {
            const message = 'does not name its network: is it a TON HTTP API v2?';
            const trouble = answer.kind === 'answer' ? { kind: 'failure' as const, message } : answer;
            if (trouble.kind !== 'busy') {
                this.noteFailure(trouble, round); // whatever it answers, it does not serve
            }
            throw errorOf(this, trouble);
        }
        if (id !== this.network) {
            const text = `${this.name} is an endpoint of network ${id}, and ${this.network} is configured`;
            throw new ChainError(`Wrong network: ${text}`, undefined, { final: true, otherNetwork: true });
        }
        this.identified = true;
    }

    private async ask(method: string, call: string, within: number): Promise<EndpointAnswer> {
        const posted = { method: 'POST', headers: this.headers, body: call } as const;
        const signal = AbortSignal.timeout(within);
        try {
            const response = await request(this.settings.url, { ...posted, signal });
            return this.understand(method, response, await this.bytes.textOf(response.body, signal));
        } catch (error) {
            return { kind: 'failure', message: failureText(error as Error, within), silent: true };
        }
    }

    /** Never throws. */
    private understand(
        method: string,
        { statusCode: code, headers }: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>,
        text: string,
    ): EndpointAnswer {
        const body = answerOf(text);
        const whole = this.withoutKey(body?.error ?? `answers, but not as a TON HTTP API (${code})`);
        const message = whole.length > MAX_MESSAGE ? `${whole.slice(0, MAX_MESSAGE)}…` : whole;
        const status = body !== undefined && body.ok !== true && body.code ? body.code : code;
        if (status === 429) {
            return { kind: 'busy', waitMs: retryAfter(headers['retry-after']), message: `${BUSY} (429): ${message}` };
        }
        if (body === undefined) {
            return code === 401 || code === 403 || code === 404
                ? { kind: 'refusal', status: code, message }
                : { kind: 'failure', message };
        }
        if (body.ok !== true) {
            return { kind: 'refusal', status, message };
        }
        const { excess, cells } = measureOf(method, body.result);
        this.bytes.noteCells(cells);
        return excess === undefined
            ? { kind: 'answer', result: body.result }
            : { kind: 'failure', message: `answers with ${excess}` };
    }

    private withoutKey(text: string): string {
        const { apiKey } = this.settings;
        return apiKey ? text.replaceAll(apiKey, '…') : text;
    }
}

/** True for a time of the chain, which has 32 bits. */
const isTime = (at: unknown): boolean => Number.isInteger(at) && Number(at) >= 0 && Number(at) < 2 ** 32;

/** True for nanoTON that an account may hold: all coins there are have less than 64 bits. Some APIs say -1 for none. */
function isBalance(balance: unknown): boolean {
    const isWhole = Number.isInteger(balance) || (typeof balance === 'string' && /^(-1|\d{1,20})$/.test(balance));
    return isWhole && BigInt(balance as string | number) >= -1n && BigInt(balance as string | number) < MAX_BALANCE;
}

/** The id of a network in an answer to getConfigParam; undefined when it has none. */
function idOf(answer: unknown): number | undefined {
    try {
        return paramOf(answer).beginParse().loadInt(32);
    } catch {
        return undefined;
    }
}

/** The cell of an answer to getConfigParam. Throws when it has none. */
export function paramOf(answer: unknown): Cell {
    return Cell.fromBase64((answer as { config: { bytes: string } }).config.bytes);
}

/** The error to throw when no answer came. */
export function errorOf(
    { name }: Pick<Endpoint, 'name'>,
    answer: Extract<EndpointAnswer, { message: string }>,
): ChainError {
    if (answer.kind !== 'refusal') {
        const silent = answer.kind === 'failure' && answer.silent === true;
        return new ChainError(`${name} ${answer.message}`, undefined, { silent });
    }
    const exitCode = EXIT_CODE.exec(answer.message)?.[1];
    const final = answer.status < 500;
    const text = `${name} refuses (${answer.status}): ${answer.message}`;
    return new ChainError(text, exitCode === undefined ? undefined : Number(exitCode), { final });
}

/** The host and path of a URL, without what could be a key. */
export function endpointName(url: string): string {
    if (!URL.canParse(url)) {
        return 'the endpoint';
    }
    const { protocol, host, pathname } = new URL(url);
    const parts = pathname.split('/').map((part) => (/^[a-zA-Z0-9.-]{0,12}$/.test(part) ? part : '…'));
    const path = parts.join('/');
    return `${protocol}//${host}${path === '/' ? '' : path}`;
}

function failureText(error: Error & { code?: string }, within: number): string {
    if (error.name === 'TimeoutError' || error.name === 'AbortError') {
        return `did not answer within ${within / 1000} s`;
    }
    return `does not answer: ${error.code ?? error.message}`;
}

interface ApiAnswer {
    ok: unknown;
    result: unknown;
    error: string | undefined;
    code: number | undefined;
}

/** The answer in this text; undefined when it is none of the API: it says neither that it is one, nor why not. */
function answerOf(text: string): ApiAnswer | undefined {
    try {
        const { ok, result, error, code } = JSON.parse(text) as { [name in keyof ApiAnswer]?: unknown };
        const reason = error === undefined || typeof error === 'string' ? error : JSON.stringify(error);
        const isAnswer = ok === true || reason !== undefined;
        return isAnswer ? { ok, result, error: reason, code: typeof code === 'number' ? code : undefined } : undefined;
    } catch {
        return undefined;
    }
}

const WAIT = 1000; // milliseconds after a 429 that does not say how long, or says not at all
const MAX_WAIT = 60_000;

function retryAfter(header: string | string[] | undefined): number {
    const seconds = retryAfterOf(header);
    return seconds ? Math.min(MAX_WAIT, seconds * 1000) : WAIT; // one that says 0 would be asked without an end
}
