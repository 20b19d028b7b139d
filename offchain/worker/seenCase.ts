/** A case as an endpoint of the chain has it. */
import { caseOutcomes, type CaseState, caseStates, Dispute } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { ChainError, type ChainReader } from '../chain';
import type { CaseStanding } from '../store/worker';

const STANDINGS = new Map<bigint, CaseStanding>([
    [caseOutcomes.innocent, 'innocent'],
    [caseOutcomes.guilty, 'guilty'],
    [caseOutcomes.draw, 'draw'],
]);

/** A case as one endpoint has it. `state` is undefined where the account does not exist. */
export interface SeenCase {
    source: ChainReader;
    at: number; // unix seconds of the chain
    state: CaseState | undefined;
}

export type OpenCase = SeenCase & { state: CaseState };

export const isOpen = (view: SeenCase): view is OpenCase => view.state?.state === caseStates.open;

/** True if the time to answer is over. */
export const isLate = ({ at, state }: OpenCase): boolean => at > Number(state.answerBy);

const MAX_TIME = 0xffff_ffffn; // unix seconds, that a contract stores

/**
 * The case at an account.
 * @throws if the endpoint does not answer, or with what cannot be
 */
export async function readCase(source: ChainReader, address: Address): Promise<SeenCase> {
    const { state: account, at } = await source.account(address);
    if (account !== 'active') {
        return { source, at, state: undefined };
    }
    const state = await source.open(Dispute.fromAddress(address)).getCaseState();
    const isPossible = state.answerBy >= 0n && state.answerBy <= MAX_TIME && state.bond >= 0n;
    if (state.state === caseStates.open && !isPossible) {
        throw new ChainError('An endpoint shows an open case whose time or bond cannot be');
    }
    return { source, at, state };
}

/** The standing of an ended case in one reading; undefined while it is open. */
export function endOf({ state }: Pick<SeenCase, 'state'>): CaseStanding | undefined {
    if (state === undefined || state.state === caseStates.new) {
        return 'absent';
    }
    return state.state === caseStates.open ? undefined : STANDINGS.get(state.outcome)!;
}
