/** Which accounts that paid a payout are channels. */
import { Address } from '@ton/core';
import { sql } from 'kysely';
import { isClaimOrEnd } from './facts';
import { inParallel } from '../process/parallel';
import { amountFromBytes } from '../store/database';
import type { IndexerParts } from './parts';
import { LargeTransaction, type MessageId, type Source } from './source';
import { HistoryError, type ProvedTransaction, proveTransaction } from './transaction';
import type { IndexData } from './store';
import { requireLarge, requireWitnesses } from './witnesses';

const MAX_REQUESTED = 5000; // payments in one pass
const MIN_REQUESTED = 20; // however late it is

/**
 * Finds out which accounts that paid a payout are channels: by the transaction that sent the payment. Those that it has
 * no time for are `more`; each payout has its turn, and chance says which of its payments.
 */
export async function locateSenders(
    { source, witnesses = [], store, onNotice }: IndexerParts,
    isLate: () => boolean,
): Promise<{ unresolved: number; more: number }> {
    let [unresolved, requested, more] = [0, 0, 0];
    let example = '';
    const { rows } = await sql<{ log: string; subject: string; lt: Buffer; body: string }>`
        WITH payments AS (
            SELECT f.log AS log, f.subject AS subject, f.lt AS lt, f.body AS body,
                row_number() OVER (PARTITION BY f.log, f.subject ORDER BY f.lt) AS nth
            FROM facts f JOIN logs l ON l.log = f.log AND l."nextLt" IS NULL
            WHERE f.kind = 'received' AND f.subject LIKE '0:%' -- a channel is in the basechain
            AND NOT EXISTS (SELECT 1 FROM logs c WHERE c.log = 'channel/' || f.subject)
            AND NOT EXISTS (SELECT 1 FROM senders s WHERE s.payout = l.account AND s.sender = f.subject)
        )
        SELECT log, subject, lt, body FROM payments WHERE nth = 1
        ORDER BY row_number() OVER (PARTITION BY log ORDER BY random()) LIMIT ${MAX_REQUESTED + 1}`.execute(store.db);
    more = rows.splice(MAX_REQUESTED).length;
    await inParallel(rows, async ({ log, subject, lt, body }) => {
        if (++requested > MIN_REQUESTED && isLate()) {
            more++;
            return;
        }
        const payout = log.slice('payout/'.length);
        const [from, to] = [Address.parseRaw(subject), Address.parseRaw(payout)];
        const { createdLt } = JSON.parse(body) as { createdLt: string };
        const keep = (channel: 0 | 1) =>
            store.run((write) =>
                write
                    .insertInto('senders')
                    .values({ payout, sender: subject, lt: Buffer.from(lt), channel })
                    .onConflict((conflict) => conflict.doNothing())
                    .execute(),
            );
        const sent = await transactionOf(source, { from, to, createdLt: BigInt(createdLt) });
        if (sent instanceof LargeTransaction) {
            await requireLarge(witnesses, { what: subject, account: from, id: sent.id });
            await keep(0); // no channel sends so much
            return;
        }
        if (sent === undefined) {
            unresolved++;
            example ||= `what ${subject} sent to ${payout} at lt ${createdLt}`;
            return;
        }
        await requireWitnesses(witnesses, { what: subject, account: from, id: sent });
        await keep(isClaimOrEnd(sent) ? 1 : 0);
    });
    if (unresolved > 0) {
        onNotice?.(`The endpoint does not find ${unresolved} payments, such as ${example}`); // one line in each pass
    }
    return { unresolved, more };
}

/**
 * The transaction that sent a message; undefined if the endpoint does not find it.
 * @throws HistoryError if the endpoint names one that did not send it
 */
export async function transactionOf(
    source: Source,
    message: MessageId,
): Promise<ProvedTransaction | LargeTransaction | undefined> {
    const { from, to, createdLt } = message;
    const raw = await source.senderOf(message).catch((error: unknown) => {
        if (error instanceof LargeTransaction) {
            return error;
        }
        throw error;
    });
    if (raw === undefined || raw instanceof LargeTransaction) {
        return raw;
    }
    const sent = proveTransaction(from, raw);
    const isSender = sent.content?.outMessages
        .values()
        .some(({ info }) => info.type === 'internal' && info.createdLt === createdLt && info.dest.equals(to));
    if (isSender === false) {
        throw new HistoryError(
            `The endpoint names a transaction of ${from.toRawString()} that did not send the message of lt ${createdLt}`,
        );
    }
    return sent;
}

/**
 * The payments of a channel that payouts and escrows got, from the oldest on: those since its escrow opened it that
 * were created after `sinceLt` and below `endLt`. `isOpened`: an escrow opened it, as far as escrows are read.
 */
export async function paymentsOf(
    { db }: IndexData,
    channel: Address,
    { sinceLt = 0n, endLt }: { sinceLt?: bigint | undefined; endLt?: bigint | undefined },
): Promise<{ messages: MessageId[]; isOpened: boolean }> {
    const rows = await db
        .selectFrom('facts')
        .select(['kind', 'log', 'lt', 'body'])
        .where('kind', 'in', ['opened', 'received', 'returned'])
        .where('subject', '=', channel.toRawString())
        .execute();
    const opening = rows.find(({ kind }) => kind === 'opened');
    const begin = opening === undefined ? 0n : amountFromBytes(Buffer.from(opening.lt));
    const messages = rows
        .filter(({ kind }) => kind !== 'opened')
        .map(({ log, body }) => ({
            ...{ from: channel, to: Address.parseRaw(log.slice(log.indexOf('/') + 1)) },
            createdLt: BigInt((JSON.parse(body) as { createdLt: string }).createdLt),
        }))
        .filter(({ createdLt: lt }) => lt > begin && lt > sinceLt && (endLt === undefined || lt < endLt))
        .sort((one, other) => (one.createdLt < other.createdLt ? -1 : 1));
    return { messages, isOpened: opening !== undefined };
}
