/**
 * Which endpoints of the chain have told of each case. One that lies can make up as many cases as it likes, and each
 * costs calls and orders: so what one endpoint alone tells is bounded, and keeps nothing waiting that others tell.
 */
import type { CaseRecord } from '../store/worker';
import { accountAddress } from './channels';

const MAX_ALONE = 1000; // open cases of which one endpoint alone has told since the start

/** The account of a case as a key. */
export const keyOf = ({ dispute }: Pick<CaseRecord, 'dispute'>): string => dispute.toString('hex');

/** A case as logs name it. */
export function nameOf({ class: faultClass, job, number, dispute }: CaseRecord) {
    return { class: faultClass, job: job.toString('hex'), number, dispute: accountAddress(dispute).toRawString() };
}

export class CaseTellers {
    private readonly tellers = new Map<string, Set<number>>(); // by account of an open case
    private readonly alone: number[]; // by endpoint: cases of which it alone has told
    private readonly lookedAt = new Map<string, number>(); // by account of a case that is not sure: the number of a look
    private looks = 0;

    /** `endpoints`: how many tell of cases. */
    constructor(private readonly endpoints: number) {
        this.alone = Array.from({ length: endpoints }, () => 0);
    }

    /** Notes that an endpoint has told of a case; false if it alone has told of too many. */
    note(key: string, endpoint: number): boolean {
        const tellers = this.tellers.get(key) ?? new Set();
        if (tellers.has(endpoint)) {
            return true;
        }
        if (tellers.size === 0 && this.endpoints > 1 && this.alone[endpoint] >= MAX_ALONE) {
            return false;
        }
        this.count(tellers, -1);
        tellers.add(endpoint);
        this.count(tellers, 1);
        this.tellers.set(key, tellers);
        return true;
    }

    /** True if several endpoints have told of the case since the start, or there is only one. */
    isSure(key: string): boolean {
        return this.endpoints < 2 || (this.tellers.get(key)?.size ?? 0) > 1;
    }

    /** The cases that are sure. */
    sure(cases: readonly CaseRecord[]): CaseRecord[] {
        return cases.filter((one) => this.isSure(keyOf(one)));
    }

    /** Notes that a case that is not sure is looked after. */
    noteLook(key: string): void {
        this.lookedAt.set(key, ++this.looks);
    }

    /** Forgets a case that is closed. */
    forget(key: string): void {
        const tellers = this.tellers.get(key);
        if (tellers !== undefined) {
            this.count(tellers, -1);
            this.tellers.delete(key);
        }
        this.lookedAt.delete(key);
    }

    /**
     * The cases that are not sure, in the order in which they are looked after: those of each endpoint in turns, and of
     * each the one whose last look is longest ago. A case of which nobody has told since the start is by itself.
     */
    inTurns(cases: readonly CaseRecord[]): CaseRecord[] {
        const groups = new Map<number | undefined, CaseRecord[]>();
        const lastLook = (one: CaseRecord) => this.lookedAt.get(keyOf(one)) ?? 0;
        const unsure = cases.filter((one) => !this.isSure(keyOf(one)));
        for (const one of unsure.sort((a, b) => lastLook(a) - lastLook(b))) {
            const [teller] = this.tellers.get(keyOf(one)) ?? [];
            const group = groups.get(teller) ?? [];
            group.push(one);
            groups.set(teller, group);
        }
        const all = [...groups.values()];
        const length = Math.max(0, ...all.map((group) => group.length));
        return Array.from({ length }, (_, i) => all.flatMap((group) => group.slice(i, i + 1))).flat();
    }

    private count(tellers: Set<number>, change: number): void {
        if (tellers.size === 1) {
            const [endpoint] = tellers;
            this.alone[endpoint] += change;
        }
    }
}
