/** Reads which cases the messages of the Provider announce, as one endpoint of the chain has them. */
import { type CaseOpened, Provider, readCaseOpened, UNREADABLE } from '@cocoon-market/wrappers';
import type { Address, Cell } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChainReader, type Emitted, type EventReader, type MessageBatch, readMessages } from '../chain';

const COUNT_MS = 300_000; // between two readings of the number of cases
const MAX_CASES = 10_000; // of one reading, the newest ones: an endpoint could make up as many as fill the memory

/** A case, with the message that announced it. */
export interface AnnouncedCase {
    message: Emitted;
    value: CaseOpened;
}

interface CaseMessagesParts {
    chain: Pick<ChainReader, 'open'> & EventReader;
    provider: Address;
    skip: (message: Emitted, error: unknown) => void;
    signal: AbortSignal; // ends all reading
}

export class CaseMessages {
    private serial = 0; // of the newest case that a message announced since the start
    private countedAt = -Infinity; // milliseconds
    private reading: Promise<MessageBatch<Emitted, CaseOpened>> | undefined;

    /** `cursor`: the logical time up to which the messages were read. */
    constructor(
        private readonly parts: CaseMessagesParts,
        public cursor: bigint,
    ) {}

    /**
     * The cases among those that `isOwn` takes which messages after the cursor announce. Undefined while a reading is
     * under way: a new one is waited for up to `ms`, and goes on after that, because an endpoint may list messages
     * for hours.
     * @throws if the endpoint does not answer
     */
    async take(ms: number, isOwn: (opened: CaseOpened) => boolean): Promise<AnnouncedCase[] | undefined> {
        const patience = this.reading === undefined ? ms : 0;
        if (this.reading === undefined) {
            this.reading = this.read(isOwn);
            this.reading.catch(() => undefined); // it may fail between two calls, of which the next one throws
        }
        const over = new AbortController();
        const late = sleep(patience, undefined, { signal: AbortSignal.any([over.signal, this.parts.signal]) });
        try {
            const batch = await Promise.race([this.reading, late.catch(() => undefined)]);
            if (batch !== undefined) {
                this.reading = undefined;
                this.cursor = batch.newest;
            }
            return batch?.parsed;
        } catch (error) {
            this.reading = undefined;
            throw error;
        } finally {
            over.abort();
        }
    }

    /** Reads all messages again when the count on chain is another. */
    private async read(isOwn: (opened: CaseOpened) => boolean): Promise<MessageBatch<Emitted, CaseOpened>> {
        const { chain, provider, skip, signal } = this.parts;
        const countDue = performance.now() - this.countedAt >= COUNT_MS; // at the start and every few minutes
        const missed = countDue && (await this.hasMissed());
        this.countedAt = countDue ? performance.now() : this.countedAt;
        const cursor = missed ? 0n : this.cursor;
        let newest = missed ? 0 : this.serial; // a false message may have announced a later one than exists
        let found = 0;
        const batch = await readMessages(
            chain.emitted(provider, cursor, { signal }),
            cursor,
            ({ body }) => {
                const opened = openedIn(body);
                newest = Math.max(newest, opened?.serial ?? 0);
                return opened !== undefined && isOwn(opened) && found++ < MAX_CASES ? opened : undefined;
            },
            skip,
        );
        this.serial = newest;
        return batch;
    }

    /** True when cases are open and the newest is not the one announced last. */
    private async hasMissed(): Promise<boolean> {
        const { chain, provider } = this.parts;
        const { cases, opened } = await chain.open(Provider.fromAddress(provider)).getStanding();
        return cases > 0n && Number(opened) !== this.serial;
    }
}

/** The case that a message of the Provider announces. Throws for one that cannot be read. */
function openedIn(body: Cell): CaseOpened | undefined {
    const opened = readCaseOpened(body);
    if (opened === UNREADABLE) {
        throw new Error('It announces a case, and the rest cannot be read');
    }
    return opened;
}
