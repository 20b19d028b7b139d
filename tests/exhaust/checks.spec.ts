/** Each check of the scenes is shown a step that breaks it: one that cannot fail would hold nothing. */
import { Account, apply, Contract, Message, Outcome, Provider, State } from '../model';
import { Book, Scene } from './moves';
import { firstState, modelScene, SceneName } from './scenes';
import { opened, play } from './search';

/** The state with other fields of the contract of a kind; without the account if there are none. */
function withFields(state: State, account: Account, fields: object | undefined): State {
    const contracts = new Map(state.contracts);
    contracts.delete(account);
    const found = state.contracts.get(account);
    return fields === undefined
        ? { ...state, contracts }
        : apply(state, { kind: 'create', account, contract: { ...found, ...fields } as Contract }).state;
}

const outcome = (message: Partial<Message>, sent: Partial<Message>[] = []): Outcome =>
    ({ message: { from: 'stranger', value: 0n, bounce: true, ...message }, code: 'done', sent, events: [] }) as never;

/** What the check of a scene says of a step that changes its first state so. */
function toldOf(scene: Scene, change: (state: State) => State, outcomes: Outcome[] = []): string {
    const before = opened(scene, firstState());
    return messageOf(() => scene.check({ before, after: change(before), outcomes }, {}));
}

function messageOf(check: () => unknown): string {
    try {
        check();
        return 'nothing';
    } catch (error) {
        return (error as Error).message;
    }
}

const scenes: SceneName[] = ['channel', 'escrow', 'provider', 'cases'];

describe('The checks of the exhaustive search', () => {
    it.each(scenes)('say nothing of a step that changes nothing: %s', (name) => {
        expect(toldOf(modelScene(name), (state) => state)).toBe('nothing');
    });

    it.each<[string, Account, object | undefined]>([
        ['settings of an escrow changed', 'escrow', { spendKey: 'thief' }],
        ['The number of the next order', 'escrow', { seqno: 0 }],
        ['before its time', 'channel 0', undefined],
        ['now 1501; the voucher is for 1500', 'channel 0', { paid: 1501n }],
        ['The end of a job moved', 'channel 0', { refundAt: 0 }],
        ['A job lost', 'channel 0', { balance: 0n }],
        ['The client lost', 'client', undefined],
    ])('tell of a job: %s', (told, account, fields) => {
        const change = (state: State): State =>
            account === 'client'
                ? { ...state, wallets: new Map([...state.wallets, ['client', -1_000_000n]]) }
                : withFields(state, account, fields);

        // An escrow uses its first numbers while the scene opens.
        expect(toldOf(modelScene('channel'), change)).toContain(told);
    });

    it('tell of a deposit that left an escrow, even to its client', () => {
        const change = (state: State): State => {
            const { balance } = state.contracts.get('escrow')!;
            const moved = withFields(state, 'escrow', { balance: 0n });
            return { ...moved, wallets: new Map(moved.wallets).set('client', balance) };
        };

        expect(toldOf(modelScene('channel'), change)).toContain('left an escrow without');
    });

    it.each(scenes)('tell that a stranger has money that is not its own: %s', (name) => {
        const change = (state: State): State => ({ ...state, wallets: new Map([...state.wallets, ['stranger', 1n]]) });

        expect(toldOf(modelScene(name), change)).toContain('not its own');
    });

    describe('of an order', () => {
        const scene = modelScene('escrow');
        const setUp = scene.moves.find(({ name }) => name.includes('sets up with 400'))!;
        const first = firstState();
        const before = play(first, setUp.of(first)!)!.after;
        const { balance } = before.contracts.get('escrow')!;

        /** What is told of an order by which so much went from the escrow to its client, and this was sent. */
        const told = (left: bigint, sent: Partial<Message>[] = [], book: Book = {}) => {
            const moved = withFields(before, 'escrow', { seqno: 1, balance: balance - left });
            const had = moved.wallets.get('client')!;
            const after = { ...moved, wallets: new Map(moved.wallets).set('client', had + left) };
            return messageOf(() => {
                scene.check({ before, after, outcomes: [outcome({ to: 'escrow', external: true }, sent)] }, book);
            });
        };

        it("tell that it took more than the day's limit, alone or with those before", () => {
            const book = { day: BigInt(Math.floor(before.now / 86_400)), taken: 1n, limit: 2500n };

            expect(told(2500n)).toBe('nothing');
            expect(told(2501n)).toContain('with a limit of 2500');
            expect(told(2500n, [], book)).toContain('with a limit of 2500');
        });

        it('tell that a job got more than its limit', () => {
            const init = { kind: 'channel' } as Contract;

            expect(told(0n, [{ value: 1500n, init }])).toBe('nothing');
            expect(told(0n, [{ value: 1501n, init }])).toContain('and a limit of 1500');
        });
    });

    it.each<[string, Account, object | undefined]>([
        ['A stake lost', 'provider', { stake: 3999n }],
        ['A Provider owes', 'provider', { balance: 3999n }],
        ['other rules without', 'provider', { rules: { version: 2, baseStake: 500n } }],
        ['Nodes require', 'provider', { stake: 859n, slots: [{ amount: 3141n, unlockAt: 0 }] }],
        ['A Provider ended', 'provider', undefined],
        ['signed nothing wrong was slashed', 'node 0', { current: { slashed: 1n, disputed: 0n, frozen: 0n } }],
        ['its node forgot the key', 'node 0', { receiptKey: 'another' }],
        ['its node forgot the key', 'node 0', undefined],
        ['may cost 4001 nanoTON, and only 360 are there', 'node 0', { share: 4001n }],
    ])('tell of a stake: %s', (told, account, fields) => {
        expect(toldOf(modelScene('provider'), (state) => withFields(state, account, fields))).toContain(told);
    });

    it('tell of a claim that takes more than it counts', () => {
        const claim = outcome({ from: 'payout', to: 'channel 0', body: { op: 'claim' } as never });
        const after = (balance: bigint) => (state: State) => withFields(state, 'channel 0', { paid: 50n, balance });

        expect(toldOf(modelScene('channel'), after(950n), [claim])).toBe('nothing');
        expect(toldOf(modelScene('channel'), after(949n), [claim])).toContain('A claim took');
    });

    it('tell of a withdrawal of what cases freeze', () => {
        const withdrawal = outcome({ from: 'owner', to: 'provider', body: { op: 'withdrawStake' } as never });
        const after = (frozen: bigint) => (state: State) => {
            const provider = state.contracts.get('provider') as Provider;
            return withFields(state, 'provider', { versions: provider.versions.map((each) => ({ ...each, frozen })) });
        };

        expect(toldOf(modelScene('cases'), after(4000n), [withdrawal])).toBe('nothing');
        expect(toldOf(modelScene('cases'), after(4001n), [withdrawal])).toContain('Cases freeze');
    });

    it.each<[string, bigint, bigint, bigint, bigint]>([
        ['nothing', 40n, 10n, 50n, 100n],
        ['39 of it to the victim', 39n, 10n, 51n, 100n],
        ['A slash of 100 paid 101', 40n, 10n, 51n, 101n],
        ['only 49 to the insurance', 40n, 11n, 49n, 100n],
        ['the stake fell by 100', 40n, 0n, 50n, 100n],
    ])('tell of a slash: %s', (told, victim, reporter, insurance, falls) => {
        const fault = { victim: 'victim', loss: 40n };
        const body = { op: 'shareSlashed', amount: 100n, fault, rules: { insurance: 'insurance' } };
        const sent = Object.entries({ victim, reporter, insurance }).map(([to, value]) => ({ to, value, exact: true }));
        const slashed = outcome({ from: 'node 0', to: 'provider', body: body as never }, sent);
        const change = (state: State) => withFields(state, 'provider', { stake: 4000n - falls });

        expect(toldOf(modelScene('cases'), change, [slashed])).toContain(told);
    });
});
