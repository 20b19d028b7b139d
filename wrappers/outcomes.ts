/**
 * The possible ends of a report, in nanoTON, before it is sent: the rules of docs/contracts/dispute.md as arithmetic.
 */
import { FaultClass, faultClasses, faultOutcomes, liabilityRules } from './faults';
import { larger, smaller } from './price';

/** The liability of a key, from the getters of node and provider; amounts in nanoTON. */
export interface Liability {
    basis: bigint; // of which the shares of a class are basis points
    slashed: bigint; // that receipts of the key have cost
    stake: bigint; // with the slots of stake that is on its way out
    slashableByVerdict: bigint; // that verdicts may take now
    minSlash: bigint; // that a slash for A1 or A2 takes at least
    cost: bigint; // of showing a fault: the smallest reward, unless the victim's part leaves less
    twiceAt: bigint; // unix seconds of the last slash of the class, 0 for never; so are the others
    excessAt: bigint;
    silentAt: bigint;
    wrongAt: bigint;
}

/** One way in which a report may end; amounts in nanoTON, without the fees. */
export interface FaultOutcome {
    end: keyof typeof faultOutcomes;
    when: string;
    slash: bigint; // of a verdict the maximum, of others the amount if no other slash comes first
    victim: bigint; // to the escrow that the terms name
    reporter: bigint; // reward
    bond: (typeof faultOutcomes)[keyof typeof faultOutcomes]['bond'];
}

const { reward, maxReward } = liabilityRules;

/** The ends that a report of this class can have; `loss` as the contract counts it, `date` what the receipts say. */
export function outcomesOf(
    { class: faultClass, loss, date }: { class: FaultClass; loss: bigint; date: number },
    liability: Liability,
): FaultOutcome[] {
    const { basis, slashed, stake, cost } = liability;
    const amount = amountOf(faultClass, loss, date, liability);
    return faultClasses[faultClass].outcomes.map((end) => {
        const { when, slashes, bond } = faultOutcomes[end];
        const slash = slashes ? smaller(larger(smaller(amount, basis - slashed), 0n), stake) : 0n;
        const victim = smaller(loss, slash / 2n);
        const reporter = smaller(larger(smaller((slash * reward) / 10_000n, maxReward), cost), slash / 2n - victim);
        return { end, when, slash, victim, reporter, bond };
    });
}

// What a slash takes if the key's share and the stake suffice.
function amountOf(faultClass: FaultClass, loss: bigint, date: number, liability: Liability): bigint {
    const { decidedBy, name, share, lossTimes } = faultClasses[faultClass];
    const { basis, slashableByVerdict, minSlash } = liability;
    const last = liability[`${name}At`];
    const rate = last !== 0n && BigInt(date) > last ? share.repeat : share.first;
    switch (decidedBy) {
        case 'node':
            return larger(lossTimes * loss, larger((basis * rate) / 10_000n, minSlash));
        case 'response':
            return lossTimes * loss + (smaller(loss, basis) * rate) / 10_000n;
        case 'committee':
            return smaller((basis * rate) / 10_000n, slashableByVerdict);
    }
}
