// Longer than 350 lines because it is one list.
/**
 * What holds each guarantee of the README: tests, the rows of the access table, what is proved of the arithmetic, and
 * predicates of random play. docs/guarantees.md is generated from this list; tests/guarantees.spec.ts checks that
 * everything in it exists.
 */

/** A test by its file, from the repository's root, and its full title, unique in the file. */
export interface NamedTest {
    file: string;
    test: string;
}

export interface Guarantee {
    /** What the tests are about: a part of the guarantee. */
    parts: { says: string; tests: NamedTest[] }[];
    /** Rows of the access table, by contract. */
    access: Record<string, string[]>;
    /** Properties of tests/smt/properties.ts. */
    proved: string[];
    /** Predicates of models that are searched or played at random: by file, the text or function that is checked. */
    watched: Record<string, string[]>;
}

const test = (file: string, title: string): NamedTest => ({ file: `tests/${file}`, test: title });

/** By the number in the README. */
export const guarantees: Record<number, Guarantee> = {
    1: {
        parts: [
            {
                says: "A deposit is one client's, and only the client's keys move it",
                tests: [
                    test('escrow/withdraw.spec.ts', 'Escrow: Withdraw refuses anyone but the owner'),
                    test('escrow/withdraw.spec.ts', "Escrow: Withdraw leaves another client's escrow alone"),
                    test('escrow/open.spec.ts', 'Escrow: Open refuses anyone but the owner'),
                    test(
                        'flows/jobs.spec.ts',
                        'Several jobs at once of two clients with one node touch neither the other escrow nor its limits',
                    ),
                ],
            },
            {
                says: 'A stake follows only rules whose hash its owner signed',
                tests: [
                    test(
                        'provider/consent.spec.ts',
                        'An owner who names the rules follows those and no others, and gets his value back',
                    ),
                    test(
                        'provider/consent.spec.ts',
                        'An owner who names the rules joins under those and no others, and has his stake back',
                    ),
                ],
            },
            {
                says: "A stolen spend key costs at most the day's limit and the open jobs",
                tests: [
                    test(
                        'escrow/open-jobs.spec.ts',
                        'Escrow: OpenJobs with limits stops a thief who opens the smallest jobs: he moves no more than the day limit',
                    ),
                    test(
                        'escrow/open-jobs.spec.ts',
                        'Escrow: OpenJobs with limits stops a thief who signs orders that open nothing: they cost no more than the day limit',
                    ),
                ],
            },
        ],
        access: {
            Escrow: ['SetUp', 'Open', 'LeaveJob', 'Withdraw', 'OpenJobs', 'JobOrder'],
            Channel: ['Claim', 'ClaimLast', 'Leave', 'Refund'],
            Provider: ['Unbond', 'WithdrawStake', 'WithdrawSurplus', 'Adopt', 'RulesGiven', 'SetPayout'],
        },
        proved: [
            'A refund sends the escrow the whole balance and the caller no more than its value, and leaves nothing',
        ],
        watched: {
            'tests/fuzz/guarantees.ts': ['onlyKeysMove'],
            'tests/exhaust/scenes/clients.ts': ['onlyKeysMove', 'jobsAreWithinLimit'],
        },
    },
    2: {
        parts: [
            {
                says: "Every voucher is paid, up to the job's deposit",
                tests: [
                    test(
                        'channel/claim.spec.ts',
                        'Channel: Claim pays the largest amount a voucher can name no further than the balance',
                    ),
                    test(
                        'channel/claim-last.spec.ts',
                        'Channel: ClaimLast pays what the voucher says, sends the rest to the escrow, and leaves no account',
                    ),
                    test(
                        'library/absence.spec.ts',
                        'While the library is absent a claim comes back and the voucher pays later, every nanoTON of it',
                    ),
                ],
            },
            {
                says: "One message is enough, without anybody's help",
                tests: [
                    test(
                        'flows/lonely.spec.ts',
                        'at the prices of 2025 a provider whose client has vanished is paid in one message, without waiting',
                    ),
                    test('flows/query-to-payout.spec.ts', 'From query to payout pays a provider whose client is gone'),
                ],
            },
        ],
        access: { Channel: ['Claim', 'ClaimLast', 'ClaimLast: without a voucher', 'TopUp'] },
        proved: [
            'A claim pays exactly the lesser of the voucher and what the job has had, less what was paid before',
            '`paid` rises with each claim, and never above the voucher or what the job has had; it fits its 64 bits',
            "A claim by anyone pays the payout what is due, of the job's money, and the caller the rest of the value",
            'A claim by the payout sends it what is due and its value, less the fees',
            'The last claim pays the payout what is due and the escrow all else, and leaves nothing',
            'A top-up, however large, is refused by a job that has had less than the highest voucher says',
        ],
        watched: {
            'tests/fuzz/home.ts': ['payoutGoals'],
            'tests/exhaust/scenes/clients.ts': ['jobsKeepTheirTerms'],
            'tests/protocol/invariants.ts': [
                'no acknowledged voucher is lost',
                'the worker is paid for every voucher that it holds',
            ],
        },
    },
    3: {
        parts: [
            {
                says: 'A client leaves alone, and the rest comes back',
                tests: [
                    test(
                        'flows/lonely.spec.ts',
                        'at the prices of 2025 a client whose provider has vanished has its money back after the notice, with the spend key alone',
                    ),
                    test(
                        'flows/lonely.spec.ts',
                        'at the prices of 2025 a client has its money back with its wallet alone, when the spend key is lost',
                    ),
                    test(
                        'flows/query-to-payout.spec.ts',
                        'From query to payout refunds a client whose worker is gone, after the notice',
                    ),
                ],
            },
            {
                says: 'Nobody can put off the notice or the end',
                tests: [
                    test('channel/leave.spec.ts', 'Channel: Leave cannot be postponed by a second Leave'),
                    test(
                        'channel/leave.spec.ts',
                        'Channel: Leave cannot be called off by a top-up, not even by the client',
                    ),
                    test(
                        'channel/refund.spec.ts',
                        "Channel: Refund sends the rest to the escrow at the job's end, without a Leave",
                    ),
                ],
            },
        ],
        access: { Channel: ['Leave', 'Refund'], Escrow: ['LeaveJob', 'JobOrder'] },
        proved: [
            'Leave only brings the refund nearer, never below the notice, and the time fits its 32 bits',
            'All claims of a job and its rest are exactly what it has had: no claim changes paid + balance',
        ],
        watched: {
            'tests/fuzz/home.ts': ['clientGoals'],
            'tests/exhaust/home.ts': ['waysHome'],
        },
    },
    4: {
        parts: [
            {
                says: 'A worker delivers no more than one step without a voucher',
                tests: [
                    test(
                        'offchain/worker/stream.spec.ts',
                        'an answer rule 5: stops within a step when nobody pays, and goes on at the next voucher',
                    ),
                    test(
                        'offchain/worker/nothing.spec.ts',
                        'A client that pays nothing gets one step of work over three jobs with four queries each, and no more',
                    ),
                    test(
                        'offchain/worker/stream.spec.ts',
                        'an answer rule 5: has no model run whose prompt is more than what earlier results leave of a step',
                    ),
                ],
            },
            {
                says: 'Neither loses more, whatever is killed, lost or forged',
                tests: [
                    test(
                        'protocol/replay/replay.spec.ts',
                        'A real gateway and a real worker are where the model is, after each step of some traces',
                    ),
                    test('protocol/model.spec.ts', 'The model of one query tells that a worker goes on unpaid'),
                ],
            },
            {
                says: 'A gateway pays for what arrived',
                tests: [
                    test(
                        'offchain/gateway/query.spec.ts',
                        'One query rule 7: pays for a running answer at every quarter of a step, on another connection',
                    ),
                ],
            },
        ],
        access: {},
        proved: [],
        watched: {
            'tests/protocol/invariants.ts': [
                'a worker is never unpaid beyond one step for the query that runs',
                'a client is billed no more than a step beyond what arrived of a query',
            ],
        },
    },
    5: {
        parts: [
            {
                says: 'A pause stops nothing but arrivals',
                tests: [
                    test('dispute/twice.spec.ts', 'ReportTwice slashes while the registry is paused'),
                    test(
                        'registry/guards.spec.ts',
                        'Registry announces the change of a node while it is paused, but no new node',
                    ),
                ],
            },
            {
                says: 'New rules count only after the own message of a provider, and what is open keeps its rules',
                tests: [
                    test(
                        'dispute/verdict.spec.ts',
                        'The committee that was replaced while the case is open still judges it, and the new one does not',
                    ),
                    test(
                        'registry/changes.spec.ts',
                        'Registry: changes that wait keeps the old rules until the delay has passed, then anyone executes',
                    ),
                    test(
                        'regression/windows.spec.ts',
                        'A shorter evidence window voids nothing that was signed before its provider adopted it',
                    ),
                ],
            },
        ],
        access: {
            Registry: ['AnnounceNode', 'AnnounceSelf: a change', 'AskRules'],
            Provider: ['Unbond', 'WithdrawStake', 'CloseNode', 'CaseClosed: guilty'],
            Node: ['ReportTwice', 'ReportExcess', 'DemandAnswer', 'ReportWrong'],
        },
        proved: [],
        watched: {
            'tests/fuzz/home.ts': ['providerGoals', 'reporterGoals'],
        },
    },
    6: {
        parts: [
            {
                says: 'A slash follows from signatures and arithmetic, or from a capped verdict of M of N',
                tests: [
                    test(
                        'dispute/twice.spec.ts',
                        'ReportTwice slashes a fifth of the share for two results of one query: victim, reporter, insurance, to the nanoTON',
                    ),
                    test(
                        'dispute/verdict.spec.ts',
                        'The committee that is bribed takes a tenth of the stake a day and a fifth in two weeks, and no member earns',
                    ),
                    test(
                        'dispute/twice.spec.ts',
                        'What a node says of faults is taken from nobody else by its Provider',
                    ),
                ],
            },
            {
                says: 'No client can have an honest node slashed',
                tests: [
                    test(
                        'flows/disputes-honest.spec.ts',
                        'An honest worker A1: signs nothing that excludes anything, whatever a client repeats',
                    ),
                    test(
                        'flows/disputes-honest.spec.ts',
                        'An honest worker A2: bills what counts, neighbours and ceiling allow',
                    ),
                    test(
                        'flows/disputes-honest.spec.ts',
                        'An honest worker A3: answers after it was killed between the answer and the demand',
                    ),
                ],
            },
        ],
        access: {
            Provider: ['FaultFound', 'CaseClosed: guilty', 'ShareSlashed', 'ShareReleased'],
            Node: ['SlashShare', 'ReleaseShare', 'ReportTwice', 'ReportExcess', 'DemandAnswer', 'ReportWrong'],
            Dispute: ['OpenCase', 'PostPiece', 'PostFail', 'PostVoucher', 'SubmitVerdict', 'DecideCase'],
        },
        proved: [
            'A report of any class asks for no more than the share of the key still bears, and for something',
            'Half of a slash for an A2 or A3 is the whole loss of the victim at least, if the share bears the slash',
            'A demand costs 2.02 times what was not delivered at most, a B1 a fifth of the share',
            'A case freezes no more than the share bears, nor than all cases of the key dispute, and unfreezes nothing',
            'A verdict within its maximum takes no more than the case can cost, and all of it at the maximum',
            'A larger loss of the same fault takes twice the difference at least, and no more than the fault can cost',
            'All receipts of a key together cost no more than the share, and a slash no more than its message says',
            'The end of a case unfreezes only, leaves no more frozen than disputed, and none that the share cannot bear',
            'A slash takes no more than the Node says, its version counts, stake and slots are, and the account holds',
            'Slots and stake fall by exactly the slash, none below 0, and the stake only after the slots are empty',
            'The parts of victim, reporter and insurance add up to the slash; the victim comes first, and half is the most',
            'What a slash takes goes to victim, reporter and insurance, and the value of the message pays all else',
        ],
        watched: {
            'tests/fuzz/guarantees.ts': ['honestIsNotSlashed', 'receiptIsCovered', 'stakeIsCovered'],
            'tests/exhaust/scenes/providers.ts': ['slashesAreShared', 'receiptsAreCovered', 'stakeIsKept'],
            'tests/protocol/invariants.ts': [
                'no client holds two receipts that exclude each other',
                'no honest worker is blamed',
            ],
        },
    },
    7: {
        parts: [
            {
                says: 'The first and the thousandth cost the same gas',
                tests: [
                    test(
                        'flows/thousand.spec.ts',
                        'A thousand clients of one provider cost the same gas to set up: the thousandth, the first and all between',
                    ),
                    test(
                        'flows/thousand.spec.ts',
                        'A thousand clients of one provider cost the same gas to open a job, to claim from it and to end it: a hundred of them, the thousandth among them',
                    ),
                ],
            },
        ],
        access: {},
        proved: [],
        watched: {},
    },
    8: {
        parts: [
            {
                says: 'Neither side logs prompts and answers',
                tests: [
                    test(
                        'offchain/worker/log.spec.ts',
                        'the log never holds a word of a prompt or an answer, whatever goes wrong',
                    ),
                    test(
                        'offchain/gateway/requests.spec.ts',
                        'Requests to the gateway never writes prompts or answers to its log',
                    ),
                ],
            },
            {
                says: 'With an attested node only the measured image reads them',
                tests: [
                    test(
                        'offchain/attest/attestation.spec.ts',
                        'attestation is not good for an image that is not allowed',
                    ),
                    test(
                        'offchain/attest/tdx.spec.ts',
                        'attestation of tier tdx needs the image to be one that is allowed',
                    ),
                    test(
                        'offchain/attest/renewal.spec.ts',
                        'A node of tier testca is refused when its evidence is of an image that the client does not allow',
                    ),
                    test(
                        'offchain/worker/admission.spec.ts',
                        'a query, before it is accepted rule 2: is refused when a byte of the sealed request was changed',
                    ),
                ],
            },
        ],
        access: {},
        proved: [],
        watched: {},
    },
};
