/**
 * Wakes a process when an account changes, by the TON Center Streaming API v2 (server-sent events over one POST). It
 * says nothing that is believed: what wakes up reads the chain as it does at its intervals.
 */
import type { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { endpointName } from './endpoint';
import { ChainError } from './errors';

/** A stream as a configuration names it. */
export interface StreamSettings {
    url: string; // ends in /api/streaming/v2/sse at TON Center
    apiKey?: string | undefined;
}

const TYPES = ['account_state_change'];
const SILENT_MS = 120_000; // without a byte, before the connection counts as lost
const PAUSES = [1000, 2000, 5000, 15_000, 60_000]; // milliseconds before the first, second … new connection in a row
const WAKE_MS = 5000; // between two wake-ups, so that a busy stream does not use up the API's calls
const MAX_LINE = 1 << 20; // characters of one event
const CHARACTERS = 1000; // in a millisecond: to read as many as a stream can send would leave time for little else

export class ChainStream {
    private readonly stopping = new AbortController();
    private running: Promise<void> | undefined;
    private waking: NodeJS.Timeout | undefined;
    private wokenAt = -Infinity;

    /** `wake`: an account changed, or may have changed while no stream ran. `onTrouble`: the stream is tried again. */
    constructor(
        private readonly settings: StreamSettings,
        private readonly addresses: readonly Address[],
        private readonly wake: () => void,
        private readonly onTrouble: (error: Error) => void,
        private readonly pauses: readonly number[] = PAUSES,
        private readonly wakeMs = WAKE_MS,
    ) {}

    start(): void {
        this.running = this.run();
    }

    async stop(): Promise<void> {
        this.stopping.abort();
        clearTimeout(this.waking);
        await this.running;
    }

    private async run(): Promise<void> {
        const { signal } = this.stopping;
        for (let failures = 0; !signal.aborted; failures++) {
            try {
                await this.listen(() => (failures = 0));
            } catch (error) {
                if (!signal.aborted) {
                    this.onTrouble(error as Error);
                }
            }
            const pause = this.pauses[Math.min(failures, this.pauses.length - 1)];
            await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
        }
    }

    /** One connection, until it ends or fails. */
    private async listen(onEvent: () => void): Promise<void> {
        const { url, apiKey } = this.settings;
        const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
        const addresses = this.addresses.map((address) => address.toRawString());
        const { statusCode, body } = await request(url, {
            method: 'POST',
            headers: { ...headers, ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }) },
            body: JSON.stringify({ types: TYPES, addresses, min_finality: 'finalized' }),
            signal: this.stopping.signal,
            bodyTimeout: SILENT_MS,
        });
        if (statusCode !== 200) {
            await body.dump();
            throw new ChainError(`${endpointName(url)} streams nothing (${statusCode})`);
        }
        this.wakeSoon(); // what changed before is in no stream
        let rest = '';
        for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>) {
            await sleep(chunk.length / CHARACTERS);
            rest += chunk;
            if (!chunk.includes('\n')) {
                if (rest.length > MAX_LINE) {
                    throw new ChainError(`${endpointName(url)} sends a line that has no end`);
                }
                continue; // a long line in many pieces would be looked through once for each
            }
            const lines = rest.split('\n');
            rest = lines.pop()!;
            if (lines.some(isEvent)) {
                onEvent();
                this.wakeSoon();
            }
        }
        throw new ChainError(`${endpointName(url)} ended the stream`);
    }

    private wakeSoon(): void {
        if (this.waking === undefined) {
            const pause = Math.max(0, this.wokenAt + this.wakeMs - performance.now());
            this.waking = setTimeout(() => {
                this.waking = undefined;
                this.wokenAt = performance.now();
                this.wake();
            }, pause).unref();
        }
    }
}

/** True for a line of data that tells of a change, not for the answer to the subscription or a sign of life. */
function isEvent(line: string): boolean {
    if (!line.startsWith('data:')) {
        return false;
    }
    try {
        return TYPES.includes((JSON.parse(line.slice('data:'.length)) as { type: string }).type);
    } catch {
        return false;
    }
}
