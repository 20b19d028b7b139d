/**
 * What the model stores. All of it is plain data: numbers, bigints, strings, lists and maps. Amounts are nanoTON, times
 * unix seconds. An account is the hex of its 256 bits (or any other text, where no chain is compared); one of the
 * masterchain begins with `-1:`. A key is a name, and a signature is the text of what it signs (`signed`).
 */
export type Account = string;
export type Key = string;
export type Signature = string;

/** The money of one job. Fields as `channelState` returns them. */
export interface Channel {
    kind: 'channel';
    balance: bigint;
    escrow: Account;
    payout: Account;
    voucherKey: Key;
    notice: number;
    job: number;
    paid: bigint;
    refundAt: number;
    library: boolean; // its code is a library of the masterchain
}

/** The deposit of one client. Fields as `escrowState` returns them. */
export interface Escrow {
    kind: 'escrow';
    balance: bigint;
    owner: Account;
    spendKey?: Key;
    jobLimit: bigint;
    dayLimit: bigint;
    seqno: number;
    day: number;
    spent: bigint;
    code?: 'plain' | 'library'; // of new channels
}

export interface Terms {
    escrow: Account;
    provider: Account;
    node: Account;
    receiptKey: Key;
    payout: Account;
    voucherKey: Key;
    rates: readonly [bigint, bigint, bigint, bigint];
    step: bigint;
    variant: number; // tells terms apart that are otherwise the same
}

export interface Accept {
    kind: 'accept';
    job: string;
    number: number;
    request: string;
    ceiling: bigint;
    deadline: number;
    signature: Signature;
}

export interface Result {
    kind: 'result';
    job: string;
    number: number;
    index: number;
    content: string;
    counts: readonly [number, number, number, number];
    price: bigint;
    cumulative: bigint;
    finishedAt: number;
    signature: Signature;
}

export interface RefusalReceipt {
    kind: 'decline' | 'fail';
    job: string;
    number: number;
    request: string;
    signedAt: number;
    signature: Signature;
}

export type Receipt = Accept | Result | RefusalReceipt;

export type FaultClass = 'A1' | 'A2' | 'A3' | 'B1';

/** What the evidence of a report proves, before the node's keys and dates are looked at. */
export interface Breach {
    class: FaultClass;
    job: string;
    query: number;
    date: number;
    loss: bigint;
    about: string; // the request or content that an answer must fit
    firstPiece: number;
}

export interface RuleSet {
    evidence: number;
    response: number;
    verdict: number;
    buffer: number;
    unbonding: number;
    payoutDelay: number;
    baseStake: bigint;
    insurance: Account;
    rates: readonly bigint[]; // nanoTON a GPU, by class; 0: none
}

export interface Committee {
    threshold: number;
    keys: readonly Key[]; // in the order in which members vote
}

export interface Rules extends RuleSet {
    version: number;
    nodeVersions: number; // so many codes of a Node
    dispute: number; // number of the newest code of a Dispute
    committee: Committee;
}

export type RulesChange =
    | { kind: 'rules'; set: RuleSet }
    | { kind: 'committee'; committee: Committee }
    | { kind: 'code'; of: 'provider' | 'node' | 'escrow' | 'channel' | 'dispute'; number: number }
    | { kind: 'other' };

export interface Registry {
    kind: 'registry';
    balance: bigint;
    governor: Account;
    nextGovernor?: Account;
    delay: number;
    paused: boolean;
    rules?: Rules; // none before Launch
    codes: Readonly<Record<'provider' | 'node' | 'escrow' | 'channel' | 'dispute', number>>;
    pending?: { change: RulesChange; executeAt: number };
}

/** What receipts of a key have cost, what its open cases dispute, and how much of that is frozen. */
export interface KeyLedger {
    slashed: bigint;
    disputed: bigint;
    frozen: bigint;
}

export interface EndedKey extends KeyLedger {
    key: Key;
    serial: number;
    endsAt: number;
    freeAt: number;
}

export interface Node {
    kind: 'node';
    balance: bigint;
    provider: Account;
    number: number;
    state: 'new' | 'open' | 'closed';
    codeVersion: number;
    owner: Account;
    registry: Account;
    share: bigint;
    gpus: number;
    gpuClass: number;
    clearAt: number;
    receiptKey?: Key;
    encryptionKey?: Key;
    ended: readonly (EndedKey | undefined)[];
    evidence: number;
    current: KeyLedger;
    pastShare: bigint;
    pastUntil: number;
    slashedAt: Readonly<Record<FaultClass, number>>; // time of the last slash, 0: none
    forgotten: KeyLedger; // keys whose slots were used again while a case was open
    forgottenUntil: number;
    serial: number; // of the current key, or of the last one if there is none
}

export interface Listing {
    gpuClass: number;
    gpus: number;
    receiptKey: Key;
    encryptionKey: Key;
    wrong?: 'ErrWrongService' | 'ErrWrongOffers' | 'ErrWrongAttestation'; // a part that breaks its bounds
}

export type Change =
    | { kind: 'offers'; wrong?: boolean }
    | { kind: 'service'; wrong?: boolean }
    | { kind: 'keys'; receiptKey: Key; encryptionKey: Key; oldEndsAt: number }
    | { kind: 'endKey'; receiptKey: Key }
    | { kind: 'attestation'; wrong?: boolean }
    | { kind: 'other' };

/** The longest windows of all rules that a Provider has followed since it last adopted rules without an open node. */
export interface Windows {
    evidence: number;
    cases: number; // response, buffer, and the longer of the verdict window and the span of a demand
    unbonding: number;
}

export interface StakeSlot {
    amount: bigint;
    unlockAt: number;
}

/** What is counted for one version of node code. */
export interface Version {
    shares: bigint;
    nodes: number;
    gpus: number;
    maxShare: bigint;
    slashable: bigint;
    frozen: bigint;
    cases: number;
    pendingVerdicts: number;
}

export interface Provider {
    kind: 'provider';
    balance: bigint;
    registry: Account;
    owner: Account;
    operator?: Account;
    payout: Account;
    nextPayout: Account;
    nextPayoutAt: number;
    joining?: number; // the code version that a Join under way names
    joined: boolean;
    codeVersion: number;
    stake: bigint;
    slots: readonly (StakeSlot | undefined)[];
    nextNumber: number;
    rules?: Rules; // none before it joined
    versions: readonly Version[];
    opened: number;
    strikes: number;
    strikeAt: number;
    jailedUntil: number;
    disputeBefore: number; // the code of Disputes of before `disputeSince`, -1: none
    disputeSince: number;
    windows: Windows;
    lockedUntil: number; // until when the hold of earlier windows lasts
    verdicts: readonly { at: number; amount: bigint }[]; // newest first
}

/** One fault as the Node found it. */
export interface Fault extends Breach {
    amount: bigint;
    bond: bigint;
    basis: bigint;
    key: Key;
    keySerial: number;
    reporter: Account;
    victim: Account;
    payout: Account;
    voucherKey: Key;
    channel: Account;
    maxPoints: number; // basis points that the amount stands for
    node: number;
    nodeVersion: number;
    account: Account; // of the node
}

/** The rules that a case keeps. */
export interface CaseRules {
    version: number;
    response: number;
    verdict: number;
    insurance: Account;
    owner: Account;
    committee: Committee;
}

export interface Dispute {
    kind: 'dispute';
    balance: bigint;
    provider: Account;
    class: FaultClass;
    state: 'new' | 'open' | 'closed';
    stuck: boolean; // its end did not reach the Provider
    answerBy: number;
    decideFrom: number;
    clearAt: number;
    bond: bigint;
    stated: boolean;
    fault?: Fault;
    rules?: CaseRules;
    guilty: boolean;
    slash: bigint; // of its last end
    slashed: bigint; // of all ends of an A1 or A2
    loss: bigint; // the largest that was shown
    sentAt: number; // time of the last message to the Provider
}

export type Contract = Channel | Escrow | Registry | Provider | Node | Dispute;
