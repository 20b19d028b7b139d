/** The worker's wallet in its database. */
import type { Kysely, Selectable } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { Movement, StoredSweep, SweepState, WalletCursor, WalletStore } from './wallet';
import type { WorkerSchema, WorkerTransaction } from './workerTables';
import type { Writes } from './writeQueue';

const CLAIM_FEES = 5_000_000n; // nanoTON that a claim costs, above every measured level

export class SqlWallet implements WalletStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: Writes<WorkerSchema>,
    ) {}

    async cursor(wallet: Buffer) {
        const cursors = this.db.selectFrom('walletCursor').select(['lt', 'hash']).where('wallet', '=', wallet);
        const row = await cursors.executeTakeFirst();
        return row && { lt: amountFromBytes(row.lt), hash: row.hash };
    }

    async add(wallet: Buffer, movements: readonly Movement[], from: WalletCursor | undefined, to: WalletCursor) {
        await this.writes.run(async (t) => {
            const row = await t.selectFrom('walletCursor').selectAll().where('wallet', '=', wallet).executeTakeFirst();
            if ((row && amountFromBytes(row.lt)) !== from?.lt) {
                throw new Error('The movements of the wallet are stored already');
            }
            await insert(t, wallet, movements, to);
        });
    }

    async replace(wallet: Buffer, movements: readonly Movement[], to: WalletCursor) {
        await this.writes.run(async (t) => {
            await t.deleteFrom('movements').where('wallet', '=', wallet).execute();
            await insert(t, wallet, movements, to);
        });
    }

    async movements(wallet: Buffer) {
        const movements = this.db.selectFrom('movements').selectAll().where('wallet', '=', wallet);
        return (await movements.orderBy('lt').orderBy('number').execute()).map(movementOf);
    }

    async movementsOfOrder(order: string) {
        const movements = this.db.selectFrom('movements').selectAll().where('order', '=', order);
        return (await movements.orderBy('number').execute()).map(movementOf);
    }

    async sums(wallet: Buffer) {
        const sums = this.db.selectFrom('movementSums').selectAll().where('wallet', '=', wallet);
        const rows = await sums.execute();
        return rows.map(({ kind, isIncoming, amount }) => ({
            kind,
            isIncoming: isIncoming === 1,
            amount: BigInt(amount),
        }));
    }

    async openSweep() {
        const open = this.db.selectFrom('sweeps').selectAll().where('state', '=', 'sending');
        const row = await open.executeTakeFirst();
        return row && { ...row, amount: amountFromBytes(row.amount) };
    }

    async addSweep({ amount, ...sweep }: Omit<StoredSweep, 'state'>) {
        const row = { ...sweep, amount: amountToBytes(amount), state: 'sending' as const };
        await this.writes.run((t) => t.insertInto('sweeps').values(row).execute());
    }

    async endSweep(hash: string, state: Exclude<SweepState, 'sending'>) {
        await this.writes.run((t) => t.updateTable('sweeps').set({ state }).where('hash', '=', hash).execute());
    }
}

function movementOf({ wallet: _, ...row }: Selectable<WorkerSchema['movements']>): Movement {
    const { lt, amount, isIncoming, isBounced, job, order, ...movement } = row;
    return {
        ...movement,
        lt: amountFromBytes(lt),
        amount: amountFromBytes(amount),
        isIncoming: isIncoming === 1,
        isBounced: isBounced === 1,
        job: job ?? undefined,
        order: order ?? undefined,
    };
}

async function insert(t: WorkerTransaction, wallet: Buffer, movements: readonly Movement[], to: WalletCursor) {
    for (const { lt, amount, isIncoming, isBounced, job, order, ...movement } of movements) {
        const flags = { isIncoming: isIncoming ? 1 : 0, isBounced: isBounced ? 1 : 0 };
        const columns = { ...flags, job: job ?? null, order: order ?? null };
        await t
            .insertInto('movements')
            .values({ ...movement, ...columns, wallet, lt: amountToBytes(lt), amount: amountToBytes(amount) })
            .execute();
    }
    const cursor = { lt: amountToBytes(to.lt), hash: to.hash };
    await t
        .insertInto('walletCursor')
        .values({ wallet, ...cursor })
        .onConflict((conflict) => conflict.column('wallet').doUpdateSet(cursor))
        .execute();
}

/**
 * nanoTON that the last claim of a job brought, if the wallet sent it after a time (unix seconds): what came from the
 * channel since, less what the claim carried, plus what it may have cost. A claim that bounced brings nothing.
 * Undefined unless the claim and what came back of it are stored.
 */
export async function broughtByLastClaim(
    t: WorkerTransaction,
    job: Buffer,
    since: number,
): Promise<bigint | undefined> {
    const movements = t.selectFrom('movements').selectAll().where('job', '=', job).where('at', '>=', since);
    const rows = (await movements.orderBy('lt').orderBy('number').execute()).map(movementOf);
    const claim = rows.filter(({ isIncoming }) => !isIncoming).at(-1);
    const incoming = rows.filter(({ isIncoming, lt }) => isIncoming && claim !== undefined && lt > claim.lt);
    if (claim === undefined || incoming.length === 0) {
        return undefined;
    }
    const paid = incoming.reduce((sum, { isBounced, amount }) => sum + (isBounced ? 0n : amount), 0n);
    return paid === 0n ? 0n : paid - claim.amount + CLAIM_FEES;
}
