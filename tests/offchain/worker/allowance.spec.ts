import { Allowances } from '../../../offchain/worker/allowance';

const job = (number: number): Buffer => {
    const hash = Buffer.alloc(32);
    hash.writeUInt32BE(number);
    return hash;
};

describe('What a job may have signed that brings nothing', () => {
    it('stays used up while the job is not in memory', () => {
        const allowances = new Allowances();
        for (let i = 0; i < 64; i++) allowances.of(job(1)).unpaid.spend();
        for (let other = 2; other < 5000; other++) allowances.of(job(other));

        expect(allowances.of(job(1)).unpaid.isEmpty).toBe(true);
        expect(allowances.of(job(1)).fails.isEmpty).toBe(false);
    });

    it('is forgotten of the job that was used longest ago, once there are 20,000', () => {
        const allowances = new Allowances();
        const [first, second] = [allowances.of(job(1)), allowances.of(job(2))];
        for (let other = 3; other <= 20_000; other++) allowances.of(job(other));
        expect(allowances.of(job(1))).toBe(first);
        allowances.of(job(20_001));

        expect(allowances.of(job(1))).toBe(first);
        expect(allowances.of(job(2))).not.toBe(second);
    });
});
