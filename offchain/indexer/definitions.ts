/** What each derived number means, and over which time. It comes with every export and every view. */

export const definitions = {
    asOf: 'unix seconds of the newest fact of the market; windows end there, unless another time was asked for',
    day: 'a day in UTC, named by its date; "today" is the day of asOf, and "7 days" are that day and the six before',
    openings: 'jobs whose channel an escrow deployed on the day; deposits: the sum that the orders name for them',
    claimed:
        'nanoTON that channels paid to payouts in the window, counted when the channel paid; ' +
        'a provider can pay itself, so it is no proof of use',
    claims: 'messages to channels that paid something in the window',
    settled: "jobs whose channel ended on the day by the payout's last claim or by a refund",
    refunds:
        "jobs that ended on the day by a refund; refunded: nanoTON that ended channels sent back to their clients' escrows",
    faults: 'cases opened on the day, by class; guilty ones are those whose case ended so',
    slashed: 'nanoTON that were taken from stakes in the window',
    stake: 'nanoTON of stake, without what is on its way out (unbonding), after the last transaction of the provider',
    stakeUse: 'required stake in basis points of the stake, rounded down: how much of the stake nodes use',
    jobsPerNode: 'open jobs in hundredths per open node, rounded down; a chain does not say how busy a GPU is',
    price: 'nanoTON per million tokens as open nodes of known code offer it now; median: the lower middle one',
    prices: 'medians over the open nodes at the end of each day on which an offer of the model changed',
    demand: 'queries a day of the newest announcement of each client for the model, while it has not ended; it binds nobody',
    supply: 'GPUs of open nodes of known code whose provider is not in jail, as they were announced',
    tier: 'the attestation that the node announced, while it has not expired, otherwise open; the gateway checks it, not the index',
    jailed: 'in jail, or with less stake than its nodes require',
    uptime: 'promised by the provider in basis points, not measured',
    jobs: 'jobs of a provider are those that pay one of its payouts; providers that share a payout share its jobs',
    clients: 'escrows that opened such jobs, found by their announced demand or by a payment to a payout',
    speed: 'not on chain: a gateway measures it, and says so where it shares it',
} as const;
