import type { Terms } from '@cocoon-market/wrappers';
import type { Answer } from './answer';
import { type RunningCost, unmeteredBound } from './credit';

type CostOfCounts = RunningCost & Pick<Answer, 'counts' | 'bounds' | 'promptKnown'>;

/**
 * The cost of a running query so far, computed once for each change of its counts: every frame of every query of the
 * job asks for it.
 */
export class QueryCost {
    private last: CostOfCounts | undefined;

    constructor(
        private readonly answer: Answer,
        private readonly promptBound: number, // tokens
        private readonly terms: Pick<Terms, 'step' | 'rates'>,
    ) {}

    now(): RunningCost {
        const { answer, last } = this;
        const { counts, bounds, promptKnown } = answer;
        if (last?.counts === counts && last.bounds === bounds && last.promptKnown === promptKnown) {
            return last;
        }
        const { step, rates } = this.terms;
        const promptBound = promptKnown ? 0 : this.promptBound;
        const unmetered = unmeteredBound({ step, promptBound, counts, bounds }, rates);
        const cost: CostOfCounts = { counts, bounds, promptKnown, sent: answer.price(), unmetered };
        this.last = cost;
        return cost;
    }
}
