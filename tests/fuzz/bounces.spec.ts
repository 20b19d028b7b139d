/** Each message between contracts comes back once: the model and the contracts agree about what follows. */
import { Provider } from '@cocoon-market/wrappers';

import {
    Account,
    Body,
    DAY,
    jobOf,
    newProvider,
    Op,
    Receipt,
    signed,
    signReceipt,
    Terms,
    Unsigned,
    verdictText,
} from '../model';
import { bouncesOf } from '../support/bounces';
import { openSession } from './episode';
import { BUYERS, FIRST_RULES, GOVERNOR, OWNERS, PAYOUTS, STRANGER } from './launch';
import { accountNamed, addressOf } from './names';
import { hashOfJob, NETWORK } from './payloads';
import { Session } from './session';

const TON = 1_000_000_000n;
const KEY = 'first 1 0'; // of the first node of the second Provider
const [, OWNER] = OWNERS;

describe('A message between contracts that comes back', () => {
    let session: Session;
    let provider: Account;
    let node: Account;
    let terms: Terms;
    const channel = accountNamed('channel');

    beforeAll(async () => {
        session = await openSession();
        [, provider] = session.accounts.providers;
        node = await session.accounts.node(provider, 0);
        terms = {
            escrow: session.accounts.escrows[0],
            provider,
            node,
            receiptKey: KEY,
            payout: PAYOUTS[0],
            voucherKey: 'voucher 0',
            rates: [100n, 100n, 100n, 100n],
            step: TON,
            variant: 0,
        };
    });

    beforeEach(() => session.begin());

    function send(from: Account, to: Account, body: Body): void {
        session.send({ from, to, value: session.plenty, bounce: true, body });
    }

    const tell = (body: Body) => send(OWNER, provider, body);
    const register = (receiptKey = 'fresh') =>
        tell({
            op: 'registerNode',
            code: 0,
            listing: { gpuClass: 0, gpus: 1, receiptKey, encryptionKey: 'encryption' },
            node: '',
        });
    const setKeys = (number: number, of: Account) =>
        tell({
            op: 'changeNode',
            number,
            codeVersion: 0,
            change: { kind: 'keys', receiptKey: 'next', encryptionKey: 'encryption', oldEndsAt: session.now + DAY },
            node: of,
        });
    const close = () => tell({ op: 'closeNode', number: 0, codeVersion: 0, node });
    const raise = () => {
        const { share, gpus } = session.get('node', node)!;
        tell({ op: 'replaceHardware', number: 0, codeVersion: 0, share, gpus, gpuClass: 0, newGpus: gpus + 1, node });
    };

    const sealed = (receipt: Unsigned): Receipt => signReceipt(KEY, receipt);
    const job = () => jobOf(NETWORK, channel, terms);
    const result = (price: bigint): Receipt =>
        sealed({
            ...{ kind: 'result', job: job(), number: 1, index: 1, content: 'content', counts: [0, 0, 0, 0] },
            ...{ price, cumulative: price, finishedAt: session.now },
        });

    /** Reports a fault of the node, and returns the account of its case. */
    async function report(of: 'A2' | 'A3' | 'B1'): Promise<Account> {
        const fault = { class: of, job: hashOfJob(channel, terms), query: 1 };
        const dispute = await session.accounts.dispute(provider, fault, 0);
        const rest = { channel, terms, code: 0, dispute };
        const accept = { kind: 'accept', job: job(), number: 1, request: 'content', ceiling: TON } as const;
        const bodies: Record<typeof of, Body> = {
            A2: { op: 'reportExcess', result: result(TON), ...rest },
            A3: {
                op: 'demandAnswer',
                accept: sealed({ ...accept, deadline: session.now - 1 }),
                firstPiece: 0,
                ...rest,
            },
            B1: { op: 'reportWrong', result: result(TON), ...rest },
        };
        send(STRANGER, node, bodies[of]);
        return dispute;
    }

    /** A demand that its node answers by a fail. */
    async function answeredDemand(): Promise<void> {
        const dispute = await report('A3');
        await session.drain();
        const fail = sealed({ kind: 'fail', job: job(), number: 1, request: 'content', signedAt: session.now });
        send(STRANGER, dispute, { op: 'postFail', fail });
    }

    /** A case that the committee decides against the node. */
    async function upheldCase(): Promise<void> {
        const dispute = await report('B1');
        await session.drain();
        send(OWNER, dispute, { op: 'stateCase' });
        await session.drain();
        const { version, committee } = FIRST_RULES;
        const text = verdictText(NETWORK, dispute, 500, version, session.now + DAY);
        const votes = committee.keys.map((key, member) => ({ member, signature: signed(key, ...text) }));
        const verdict = { points: 500, rulesVersion: version, validUntil: session.now + DAY, votes };
        send(STRANGER, dispute, { op: 'submitVerdict', ...verdict });
    }

    async function leaveJob(): Promise<void> {
        const [buyer] = BUYERS;
        const [escrow] = session.accounts.escrows;
        const times = { end: session.now + 3 * DAY, notice: DAY };
        const jobs = [{ deposit: 3n * TON, voucherKey: 'voucher 0', payout: PAYOUTS[0], channel: '', ...times }];
        send(buyer, escrow, { op: 'open', seqno: 0, total: 3n * TON, jobs });
        await session.drain();
        const [[opened]] = session.all('channel');
        send(buyer, escrow, { op: 'leaveJob', channel: opened });
    }

    /** Delivers what is on its way until such a message waits. Returns its place. */
    async function until(op: Op): Promise<number> {
        while (session.next.length > 0) {
            const place = session.state.queue.findIndex(({ body, bounced }) => body.op === op && bounced !== true);
            if (place >= 0) {
                return place;
            }
            await session.deliver(session.next[0]);
        }
        throw new Error(`No ${op} was sent`);
    }

    const cases: [Op, string, () => unknown][] = [
        ['startNode', 'of a new node', () => register()],
        ['announceSelf', 'of a new node', () => register()],
        ['announceSelf', 'of new keys', () => setKeys(0, node)],
        ['applyChange', 'of new keys', () => setKeys(0, node)],
        ['applyHardware', 'of a raise', () => raise()],
        ['stopNode', 'of a node that closes', () => close()],
        ['shareFreed', 'of a node that closes', () => close()],
        ['announceNode', 'of a node that closes', () => close()],
        ['askRules', 'of an owner that adopts', () => tell({ op: 'adopt', rules: '' })],
        ['openCase', 'of a demand', () => report('A3')],
        ['openCase', 'of an excess', () => report('A2')],
        ['caseClosed', 'of an excess', () => report('A2')],
        ['caseClosed', 'of a demand that was answered', () => answeredDemand()],
        ['slashShare', 'of an excess', () => report('A2')],
        ['slashShare', 'of a verdict', () => upheldCase()],
        ['releaseShare', 'of a demand that was answered', () => answeredDemand()],
        ['leave', 'of a client', () => leaveJob()],
    ];

    it.each(cases)('is taken as the model says: %s %s', async (op, _, begin) => {
        const end = `bounced ${op} done`;
        const before = session.outcomes.get(end) ?? 0;

        await begin();
        session.bounce(await until(op));
        await session.drain();

        expect(session.outcomes.get(end)).toBe(before + 1);
    });

    it('leaves a new node without a key that was set before its start came back', async () => {
        register();
        await until('announceSelf');
        const number = session.get('provider', provider)!.nextNumber - 1;
        const fresh = await session.accounts.node(provider, number);
        setKeys(number, fresh);
        const place = session.next.find((index) => session.state.queue[index].body.op === 'changeNode')!;
        await session.deliver(place);
        await session.deliver(await until('applyChange'));

        session.bounce(await until('announceSelf'));
        await session.drain();

        expect(session.get('node', fresh)).toMatchObject({
            state: 'closed',
            ended: [undefined, undefined, undefined, undefined],
        });
    });

    it('is one of those above, or of the Registry for a new Provider', () => {
        const played = [...cases.map(([op]) => op), 'registerProvider'];
        const returned = ['Provider', 'Node', 'Dispute'].flatMap(bouncesOf);

        expect(returned.length).toBeGreaterThan(10);
        expect(returned.filter((name) => !played.includes(`${name[0].toLowerCase()}${name.slice(1)}`))).toEqual([]);
    });

    it('ends a Provider that the Registry does not take, and its stake goes home', async () => {
        const { accounts } = session;
        const owner = accountNamed('late owner');
        const { init } = await Provider.ofOwner(addressOf(accounts.registry), addressOf(owner));
        const to = accounts.note(init!);
        send(GOVERNOR, accounts.registry, { op: 'setPaused', paused: true });
        await session.drain();
        const join = { op: 'join', stake: 60n * TON, codeVersion: 0, payout: PAYOUTS[0], rules: '' } as const;
        const value = 60n * TON + session.plenty;

        const first = newProvider(accounts.registry, owner);
        session.send({ from: owner, to, value, bounce: true, body: join, init: first });
        await session.drain();

        expect(session.get('provider', to)).toBeUndefined();
        expect(session.state.wallets.get(owner)).toBeGreaterThan(-TON);
    });

    it('leaves frozen what a second report froze whose answer came back, and lets nobody have it sent again', async () => {
        const dispute = await report('A2');
        await session.drain();
        await report('A2');
        session.bounce(await until('caseClosed'));
        await session.drain();
        const frozen = () => session.get('provider', provider)!.versions[0];

        expect(frozen()).toMatchObject({ cases: 1 });
        expect(frozen().frozen).toBeGreaterThan(0n);
        send(STRANGER, dispute, { op: 'decideCase' });
        expect(await session.deliver(session.next[0])).toMatchObject({ code: 'ErrWrongState' });
    });

    describe('leaves a stuck case', () => {
        let dispute: Account;

        beforeEach(async () => {
            dispute = await report('A2');
            session.bounce(await until('caseClosed'));
            await session.drain();
        });

        const codeOf = async (from: Account, body: Body) => {
            send(from, dispute, body);
            const { code } = await session.deliver(session.next[0]);
            await session.drain();
            return code;
        };

        it('that nobody clears', async () => {
            session.pass(32 * DAY);
            await session.drain();

            expect(await codeOf(STRANGER, { op: 'clearCase' })).toBe('ErrWrongState');
        });

        it('that anyone of the basechain has sent again, and then clears', async () => {
            expect(await codeOf(`-1:${STRANGER}`, { op: 'decideCase' })).toBe('ErrNotBasechain');
            expect(await codeOf(STRANGER, { op: 'decideCase' })).toBe('done');
            session.pass(32 * DAY);
            await session.drain();

            expect(await codeOf(STRANGER, { op: 'clearCase' })).toBe('done');
        });
    });
});
