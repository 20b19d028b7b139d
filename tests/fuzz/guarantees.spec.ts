/** Each predicate of random play is shown a state that breaks it: one that cannot fail would hold nothing. */
import { apply, Contract, Escrow, newEscrow, newNode, newProvider, newState, Outcome, Provider, State } from '../model';
import { watchGuarantees } from './guarantees';
import { Book, Signed } from './scene';
import { Session } from './session';

const TON = 1_000_000_000n;
const NOW = 1_000_000;

const escrow: Escrow = { ...newEscrow('owner'), balance: 50n * TON, spendKey: 'spend', dayLimit: 10n * TON };
const provider: Provider = {
    ...newProvider('registry', 'owner'),
    balance: 100n * TON,
    stake: 100n * TON,
    versions: [
        {
            ...{ shares: 30n * TON, maxShare: 30n * TON, slashable: 30n * TON, frozen: 0n },
            ...{ nodes: 1, gpus: 1, cases: 0, pendingVerdicts: 0 },
        },
    ],
};
const node = { ...newNode('provider', 0), state: 'open', share: 30n * TON, receiptKey: 'key' } as const;

function stateOf(contracts: Record<string, Contract>): State {
    return Object.entries(contracts).reduce(
        (state, [account, contract]) => apply(state, { kind: 'create', account, contract }).state,
        newState({ now: NOW }),
    );
}

const market = { escrow, provider, honest: provider, node };

/** What is told of a delivery that leaves these contracts behind. */
function toldOf(
    after: Partial<Record<keyof typeof market, Contract | undefined>>,
    message: Partial<Outcome['message']>,
    signed: Partial<Signed>[] = [],
): string | undefined {
    const session = { watches: [], accounts: { providers: ['honest'] } } as unknown as Session;
    const book = new Book();
    const receipt = { node: 'node', provider: 'provider', key: 'key', date: NOW, until: NOW + 60, slashedBefore: 0n };
    book.signed.push(...signed.map((each) => ({ ...receipt, ...each }) as Signed));
    watchGuarantees(session, book);
    const whole = {
        from: 'stranger',
        to: 'escrow',
        value: TON,
        bounce: true,
        body: { op: 'none' },
        ...message,
    } as const;
    const outcome: Outcome = { message: whole, code: 'done', sent: [], events: [], balance: [0n, 0n] };
    const left = Object.entries({ ...market, ...after }).filter(([, contract]) => contract !== undefined);
    try {
        session.watches.forEach((watch) => watch(stateOf(market), stateOf(Object.fromEntries(left)), outcome));
        return undefined;
    } catch (error) {
        return (error as Error).message;
    }
}

describe('The guarantees that random play watches', () => {
    it('are not broken by a delivery that changes nothing', () => {
        expect(toldOf({}, {}, [{}])).toBeUndefined();
    });

    it("are broken when a stranger's message takes a deposit", () => {
        expect(toldOf({ escrow: { ...escrow, balance: 48n * TON } }, {})).toContain('out of an escrow');
        expect(toldOf({ escrow: { ...escrow, balance: 48n * TON } }, { from: 'owner' })).toBeUndefined();
    });

    it("are broken when orders count more than the day's limit", () => {
        const after = { ...escrow, seqno: 1, spent: 10n * TON + 1n };

        expect(toldOf({ escrow: after }, { external: true })).toContain('with a limit of');
    });

    it('are broken when an order takes more than it counts', () => {
        const after = { ...escrow, seqno: 1, spent: 9n * TON, balance: 39n * TON };

        expect(toldOf({ escrow: after }, { external: true })).toContain('count on its day');
    });

    it('are broken when a Provider does not hold its stake', () => {
        expect(toldOf({ provider: { ...provider, balance: 98n * TON } }, { to: 'provider' })).toContain(
            'of stake and holds',
        );
    });

    it('are broken when the honest Provider is slashed, and not when another is', () => {
        const body = { op: 'shareSlashed' } as Outcome['message']['body'];

        expect(toldOf({}, { to: 'honest', body })).toContain('signed no fault and was slashed');
        expect(toldOf({}, { to: 'provider', body })).toBeUndefined();
    });

    it.each<[string, Parameters<typeof toldOf>[0], string]>([
        ['its node was cleared', { node: undefined }, 'is closed and cleared'],
        ['its node forgot the key', { node: { ...node, receiptKey: 'another' } }, 'forgot the key'],
        [
            'less than its share is counted for the version',
            { provider: { ...provider, versions: [{ ...provider.versions[0], slashable: 30n * TON - 1n }] } },
            'is counted for its version',
        ],
        ['the stake left', { provider: { ...provider, stake: 30n * TON - 1n } }, 'of the stake is there'],
    ])('are broken when a receipt counts and %s', (_, after, told) => {
        expect(toldOf(after, {}, [{}])).toContain(told);
        expect(toldOf(after, {}, [{ until: NOW - 1 }])).toBeUndefined();
    });
});
