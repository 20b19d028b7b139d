import type { Attack } from './attacks';

/** Attacks on the worker; part of the list in attacks.ts. */
export const workerAttacks: Attack[] = [
    {
        source: 'issue 6: readers that stop',
        attack: 'Evidence in a library cell stops the reader of cases, and later demands go unanswered.',
        stoppedBy:
            'The Provider tells of its cases in its own words, and counts them: one that was missed is looked for.',
        file: 'tests/offchain/worker/cases.spec.ts',
        test: 'The reader of cases finds a case whose message it passed, once the chain counts one more than were told of',
    },
    {
        source: 'issue 6: readers that stop',
        attack: 'A transaction that cannot be read stops the reader of cases again after every restart.',
        stoppedBy: 'The cursor moves past it.',
        file: 'tests/offchain/worker/cases.spec.ts',
        test: 'The reader of cases goes on after a transaction that the API gives and nobody can read, also after a restart',
    },
    {
        source: 'issue 6: readers that stop',
        attack: 'One transaction that cannot be read hides the whole page of the API that it came with.',
        stoppedBy: 'Each transaction is read by itself.',
        file: 'tests/offchain/chain/received.spec.ts',
        test: 'A transaction that cannot be read is named as such, and those beside it are read',
    },
    {
        source: 'issue 6: one answer believed',
        attack: 'The API says once that a channel is refunded or has paid, and its vouchers count as settled or lost.',
        stoppedBy:
            'The next reading is taken as it is, and what a channel has paid is sure only when said again and again.',
        file: 'tests/regression/offchain-worker.spec.ts',
        test: 'One answer of an API of the chain that a voucher was paid does not keep the next look from claiming it, also after a restart',
    },
    {
        source: 'issue 6: one answer believed',
        attack: 'The API says once that it is the far future, and every honest answer then looks old.',
        stoppedBy: 'An answer is old only within what servers lag behind each other.',
        file: 'tests/regression/offchain-worker.spec.ts',
        test: 'One answer of an API of the chain from the far future is not what later ones are measured by',
    },
    {
        source: 'issue 6: one answer believed',
        attack: 'The API shows another contract once, and the worker refuses the job for good.',
        stoppedBy: 'Code and data of a channel never change, so such a reading counts for nothing.',
        file: 'tests/regression/offchain-worker.spec.ts',
        test: 'One answer of an API of the chain that is of another contract leaves the job as it is',
    },
    {
        source: 'issue 6: one answer believed',
        attack: 'The API lies until a job with vouchers has ended, and they are forgotten.',
        stoppedBy: 'An ended job with vouchers is looked for a month longer and comes back.',
        file: 'tests/regression/offchain-worker.spec.ts',
        test: 'One answer of an API of the chain repeated until a job with vouchers ended leaves them to be claimed when the channel is there again',
    },
    {
        source: 'issue 6: one answer believed',
        attack: 'One endpoint says for days that a channel is gone, while another shows it.',
        stoppedBy: 'Nothing ends on words that another endpoint does not repeat.',
        file: 'tests/regression/offchain-worker.spec.ts',
        test: 'An API of the chain that says a channel is gone for days ends no job of which nothing was said at another endpoint',
    },
    {
        source: 'issue 6: tiny jobs',
        attack: 'Tiny jobs are opened and ended, and each costs the worker more in claims than it brought.',
        stoppedBy: 'Nothing is claimed or ended for less than that costs.',
        file: 'tests/offchain/worker/claims.spec.ts',
        test: 'claims end no job that brought nothing, and one that brought twice what they cost',
    },
    {
        source: 'issue 6: tiny jobs',
        attack: 'A job is shown whose deposit is below what its claims cost.',
        stoppedBy: 'A worker states its least deposit and takes no job below it.',
        file: 'tests/offchain/worker/jobs.spec.ts',
        test: 'POST /v1/jobs takes no job on a channel that holds less than the least deposit',
    },
    {
        source: 'issue 6: false alarms',
        attack: 'The worker takes the end that it made itself for a loss.',
        stoppedBy: 'A last claim is on the disk before the wallet sends it.',
        file: 'tests/offchain/worker/claims.spec.ts',
        test: 'claims know the end that they made: nothing looks gone, nothing is lost, also after a restart',
    },
    {
        source: 'issue 6: one answer believed',
        attack: 'The API says once that a demand is closed, and nobody answers it.',
        stoppedBy: 'A case is looked after until its end was said again and again.',
        file: 'tests/offchain/worker/cases.spec.ts',
        test: 'The reader of cases does not take one answer for the end of a case',
    },
    {
        source: 'issue 6: a machine restored',
        attack: 'Key, mark and store come back together, and the gateway goes on in its session: a number is signed twice.',
        stoppedBy: 'A session ends with its process, and each new one shows the newest receipts.',
        file: 'tests/offchain/worker/honest.spec.ts',
        test: 'A store that may not be the newest gets no query of a session of the process before it',
    },
    {
        source: 'issue 6: a machine restored',
        attack: 'A restored store knows the highest number, but not a lower one that ended after it.',
        stoppedBy: 'The gateway shows the result of highest index as well.',
        file: 'tests/offchain/worker/honest.spec.ts',
        test: 'A store that may not be the newest is given away by the result of highest index when a later number ended before it',
    },
    {
        source: 'issue 6: a machine restored',
        attack: 'A machine comes back whole while its process lives on, and signs on below what clients hold.',
        stoppedBy: 'A voucher that counts more results than the store knows ends all signing for its job.',
        file: 'tests/offchain/worker/honest.spec.ts',
        test: 'A store that may not be the newest signs nothing more for a job whose voucher counts more results than it knows, and claims that voucher',
    },
    {
        source: 'issue 6: a machine restored',
        attack: 'A running query ends after a voucher has shown that its store is not the newest.',
        stoppedBy: 'Every receipt is refused then, that of running queries too.',
        file: 'tests/offchain/worker/honest.spec.ts',
        test: 'A store that may not be the newest signs no end of a query that runs when such a voucher comes, nor later',
    },
];
