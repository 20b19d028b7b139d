/** Which endpoints of the chain show a case as open, and how far one is believed that another contradicts. */
import type { CaseRecord } from '../store/worker';
import { Allowance } from './allowance';
import { type CaseTellers, keyOf } from './caseTellers';
import { accountAddress } from './channels';
import type { WorkerContext } from './context';
import { isLate, isOpen, type OpenCase, readCase, type SeenCase } from './seenCase';

const UNSEEN_SECONDS = 120; // for which the first endpoint shows no demand to answer, before the others are asked

/** A case as the endpoint of that number has it; without a number: the first that serves. */
export type ShownCase = OpenCase & { endpoint?: number };

export class CaseViews {
    private readonly unseenSince = new Map<string, number>(); // by account that the first endpoint shows not open: steady seconds
    private readonly beliefs = new Map<number, Allowance>(); // by endpoint
    private readonly closedBy = new Map<string, number | undefined>(); // by account that no other endpoint shows closed: endpoint

    constructor(
        private readonly context: Pick<WorkerContext, 'chain' | 'steady'>,
        private readonly tellers: CaseTellers,
    ) {}

    /**
     * The case as the endpoints have it that show it open, and whether one denies it that no two show: of two, one at
     * most makes it up, and a third that hides it must not keep it from being answered. `first`: what the first that
     * serves says; undefined if nothing that can be used. The others are asked at once if it shows a case to answer of
     * which few have told, or to which an answer was tried (`isTried`): it may have made up the case, or what is
     * demanded. They are asked after a while if it shows nothing to answer: it may hide that, or only be behind.
     */
    async of(
        record: CaseRecord,
        first: SeenCase | undefined,
        isTried: boolean,
    ): Promise<{ views: ShownCase[]; isDenied: boolean }> {
        const { chain, steady } = this.context;
        const key = keyOf(record);
        const isSeen = first !== undefined && isOpen(first) && !isLate(first);
        const since = isSeen ? Infinity : Math.min(this.unseenSince.get(key) ?? Infinity, steady());
        this.unseenSince.set(key, since);
        const isDoubtful = isSeen && (isTried || !this.tellers.isSure(key));
        const others = isDoubtful || steady() - since >= UNSEEN_SECONDS ? (chain.others ?? []) : [];
        const address = accountAddress(record.dispute);
        const readings = await Promise.allSettled(others.map((one) => readCase(one, address)));
        const views = readings.flatMap((one, endpoint) =>
            one.status === 'fulfilled' ? [{ ...one.value, endpoint }] : [],
        );
        const closed = this.closedBy.get(key);
        const reopened = views.find((one) => one.endpoint === closed && isOpen(one));
        if (closed !== undefined && reopened !== undefined) {
            this.beliefIn(reopened).spend(); // a case never opens again
            this.closedBy.delete(key);
        }
        const open = (views.length > 0 || first === undefined ? views : [first]).filter(isOpen);
        return { views: open, isDenied: open.length < views.length && open.length < 2 };
    }

    /** Notes that the endpoint of a view, which another denied, shows the case closed after an answer. */
    noteClosed(key: string, view: ShownCase): void {
        this.beliefIn(view).earn();
        this.closedBy.set(key, view.endpoint);
    }

    /** How many answers may close nothing that the endpoint of a view shows and another denies. */
    beliefIn({ endpoint = 0 }: Pick<ShownCase, 'endpoint'>): Allowance {
        const belief = this.beliefs.get(endpoint) ?? new Allowance();
        this.beliefs.set(endpoint, belief);
        return belief;
    }

    /** Forgets a case that is closed. */
    forget(key: string): void {
        this.unseenSince.delete(key);
        this.closedBy.delete(key);
    }
}
