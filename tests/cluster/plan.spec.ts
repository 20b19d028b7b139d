import { LEASE_SECONDS } from '../../offchain/store/leases';
import { randomOf } from '../soak/plan';
import { roundsOf } from './plan';

describe('The rounds of a cluster', () => {
    const processes = ['gateway-1', 'gateway-2', 'worker-1', 'worker-2'];
    const plan = (seed: number, count = 200) => roundsOf(randomOf(seed), count, { processes, database: 'database' });

    it('are the same for the same seed, and others for another', () => {
        expect(plan(1)).toEqual(plan(1));
        expect(plan(1)).not.toEqual(plan(2));
    });

    it('kill all five equally often', () => {
        const first = plan(1).map(([{ victim }]) => victim);
        for (const victim of [...processes, 'database']) {
            expect(first.filter((name) => name === victim)).toHaveLength(40);
        }
    });

    it('have downtimes on both sides of a lease, two kills close together, and processes that are stopped', () => {
        const blows = plan(1).flat();
        const isLong = ({ downMs }: { downMs: number }) => downMs > LEASE_SECONDS * 1000;
        expect(plan(1).filter(({ length }) => length === 2).length).toBeGreaterThan(10);
        expect(blows.filter(isLong).length).toBeGreaterThan(20);
        expect(blows.filter((blow) => !isLong(blow)).length).toBeGreaterThan(100);
        const pauses = blows.filter(({ kind }) => kind === 'pause');
        expect(pauses.length).toBeGreaterThan(4);
        expect(pauses.every(isLong)).toBe(true);
    });

    it('never stop the database, whose lease nobody takes', () => {
        const ofDatabase = plan(3)
            .flat()
            .filter(({ victim }) => victim === 'database');
        expect(ofDatabase.filter(({ kind }) => kind === 'pause')).toEqual([]);
    });
});
