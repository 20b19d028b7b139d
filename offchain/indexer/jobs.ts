/** Jobs, each from the histories of its channel and of the escrow that opened it. */
import type { StoredFact } from './reading';
import { factsInRole, factsOfKind, factsOfLog, factOf } from './reading';
import type { IndexData } from './store';

/** One job. Amounts in nanoTON, times in unix seconds, accounts as raw addresses. */
export interface IndexedJob {
    channel: string;
    client: string; // escrow
    payout: string;
    number: number; // of the job in its escrow
    notice: number; // seconds
    end: number;
    deposit: bigint | null; // as the order names it; null if the order cannot be read
    openedAt: number;
    claims: { at: number; amount: bigint }[];
    claimed: bigint; // that the channel paid to the payout
    leftAt: number | null; // when the client left
    endedAt: number | null;
    how: 'claimed' | 'refunded' | null; // how it ended: by the payout's last claim, or by a refund
    rest: bigint | null; // that went back to the escrow at the end
}

/**
 * The jobs whose money goes to one of these payouts, by the addresses of their channels. What happened to an account
 * after its channel ended is no part of the job.
 */
export async function* jobsOf(store: IndexData, payouts: ReadonlySet<string>): AsyncGenerator<IndexedJob> {
    const openings = new Openings(factsOfKind(store, 'opened'));
    for await (const facts of byLog(factsInRole(store, 'channel'))) {
        const channel = facts[0].log.slice('channel/'.length);
        const deployed = facts.find(({ kind }) => kind === 'deployed');
        const opened = await openings.of(channel);
        if (deployed !== undefined && payouts.has(deployed.object)) {
            yield jobFrom(channel, deployed, opened, facts);
        }
    }
}

const MAX_EVENTS = 10_000; // of one job

/** One job by its channel (raw address); undefined if the index has no such channel. */
export async function readJob(store: IndexData, channel: string): Promise<IndexedJob | undefined> {
    const facts = await factsOfLog(store, `channel/${channel}`, MAX_EVENTS);
    const deployed = facts.find(({ kind }) => kind === 'deployed');
    if (deployed === undefined) {
        return undefined;
    }
    const openings = await store.db
        .selectFrom('facts')
        .selectAll()
        .where('kind', '=', 'opened')
        .where('subject', '=', channel)
        .orderBy('lt')
        .limit(1)
        .execute();
    return jobFrom(channel, deployed, openings.map(factOf)[0], facts);
}

/** The openings, in the order of the channels. */
class Openings {
    private next: IteratorResult<StoredFact> | undefined;

    constructor(private readonly facts: AsyncGenerator<StoredFact>) {}

    async of(channel: string): Promise<StoredFact | undefined> {
        this.next ??= await this.facts.next();
        while (this.next.done !== true && this.next.value.subject < channel) {
            this.next = await this.facts.next();
        }
        return this.next.done !== true && this.next.value.subject === channel ? this.next.value : undefined;
    }
}

async function* byLog(facts: AsyncIterable<StoredFact>): AsyncGenerator<StoredFact[]> {
    let group: StoredFact[] = [];
    for await (const fact of facts) {
        if (group.length > 0 && group[0].log !== fact.log) {
            yield group;
            group = [];
        }
        group.push(fact);
    }
    if (group.length > 0) {
        yield group;
    }
}

function jobFrom(
    channel: string,
    deployed: StoredFact,
    opened: StoredFact | undefined,
    facts: readonly StoredFact[],
): IndexedJob {
    const { job, notice, end } = deployed.body as { job: number; notice: number; end: number };
    const deposit = opened?.body.deposit as string | undefined;
    const result: IndexedJob = {
        ...{ channel, client: deployed.subject, payout: deployed.object, number: job, notice, end },
        deposit: deposit === undefined ? null : BigInt(deposit),
        openedAt: opened?.at ?? deployed.at,
        ...{ claims: [], claimed: 0n, leftAt: null, endedAt: null, how: null, rest: null },
    };
    for (const { kind, at, body } of facts) {
        if (kind === 'claim') {
            const amount = BigInt(body.amount as string);
            result.claims.push({ at, amount });
            result.claimed += amount;
        } else if (kind === 'leave') {
            result.leftAt ??= at;
        } else if (kind === 'ended') {
            const { how, rest } = body as { how: 'claimed' | 'refunded'; rest: string };
            return { ...result, endedAt: at, how, rest: BigInt(rest) };
        }
    }
    return result;
}

/** Unix seconds of the last thing that happened to a job. */
export function lastOf({ openedAt, claims, leftAt, endedAt }: IndexedJob): number {
    return Math.max(openedAt, claims.at(-1)?.at ?? 0, leftAt ?? 0, endedAt ?? 0);
}
