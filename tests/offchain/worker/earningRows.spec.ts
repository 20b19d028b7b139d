import { NO_JOBS } from '../../../offchain/store/jobSums';
import { earningsOf } from '../../../offchain/worker/earnings';

describe('The rows of earnings', () => {
    it('have one row for all clients after the best thousand, so that the rows add up to the totals', async () => {
        const row = (client: number) => ({
            ...{ group: `0:${client}`, results: 2, prompt: 5, cached: 1, completion: 3, reasoning: 1 },
            ...{ earned: BigInt(5000 - client), claimed: 7n },
        });
        const clients = Array.from({ length: 1003 }, (_, client) => row(client));
        const results = clients.length * 2;
        const claimed = BigInt(clients.length * 7);
        const earned = clients.reduce((sum, one) => sum + one.earned, 0n);
        const tokens = { prompt: 5015, cached: 1003, completion: 3009, reasoning: 1003 };
        const store = {
            earnings: {
                days: async () => [{ ...tokens, group: '2026-01-01', results, earned, claimed }],
                sums: async () => ({ open: NO_JOBS, ending: NO_JOBS, ended: { ...NO_JOBS, results, earned, claimed } }),
                best: async (_by: string, limit: number) => clients.slice(0, limit),
            },
        };
        const ledger = { refresh: async () => undefined, totals: async () => null };
        const { rows } = await earningsOf({ store, now: () => 0 } as never, ledger as never, 'client');

        expect(rows).toHaveLength(1001);
        expect(rows.at(-1)).toEqual({
            ...{ group: 'others', results: 6, prompt: 15, cached: 3, completion: 9, reasoning: 3 },
            ...{ earned: 4000n + 3999n + 3998n, claimed: 21n },
        });
    });
});
