import type { Attack } from './attacks';

/** Attacks on the worker; part of the list in attacks.ts. */
export const workerAttacks: Attack[] = [
    {
        source: 'issue 6: readers that stop',
        attack: 'Evidence in a library cell stops the reader of cases, and later demands go unanswered.',
        stoppedBy: 'A message that cannot be read is logged, counted and passed.',
        file: 'tests/offchain/worker/cases.spec.ts',
        test: 'The reader of cases passes and counts a demand whose evidence is in a library cell, and finds the next one',
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
];
