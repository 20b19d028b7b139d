/** How long what ended stays liable: the one rule of docs/contracts/dispute.md, "How long". */
import { DAY } from './state';
import type { Windows } from './types';

export const SKEW = 60; // seconds by which a receipt may be dated after its key's end
export const SPAN = DAY + SKEW; // seconds by which an accept's deadline may pass its key's end
export const NOTICE = 120; // seconds for which a key signs on that its provider ends

interface RuleWindows {
    evidence: number;
    response: number;
    verdict: number;
    buffer: number;
    unbonding: number;
}

export const windowsOf = ({ evidence, response, verdict, buffer, unbonding }: RuleWindows): Windows => ({
    evidence,
    cases: response + buffer + Math.max(verdict, SPAN),
    unbonding,
});

export const longest = (one: Windows, other: Windows): Windows => ({
    evidence: Math.max(one.evidence, other.evidence),
    cases: Math.max(one.cases, other.cases),
    unbonding: Math.max(one.unbonding, other.unbonding),
});

export const holdOf = ({ evidence, cases, unbonding }: Windows): number =>
    Math.max(unbonding, NOTICE + evidence + cases);
