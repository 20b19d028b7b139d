import type { Inapplicable } from './attack';

/**
 * What the sources name and this design cannot be asked. All weaknesses of Cocoon are asked: those of a pool of all
 * clients' money (1, 3, 10) and of a stake that pays refunds (14) in the form that they would take here.
 */
export const inapplicable: Inapplicable[] = [
    {
        source: 'payment channels',
        attack: 'An honest party that closes alone pays the fine, or a cheat pays none.',
        reason: 'No fine and no challenge exist: nobody can put forward an older state, because sums only grow.',
    },
    {
        source: 'payment channels',
        attack: 'A conditional payment cannot be settled, or runs code that the peer signed.',
        reason: 'A channel has no conditions and runs no code but its own.',
    },
    {
        source: 'payment channels',
        attack: 'A client floods a worker with bad vouchers.',
        reason: 'On chain the sender pays for each. Off chain each costs the worker one check of a signature.',
    },
    {
        source: 'payment channels',
        attack: 'A provider delivers junk.',
        reason: 'No channel can tell. A client that watches loses one step; what the committee may take is tried above.',
    },
    {
        source: 'marketplaces',
        attack: 'A reserve is divided by a moving pool (Livepeer 656 and 663).',
        reason: 'No reserve is shared: each deposit has an account of its own.',
    },
    {
        source: 'marketplaces',
        attack: 'A provider sets its own thaw so long that it overflows.',
        reason: 'A provider has no such field. The bound on the network-wide one is tried above.',
    },
    {
        source: 'marketplaces',
        attack: 'One owner runs many providers, or advertises one GPU as many nodes.',
        reason: 'Each node requires its share of the stake. No contract can see hardware.',
    },
    {
        source: 'marketplaces',
        attack: 'A bribed committee rules for ever, or beside an appeal.',
        reason: 'No second committee exists. Verdicts take at most a fifth of the stake in two weeks.',
    },
    {
        source: 'marketplaces',
        attack: 'Each receipt names the stake that covers it.',
        reason: 'No receipt does. The share of its node bounds what a key may cost, which is tried above.',
    },
];
