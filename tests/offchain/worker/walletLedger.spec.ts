/** What the ledger of the worker's wallet takes of endpoints that differ, with a store in memory. */
import { OneMember } from '../../../offchain/store/cluster';
import pino from 'pino';
import type { AccountTransaction, TransactionId } from '../../../offchain/chain';
import { WalletLedger } from '../../../offchain/worker/walletLedger';
import { account } from '../support/worker';

const ADDRESS = account(0x33);
const FIRST: TransactionId = { lt: 0n, hash: Buffer.alloc(32) };
const idOf = (lt: number, version = 0): TransactionId =>
    lt === 0 ? FIRST : { lt: BigInt(lt), hash: Buffer.alloc(32, 16 * version + lt) };

/** `length` transactions, oldest first; those of another version are not of the same chain. */
const chainOf = (length: number, version = 0): AccountTransaction[] =>
    Array.from({ length }, (_, i) => ({
        ...idOf(i + 1, version),
        ...{ previous: idOf(i, version), at: 0, order: undefined, fees: 1n, sent: [] },
        received: { account: account(1), amount: 10n, isBounced: false },
    }));

const endpointOf = (transactions: AccountTransaction[], last: TransactionId = transactions.at(-1)!) => ({
    async *history(_: unknown, cursor: bigint) {
        yield* transactions.filter(({ lt }) => lt > cursor).reverse();
    },
    lastTransaction: async () => last,
});

let now: number;
let stored: TransactionId | undefined;
let rebuilds: number;
let chain: object;
let ledger: WalletLedger;

beforeEach(() => {
    [now, stored, rebuilds] = [1000, undefined, 0];
    const take = (to: TransactionId) => void (stored = { lt: to.lt, hash: to.hash });
    const store = {
        cluster: new OneMember(),
        jobs: { ofChannel: async () => undefined },
        wallet: {
            cursor: async () => stored,
            add: async (_: Buffer, __: unknown, ___: unknown, to: TransactionId) => take(to),
            replace: async (_: Buffer, __: unknown, to: TransactionId) => (rebuilds++, take(to)),
        },
    };
    const context = {
        ...{ store, log: pino({ level: 'silent' }), now: () => now, config: { claim: { seconds: 60 } } },
        get chain() {
            return chain;
        },
    };
    ledger = new WalletLedger(context as never, { address: ADDRESS });
});

const refused = () =>
    ledger.refresh().then(
        () => 'taken',
        (error: Error) => error.message,
    );

describe('The ledger of a wallet', () => {
    it('takes nothing of a list that leaves out a transaction in its middle', async () => {
        const [one, , three] = chainOf(3);
        chain = endpointOf([one, three]);
        expect(await refused()).toContain('leaves out transactions');
        expect(stored).toBeUndefined();

        chain = endpointOf(chainOf(3));
        expect(await refused()).toBe('taken');
        expect(stored).toEqual(idOf(3));
    });

    it('takes nothing of a list that would fill the memory', async () => {
        const transfer = { account: account(1), amount: 1n };
        const sent = Array.from({ length: 250_000 }, () => transfer);
        chain = endpointOf(chainOf(3).map((one) => ({ ...one, sent })));

        expect(await refused()).toContain('than memory holds');
    });

    it('takes transactions as far as every endpoint knows them', async () => {
        const [ahead, behind] = [endpointOf(chainOf(3)), endpointOf(chainOf(2))];
        chain = { ...ahead, others: [ahead, behind] };
        expect(await refused()).toBe('taken');
        expect(stored).toEqual(idOf(2));

        chain = { ...ahead, others: [ahead, ahead] };
        await ledger.refresh();
        expect(stored).toEqual(idOf(3));
    });

    it('takes nothing while an endpoint names another transaction of the same time', async () => {
        const [honest, other] = [endpointOf(chainOf(3)), endpointOf(chainOf(3), idOf(3, 1))];
        chain = { ...honest, others: [honest, other] };
        expect(await refused()).toContain('does not list transaction 3');
        expect(stored).toBeUndefined();
    });

    it('is built anew only after ten minutes without a reading that goes on where it ends', async () => {
        chain = endpointOf(chainOf(3));
        await ledger.refresh();
        const [honest, lying] = [chain, endpointOf(chainOf(4, 1))];
        const at = now;
        const looks = [
            { seconds: 0, source: lying },
            { seconds: 599, source: lying },
            { seconds: 600, source: honest },
            { seconds: 601, source: lying },
            { seconds: 1200, source: lying },
        ];
        for (const { seconds, source } of looks) {
            now = at + seconds;
            chain = source;
            await refused();
        }
        expect([rebuilds, stored]).toEqual([0, idOf(3)]);

        now = at + 601 + 600;
        await ledger.refresh();
        expect([rebuilds, stored]).toEqual([1, idOf(4, 1)]);
    });
});
