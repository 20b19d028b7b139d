/** What a report may come to, in nanoTON, before it is sent: the rules of docs/contracts/dispute.md as arithmetic. */
import { FaultClass } from './evidence';

/** How much of the node's share counts and when each class was slashed last, as the node's getter says. */
export interface Liability {
    basis: bigint; // nanoTON
    taken: bigint; // nanoTON, of the current key
    twiceAt: bigint; // unix seconds, 0 for never; so are the others
    excessAt: bigint;
    silentAt: bigint;
    wrongAt: bigint;
}

/** One way in which a report may end; amounts in nanoTON, beside the fees. */
export interface Outcome {
    when: string;
    slash: bigint; // the most; A1 and A2 take more where a share is so small that showing it would not pay
    victim: bigint; // to the escrow that the terms name
    reporter: bigint; // reward
    bond: 'none' | 'back' | 'lost';
}

const TON = 1_000_000_000n;
const REWARD_MOST = 20n * TON;
const least = (a: bigint, b: bigint) => (a < b ? a : b);
const most = (a: bigint, b: bigint) => (a > b ? a : b);

/** The ends that a report of this class can have; `loss` as the contract counts it, `date` what the receipts say. */
export function outcomesOf(
    { class: faultClass, loss, date }: { class: FaultClass; loss: bigint; date: number },
    liability: Liability,
): Outcome[] {
    const { basis, twiceAt, excessAt, silentAt, wrongAt } = liability;
    const part = (last: bigint, first: bigint, repeat: bigint) => (last !== 0n && BigInt(date) > last ? repeat : first);
    const slashed = (when: string, wanted: bigint, bond: Outcome['bond']): Outcome => {
        const slash = most(least(wanted, basis - liability.taken), 0n);
        const victim = least(loss, slash / 2n);
        return { when, slash, victim, reporter: least(least(slash / 10n, REWARD_MOST), slash / 2n - victim), bond };
    };
    const nothing = (when: string, bond: Outcome['bond']): Outcome => ({
        ...{ when, bond },
        ...{ slash: 0n, victim: 0n, reporter: 0n },
    });
    switch (faultClass) {
        case 'A1':
            return [slashed('at once, by the signatures', (basis * part(twiceAt, 20n, 100n)) / 100n, 'none')];
        case 'A2': {
            const wanted = most(3n * loss, (basis * part(excessAt, 1n, 5n)) / 100n);
            return [slashed('at once, by arithmetic', wanted, 'none')];
        }
        case 'A3': {
            const wanted = 2n * loss + (least(loss, basis) * part(silentAt, 1n, 2n)) / 100n;
            return [
                nothing('the node answers in time: an honest one does', 'lost'),
                slashed('no answer in time, and somebody has it decided', wanted, 'back'),
            ];
        }
        case 'B1':
            return [
                nothing('the committee acquits', 'lost'),
                nothing('the committee is silent', 'back'),
                slashed('the committee convicts, at most', (basis * part(wrongAt, 5n, 20n)) / 100n, 'back'),
            ];
    }
}
