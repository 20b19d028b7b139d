import { useMarket } from '../../support/market';
import { replayed, scopes } from '../scopes';
import type { Step } from '../steps';
import { replay } from './replay';
import { tracesOf } from './traces';

const SEED = 1;
const TRACES = 3; // `npm run test:traces` takes 200
const DEPTH = 6;

describe('A real gateway and a real worker', () => {
    const market = useMarket();

    it('are where the model is, after each step of some traces', async () => {
        for (const { scope, steps } of tracesOf(TRACES, SEED, DEPTH)) {
            await replay(market(), scope, steps);
        }
    }, 120_000);

    it('are told from a model whose answer is longer', async () => {
        const steps: Step[] = ['the app asks', 'the query arrives', 'a record arrives', 'the backend goes on'];
        const trace: Step[] = [...steps, 'the backend goes on'];
        const followed = replay(market(), replayed(scopes.kills), trace, { frames: 1, maxMs: 500 });

        await expect(followed).rejects.toThrow('the processes are not where the model is');
    }, 60_000);
});
