import type { Attack } from './attacks';

/** Attacks on strangers at the doors, stores and attestation; part of the list in attacks.ts. */
export const doorsAttacks: Attack[] = [
    {
        source: 'issue 6: forgotten is gone',
        attack: 'Whoever gets the disk reads prompts, answers and secrets that the gateway forgot after keepHours.',
        stoppedBy: 'What is deleted is zeroed, never lies where SQLite copies it, and the log is emptied with it.',
        file: 'tests/offchain/store/forgotten.spec.ts',
        test: 'What a gateway forgets is in no file of its store: neither prompts, nor answers, nor the keys that open them',
    },
    {
        source: 'issue 6: forgotten is gone',
        attack: 'Copies of forgotten rows survive in pages that SQLite rearranged.',
        stoppedBy: 'All of them but their names lies in pages of its own, which are never moved.',
        file: 'tests/offchain/store/forgotten.spec.ts',
        test: 'What a gateway forgets is gone also where rows came, ended and went in any order',
    },
    {
        source: 'issue 6: forgotten is gone',
        attack: 'Recorded traffic is opened with the secrets of ended queries that the log still has.',
        stoppedBy: 'The log is emptied at every look at what may be forgotten.',
        file: 'tests/offchain/store/forgotten.spec.ts',
        test: 'What a gateway forgets without keepHours is the key of every query that ended',
    },
    {
        source: 'issue 6: forgotten is gone',
        attack: 'A process that was killed leaves in its log what it had forgotten.',
        stoppedBy: 'The log is emptied at every start.',
        file: 'tests/offchain/store/forgotten.spec.ts',
        test: 'What a gateway forgets is gone after the next start, when the process ended before it had cleaned its log',
    },
    {
        source: 'issue 6: forgotten is gone',
        attack: 'Whoever gets the disk of a worker, and its keys, reads answers of jobs that ended long ago.',
        stoppedBy: 'Pruned answers are zeroed in every file.',
        file: 'tests/offchain/store/forgotten.spec.ts',
        test: 'What a worker forgets is in no file of its store',
    },
    {
        source: 'issue 6: Node versions',
        attack: 'A voucher whose R is of small order counts on chain and not at a worker that runs a newer Node.js, or the reverse.',
        stoppedBy: 'Such signatures are judged by the equation of the TVM, in every version.',
        file: 'tests/signed.spec.ts',
        test: 'keys and signatures agree on every R of small order under a key with a torsion part, good or bad',
    },
    {
        source: 'issue 6: Node versions',
        attack: 'The next version of Node.js judges an R of small order in yet another way.',
        stoppedBy: 'It is not asked about them.',
        file: 'tests/signed.spec.ts',
        test: 'keys and signatures never hand an R of small order to Node.js, whose versions differ about it',
    },
    {
        source: 'issue 6: attestation',
        attack: 'A quote is altered in a field that nobody compares.',
        stoppedBy: 'Every bit of it is signed or compared.',
        file: 'tests/offchain/attest/flips.spec.ts',
        test: 'A flipped bit of a quote is refused at every byte',
    },
    {
        source: 'issue 6: attestation',
        attack: 'An image that is allowed runs under another TDX module, or with other features of the processor.',
        stoppedBy: 'The measurement covers MRSEAM, TDATTRIBUTES and XFAM.',
        file: 'tests/offchain/attest/flips.spec.ts',
        test: 'A report that is well signed is of another measurement with another MRSEAM, first byte',
    },
    {
        source: 'issue 6: attestation',
        attack: 'Data of another protocol stands after the hash in the report of the quoting enclave.',
        stoppedBy: 'The rest of the field is zeros.',
        file: 'tests/offchain/attest/flips.spec.ts',
        test: 'A report that is well signed of a quoting enclave says nothing after its hash: byte 352',
    },
    {
        source: 'issue 6: attestation',
        attack: 'A revocation list is given to two readers in two forms, of which one reads nothing.',
        stoppedBy: 'A list has one form: unused bits are zeros, and a signature has none.',
        file: 'tests/offchain/attest/flips.spec.ts',
        test: 'The DER of certificates and lists of a revocation list is refused when its signature says that some of its bits are not used',
    },
    {
        source: 'issue 6: attestation',
        attack: 'A number, a time or a bit string in a loose form hides what a certificate or list says.',
        stoppedBy: 'DER is read in its one form.',
        file: 'tests/offchain/attest/flips.spec.ts',
        test: 'The DER of certificates and lists is refused with bits that are not used and not zeros',
    },
];
