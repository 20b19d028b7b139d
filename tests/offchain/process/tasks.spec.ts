import { Tasks } from '../../../offchain/process/tasks';

describe('Polls of a task', () => {
    const count = async (limits: { polls: number; maxMs?: number }): Promise<number> => {
        let polls = 0;
        const poll = async () => {
            polls++;
            return false;
        };
        expect(await new Tasks().until(poll, { ...limits, ms: 1 })).toBe(false);
        return polls;
    };

    it('are as many as they may be', async () => {
        expect(await count({ polls: 3 })).toBe(3);
    });

    it('end after their time, however many of them remain', async () => {
        expect(await count({ polls: 1_000_000, maxMs: 20 })).toBeLessThan(50);
    });
});
