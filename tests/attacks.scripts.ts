import type { Attack } from './attacks';

const API = 'tests/offchain/chain/api.spec.ts';
const BUDGET = 'tests/offchain/chain/budget.spec.ts';
const WALLET = 'tests/offchain/chain/wallet.spec.ts';
const WORDS = 'tests/words.spec.ts';
const OUTCOME = 'tests/deploy/outcome.spec.ts';
const TRUST = 'tests/deploy/trust.spec.ts';

/** Attacks on scripts and the chain API; part of the list in attacks.ts. */
export const scriptsAttacks: Attack[] = [
    {
        attack: 'a public API takes one call a second and answers the rest with 429',
        source: "issue 6: the chain's API",
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain gets every answer from an API that takes one call a second',
    },
    {
        attack: 'an API answers 502 for a moment',
        source: "issue 6: the chain's API",
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain asks again after an answer of 502',
    },
    {
        attack: 'the only endpoint named is down',
        source: "issue 6: the chain's API",
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain asks the second endpoint while the first does not answer',
    },
    {
        attack: 'a hung API costs every query half a minute',
        source: "issue 6: the chain's API",
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain lets a hung API cost seconds once, and those who ask next nothing',
    },
    {
        attack: 'an error of the API repeats its key',
        source: "issue 6: the chain's API",
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain says which endpoint failed and never its key, wherever the key is',
    },
    {
        attack: 'a second endpoint is of another network',
        source: "issue 6: the chain's API",
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain refuses an endpoint of another network, whichever of several it is',
    },
    {
        attack: 'strangers use up the calls that claims need',
        source: "issue 6: the chain's API",
        stoppedBy: 'classes of calls, with a reserve',
        file: BUDGET,
        test: 'A budget of calls keeps half of a burst from strangers, and a quarter for claims alone',
    },
    {
        attack: 'a refusal hides that a first copy was taken',
        source: 'issue 6: outcome unknown',
        stoppedBy: "the chain's client: retries, failover, timeouts of seconds, names without keys",
        file: API,
        test: 'The client of the chain does not take a refusal as the end when a copy of the message went out before',
    },
    {
        attack: 'an endpoint answers a wallet 504 and delivers later',
        source: 'issue 6: outcome unknown',
        stoppedBy: 'an order is known by seqno and hash until the chain shows it',
        file: WALLET,
        test: 'A wallet whose API fails sends once what an API answers with 504 and delivers later',
    },
    {
        attack: 'another device uses the number of an order',
        source: 'issue 6: outcome unknown',
        stoppedBy: 'an order is known by seqno and hash until the chain shows it',
        file: WALLET,
        test: 'A wallet whose API fails does not take an order of another device for its own',
    },
    {
        attack: 'a second order goes out while the first may still be taken',
        source: 'issue 6: outcome unknown',
        stoppedBy: 'an order is known by seqno and hash until the chain shows it',
        file: WALLET,
        test: 'A wallet whose API fails once it does not know what became of an order sends nothing while that order may still be taken',
    },
    {
        attack: 'a script is run again after 504',
        source: 'issue 6: outcome unknown',
        stoppedBy: 'an order kept on disk, settled before anything is prepared',
        file: OUTCOME,
        test: 'A script whose endpoint fails run again while an order is on its way, waits for it and sends nothing',
    },
    {
        attack: 'scripts at one call a second',
        source: "issue 6: the chain's API",
        stoppedBy: 'an order kept on disk, settled before anything is prepared',
        file: OUTCOME,
        test: 'A script whose endpoint fails does its work at one call a second',
    },
    {
        attack: 'a typing error in the words opens another wallet',
        source: 'issue 6: words',
        stoppedBy: 'words are checked against list, length and checksum',
        file: WORDS,
        test: 'The words of a wallet are refused with a typing error, which is named by its place and not repeated',
    },
    {
        attack: 'two words in each other’s place open another wallet',
        source: 'issue 6: words',
        stoppedBy: 'words are checked against list, length and checksum',
        file: WORDS,
        test: 'The words of a wallet are refused when two have changed places, and none is repeated',
    },
    {
        attack: 'another committee is asked for, and the answer is exit code 0',
        source: 'issue 6: scripts',
        stoppedBy: 'the frame of scripts: what differs is named, messages are tried first',
        file: TRUST,
        test: 'The word of a script is not given for a market with another committee',
    },
    {
        attack: 'another stake is asked for, and the answer is exit code 0',
        source: 'issue 6: scripts',
        stoppedBy: 'the frame of scripts: what differs is named, messages are tried first',
        file: TRUST,
        test: 'The word of a script is not given for a provider with less stake or another payout',
    },
    {
        attack: 'a message is sent that the contract refuses',
        source: 'issue 6: scripts',
        stoppedBy: 'the frame of scripts: what differs is named, messages are tried first',
        file: TRUST,
        test: 'The word of a script refuses before it sends what the contract would refuse',
    },
    {
        attack: 'fees of minus half a TON',
        source: 'issue 6: scripts',
        stoppedBy: 'the frame of scripts: what differs is named, messages are tried first',
        file: TRUST,
        test: 'The word of a script names what came home, and no negative payment',
    },
    {
        attack: 'a check asks for a wallet where nobody can answer, and ends with 0',
        source: 'issue 6: scripts',
        stoppedBy: 'the frame of scripts: what differs is named, messages are tried first',
        file: TRUST,
        test: 'A script that reads is called so that it asks for no wallet, and no other is',
    },
    {
        attack: 'one answer says that an order’s time is over while it is on its way',
        source: 'issue 6: outcome unknown',
        stoppedBy: 'that an order lapsed is heard several times, and of every endpoint',
        file: WALLET,
        test: 'A wallet whose API fails does not think an order lapsed for one answer about the time',
    },
];
