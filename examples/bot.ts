/**
 * A server that buys for many users, as a bot does: one escrow pays, and each user has a job and a key of their own, so
 * that no user can spend more than a deposit.
 */
import { type SigningKey, signingKey, type SignedVoucher } from '@cocoon-market/wrappers';
import type { JobHandle, Market, SpendKey } from '@cocoon-market/wrappers/market';
import { createHmac } from 'node:crypto';

interface Account {
    job: JobHandle;
    key: SigningKey;
    owed: { cumulative: bigint; count: number }; // nanoTON, results
}

export class Bot {
    private readonly accounts = new Map<string, Promise<Account>>();
    private turn: Promise<unknown> = Promise.resolve();

    /** `seed`: 32 secret bytes, of which the key of each user is made. `deposit`: nanoTON for each user. */
    constructor(
        private readonly market: Market,
        private readonly payer: SpendKey,
        private readonly options: { seed: Buffer; model: string; deposit: bigint },
    ) {}

    /** The job of a user. The first call opens it. */
    async job(user: string): Promise<JobHandle> {
        return (await this.account(user)).job;
    }

    /** The voucher for one more answer, at `price` nanoTON. Throws if it is above what the user has left. */
    async pay(user: string, price: bigint): Promise<SignedVoucher> {
        const account = await this.account(user);
        const owed = { cumulative: account.owed.cumulative + price, count: account.owed.count + 1 };
        const voucher = this.market.voucher(account.job, account.key, owed);
        account.owed = owed;
        return voucher;
    }

    private account(user: string): Promise<Account> {
        const opened = this.accounts.get(user) ?? this.open(user);
        this.accounts.set(user, opened);
        opened.catch(() => this.accounts.delete(user));
        return opened;
    }

    // One order after another, because an escrow takes each number once.
    private open(user: string): Promise<Account> {
        const { seed, model, deposit } = this.options;
        const opened = this.turn.then(async () => {
            const key = signingKey(createHmac('sha256', seed).update(user).digest());
            const [{ address: node }] = await this.market.nodes({ model });
            const job = await this.market.openJob(this.payer, { node, model, deposit, voucherKey: key.publicKey });
            return { job, key, owed: { cumulative: 0n, count: 0 } };
        });
        this.turn = opened.catch(() => undefined);
        return opened;
    }
}
