/** Where the answer to a demand goes, and the messages that bring it there. */
import { Dispute, ruleBounds } from '@cocoon-market/wrappers';
import type { Address, OpenedContract } from '@ton/core';
import { ChainError, type Transfer } from '../chain';
import type { CaseRecord } from '../store/worker';
import type { WorkerContext } from './context';
import type { Defence } from './defence';

const NEW_JOB_SECONDS = 600; // in which a job comes whose channel is on chain; a response window is an hour at least
const SILENT_SECONDS = 1800; // of the other of two endpoints, after which it counts as down
const MAX_PIECES = 3; // in one order, because an external message has at most 64 KiB

/**
 * True if the account of a case follows from the case, the provider and the code of this release. The coins of an
 * answer go there, so no word of an API must name it.
 */
export async function isDispute(
    { config: { provider } }: Pick<WorkerContext, 'config'>,
    { class: faultClass, job, number, dispute }: Pick<CaseRecord, 'class' | 'job' | 'number' | 'dispute'>,
): Promise<boolean> {
    const fault = { class: faultClass, job, query: number };
    const versions = Array.from({ length: ruleBounds.maxCodeVersions }, (_, nodeVersion) => nodeVersion);
    const disputes = await Promise.all(
        versions.map((nodeVersion) => Dispute.ofFault(provider, { ...fault, nodeVersion })),
    );
    return disputes.some(({ address }) => address.hash.equals(dispute));
}

/** For how long one endpoint alone has told of a case and shown it. */
export interface Doubt {
    seconds: number;
    silentSeconds: number; // for which no look saw another deny it
}

/**
 * Why a demand gets no answer whatever it is about; undefined if nothing speaks against one. `doubt`: that one endpoint
 * alone has told of it and shown it, while the others deny it, or do not answer; undefined if it is sure. Then nothing
 * is signed for a number that its job has not used yet: the fail of one far ahead would use up all numbers before it.
 * Nor at first for a job that is not stored: its client may be about to bring it. Of two endpoints one alone may be the
 * only honest one for as long as the demand lasts, so no such demand waits there, and one ahead of its job is answered
 * once the other endpoint has been silent for a while: with an endpoint that is down, it would cost the stake.
 */
export async function objectionTo(
    context: Pick<WorkerContext, 'chain' | 'config' | 'store'>,
    record: CaseRecord,
    doubt: Doubt | undefined,
): Promise<string | undefined> {
    if (!(await isDispute(context, record))) {
        return 'its account is no Dispute of this provider and release';
    }
    if (doubt === undefined) {
        return undefined;
    }
    const isOfMany = (context.chain.others ?? []).length > 2;
    const job = await context.store.jobs.get(record.job);
    if (job === undefined) {
        const mayWait = isOfMany && doubt.seconds < NEW_JOB_SECONDS;
        return mayWait ? 'its job is not stored yet, and one endpoint alone tells of the case and shows it' : undefined;
    }
    const mayAnswer = record.number <= job.highest || (!isOfMany && doubt.silentSeconds >= SILENT_SECONDS);
    return !mayAnswer
        ? 'its job has used no such number, and one endpoint alone tells of the case and shows it'
        : undefined;
}

/** The messages of an answer in orders that the wallet can carry. */
export async function ordersOf(
    dispute: OpenedContract<Dispute>,
    defence: Exclude<Defence, { reason: string }>,
    wallet: Address,
): Promise<Transfer[][]> {
    const transfers: Transfer[] = [];
    const via = {
        address: wallet,
        send: async ({ to, value, body }: Transfer) => void transfers.push({ to, value, ...(body && { body }) }),
    };
    const required = await dispute.getCloseValue();
    if (required <= 0n) {
        throw new ChainError('An endpoint says that an answer must carry nothing');
    }
    const value = (required * 11n) / 10n; // prices may change on the way
    const collecting = via as Parameters<typeof dispute.sendFail>[0];
    switch (defence.kind) {
        case 'voucher':
            await dispute.sendVoucher(collecting, { value, result: defence.result, voucher: defence.voucher });
            break;
        case 'fail':
            await dispute.sendFail(collecting, { value, fail: defence.fail });
            break;
        case 'pieces':
            for (const index of defence.indexes) {
                await dispute.sendPiece(collecting, {
                    value,
                    result: defence.result,
                    answer: defence.answer,
                    index,
                });
            }
    }
    const orders: Transfer[][] = [];
    while (transfers.length > 0) {
        orders.push(transfers.splice(0, MAX_PIECES));
    }
    return orders;
}
