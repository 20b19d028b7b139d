import type { Attack } from './attacks';

/** Attacks on liability, shares and consents; part of the list in attacks.ts. */
export const liabilityAttacks: Attack[] = [
    {
        source: 'issue 6: liability that ends early',
        attack: 'Adopts shorter windows, closes its node, and waits until the share counts no more for what it signed before.',
        stoppedBy: 'The share counts for the hold of the longest rules followed.',
        file: 'tests/regression/liability.spec.ts',
        test: 'Rules with shorter windows that a provider adopts leave a node that closes afterwards liable with its share for what it signed before, to the last second',
    },
    {
        source: 'issue 6: liability that ends early',
        attack: 'Adopts shorter windows and takes the stake home before older receipts expire.',
        stoppedBy: 'A slot unlocks by the longest rules followed.',
        file: 'tests/regression/liability.spec.ts',
        test: 'Rules with shorter windows that a provider adopts let no stake go before what was signed under the longer ones has been judged',
    },
    {
        source: 'issue 6: liability that ends early',
        attack: 'Closes all nodes, adopts shorter windows, and takes its stake out under them.',
        stoppedBy: 'Stake that leaves stays until the hold of before is over.',
        file: 'tests/regression/liability.spec.ts',
        test: 'Rules with shorter windows that a provider adopts count alone once they were adopted without an open node and the hold of before is over',
    },
    {
        source: 'issue 6: liability that ends early',
        attack: 'Lowers a share, then shortens by a second step how long the one before counts.',
        stoppedBy: 'What was said before is never shortened.',
        file: 'tests/regression/liability.spec.ts',
        test: 'Rules with shorter windows that a provider adopts do not end the share of before sooner that a node had when it fell under the longer ones',
    },
    {
        source: 'issue 6: liability that ends early',
        attack: 'Adopts longer windows after closing, so that the verdict comes when the node is gone.',
        stoppedBy: 'A case keeps its node and the share it began with.',
        file: 'tests/regression/liability.spec.ts',
        test: 'Rules with longer windows that a provider adopts after a node has closed leave a case against it its node: what the committee takes is taken',
    },
    {
        source: 'issue 6: times that do not fit',
        attack: 'With short windows, leaves before a demand about its last accept is decided.',
        stoppedBy: 'The hold covers the day by which an accept may pass the end of its key.',
        file: 'tests/regression/liability.spec.ts',
        test: 'A demand about the last accept that a closed node can have signed finds its stake under windows that are together shorter than a day',
    },
    {
        source: 'issue 6: liability that ends early',
        attack: 'Lets one key use up its share, tops up, and cheats with it for nothing.',
        stoppedBy: 'A key ends when its cost reaches the share.',
        file: 'tests/regression/liability.spec.ts',
        test: 'A key whose receipts have cost the whole share ends with it, and a top-up brings no impunity',
    },
    {
        source: 'issue 6: liability that ends early',
        attack: 'Lowers the share below what the key has cost, and signs on.',
        stoppedBy: 'The key ends with the change.',
        file: 'tests/regression/liability.spec.ts',
        test: 'A key of a node that gets fewer GPUs, whose receipts have cost the share of these, ends with the change',
    },
    {
        source: 'issue 6: never throws',
        attack: 'Says nothing for five years, so that a slash of all stake cannot be paid.',
        stoppedBy: 'What is taken is capped by the balance.',
        file: 'tests/regression/silence.spec.ts',
        test: 'At the prices of tenfold, a slash of all stake takes what the account still holds after 1826 days of silence, by its own word',
    },
    {
        source: 'issue 6: never throws',
        attack: 'Lets a case lie for ten years, until its bond has paid the rent, so that it can never end.',
        stoppedBy: 'Of the bond goes home what is there.',
        file: 'tests/regression/silence.spec.ts',
        test: 'At the prices of 2025, a case that nobody ended by demand ends after ten years: of the bond goes home what rent has left of it',
    },
    {
        source: 'issue 6: freezing',
        attack: 'Opens a case so that a whole due slot stays.',
        stoppedBy: 'What no case can take goes home in part.',
        file: 'tests/regression/silence.spec.ts',
        test: 'A due slot, while a case is open goes home in part: all that the case cannot take, as the getter says, and not a nanoTON more',
    },
    {
        source: 'issue 6: times that do not fit',
        attack: 'A committee that lost its keys cannot be replaced for 90 days after two codes of Disputes.',
        stoppedBy: 'All of the rules but the second code is followed at once.',
        file: 'tests/regression/silence.spec.ts',
        test: 'A committee that changes within 90 days of two codes of Disputes is followed at once, although the second code has to wait',
    },
];
