/** One attack that the contracts and the two processes withstand, with the test that proves it. */
export interface Attack {
    source: string; // where the attack comes from: one or more of `sources`, each with a detail after a colon
    attack: string; // one sentence
    stoppedBy: string; // one sentence
    file: string; // of the test, from the repository's root
    test: string; // full name, unique in its file
    removed?: string; // what was taken out of the code when the test was seen failing; absent: not tried yet
}

/** Something that `sources` name and that cannot be tried on this design. */
export interface Inapplicable {
    source: string;
    attack: string;
    reason: string;
}

/** What the words in `source` stand for. */
export const sources: Record<string, string> = {
    'payment channels': 'bugs of existing payment channels, and who can cheat in one',
    'Cocoon weakness': "the weaknesses 1 to 14 of Cocoon's first contracts",
    marketplaces: 'bugs that audits found in staking and escrow contracts elsewhere, and what is tried there',
    'bad input': 'the bad input that this project must refuse',
    'fault kind': 'kinds of fault that were found in the finished code; see "Kinds of fault" below',
    guarantee: 'a guarantee of the README, tried directly',
    review: 'what reviewers of the finished code found',
};
