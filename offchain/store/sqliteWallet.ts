/** The worker's wallet in its SQLite file. */
import type { Kysely } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { GroupCommit } from './groupCommit';
import type { Movement, StoredSweep, SweepState, WalletCursor, WalletStore } from './wallet';
import type { WorkerSchema, WorkerTransaction } from './workerTables';

export class SqliteWallet implements WalletStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: GroupCommit<WorkerSchema>,
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
            for (const { lt, amount, isIncoming, job, ...movement } of movements) {
                const columns = { isIncoming: isIncoming ? 1 : 0, job: job ?? null };
                await t
                    .insertInto('movements')
                    .values({ ...movement, ...columns, wallet, lt: amountToBytes(lt), amount: amountToBytes(amount) })
                    .execute();
            }
            await t
                .replaceInto('walletCursor')
                .values({ wallet, lt: amountToBytes(to.lt), hash: to.hash })
                .execute();
        });
    }

    async movements(wallet: Buffer) {
        const movements = this.db.selectFrom('movements').selectAll().where('wallet', '=', wallet);
        const rows = await movements.orderBy('lt').orderBy('number').execute();
        return rows.map(({ wallet: _wallet, lt, amount, isIncoming, job, ...row }) => ({
            ...row,
            lt: amountFromBytes(lt),
            amount: amountFromBytes(amount),
            isIncoming: isIncoming === 1,
            job: job ?? undefined,
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

/**
 * nanoTON that a wallet received from the channel of a job since a time (unix seconds). Undefined unless a claim and
 * what came back of it are stored.
 */
export async function receivedSince(t: WorkerTransaction, job: Buffer, since: number): Promise<bigint | undefined> {
    const movements = t.selectFrom('movements').select(['isIncoming', 'amount']).where('job', '=', job);
    const rows = await movements.where('at', '>=', since).execute();
    const incoming = rows.filter(({ isIncoming }) => isIncoming === 1);
    return incoming.length === 0 || incoming.length === rows.length
        ? undefined
        : incoming.reduce((sum, { amount }) => sum + amountFromBytes(amount), 0n);
}
