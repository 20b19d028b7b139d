/** What a report may come to, in nanoTON, before it is sent: the rules of docs/contracts/dispute.md as arithmetic. */
import { FaultClass } from './evidence';

/** What the getters of node and provider say of what a fault may cost; amounts in nanoTON. */
export interface Liability {
    basis: bigint; // of which the percentages are
    taken: bigint; // that receipts of the key have cost
    there: bigint; // stake and slots
    verdictsLeft: bigint; // that verdicts may take now
    least: bigint; // that a slash for A1 or A2 takes at least
    cost: bigint; // of showing a fault: the least reward, as far as the victim leaves it
    twiceAt: bigint; // unix seconds, 0 for never; so are the others
    excessAt: bigint;
    silentAt: bigint;
    wrongAt: bigint;
}

/** One way in which a report may end; amounts in nanoTON, beside the fees. */
export interface FaultOutcome {
    end: 'slashed' | 'answered' | 'unanswered' | 'acquitted' | 'silence' | 'convicted';
    when: string;
    slash: bigint; // of a verdict the most, of the others what it is if nothing else comes before
    victim: bigint; // to the escrow that the terms name
    reporter: bigint; // reward
    bond: 'none' | 'back' | 'part' | 'lost'; // part: comes back less what the answer cost; lost: to the insurance
}

const TON = 1_000_000_000n;
const MAX_REWARD = 20n * TON;
const min = (a: bigint, b: bigint) => (a < b ? a : b);
const max = (a: bigint, b: bigint) => (a > b ? a : b);

/** The ends that a report of this class can have; `loss` as the contract counts it, `date` what the receipts say. */
export function outcomesOf(
    { class: faultClass, loss, date }: { class: FaultClass; loss: bigint; date: number },
    liability: Liability,
): FaultOutcome[] {
    const { basis, taken, there, verdictsLeft, cost, twiceAt, excessAt, silentAt, wrongAt } = liability;
    const part = (last: bigint, first: bigint, repeat: bigint) => (last !== 0n && BigInt(date) > last ? repeat : first);
    const slashed = (
        end: FaultOutcome['end'],
        when: string,
        wanted: bigint,
        bond: FaultOutcome['bond'],
    ): FaultOutcome => {
        const slash = min(max(min(wanted, basis - taken), 0n), there);
        const victim = min(loss, slash / 2n);
        const reporter = min(max(min(slash / 10n, MAX_REWARD), cost), slash / 2n - victim);
        return { end, when, slash, victim, reporter, bond };
    };
    const nothing = (end: FaultOutcome['end'], when: string, bond: FaultOutcome['bond']): FaultOutcome => ({
        ...{ end, when, bond },
        ...{ slash: 0n, victim: 0n, reporter: 0n },
    });
    switch (faultClass) {
        case 'A1': {
            const wanted = max((basis * part(twiceAt, 20n, 100n)) / 100n, liability.least);
            return [slashed('slashed', 'at once', wanted, 'none')];
        }
        case 'A2': {
            const floor = max((basis * part(excessAt, 1n, 5n)) / 100n, liability.least);
            return [slashed('slashed', 'at once', max(3n * loss, floor), 'none')];
        }
        case 'A3': {
            const wanted = 2n * loss + (min(loss, basis) * part(silentAt, 1n, 2n)) / 100n;
            return [
                nothing('answered', 'the node answers in time: an honest one does', 'part'),
                slashed('unanswered', 'no answer in time, and somebody has it decided', wanted, 'back'),
            ];
        }
        case 'B1': {
            const wanted = min((basis * part(wrongAt, 5n, 20n)) / 100n, verdictsLeft);
            return [
                nothing('acquitted', 'the committee acquits', 'lost'),
                nothing('silence', 'the committee is silent: a draw', 'back'),
                slashed('convicted', 'the committee convicts, at most', wanted, 'back'),
            ];
        }
    }
}
