/** The offers of a worker as they change while it runs. */
import type { WorkerConfig } from './config';

type Offers = WorkerConfig['offers'];

// A client read the old rates before it ordered its job, which takes a while to be on chain.
const FORMER_SECONDS = 600;

/** The offers of a running worker, and those before a change, which new jobs may have for a while. */
export class ChangingOffers {
    private former: Offers = [];
    private until = 0;

    constructor(private readonly now: () => number) {}

    /** The offers that a new job may have. */
    accepted(current: Offers): Offers {
        return this.now() < this.until ? [...current, ...this.former] : current;
    }

    /** `former` have just been replaced. */
    replace(former: Offers): void {
        this.former = former;
        this.until = this.now() + FORMER_SECONDS;
    }
}
