/** Reads which cases the messages of the Provider announce, as one endpoint of the chain has them. */
import { type CaseOpened, Provider, readCaseOpened, UNREADABLE } from '@cocoon-market/wrappers';
import type { Address, Cell } from '@ton/core';
import { type ChainReader, type Emitted, type EventReader, readMessages } from '../chain';

const COUNT_MS = 300_000; // between two readings of the number of cases

/** A case, with the message that announced it. */
export interface AnnouncedCase {
    message: Emitted;
    value: CaseOpened;
}

export class CaseMessages {
    private serial = 0; // of the newest case that a message announced since the start
    private countedAt = -Infinity; // milliseconds

    /** `cursor`: the logical time up to which the messages were read. */
    constructor(
        private readonly chain: Pick<ChainReader, 'open'> & EventReader,
        private readonly provider: Address,
        private readonly skip: (message: Emitted, error: unknown) => void,
        public cursor: bigint,
    ) {}

    /**
     * The cases that messages after the cursor announce. Reads all messages again when the count on chain is another.
     * @throws if the endpoint does not answer
     */
    async read(): Promise<AnnouncedCase[]> {
        const countDue = performance.now() - this.countedAt >= COUNT_MS; // at the start and every few minutes
        const missed = countDue && (await this.hasMissed());
        this.countedAt = countDue ? performance.now() : this.countedAt;
        const cursor = missed ? 0n : this.cursor;
        const { parsed, newest } = await readMessages(
            this.chain.emitted(this.provider, cursor),
            cursor,
            ({ body }) => openedIn(body),
            this.skip,
        );
        this.serial = missed ? 0 : this.serial; // a false message may have announced a later one than exists
        parsed.forEach(({ value }) => (this.serial = Math.max(this.serial, value.serial)));
        this.cursor = newest;
        return parsed;
    }

    /** True when cases are open and the newest is not the one announced last. */
    private async hasMissed(): Promise<boolean> {
        const { cases, opened } = await this.chain.open(Provider.fromAddress(this.provider)).getStanding();
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
