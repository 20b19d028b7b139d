/**
 * What the model keeps of providers, nodes and cases. Amounts are nanoTON, times unix seconds, accounts the hex of 256
 * bits.
 */
import { FaultClass } from '../../../wrappers/faults';
import { Rules } from '../../../wrappers/Registry';

export const DAY = 86_400;
export const SKEW = 60; // seconds by which a receipt may be dated ahead
export const SPAN = DAY + SKEW; // seconds by which an accept's deadline may pass its key's end
export const NOTICE = 120; // seconds for which a key goes on that its provider ends
export const SLOTS = 4; // of a stake, and of a node's ended keys

export type ModelRules = Rules & { version: number; dispute: number; committee: number };

export interface Payment {
    from: string;
    to: string;
    value: bigint;
}

/** What a message does: who refuses it with which code, or who is paid exactly how much. */
export interface Outcome {
    refused?: { by: string; code: string };
    paid: Payment[];
}

export class Refusal extends Error {
    constructor(
        readonly by: string,
        readonly code: string,
    ) {
        super(code);
    }
}

interface EndedKey {
    key: string;
    endsAt: number;
    freeAt: number;
    taken: bigint;
    asked: bigint; // what open cases about its receipts ask for
    frozen: bigint; // what of it is frozen: never more than the share still bears
}

export interface ModelNode {
    account: string;
    number: number;
    state: 'open' | 'closed' | 'cleared';
    gpuClass: number;
    share: bigint;
    gpus: number;
    clearAt: number;
    key?: string;
    ended: (EndedKey | undefined)[];
    evidence: number;
    taken: bigint;
    asked: bigint;
    frozen: bigint;
    forgotten: { taken: bigint; until: number; asked: bigint; frozen: bigint }; // what keys have cost whose slots were used again while a case was open
    pastShare: bigint;
    pastUntil: number;
    last: Record<FaultClass, number>; // time of the last slash of each class, 0 for none
    most: bigint; // the highest share it ever had
    cost: Map<string, bigint>; // what each key's receipts have cost
}

/** One accusation as a reporter makes it. */
export interface Claim {
    class: FaultClass;
    key: string;
    job: string;
    query: number;
    date: number;
    loss: bigint; // of the victim: the price, the excess, or the smaller of ceiling and step
    reporter: string;
    victim: string;
    payout: string;
    dispute: number; // which code of a Dispute the reporter brings
    flaw?: string; // the exit code that evidence of this shape meets whatever the node's state
}

export interface ModelCase extends Claim {
    account: string;
    node: ModelNode;
    state: 'open' | 'closed';
    amount: bigint;
    bond: bigint;
    most: number; // basis points that the amount stands for
    answerBy: number;
    decideFrom: number;
    openedAt: number;
    clearAt: number;
    stated: boolean;
    rules: ModelRules;
    basis: bigint; // the node's share when it was shown
    counted: bigint; // the largest loss that was shown
    asked: bigint; // of an A1 or A2, in all
}

export interface ModelProvider {
    account: string;
    owner: string;
    rules: ModelRules;
    stake: bigint;
    slots: ({ amount: bigint; unlockAt: number } | undefined)[];
    shares: bigint;
    largest: bigint; // share that one of its nodes was given or asked for
    slashable: bigint; // what receipts of its nodes may still cost; all have the same version of code
    nodes: ModelNode[];
    frozen: bigint;
    strikes: number;
    strikeAt: number;
    jailedUntil: number;
    disputeBefore: number;
    disputeSince: number;
    verdicts: { at: number; amount: bigint }[]; // newest first
    followed: ModelRules[]; // all that still hold something: since it last adopted rules without an open node
    lockedUntil: number; // until when the hold of before that moment lasts
    cases: Map<string, ModelCase>;
    in: bigint; // all that was ever put into the stake
    out: bigint; // all that went home or was slashed
}

export const basisPoints = (of: bigint, rate: number) => (of * BigInt(rate)) / 10_000n;
export const min = (...of: bigint[]) => of.reduce((a, b) => (b < a ? b : a));
export const max = (...of: bigint[]) => of.reduce((a, b) => (b > a ? b : a));

export function refuseIf(condition: boolean, by: string, code: string): void {
    if (condition) {
        throw new Refusal(by, code);
    }
}

/** All that a slash can take. */
export function there(p: ModelProvider): bigint {
    return p.slots.reduce((sum, slot) => sum + (slot?.amount ?? 0n), p.stake);
}

export function openNodes(p: ModelProvider): number {
    return p.nodes.filter(({ state }) => state === 'open').length;
}
