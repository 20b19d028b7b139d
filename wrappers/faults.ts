/**
 * The classes of faults as one table, made of the constants of the contracts. docs/contracts/dispute.md says what each
 * class is; everything else here reads this table.
 */
import * as dispute from '../build/Dispute/Dispute_Dispute';
import * as node from '../build/Node/Node_Node';

/** Rules of receipts, demands and slashes. */
export const liabilityRules = {
    clockSkew: Number(node.ClockSkew), // seconds
    answerSpan: Number(node.AnswerSpan), // seconds
    keyNotice: Number(node.KeyNotice), // seconds for which a key that its provider ends still signs
    keySlots: Number(node.KeySlots), // ended keys that a node remembers
    pieceBytes: Number(node.PieceBytes), // of an answer
    maxPieces: Number(node.MaxPieces), // that one demand may ask for, from its first on
    maxStrikes: Number(node.MaxStrikes),
    reward: node.RewardBasisPoints, // basis points of a slash, for the reporter
    maxReward: node.MaxReward, // nanoTON
} as const;

/** Basis points of stake and slots that verdicts may take within a day. */
export const verdictShare = node.VerdictsPerDay;

/** The outcomes of a closed Dispute in `getCaseState`. */
export const caseOutcomes = {
    innocent: dispute.OutcomeInnocent,
    guilty: dispute.OutcomeGuilty,
    draw: dispute.OutcomeDraw,
} as const;

/**
 * The ends that a report may have. Of the bond, `part` comes back without the cost of the answer, and `lost` goes to
 * the insurance.
 */
export const faultOutcomes = {
    slashed: { when: 'at once', slashes: true, bond: 'none' },
    answered: { when: 'the node answers in time: an honest one does', slashes: false, bond: 'part' },
    unanswered: { when: 'no answer in time, and somebody has it decided', slashes: true, bond: 'back' },
    acquitted: { when: 'the committee acquits', slashes: false, bond: 'lost' },
    draw: { when: 'the committee is silent: a draw', slashes: false, bond: 'back' },
    convicted: { when: 'the committee convicts, at most', slashes: true, bond: 'back' },
} as const;

interface FaultClassRow {
    number: number; // on chain, in the address of a Dispute
    name: string; // as in the contracts; the last slash of a class is `<name>At` of the node's record
    report: 'twice' | 'excess' | 'demand' | 'wrong'; // in `reports`, and in the node's `reportValues`
    bond: 'demandBond' | 'wrongBond' | undefined; // in `reportValues`
    decidedBy: 'node' | 'response' | 'committee'; // `response`: whoever answers a demand within its window
    share: { first: bigint; repeat: bigint }; // basis points; `repeat` when the receipt is dated after the last slash
    lossTimes: bigint; // a slash takes at least so many times the loss
    waitsAfterDate: number; // seconds between the receipt's date and the first in which it can be shown
    maxAfterKeyEnd: number; // seconds by which the receipt's date may pass the end of its key
    outcomes: readonly (keyof typeof faultOutcomes)[];
}

/** The fault classes by the codes of the design. */
export const faultClasses = {
    A1: {
        number: Number(node.ClassTwice),
        name: 'twice',
        report: 'twice',
        bond: undefined,
        decidedBy: 'node',
        share: { first: node.TwiceFirst, repeat: node.TwiceRepeat },
        lossTimes: 0n,
        waitsAfterDate: 0,
        maxAfterKeyEnd: liabilityRules.clockSkew,
        outcomes: ['slashed'],
    },
    A2: {
        number: Number(node.ClassExcess),
        name: 'excess',
        report: 'excess',
        bond: undefined,
        decidedBy: 'node',
        share: { first: node.ExcessFirst, repeat: node.ExcessRepeat },
        lossTimes: node.ExcessTimes,
        waitsAfterDate: 0,
        maxAfterKeyEnd: liabilityRules.clockSkew,
        outcomes: ['slashed'],
    },
    A3: {
        number: Number(node.ClassSilent),
        name: 'silent',
        report: 'demand',
        bond: 'demandBond',
        decidedBy: 'response',
        share: { first: node.SilentFirst, repeat: node.SilentRepeat },
        lossTimes: node.SilentTimes,
        waitsAfterDate: 1, // the date is the accept's deadline, which must be over
        maxAfterKeyEnd: liabilityRules.answerSpan,
        outcomes: ['answered', 'unanswered'],
    },
    B1: {
        number: Number(node.ClassWrong),
        name: 'wrong',
        report: 'wrong',
        bond: 'wrongBond',
        decidedBy: 'committee',
        share: { first: node.WrongFirst, repeat: node.WrongRepeat },
        lossTimes: 0n,
        waitsAfterDate: 0,
        maxAfterKeyEnd: liabilityRules.clockSkew,
        outcomes: ['acquitted', 'draw', 'convicted'],
    },
} as const satisfies Record<string, FaultClassRow>;

export type FaultClass = keyof typeof faultClasses;

/** A class that a Dispute has to judge; the node decides the others at once. */
export type JudgedClass = {
    [C in FaultClass]: (typeof faultClasses)[C]['decidedBy'] extends 'node' ? never : C;
}[FaultClass];

export const faultClassCodes = Object.keys(faultClasses) as [FaultClass, ...FaultClass[]];

/** The class with this number on chain; undefined for a number that is none. */
export function faultClassOf(number: bigint): FaultClass | undefined {
    return faultClassCodes.find((code) => BigInt(faultClasses[code].number) === number);
}

/** Whether a Dispute has to judge this class. */
export function isJudged(code: FaultClass): code is JudgedClass {
    return faultClasses[code].decidedBy !== 'node';
}
