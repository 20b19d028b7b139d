/**
 * The consent of a provider's owner to rules. A node or a dispute with a code of these rules can slash all the stake,
 * so the owner adopts only known codes.
 */
import { type Address, Cell } from '@ton/core';
import type { Actor } from './actions/actor';
import { codesOfThisCheckout, registryCode } from './codes';
import { type CodeConsent, readAccount } from './market/chain';
import { codeHash } from './marketRecord';
import { codeId, parseRules } from './Registry';
import { bytesToNumber, numberToHex } from './bytes';

/** The rules name, or the registry runs, a code that this release of the wrappers does not know. */
export class UnknownCode extends Error {
    readonly code = 'UnknownCode';
    readonly remedy = 'Use the release that the market runs, or agree to any code (anyCode) after reading it.';

    constructor(
        readonly kind: 'node' | 'dispute' | 'registry',
        readonly hash: string, // hex
        readonly depth: number,
    ) {
        super(
            `The market has a code of a ${kind} that is not this release's, ${hash} of depth ${depth}: whoever follows it trusts it with all ` +
                'the stake',
        );
        this.message += `. ${this.remedy}`;
        this.name = 'UnknownCode';
    }
}

/**
 * The hash of these rules (struct Rules), which Join and Adopt name. `previous`: rules that were agreed to earlier.
 * @throws {UnknownCode} when a code of nodes or disputes is neither this release's nor in `previous`, unless `anyCode`
 */
export async function agreedRules(rules: Cell, { previous, anyCode }: Agreed = {}): Promise<bigint> {
    if (anyCode !== true) {
        const knownCodes = [await releaseCodes(), ...(previous ? [codesIn(previous)] : [])];
        const namedCodes = codesIn(rules);
        for (const kind of ['node', 'dispute'] as const) {
            for (const { hash, depth } of namedCodes[kind]) {
                // The depth matters too, because the address follows from hash and depth.
                if (
                    !knownCodes.some((codes) => codes[kind].some((each) => each.hash === hash && each.depth === depth))
                ) {
                    throw new UnknownCode(kind, numberToHex(hash), Number(depth));
                }
            }
        }
    }
    return bytesToNumber(rules.hash());
}

/**
 * Refuses a registry of another code: it may say other rules than it gives to its providers, and any codes with them.
 * @throws {UnknownCode} unless `anyCode`
 */
export async function requireRegistry(
    chain: Pick<Actor, 'open'>,
    address: Address,
    { anyCode }: CodeConsent = {},
): Promise<void> {
    const { code } = await readAccount(chain, address);
    if (anyCode !== true && code?.equals(await registryCode()) !== true) {
        throw new UnknownCode('registry', code === undefined ? 'none' : codeHash(code), code?.depth() ?? 0);
    }
}

interface Agreed extends CodeConsent {
    previous?: Cell | null;
}

type Codes = Record<'node' | 'dispute', { hash: bigint; depth: bigint }[]>;

function codesIn(rules: Cell): Codes {
    const { nodeCodes, dispute } = parseRules(rules);
    return { node: nodeCodes, dispute: dispute.hash === 0n ? [] : [dispute] };
}

async function releaseCodes(): Promise<Codes> {
    const { node, dispute } = await codesOfThisCheckout();
    return { node: [codeId(node)], dispute: [codeId(dispute)] };
}
