/** The client of a chain's HTTP API: several endpoints, a budget of calls, retries and timeouts. */
import type { TonClientParameters } from '@ton/ton';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Urgency } from './budget';
import { BUSY, Endpoint, type EndpointSettings, errorOf } from './endpoint';
import { ChainError } from './errors';

type Adapter = Extract<NonNullable<TonClientParameters['httpAdapter']>, (config: never) => unknown>;

/** Milliseconds that a call waits for its turn. */
const QUEUE: Record<Urgency, number> = {
    urgent: 120_000,
    routine: 60_000,
    client: 60_000,
    stranger: 5000,
    idle: 60_000,
};
/** Milliseconds that a call is tried again after its first failure. */
const TROUBLE: Record<Urgency, number> = { urgent: 45_000, routine: 8000, client: 8000, stranger: 2000, idle: 8000 };
const BACKOFF = 500; // milliseconds before the same call is tried again; doubles
/** Milliseconds that a call waits for an endpoint, its turn and its answer, while another would answer sooner. */
const MAX_DELAY = 2000;
const POLL = 250; // milliseconds between two looks for an endpoint that serves again
const ATTEMPTS = 3; // of a call to which endpoints answer with their own error
const REFUSED = /cannot apply external message|external message was not accepted/i;

/** How a call is made. */
export interface CallView {
    urgency?: Urgency; // default 'routine'
    only?: number; // the endpoint to ask; by default the first that serves
    prepaid?: boolean; // {@link ChainApi.takeSpare} took the call of that endpoint: it is made at once, and once
}

/** Asks the endpoints in their order: the next one while the first does not serve, or has calls waiting for seconds. */
export class ChainApi {
    private readonly endpoints: Endpoint[];
    private readonly queued = new Map<string, Promise<unknown>>();
    private lastIdle: Promise<unknown> = Promise.resolve();

    /** `network`: the network that every endpoint must be of; undefined: unchecked. */
    constructor(settings: readonly EndpointSettings[], network?: number) {
        if (settings.length === 0) {
            throw new RangeError('A chain needs at least one endpoint');
        }
        this.endpoints = settings.map((each) => new Endpoint(each, network));
    }

    /** Names of the endpoints, without keys. */
    get names(): string[] {
        return this.endpoints.map(({ name }) => name);
    }

    /**
     * Takes one call of each endpoint that has some to spare, if these are most of all endpoints, and returns their
     * numbers; else takes none. Each must then be made, `prepaid`.
     */
    takeSpare(): number[] {
        const numbers = [...this.endpoints.keys()].filter((i) => this.endpoints[i].hasSpare);
        if (2 * numbers.length <= this.endpoints.length) {
            return [];
        }
        numbers.forEach((i) => this.endpoints[i].budget.takeSpare());
        return numbers;
    }

    /**
     * Makes one call. Equal calls that wait for their turn become one.
     * @throws ChainError
     */
    call(method: string, params: unknown, { urgency = 'routine', only, prepaid }: CallView = {}): Promise<unknown> {
        const text = JSON.stringify({ id: '1', jsonrpc: '2.0', method, params });
        if (prepaid === true && only !== undefined) {
            return this.askOnce(this.endpoints[only], method, text);
        }
        if (method === 'sendBoc') {
            return this.carry(text, method, urgency, only, () => undefined);
        }
        const key = `${urgency} ${only ?? 'any'} ${text}`;
        const waiting = this.queued.get(key);
        if (waiting !== undefined) {
            return waiting;
        }
        const forget = () => {
            if (this.queued.get(key) === carried) {
                this.queued.delete(key);
            }
        };
        const begin = () => this.carry(text, method, urgency, only, forget);
        const carried = (urgency === 'idle' ? this.afterIdle(begin) : begin()).finally(forget);
        this.queued.set(key, carried);
        return carried;
    }

    /** What a TonClient needs to send its calls through this client. */
    adapter(view: CallView = {}): Adapter {
        return async (config) => {
            const { method, params } = JSON.parse(String(config.data)) as { method: string; params: unknown };
            const answer = await this.call(method, params, view);
            const result = method === 'getTransactions' ? bareTransactions(answer) : answer;
            return { data: { ok: true, result }, status: 200, statusText: 'OK', headers: {}, config };
        };
    }

    private async askOnce(endpoint: Endpoint, method: string, text: string): Promise<unknown> {
        await endpoint.requireNetwork(0);
        const answer = await endpoint.post(method, text);
        if (answer.kind === 'answer') {
            return answer.result;
        }
        throw errorOf(endpoint, answer);
    }

    private afterIdle<T>(call: () => Promise<T>): Promise<T> {
        const answer = this.lastIdle.then(call);
        this.lastIdle = answer.catch(() => undefined);
        return answer;
    }

    // Each round asks the endpoint that serves soonest, until one answers or no further try is worth it.
    private async carry(
        text: string,
        method: string,
        urgency: Urgency,
        only: number | undefined,
        onStart: () => void,
    ): Promise<unknown> {
        const isMessage = method === 'sendBoc'; // what is read has no exit code, whatever an endpoint says
        let candidates = only === undefined ? this.endpoints : [this.endpoints[only]];
        const turnUntil = performance.now() + QUEUE[urgency];
        let triesUntil = Infinity;
        let unknown = false; // a copy of the message may be on its way
        let last = new ChainError('No endpoint serves');
        for (let tries = 0; candidates.length > 0 && performance.now() < triesUntil;) {
            const endpoint = soonest(candidates, method, urgency);
            if (endpoint.isDown) {
                last = endpoint.error;
                const isVain = candidates.every((each) => each.isDown); // else another one only pauses
                if (isVain && urgency !== 'urgent' && (endpoint.failureCount > 1 || urgency === 'stranger')) {
                    break; // another call failed just now, so this one fails at once
                }
                await sleep(Math.min(endpoint.pause, POLL));
                triesUntil = Math.min(triesUntil, isVain ? performance.now() + TROUBLE[urgency] : turnUntil);
                continue;
            }
            // Between this choice and the wait for a turn nothing is awaited: each call would choose as all others do.
            if (!endpoint.isIdentified) {
                try {
                    // With some time in any case: without, it would fail at once, and be tried again and again. But
                    // not longer than a stranger waits, for all wait together.
                    const until = Math.min(turnUntil, triesUntil, performance.now() + QUEUE.stranger);
                    await endpoint.requireNetwork(Math.max(POLL, until - performance.now()));
                } catch (error) {
                    last = error as ChainError;
                    candidates = last.final ? candidates.filter((each) => each !== endpoint) : candidates;
                    const isBusy = !last.final && endpoint.failureCount === 0; // it serves, only not so fast
                    if (isBusy) {
                        triesUntil = Math.min(triesUntil, turnUntil);
                    } else if (!last.final || candidates.length === 0) {
                        triesUntil = Math.min(triesUntil, performance.now() + TROUBLE[urgency]);
                    }
                }
                continue;
            }
            const patience = Math.min(turnUntil, triesUntil) - performance.now();
            const isTurn = await endpoint.budget.turn(urgency, Math.max(0, patience));
            if (isTurn === undefined) {
                continue; // the endpoint pauses, and another may serve
            }
            if (!isTurn) {
                last =
                    endpoint.budget.refusalPause > 0
                        ? endpoint.error
                        : new ChainError(`${endpoint.name} ${BUSY}`, undefined, { busy: true });
                break;
            }
            onStart();
            const triesBefore = triesUntil;
            triesUntil = Math.min(triesUntil, performance.now() + TROUBLE[urgency]);
            const answer = await endpoint.post(method, text);
            if (answer.kind === 'answer') {
                return answer.result;
            }
            last = errorOf(endpoint, answer);
            if (answer.kind === 'busy') {
                // The endpoint serves, only not so fast: the call waits for its turn again, as long as for the first.
                triesUntil = turnUntil + TROUBLE[urgency];
                continue;
            }
            if (isMessage && (last.exitCode !== undefined || REFUSED.test(answer.message))) {
                break; // the chain refused it, not the endpoint
            }
            unknown ||= isMessage && !last.final;
            if (answer.kind === 'refusal') {
                const others = candidates.filter((each) => each !== endpoint);
                candidates = last.final ? others : [...others, endpoint];
                // One that refuses whatever it is asked takes no time from the others.
                triesUntil = last.final && others.length > 0 ? triesBefore : triesUntil;
                if (++tries === ATTEMPTS) {
                    break;
                }
                await sleep(last.final ? 0 : BACKOFF * 2 ** (tries - 1));
            } else if (urgency !== 'urgent' && candidates.every(({ failureCount }) => failureCount > 1)) {
                break;
            }
        }
        // A refusal after a copy was sent may only mean that the copy was taken.
        const unclear = `${last.message}; whether the message was taken is not known`;
        throw unknown ? new ChainError(unclear, undefined, { unknown, silent: last.silent }) : last;
    }
}

/**
 * Listed transactions without their messages, which the transactions themselves have: a TonClient would note each of
 * thousands of wrong ones as an error, which takes seconds. A text is left as it is: it would become an object with a
 * field for each of its characters.
 */
function bareTransactions(listed: unknown): unknown {
    const bare = (one: unknown) =>
        typeof one === 'object' && one !== null ? { ...one, in_msg: undefined, out_msgs: [] } : one;
    return Array.isArray(listed) ? listed.map(bare) : listed;
}

/**
 * The first endpoint that serves and answers soon, by its turn and by what its last answers took, else the one that
 * answers soonest: a few refusals of an endpoint slow its calls down for an hour, and one that answers as late as it
 * may would keep each call for seconds. One that only pauses may be that one: all that wait would fill a slower one for
 * long. If its network is not known yet, it is not: nothing tells how many wait for that. If each is down for a while,
 * the one that may be asked soonest.
 */
function soonest(endpoints: readonly Endpoint[], method: string, urgency: Urgency): Endpoint {
    const [next] = [...endpoints].sort((a, b) => a.pause - b.pause); // the first that serves, if any does
    if (next.isDown) {
        return next;
    }
    const usable = endpoints.filter((one) => one === next || !one.hasFailedLately);
    const delay = (one: Endpoint) => one.budget.delay(urgency) + one.usualMs(method);
    return (
        usable.find((one) => one.pause === 0 && delay(one) <= MAX_DELAY) ??
        usable.filter((one) => one === next || one.isIdentified).sort((a, b) => delay(a) - delay(b))[0]
    );
}
