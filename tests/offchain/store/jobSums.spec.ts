import { addSums, type JobSums, NO_JOBS, replaceSums, sumsOf, unclaimedOf } from '../../../offchain/store/jobSums';

const record = {
    ...{ state: 'open', index: 2, cumulative: 100n, voucher: { cumulative: 70n }, claimed: 20n },
    snapshot: { paid: 30n, balance: 500n },
};
type Changes = Partial<Omit<typeof record, 'voucher'>> & { voucher?: { cumulative: bigint } | undefined };
const sums = (changes: Changes = {}) => sumsOf({ ...record, ...changes });

const sumsOf7: JobSums = {
    ...{ jobs: 7, results: 70, earned: 1n, promised: 2n, unpaid: 3n, prepaid: 4n },
    ...{ claimed: 5n, confirming: 6n, unclaimed: 7n, lost: 8n, paid: 9n },
};

describe('The sums of a job', () => {
    it('are what it earned, what its voucher promises, and how far the channel has paid', () => {
        expect(sums()).toEqual({
            ...{ jobs: 1, results: 2, earned: 100n, promised: 70n, unpaid: 30n, prepaid: 0n },
            ...{ claimed: 20n, confirming: 10n, unclaimed: 40n, lost: 0n, paid: 30n },
        });
    });

    it('have a voucher above the results as prepaid', () => {
        expect(sums({ cumulative: 50n })).toMatchObject({ unpaid: 0n, prepaid: 20n });
        expect(sums({ cumulative: 70n })).toMatchObject({ unpaid: 0n, prepaid: 0n });
    });

    it('have all results as unpaid without a voucher', () => {
        const none = { voucher: undefined, claimed: 0n, snapshot: { paid: 0n, balance: 500n } };
        const unpaid = { promised: 0n, unpaid: 100n, prepaid: 0n, confirming: 0n, unclaimed: 0n, lost: 0n };
        expect(sums(none)).toMatchObject(unpaid);
    });

    it('have as lost what the channel does not hold, and all that is not claimed once the job has ended', () => {
        expect(sums({ snapshot: { paid: 30n, balance: 15n } })).toMatchObject({ unclaimed: 15n, lost: 25n });
        expect(sums({ state: 'ending' })).toMatchObject({ unclaimed: 40n, lost: 0n });
        expect(sums({ state: 'ended' })).toMatchObject({ unclaimed: 0n, confirming: 10n, lost: 40n });
    });

    it('do not go back behind a confirmed claim when a reading is older', () => {
        expect(sums({ claimed: 45n })).toMatchObject({ claimed: 45n, confirming: 0n, unclaimed: 25n, paid: 45n });
    });

    it('have nothing to confirm above what was promised', () => {
        expect(sums({ snapshot: { paid: 90n, balance: 5n } })).toMatchObject({
            ...{ confirming: 50n, unclaimed: 0n, lost: 0n, paid: 90n },
        });
    });

    it('are added so many times', () => {
        expect(addSums(NO_JOBS, sumsOf7)).toEqual(sumsOf7);
        expect(addSums(sumsOf7, sumsOf7, 2)).toEqual({
            ...{ jobs: 21, results: 210, earned: 3n, promised: 6n, unpaid: 9n, prepaid: 12n },
            ...{ claimed: 15n, confirming: 18n, unclaimed: 21n, lost: 24n, paid: 27n },
        });
        expect(addSums(sumsOf7, sumsOf7, -1)).toEqual(NO_JOBS);
    });

    it('are replaced by those after a change', () => {
        const all = addSums(sumsOf7, sums());
        expect(replaceSums(all, sums(), { ...NO_JOBS })).toEqual(sumsOf7);
        expect(replaceSums(all, sums(), sums({ index: 5, cumulative: 130n }))).toEqual({
            ...all,
            ...{ results: all.results + 3, earned: all.earned + 30n, unpaid: all.unpaid + 30n },
        });
    });
});

it('A job can claim what its voucher promises above what the channel paid, as far as that has it', () => {
    const claimable = (cumulative: bigint | undefined, paid: bigint, balance: bigint) =>
        unclaimedOf({ voucher: cumulative === undefined ? undefined : { cumulative }, snapshot: { paid, balance } });
    expect(claimable(70n, 30n, 500n)).toBe(40n);
    expect(claimable(70n, 30n, 39n)).toBe(39n);
    expect(claimable(70n, 80n, 39n)).toBe(0n);
    expect(claimable(undefined, 0n, 39n)).toBe(0n);
});
