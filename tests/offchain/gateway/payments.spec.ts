/** The ways of a voucher from its job to the worker: what is posted, when, and what is not. */
import { type SignedVoucher, type SigningKey, Voucher } from '@cocoon-market/wrappers';
import { JobMoney } from '../../../offchain/payer/money';
import { WorkerRefusal } from '../../../offchain/payer/workerErrors';
import { testKey } from '../../support/market';

const CHANNEL = Buffer.alloc(32, 2);
const NETWORK = -3;
const MOMENT_MS = 20; // docs/protocol.md, rule 7
const ACCEPT_MS = 250; // of the same rule

const voucherOf = (cumulative: bigint, count: number, key: SigningKey = testKey(1)): SignedVoucher => {
    const signature = key.sign(Voucher.hash({ network: NETWORK, channel: CHANNEL, cumulative, count }));
    return { cumulative, count, signature };
};

describe('The vouchers of a job', () => {
    let money: JobMoney;
    let posted: bigint[];
    let stored: bigint[];
    let errors: unknown[];
    let saving: (() => Promise<void>) | undefined; // instead of a disk that is fast
    let answering: ((voucher: SignedVoucher) => Promise<SignedVoucher>) | undefined;

    beforeEach(() => {
        jest.useFakeTimers();
        [posted, stored, errors] = [[], [], []];
        [saving, answering] = [undefined, undefined];
        const job = { hash: Buffer.alloc(32, 1), channel: CHANNEL, voucher: null, terms: { step: 1000n } };
        money = new JobMoney(job, {
            key: testKey(1),
            worker: {
                voucher: async (_job, voucher) => {
                    posted.push(voucher.cumulative);
                    return answering === undefined ? voucher : answering(voucher);
                },
            },
            store: {
                saveVoucher: async (_channel, { cumulative }) => {
                    await saving?.();
                    stored.push(cumulative);
                },
            },
            requireMember: () => undefined,
            network: NETWORK,
            onUnpaid: (error) => void errors.push(error),
        });
    });

    afterEach(async () => {
        answering = undefined;
        await money.stop();
        jest.useRealTimers();
    });

    const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
    let index = 0;
    let sum = 0n;
    const addResult = (price = 10n) => {
        [index, sum] = money.ledger.count === 0 ? [1, price] : [index + 1, sum + price];
        money.ledger.addResult(index, { index, price, cumulative: sum });
        money.payResult();
    };
    /** A promise, and what fulfils or rejects it. */
    function gate<T = void>() {
        let open!: (value: T) => void;
        let fail!: (error: Error) => void;
        const promise = new Promise<T>((resolve, reject) => ([open, fail] = [resolve, reject]));
        return { promise, open, fail };
    }

    describe('that the worker shows', () => {
        beforeEach(async () => {
            addResult(10n);
            addResult(10n);
            await money.flush();
        });

        it.each([
            ['less', () => voucherOf(10n, 2)],
            ['fewer results', () => voucherOf(20n, 1)],
            ['more for fewer results', () => voucherOf(30n, 1)],
            ['less for more results', () => voucherOf(19n, 3)],
            ['the same', () => voucherOf(20n, 2)],
        ])('change nothing when they say %s', async (_case, make) => {
            await money.adopt(make());
            expect([money.paused, money.ledger.voucher, stored]).toEqual([
                undefined,
                { cumulative: 20n, count: 2 },
                [20n],
            ]);
        });

        it.each([
            ['more', () => voucherOf(21n, 2)],
            ['more results', () => voucherOf(20n, 3)],
        ])('end the signing when this key signed them and they say %s', async (_case, make) => {
            const voucher = make();
            await money.adopt(voucher);
            addResult();
            await money.flush();
            await pass(1000);
            expect(money.paused).toContain('says more than this store knows');
            expect([money.ledger.voucher, stored, posted]).toEqual([voucher, [20n, voucher.cumulative], [20n]]);
        });

        it.each([
            ['amount', () => ({ ...voucherOf(20n, 2), cumulative: 21n })],
            ['count', () => ({ ...voucherOf(20n, 2), count: 3 })],
            ['key', () => voucherOf(21n, 2, testKey(3))],
        ])('are refused when their %s was not signed by this key', async (_case, make) => {
            await expect(money.adopt(make())).rejects.toThrow('did not sign');
            expect([money.paused, money.ledger.voucher, stored]).toEqual([
                undefined,
                { cumulative: 20n, count: 2 },
                [20n],
            ]);
        });
    });

    describe('under a pause', () => {
        it('wait, and are posted when it ends', async () => {
            money.pause('why');
            addResult();
            money.start();
            await pass(1000);
            expect([money.paused, posted]).toEqual(['why', []]);
            money.pause(undefined);
            await pass(0);
            expect(posted).toEqual([10n]);
        });

        it('are not posted by the end of a pause that there was not', async () => {
            money.ledger.raiseMeter(1, 5n);
            money.pause(undefined);
            await pass(1000);
            expect(posted).toEqual([]);
        });

        it('are not posted once more when the worker has them', async () => {
            addResult();
            await money.flush();
            money.noteDelivered(voucherOf(5n, 0));
            money.pause('why');
            money.pause(undefined);
            await pass(1000);
            expect(posted).toEqual([10n]);
        });

        it('that begins while one is on its way to the disk are not posted', async () => {
            const disk = gate();
            saving = () => disk.promise;
            addResult();
            money.start();
            await pass(0);
            money.pause('why');
            disk.open();
            await pass(1000);
            expect([stored, posted]).toEqual([[10n], []]);
        });
    });

    describe('that a query brings', () => {
        beforeEach(async () => {
            addResult();
            await money.signResult();
        });

        it('are not posted while it is on its way, though the worker has none, and are when it takes too long', async () => {
            money.noteTaken(null);
            await pass(ACCEPT_MS - 1);
            expect(posted).toEqual([]);
            await pass(1);
            expect(posted).toEqual([10n]);
        });

        it('are posted if the worker took an older one', async () => {
            money.noteDelivered(null);
            money.noteDelivered(voucherOf(5n, 0));
            await pass(ACCEPT_MS);
            expect(posted).toEqual([10n]);
        });

        it('are not posted if the worker took them, also if they only count more results', async () => {
            money.noteDelivered(voucherOf(10n, 1));
            addResult(0n);
            await money.signResult();
            money.noteDelivered(voucherOf(10n, 2));
            await pass(1000);
            expect([stored, posted]).toEqual([[10n, 10n], []]);
        });
    });

    it('of a result wait for their moment when a query without one is not taken', async () => {
        addResult();
        money.noteUndelivered();
        await pass(MOMENT_MS - 1);
        expect(posted).toEqual([]);
        await pass(1);
        expect(posted).toEqual([10n]);
    });

    it('of one result after another are posted each after its moment', async () => {
        addResult();
        await pass(MOMENT_MS);
        addResult();
        await pass(MOMENT_MS);
        expect(posted).toEqual([10n, 20n]);
    });

    it('are not posted for what is owed and not due, and nothing is posted where nothing is owed', async () => {
        money.start();
        await money.payPending();
        money.ledger.raiseMeter(1, 249n);
        money.payIfDue();
        await money.payPending();
        await pass(1000);
        expect(posted).toEqual([]);
        money.ledger.raiseMeter(1, 250n);
        money.payIfDue();
        await pass(0);
        expect(posted).toEqual([250n]);
    });

    it.each([
        ['less', 9n, 1, true],
        ['fewer results', 10n, 0, true],
        ['the same', 10n, 1, false],
    ])('are posted when the worker says that it has %s', async (_case, cumulative, count, isPosted) => {
        addResult();
        await money.flush();
        money.noteTaken(voucherOf(cumulative, count));
        await pass(1000);
        expect(posted).toEqual(isPosted ? [10n, 10n] : [10n]);
    });

    it('in flight are not posted again because the worker does not have them yet', async () => {
        const post = gate<SignedVoucher>();
        answering = () => post.promise;
        addResult();
        money.start();
        await pass(0);
        money.noteTaken(null);
        post.open(voucherOf(10n, 1));
        await pass(1000);
        expect(posted).toEqual([10n]);
    });

    it('are posted again after 0.2, 0.5, 1, 2 and then each 5 seconds while the worker is down', async () => {
        answering = () => Promise.reject(new Error('down'));
        addResult();
        money.start();
        const counts: number[] = [];
        for (const ms of [199, 1, 499, 1, 999, 1, 1999, 1, 4999, 1, 4999, 1]) {
            await pass(ms);
            counts.push(posted.length);
        }
        expect(counts).toEqual([1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]);
        expect(errors).toHaveLength(7);
    });

    it('that were posted by themselves meanwhile are not posted by the next attempt', async () => {
        answering = () => Promise.reject(new Error('down'));
        addResult();
        money.start();
        await pass(0);
        answering = undefined;
        money.start();
        await pass(10_000);
        expect(posted).toEqual([10n, 10n]);
    });

    it.each([
        ['refuses', new WorkerRefusal('bad_voucher', 422, 'no'), 2],
        ['is down', new Error('down'), 1],
    ])('that a result adds while the worker %s the one before', async (_case, error, posts) => {
        const post = gate<SignedVoucher>();
        answering = () => post.promise;
        addResult();
        money.start();
        await pass(0);
        addResult();
        money.start();
        post.fail(error);
        await pass(0);
        expect(posted).toHaveLength(posts);
    });

    describe('after the stop', () => {
        it('are neither posted nor signed', async () => {
            addResult();
            await money.stop();
            money.start();
            await money.flush();
            await money.signResult();
            await pass(1000);
            expect([stored, posted]).toEqual([[], []]);
        });

        it('of a post that fails are not tried again', async () => {
            const post = gate<SignedVoucher>();
            answering = () => post.promise;
            addResult();
            money.start();
            await pass(0);
            const stopped = money.stop();
            post.fail(new Error('down'));
            await stopped;
            await pass(60_000);
            expect(posted).toEqual([10n]);
        });

        it('that are on their way to the disk are not posted', async () => {
            const disk = gate();
            saving = () => disk.promise;
            addResult();
            money.start();
            await pass(0);
            const stopped = money.stop();
            disk.open();
            await stopped;
            expect([stored, posted]).toEqual([[10n], []]);
        });
    });

    it('are stored once, also when the one before reaches the disk meanwhile', async () => {
        const disks = [gate(), gate(), gate()];
        let saves = 0;
        saving = () => disks[saves++].promise;
        addResult();
        const first = money.flush();
        await pass(0);
        addResult();
        const second = money.signResult();
        await pass(0);
        disks[0].open();
        await first;
        const third = money.flush();
        await pass(0);
        disks.forEach(({ open }) => open());
        await Promise.all([second, third]);
        expect([saves, stored]).toEqual([2, [10n, 20n]]);
    });
});
