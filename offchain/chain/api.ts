/** The one client of a chain's HTTP API: retries, a budget of calls, timeouts of seconds, several endpoints. */
import type { TonClientParameters } from '@ton/ton';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Urgency } from './budget';
import { BUSY, Endpoint, type EndpointSettings, errorOf } from './endpoint';
import { ChainError } from './errors';

type Adapter = Extract<NonNullable<TonClientParameters['httpAdapter']>, (config: never) => unknown>;

/** Milliseconds that a call waits for its turn, and that it goes on trying after its first failure. */
const QUEUE: Record<Urgency, number> = { claim: 120_000, routine: 60_000, stranger: 2000 };
const TROUBLE: Record<Urgency, number> = { claim: 45_000, routine: 8000, stranger: 2000 };
const BACKOFF = 500; // milliseconds before the same call is tried again; doubles
const LOOK = 250; // milliseconds between two looks for an endpoint that serves again
const ATTEMPTS = 3; // of a call that endpoints answer with an error of their own
const REFUSED_MESSAGE = /cannot apply external message|external message was not accepted/i;

/** Endpoints in the order in which they are asked: the next when one does not serve. */
export class ChainApi {
    private readonly endpoints: Endpoint[];
    private readonly queued = new Map<string, Promise<unknown>>();

    /** `network`: what every endpoint must be of; unchecked when left out. */
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
     * One call. `only` is the number of the endpoint to ask; the first that serves unless given. A call that still waits
     * for its turn is shared by all who ask the same.
     * @throws ChainError
     */
    call(method: string, params: unknown, urgency: Urgency = 'routine', only?: number): Promise<unknown> {
        const text = JSON.stringify({ id: '1', jsonrpc: '2.0', method, params });
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
        const carried = this.carry(text, method, urgency, only, forget).finally(forget);
        this.queued.set(key, carried);
        return carried;
    }

    /** What a TonClient needs to send its calls through this client. */
    adapter(urgency: Urgency = 'routine', only?: number): Adapter {
        return async (config) => {
            const { method, params } = JSON.parse(String(config.data)) as { method: string; params: unknown };
            const result = await this.call(method, params, urgency, only);
            return { data: { ok: true, result }, status: 200, statusText: 'OK', headers: {}, config };
        };
    }

    // Each round asks the endpoint that serves soonest, until one answers, or all reasons to go on are used up.
    private async carry(
        text: string,
        method: string,
        urgency: Urgency,
        only: number | undefined,
        leaving: () => void,
    ): Promise<unknown> {
        let candidates = only === undefined ? this.endpoints : [this.endpoints[only]];
        const turnUntil = performance.now() + QUEUE[urgency];
        let triesUntil = Infinity;
        let unknown = false; // a copy of the message may be on its way
        let last = new ChainError('No endpoint serves');
        for (let tries = 0; candidates.length > 0 && performance.now() < triesUntil;) {
            const endpoint = soonest(candidates);
            if (endpoint.down) {
                last = endpoint.error;
                if (urgency !== 'claim' && (endpoint.failed > 1 || urgency === 'stranger')) {
                    break; // somebody asked in vain just now: the others hear so at once
                }
                await sleep(Math.min(endpoint.rest, LOOK));
                triesUntil = Math.min(triesUntil, performance.now() + TROUBLE[urgency]);
                continue;
            }
            try {
                await endpoint.identified(Math.min(turnUntil, triesUntil) - performance.now());
            } catch (error) {
                last = error as ChainError;
                triesUntil = Math.min(triesUntil, performance.now() + TROUBLE[urgency]);
                candidates = last.final ? candidates.filter((each) => each !== endpoint) : candidates;
                continue;
            }
            const patience = Math.min(turnUntil, triesUntil) - performance.now();
            if (!(await endpoint.budget.turn(urgency, Math.max(0, patience)))) {
                last = endpoint.budget.pause > 0 ? endpoint.error : new ChainError(`${endpoint.name} ${BUSY}`);
                break;
            }
            leaving();
            triesUntil = Math.min(triesUntil, performance.now() + TROUBLE[urgency]);
            const answered = await endpoint.post(method, text);
            if (answered.kind === 'answer') {
                return answered.result;
            }
            last = errorOf(endpoint, answered);
            if (answered.kind === 'busy') {
                triesUntil = Infinity; // it serves, only not so fast: waits for its turn again
                continue;
            }
            if (last.exitCode !== undefined || REFUSED_MESSAGE.test(answered.said)) {
                break; // a word of the chain, not of the endpoint
            }
            unknown ||= method === 'sendBoc' && !last.final;
            if (answered.kind === 'refusal') {
                const others = candidates.filter((each) => each !== endpoint);
                candidates = last.final ? others : [...others, endpoint];
                if (++tries === ATTEMPTS) {
                    break;
                }
                await sleep(last.final ? 0 : BACKOFF * 2 ** (tries - 1));
            } else if (urgency !== 'claim' && candidates.every(({ failed }) => failed > 1)) {
                break;
            }
        }
        // A refusal after a copy went out may only say that the copy was taken.
        throw unknown
            ? new ChainError(`${last.message}; what became of the message is not known`, undefined, {
                  unknown,
                  silent: last.silent,
              })
            : last;
    }
}

/** The first that serves, else the one that may be asked soonest. */
function soonest(endpoints: readonly Endpoint[]): Endpoint {
    return endpoints.find(({ rest }) => rest === 0) ?? [...endpoints].sort((a, b) => a.rest - b.rest)[0];
}
