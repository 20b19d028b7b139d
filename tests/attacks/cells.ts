import type { Attack } from './attack';

/** Attacks by cells from outside, sends and values. */
export const cellsAttacks: Attack[] = [
    {
        source: 'fault kind: exotic cells',
        attack: 'A stolen spend key orders a job that is a library cell of 640 bits and many references, to burn the deposit in a deploy.',
        stoppedBy: 'A job is read as it is: a library cell has 264 bits, and a job with references is left out.',
        file: 'tests/exotic.spec.ts',
        test: 'A job of an order of 640 bits and 980 references in a library cell is not copied into a deploy',
    },
    {
        source: 'fault kind: exotic cells',
        attack: 'An order is itself a library cell, so that its depth says nothing of what is in it.',
        stoppedBy: 'Every cell that a message brings is ordinary, or the message is refused.',
        file: 'tests/exotic.spec.ts',
        test: 'A job of an order is in no order that is a library cell',
    },
    {
        source: 'fault kind: exotic cells',
        attack: 'A report hides its last fields in a library cell, which the chain resolves and no reader off chain can.',
        stoppedBy: 'All that a report brings is in its own cells, and each is ordinary and exact.',
        file: 'tests/walk.spec.ts',
        test: 'A cell from outside is as it should be in ReportTwice, or refused with its value returned',
    },
    {
        source: 'fault kind: state of ended accounts',
        attack: 'Someone tops up a job that has ended: the wrapper makes it anew, and an old voucher is paid twice.',
        stoppedBy: 'Nothing but an opening brings a state.',
        file: 'tests/sending.spec.ts',
        test: 'A top-up of a job that has ended comes back: it begins no channel anew, so that an old voucher is not paid twice',
    },
    {
        source: 'fault kind: liability that ends early',
        attack: 'Ends its key in the middle of a job: what it signs until the gateway looks again is paid and counts for nothing.',
        stoppedBy: 'A key that its provider ends goes on for two minutes, and gateways look every minute.',
        file: 'tests/regression/liability.spec.ts',
        test: 'A key that its provider ends by EndKey bears what it signs for two minutes more, within which a gateway looks at it, and nothing later',
    },
    {
        source: 'fault kind: liability that ends early',
        attack: 'Closes its node in the middle of a job, to the same end.',
        stoppedBy: 'The keys of a closed node have the same notice, and node and stake stay as much longer.',
        file: 'tests/regression/liability.spec.ts',
        test: 'A key that its provider ends by CloseNode bears what it signs for two minutes more, within which a gateway looks at it, and nothing later',
    },
    {
        source: 'fault kind: liability that ends early',
        attack: 'Rotates its key with an end of now, to the same end.',
        stoppedBy: 'At least the notice is given.',
        file: 'tests/regression/liability.spec.ts',
        test: 'A key that its provider ends by SetKeys bears what it signs for two minutes more, within which a gateway looks at it, and nothing later',
    },
    {
        source: 'fault kind: getters and values',
        attack: 'A client in the masterchain attaches what a getter names, and loses it with the answer that cannot be paid.',
        stoppedBy:
            "An escrow's getters count the way back to where its owner lives; less is refused before anything is done.",
        file: 'tests/values.spec.ts',
        test: 'From the masterchain Withdraw is taken at the value that its getter names to such an owner, not a nanoTON below',
    },
    {
        source: 'fault kind: getters and values',
        attack: 'A withdrawal of what the getter named is refused for the rent of the seconds between.',
        stoppedBy: 'Rent that was just taken is borne by the reserve, up to half of it.',
        file: 'tests/values.spec.ts',
        test: 'What an escrow says that can be withdrawn can be, 87 seconds later, and not a nanoTON more',
    },
    {
        source: 'fault kind: getters and values',
        attack: 'An escrow that nobody touched for 14 years is frozen: what is sent to it, or its deposit, is lost.',
        stoppedBy:
            'A frozen escrow returns what comes, and lives on once its last state is brought and its debt is paid.',
        file: 'tests/values.spec.ts',
        test: 'An escrow that is left alone for 14 years with its reserve alone is frozen, refuses what is sent, and is itself again once its state is brought and its debt paid',
    },
    {
        source: 'fault kind: getters and values',
        attack: 'A large code is published for the gas of a small one, and its rent is short from the first day.',
        stoppedBy: 'The keeper asks for the gas of counting each cell besides the rent.',
        file: 'tests/library/publish.spec.ts',
        test: 'Library asks for the gas of counting a code of 1,000 cells, besides 90 days of its rent',
    },
    {
        source: 'review',
        attack: 'The governor packs the keys of a committee one in a cell, so that cases cost more than was asked for, and their rent ends early.',
        stoppedBy: 'A committee is taken in the one shape that fees and reserves were measured with.',
        file: 'tests/registry/changes.spec.ts',
        test: 'Registry: changes that wait takes the keys of a committee three in a cell only, the size that fees and rent of a case count on',
    },
    {
        source: 'review',
        attack: 'Cells become dear to forward and bits cheap, and rules with eight node codes cost more than a provider was told to attach.',
        stoppedBy: 'The largest rules are counted as they are, in cells as in bits.',
        file: 'tests/regression/price-ratios.spec.ts',
        test: 'The largest rules there can be, where only cells of a message cost reach a provider that joins and adopts, at the values that are asked for',
    },
    {
        source: 'review',
        attack: 'The governor proposes a known code with a wrong depth, and nobody who looks at the waiting change sees that it names no account.',
        stoppedBy: 'A waiting code is told by hash and depth, as everywhere else.',
        file: 'tests/registry/changes.spec.ts',
        test: 'Registry: changes that wait tells a waiting code from one of another depth, which names other accounts',
    },
    {
        source: 'review',
        attack: 'A thief of the governor makes keys that begin as those of the committee do, and proposes them: what is shown looks the same.',
        stoppedBy: 'A waiting committee is shown by its whole keys.',
        file: 'tests/deploy/change.spec.ts',
        test: 'A committee that waits is told by whole keys: whoever makes keys of the same first digits does not pass for it',
    },
    {
        source: 'review',
        attack: 'A payout sees a top-up coming, ends the job, deploys it again and is paid by its old vouchers out of the top-up.',
        stoppedBy: 'A TopUp names what was signed, and comes back from a job that has had less.',
        file: 'tests/channel/redeploy.spec.ts',
        test: 'Channel: deployed by a stranger gives a top-up back that was under way as the payout ended the job and deployed it again',
    },
];
