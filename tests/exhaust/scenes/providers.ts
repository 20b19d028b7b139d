/** What the scenes of a Provider share: one stake with one node, what its key signed, and who may do what. */
import {
    Account,
    basisOf,
    Body,
    bonded,
    Change,
    frozenOf,
    jobOf,
    Listing,
    newProvider,
    Node,
    Provider,
    Receipt,
    requiredStake,
    Result,
    RulesChange,
    signReceipt,
    State,
    Terms,
} from '../../model';
import { Homebound, Move, Party, Places, Scene, sends, Step } from '../moves';
import { accountsOf } from '../search';

const HOUR = 3600;
const KEY = 'first';

export class Operation {
    readonly terms: Terms;
    readonly job: string;
    readonly channel: Account;

    constructor(readonly at: Places) {
        this.channel = at.channelOf({ end: 0, notice: 0, voucherKey: 'voucher', payout: at.payout, number: 0 });
        this.terms = {
            escrow: at.client,
            provider: at.provider,
            node: at.nodeOf(0),
            receiptKey: KEY,
            payout: at.payout,
            voucherKey: 'voucher',
            rates: [this.amount(1000), this.amount(1000), this.amount(1000), this.amount(1000)],
            step: this.amount(2),
            variant: 0,
        };
        this.job = jobOf(at.network, this.channel, this.terms);
    }

    amount(units: number): bigint {
        return BigInt(units) * this.at.unit;
    }

    provider(state: State): Provider | undefined {
        const found = state.contracts.get(this.at.provider);
        return found?.kind === 'provider' ? found : undefined;
    }

    node(state: State, number = 0): Node | undefined {
        const found = state.contracts.get(this.at.nodeOf(number));
        return found?.kind === 'node' ? found : undefined;
    }

    /** The deadline of the query that the node accepted when the scene began. */
    get deadline(): number {
        return this.at.start + 2 * HOUR;
    }

    get accept(): Receipt {
        const rest = { job: this.job, number: 1, request: 'content', ceiling: this.amount(1), deadline: this.deadline };
        return signReceipt(KEY, { kind: 'accept', ...rest });
    }

    fail(key = KEY): Receipt {
        const rest = { job: this.job, number: 1, request: 'content', signedAt: this.at.start };
        return signReceipt(key, { kind: 'fail', ...rest });
    }

    /** A result of query 2; with another index or price it excludes the others. */
    result(index: number, units: number, key = KEY): Receipt {
        const price = this.amount(units);
        const fields = { job: this.job, number: 2, index, content: 'content', counts: [1000, 0, 0, 0] as const };
        const whole: Omit<Result, 'signature'> = {
            kind: 'result',
            ...fields,
            price,
            cumulative: price,
            finishedAt: this.at.start,
        };
        return signReceipt(key, whole);
    }

    listing(gpus: number, receiptKey: string): Listing {
        return { gpuClass: 0, gpus, receiptKey, encryptionKey: 'encryption' };
    }

    /** A message to the Provider. */
    tells(party: Party, name: string, body: Body | ((state: State) => Body | undefined), value = this.at.plenty): Move {
        return this.says(party, name, () => this.at.provider, body, value);
    }

    says(
        party: Party,
        name: string,
        to: (state: State) => Account | undefined,
        body: Body | ((state: State) => Body | undefined),
        value = this.at.plenty,
    ): Move {
        const { at } = this;
        const accounts: Partial<Record<Party, Account>> = {
            owner: at.owner,
            stranger: at.stranger,
            reporter: at.reporter,
            committee: at.stranger,
            governor: at.governor,
        };
        return sends(party, name, (state) => {
            const [receiver, whole] = [to(state), typeof body === 'function' ? body(state) : body];
            return receiver === undefined || whole === undefined
                ? undefined
                : { from: accounts[party]!, to: receiver, value, body: whole };
        });
    }

    registerNode(party: Party, gpus: number): Move {
        return this.tells(party, `registers a node of ${gpus} GPUs`, (state) => {
            const number = this.provider(state)?.nextNumber ?? 0;
            const listing = this.listing(gpus, `key of node ${number}`);
            return { op: 'registerNode', code: 0, listing, node: this.at.nodeOf(number) };
        });
    }

    closeNode(party: Party, number = 0): Move {
        const body: Body = { op: 'closeNode', number, codeVersion: 0, node: this.at.nodeOf(number) };
        return this.tells(party, `closes node ${number}`, (state) => (this.node(state, number) ? body : undefined));
    }

    clearNode(party: Party, number = 0): Move {
        const to = (state: State) => (this.node(state, number) ? this.at.nodeOf(number) : undefined);
        return this.says(party, `clears node ${number}`, to, { op: 'clearNode' });
    }

    changeNode(party: Party, name: string, change: Change | ((state: State) => Change)): Move {
        return this.tells(party, name, (state) => {
            const of = typeof change === 'function' ? change(state) : change;
            return { op: 'changeNode', number: 0, codeVersion: 0, change: of, node: this.at.nodeOf(0) };
        });
    }

    replaceHardware(party: Party, newGpus: number): Move {
        return this.tells(party, `replaces the hardware by ${newGpus} GPUs`, (state) => {
            const node = this.node(state);
            const rest = { number: 0, codeVersion: 0, gpuClass: 0, newGpus, node: this.at.nodeOf(0) };
            return node && { op: 'replaceHardware', share: node.share, gpus: node.gpus, ...rest };
        });
    }

    /** All that no open node requires. */
    unbondRest(party: Party = 'owner'): Move {
        return this.tells(party, 'unbonds what nodes do not require', (state) => {
            const provider = this.provider(state)!;
            const amount = provider.stake - requiredStake(provider);
            return amount > 0n ? { op: 'unbond', amount } : undefined;
        });
    }

    withdrawStake(party: Party, slot: number, units = 0): Move {
        const name = `withdraws ${units === 0 ? 'slot' : `${units} of slot`} ${slot}`;
        return this.tells(party, name, { op: 'withdrawStake', slot, amount: this.amount(units) });
    }

    propose(name: string, change: RulesChange): Move {
        return this.says('governor', name, () => this.at.registry, { op: 'proposeChange', change });
    }

    decide(party: Party, place: number): Move {
        const to = (state: State) => accountsOf(state, 'dispute')[place]?.[0];
        return this.says(party, `decides case ${place + 1}`, to, { op: 'decideCase' });
    }

    get opening(): Scene['opening'] {
        const { owner: from, provider: to, registry, plenty, payout } = this.at;
        const stake = this.amount(400);
        const join: Body = { op: 'join', stake, codeVersion: 0, payout, operator: undefined, rules: '' };
        const node = this.at.nodeOf(0);
        const register: Body = { op: 'registerNode', code: 0, listing: this.listing(2, KEY), node };
        return [
            { from, to, value: stake + plenty, bounce: true, body: join, init: newProvider(registry, from) },
            { from, to, value: plenty, bounce: true, body: register },
        ];
    }

    /** Stake, slots and surplus are at the owner's own account, and the nodes are gone. */
    get ownerHomebound(): Homebound {
        const places = [0, 1, 2, 3];
        const isOpen = (state: State, number: number) => this.node(state, number)?.state === 'open';
        const noneIsOpen = (state: State) => places.every((number) => !isOpen(state, number));
        // Each only when it helps: the nodes close one after the other, then the whole stake leaves at once.
        return {
            who: 'owner',
            moves: [
                ...places.map((number) =>
                    only(this.closeNode('owner', number), (state) => {
                        return isOpen(state, number) && places.slice(0, number).every((other) => !isOpen(state, other));
                    }),
                ),
                only(this.unbondRest(), noneIsOpen),
                ...places.map((place) => only(this.decide('owner', place), noneIsOpen)),
                ...places.map((slot) => only(this.withdrawStake('owner', slot), noneIsOpen)),
                ...places.map((number) => only(this.clearNode('owner', number), noneIsOpen)),
                only(this.tells('owner', 'withdraws the surplus', { op: 'withdrawSurplus' }), (state) => {
                    return bonded(this.provider(state)!) === 0n;
                }),
            ],
            deadlines: (state) => this.deadlines(state),
            isHome: (state) => {
                const provider = this.provider(state)!;
                const { balance } = provider;
                const rest =
                    bonded(provider) + accountsOf(state, 'node').reduce((sum, [, node]) => sum + node.balance, 0n);
                return rest === 0n && balance <= state.prices.providerReserve;
            },
        };
    }

    /** No case holds a bond. */
    get reporterHomebound(): Homebound {
        return {
            who: 'reporter',
            moves: [0, 1, 2, 3].map((place) => this.decide('reporter', place)),
            deadlines: (state) => this.deadlines(state),
            isHome: (state) => accountsOf(state, 'dispute').every(([, { state: of }]) => of !== 'open'),
        };
    }

    /** When slots unlock, nodes can be cleared, cases and receipts end, and rules can be changed. */
    deadlines(state: State): number[] {
        const provider = this.provider(state);
        const slots = (provider?.slots ?? []).flatMap((slot) => (slot === undefined ? [] : [slot.unlockAt]));
        const nodes = accountsOf(state, 'node').flatMap(([, { state: of, clearAt }]) =>
            of === 'closed' ? [clearAt] : [],
        );
        const cases = accountsOf(state, 'dispute').flatMap(([, { state: of, answerBy, decideFrom, clearAt }]) =>
            of === 'open' ? [answerBy, decideFrom + 1] : [clearAt],
        );
        const changes = accountsOf(state, 'registry').flatMap(([, { pending }]) =>
            pending ? [pending.executeAt] : [],
        );
        return [...slots, ...nodes, ...cases, ...changes];
    }
}

/** The move, where it helps. */
const only = (move: Move, helps: (state: State) => boolean): Move => ({
    ...move,
    of: (state) => (helps(state) ? move.of(state) : undefined),
});

/** Guarantees 1, 5 and 6 for a stake: who takes of it, what covers it, and whose rules it follows. */
export function stakeIsKept(operation: Operation, { before, after, outcomes }: Step): void {
    const [one, other] = [operation.provider(before), operation.provider(after)];
    if (one === undefined || other === undefined) {
        throw new Error('A Provider ended that had joined');
    }
    const lost = bonded(one) - bonded(other);
    const done = outcomes.filter(({ message: { to }, code }) => to === operation.at.provider && code === 'done');
    const took = done.map(({ message: { body, from, bounced } }) => ({ op: bounced ? 'bounced' : body.op, from }));
    const withdrew = took.some(({ op, from }) => op === 'withdrawStake' && from === operation.at.owner);
    const slashed = took.some(({ op, from }) => op === 'shareSlashed' && before.contracts.get(from)?.kind === 'node');
    if (lost > 0n && !withdrew && !slashed) {
        throw new Error(`A stake lost ${lost} nanoTON by ${took.map(({ op }) => op).join()}`);
    }
    if (other.balance < bonded(other)) {
        throw new Error(`A Provider owes ${bonded(other)} nanoTON and holds ${other.balance}`);
    }
    const given = took.some(({ op, from }) => op === 'rulesGiven' && from === operation.at.registry);
    if (one.rules?.version !== other.rules?.version && !given) {
        throw new Error('A Provider follows other rules without a message of its Registry');
    }
    if (!slashed && other.stake < requiredStake(other) && one.stake >= requiredStake(one)) {
        throw new Error(`Nodes require ${requiredStake(other)} nanoTON, and only ${other.stake} are left`);
    }
    if (withdrew && bonded(other) < frozenOf(other)) {
        throw new Error(`Cases freeze ${frozenOf(other)} nanoTON, and only ${bonded(other)} are left`);
    }
}

/** Guarantee 6: of a slash, half at most goes to victim and reporter, the victim first, and nothing is lost. */
export function slashesAreShared(operation: Operation, { before, after, outcomes }: Step): void {
    let taken = 0n;
    for (const { message, code, sent } of outcomes) {
        const { body, bounced } = message;
        if (body.op !== 'shareSlashed' || bounced || code !== 'done') {
            continue;
        }
        const paid = sent.filter(({ exact }) => exact);
        const paidTo = (account?: Account) =>
            paid.reduce((total, { to, value }) => total + (account === undefined || to === account ? value : 0n), 0n);
        const { fault, rules, amount } = body;
        const [sum, victims, rest] = [paidTo(), paidTo(fault.victim), paidTo(rules.insurance)];
        const due = fault.loss < sum / 2n ? fault.loss : sum / 2n;
        if (sum > amount || victims < due) {
            throw new Error(`A slash of ${amount} paid ${sum} nanoTON, ${victims} of it to the victim`);
        }
        if (rest < sum - sum / 2n) {
            throw new Error(`A slash paid ${sum} nanoTON, and only ${rest} to the insurance`);
        }
        taken += sum;
    }
    const [one, other] = [operation.provider(before), operation.provider(after)].map((each) => bonded(each!));
    if (taken > 0n && one - other !== taken) {
        throw new Error(`Slashes paid ${taken} nanoTON, and the stake fell by ${one - other}`);
    }
}

/** For each receipt of the first key: while it can be shown, what it may cost is there. */
export function receiptsAreCovered(operation: Operation, { after }: Step): void {
    const { at, deadline } = operation;
    for (const date of [at.start, deadline]) {
        if (after.now < date || after.now > date + at.rules.evidence) {
            continue;
        }
        const node = operation.node(after);
        const ledger = node?.receiptKey === KEY ? node.current : node?.ended.find((slot) => slot?.key === KEY);
        if (node === undefined || ledger === undefined) {
            throw new Error(`A receipt of ${date} can be shown, and its node forgot the key`);
        }
        const bears = basisOf(node, after.now) - ledger.slashed;
        const provider = operation.provider(after)!;
        const { slashable } = provider.versions[node.codeVersion];
        const there = slashable < bonded(provider) ? slashable : bonded(provider);
        if (bears > there) {
            throw new Error(`A receipt of ${date} may cost ${bears} nanoTON, and only ${there} are there`);
        }
    }
}
