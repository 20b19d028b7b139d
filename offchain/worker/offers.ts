/** The offers of a worker as they change while it runs. */
import { type TokenizerName, tokenizerOfModel } from '../tokens';
import type { WorkerConfig } from './config';

type Offers = WorkerConfig['offers'];

// A client read the old rates before it ordered its job, which takes a while to be on chain.
const FORMER_SECONDS = 600;

/** The offers of a running worker, and those before a change, which new jobs may have for a while. */
export class ChangingOffers {
    private former: Offers = [];
    private until = 0;

    constructor(
        private offers: Offers,
        private readonly now: () => number,
    ) {}

    /** The offers that the worker publishes. */
    get current(): Offers {
        return this.offers;
    }

    /** The offers that a new job may have, the current ones first. */
    accepted(): Offers {
        return this.now() < this.until ? [...this.offers, ...this.former] : this.offers;
    }

    replace(next: Offers): void {
        this.former = this.offers;
        this.until = this.now() + FORMER_SECONDS;
        this.offers = next;
    }
}

/** The tokenizer by which the node counts what no model server counts, in new jobs of an offer. */
export function tokenizerOf({ model, tokenizer }: Offers[number]): TokenizerName {
    return tokenizer ?? tokenizerOfModel(model);
}
