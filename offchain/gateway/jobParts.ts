/** What a job of the gateway is made with. */
import type { JobLink } from '../payer/jobLink';
import type { PaymentParts } from '../payer/money';
import type { GatewayStore } from '../store/gateway';
import type { UsedQuery } from '../store/people';

export interface JobParts extends Omit<PaymentParts, 'requireMember' | 'maxSigned'> {
    worker: JobLink;
    store: GatewayStore;
    now: () => number; // unix seconds
    /** Called when a query has an ending: what it cost in nanoTON, and `used` if it cost something or has a result. */
    onEnded: (number: number, cost: bigint, used?: UsedQuery) => void;
}
