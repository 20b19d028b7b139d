import type { Attack } from './attack';

/** Attacks on who buys without a gateway: by its worker, its endpoint, and those who list nodes. */
export const clientsAttacks: Attack[] = [
    {
        source: 'review',
        attack: 'A worker answers a payment with a voucher that nobody signed, to confuse what the client owes.',
        stoppedBy: 'The client checks it by its own key, signs nothing more, and leaves the job.',
        file: 'tests/client/refusals.spec.ts',
        test: 'A client and a worker that lies breaks off with a worker that answers a payment with a voucher that nobody signed',
    },
    {
        source: 'review',
        attack: 'Two questions are asked at once, the connection of the first breaks off, and the client counts one query that ran: an honest worker that sent more than one step ahead is blamed, and its answer is not paid.',
        stoppedBy: 'A query counts all that had no ending at one time, also those that were sent while it was stored.',
        file: 'tests/client/refusals.spec.ts',
        test: 'A client and a worker that lies blames no node that is a step ahead for each of two queries at once, also after a start',
        removed: 'client/activeJob: `raiseConcurrent`',
    },
    {
        source: 'review',
        attack: 'An endpoint that is behind shows no account, the client takes the job for ended, and its money stays there.',
        stoppedBy: 'Leaving and refunding read the chain anew, and take the job up again.',
        file: 'tests/client/settling.spec.ts',
        test: 'A job that seemed to have ended is left and refunded once the endpoint shows its account again',
    },
    {
        source: 'review',
        attack: 'A provider closes its node, so that the job at it cannot be settled any more.',
        stoppedBy: 'Paying and ending a job need no node that still sells.',
        file: 'tests/client/settling.spec.ts',
        test: 'A job is settled by a worker whose node has closed',
    },
    {
        source: 'review',
        attack: 'Forged receipts make whoever checks them try hundreds of signatures for each.',
        stoppedBy:
            'Only what a node could have signed is tried: 560 signatures at most, and 70 if everything is known.',
        file: 'tests/market/receipt.spec.ts',
        test: 'A receipt that the node did not sign costs a bounded number of signatures, and few if the buyer kept everything',
    },
    {
        source: 'review',
        attack: 'A node lists a low rate for one kind of tokens and bills the other kind, to be the first choice.',
        stoppedBy: 'The page that buys sorts and shows by the highest rate that a node can bill.',
        file: 'tests/buy/strangers.spec.ts',
        test: 'A choice on the page that buys is not the first by a low rate of answers without reasoning alone',
    },
];
