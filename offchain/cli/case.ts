/** A case as the commands print it. */
import type { CaseFile, CaseState } from '@cocoon-market/wrappers';
import {
    caseOutcomes,
    caseStates,
    codesOfThisCheckout,
    Dispute,
    numberToBytes,
    numberToHex,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Chain } from '../chain';
import { addressText } from '../process/addresses';

/** A case on chain at one moment. */
export interface CaseReading {
    state: CaseState;
    file: CaseFile;
    at: number; // unix seconds of the chain
}

/** The contract of the case at an address. */
export const openCase = (chain: Chain, address: Address) => chain.open(Dispute.fromAddress(address));

/**
 * The case at an address. Throws if the account does not run the Dispute of this release, or no case was opened there.
 * The address proves of which fault it is: an endpoint that says another would have a committee rule on that.
 */
export async function readCase(chain: Chain, address: Address): Promise<CaseReading> {
    const { state: account, code, at } = await chain.account(address);
    const name = addressText(address, chain);
    if (account !== 'active') {
        throw new Error(`There is no case at ${name}`);
    }
    if (code?.equals((await codesOfThisCheckout()).dispute) !== true) {
        throw new Error(`The account ${name} does not run the code of this release's Disputes: look at the address`);
    }
    const dispute = openCase(chain, address);
    const [state, file] = [await dispute.getCaseState(), await dispute.getFile()];
    if (file === undefined) {
        throw new Error(`No case was opened at ${name}`);
    }
    const { provider, job, query, nodeVersion } = state;
    const fault = {
        class: file.class,
        job: numberToBytes(job),
        query: Number(query),
        nodeVersion: Number(nodeVersion),
    };
    const proved = await Dispute.ofFault(provider, fault);
    if (!proved.address.equals(address) || !file.job.equals(fault.job) || file.query !== fault.query) {
        throw new Error(`The endpoint says of ${name} what its address does not prove: use another endpoint`);
    }
    return { state, file, at };
}

const OUTCOMES = new Map<bigint, string>(Object.entries(caseOutcomes).map(([name, number]) => [number, name]));
const STATES = new Map<bigint, string>(Object.entries(caseStates).map(([name, number]) => [number, name]));

/** A case as `cocoon dispute state --json` prints it. */
export type CaseDisplay = ReturnType<typeof displayOf>;

export function displayOf(chain: Chain, address: Address, { state, file }: CaseReading) {
    const about = file.about?.toString('hex');
    const statement = state.stated ? numberToHex(state.result) : undefined;
    return {
        dispute: addressText(address, chain),
        class: file.class,
        job: file.job.toString('hex'),
        query: file.query,
        state: STATES.get(state.state)!,
        outcome: OUTCOMES.get(state.outcome),
        provider: addressText(state.provider, chain),
        node: file.node,
        victim: addressText(new Address(0, file.victim), chain),
        reporter: addressText(file.reporter, chain),
        atStake: file.amount,
        loss: file.loss,
        bond: state.bond,
        slash: state.slash,
        ...(file.class === 'A3' && {
            request: about,
            first: file.firstPiece,
            missingPieces: Number(state.missingPieces),
        }),
        ...(file.class === 'B1' && {
            accusation: about,
            statement,
            maxBasisPoints: file.maxBasisPoints,
            rules: file.rulesVersion,
        }),
        answerBy: Number(state.answerBy),
        decideFrom: Number(state.decideFrom),
        clearAt: Number(state.clearAt),
    };
}

/** SHA-256 of a file: what stands for it on chain. */
export function hashOf(path: string): Buffer {
    return createHash('sha256').update(readFileSync(path)).digest();
}
