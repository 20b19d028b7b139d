/**
 * How the worker finds the cases of its node, and that no message keeps it from doing so.
 *
 * Longer than 350 lines because all of it is about the messages and demands of one provider on one chain.
 */
import { bytesToNumber, caseStates, Dispute, Node, opcodes } from '@cocoon-market/wrappers';
import { type Address, beginCell, Cell, type Sender } from '@ton/core';
import { ChainError, type Transfer } from '../../../offchain/chain';
import { SqlCases } from '../../../offchain/store/sqlCases';
import { SqliteJobs } from '../../../offchain/store/sqliteJobs';
import { storeCaseOpened } from '../../../wrappers/bodies';
import { FakeChain } from '../support/chain';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { account, caseRound, type Fixture, startFixture } from '../support/worker';

const PROVIDER = account(0x22).toRawString();

let fixture: Fixture;
let lt: bigint;

beforeEach(async () => {
    lt = 1n;
    fixture = await startFixture({ cases: { seconds: 0.02 } });
    const stillNew = { getCaseState: async () => ({ state: caseStates.new }) };
    for (const number of [3, 7, 8, 9]) {
        fixture.chain.getters.set(account(number).toRawString(), stillNew);
    }
});

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

/** The cell that the TVM takes for `cell`, and that no reader off chain can look into. */
function libraryOf(cell: Cell): Cell {
    return beginCell().storeUint(2, 8).storeBuffer(cell.hash()).endCell({ exotic: true });
}

/** What the Provider tells of a case about a query; its Dispute is the account of that number. */
function opened(
    query: number,
    change: { node?: bigint; faultClass?: bigint; dispute?: bigint; job?: bigint } = {},
): Cell {
    const message = {
        ...{
            $$type: 'CaseOpened' as const,
            serial: BigInt(query),
            faultClass: 3n,
            node: 0n,
            job: 5n,
            query: BigInt(query),
        },
        ...{
            dispute: BigInt(`0x${account(query).hash.toString('hex')}`),
            date: 1n,
            answerBy: 2n,
            amount: 3n,
            bond: 4n,
        },
        ...change,
    };
    return beginCell().store(storeCaseOpened(message)).endCell();
}

const tells = (body: Cell, unreadable?: Error) => {
    fixture.chain.emissions.unshift({ lt: ++lt, at: fixture.chain.now(), body, ...(unreadable && { unreadable }) });
};
const numbers = async () => (await fixture.worker.status()).cases.map(({ number }) => number).sort();

describe('The reader of cases', () => {
    it.each([
        { what: 'is an exotic cell', body: libraryOf(Cell.EMPTY), unreadable: 0 },
        { what: 'is cut off', body: beginCell().storeUint(opcodes.CaseOpened, 32).endCell(), unreadable: 1 },
        { what: 'names a class that there is none of', body: opened(7, { faultClass: 9n }), unreadable: 1 },
    ])('passes and counts a message whose body $what, and finds the next case', async ({ body, unreadable }) => {
        tells(body);
        tells(opened(9));

        await until(async () => (await numbers()).includes(9));
        expect((await fixture.worker.status()).unreadable).toBe(unreadable);
    });

    it('goes on after a transaction that the API gives and nobody can read, also after a restart', async () => {
        tells(Cell.EMPTY, new Error('no transaction'));
        await until(async () => (await fixture.worker.status()).unreadable === 1);

        await fixture.restart();
        tells(opened(3));

        await until(async () => (await numbers()).includes(3));
        expect((await fixture.worker.status()).unreadable).toBe(0); // it is behind the cursor
    });

    it('does not believe a number of its node that the address of the node does not bear out', async () => {
        const { address } = await Node.ofProvider(account(0x22), 0);
        fixture.chain.getters.set(address.toRawString(), { getNodeState: async () => ({ number: 1n }) });
        await fixture.restart({ cases: { seconds: 0.02 }, node: address.toRawString() });
        tells(opened(9));

        await until(async () => (await numbers()).includes(9));
    });

    it('keeps demands and cases before the committee of its own node, and no others', async () => {
        const { address } = await Node.ofProvider(account(0x22), 0);
        await fixture.restart({ cases: { seconds: 0.02 }, node: address.toRawString() });
        tells(opened(3, { node: 1n }));
        tells(opened(7, { faultClass: 2n }));
        tells(opened(8, { faultClass: 4n }));
        tells(opened(9));

        await until(async () => (await numbers()).includes(9));
        expect(await numbers()).toEqual([8, 9]);
    });

    it('finds a case whose message it passed, once the chain counts one more than were told of', async () => {
        tells(opened(7));
        await until(async () => (await numbers()).includes(7));
        fixture.chain.emissions.push({ lt: 1n, at: fixture.chain.now(), body: opened(8) }); // behind the cursor
        fixture.chain.getters.set(PROVIDER, { getStanding: async () => ({ cases: 2n, opened: 8n }) });

        await fixture.restart();

        await until(async () => (await numbers()).includes(8));
        expect(await numbers()).toEqual([7, 8]);
    });

    it('finds a case that it passed after a false message counted more cases than there are', async () => {
        tells(opened(9)); // false: the chain counts eight
        await until(async () => (await numbers()).includes(9));
        fixture.chain.emissions.splice(0);
        tells(opened(7));
        fixture.chain.emissions.push({ lt: 1n, at: fixture.chain.now(), body: opened(8) }); // behind the cursor
        fixture.chain.getters.set(PROVIDER, { getStanding: async () => ({ cases: 2n, opened: 8n }) });
        const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 300_001);

        try {
            await until(async () => (await numbers()).includes(8));
        } finally {
            clock.mockRestore();
        }
    });

    it('reads from the beginning once, and not again while the chain counts as many as were told of', async () => {
        tells(opened(8));
        fixture.chain.getters.set(PROVIDER, { getStanding: async () => ({ cases: 1n, opened: 8n }) });
        await fixture.restart();
        await until(async () => (await numbers()).includes(8));
        const read = jest.spyOn(fixture.chain, 'emitted');
        const base = performance.now();
        let ahead = 0;
        const clock = jest.spyOn(performance, 'now').mockImplementation(() => base + (ahead += 300_001));

        try {
            await until(() => read.mock.calls.length > 3);
            expect(read.mock.calls.map(([, after]) => after)).not.toContain(0n);
        } finally {
            clock.mockRestore();
        }
    });

    it('finds a case again that the store did not take when it was told of', async () => {
        const add = jest.spyOn(SqlCases.prototype, 'add').mockRejectedValueOnce(new Error('The disk is full'));
        tells(opened(9));

        await until(async () => (await numbers()).includes(9));
        expect(add.mock.calls.length).toBeGreaterThan(1);
    });

    it('does not take one answer for the end of a case', async () => {
        await fixture.restart({ cases: { seconds: 0.02 }, chain: { confirmSeconds: 600, pollSeconds: 0.01 } });
        const closed = { getCaseState: async () => ({ state: caseStates.closed, outcome: 0n }) };
        fixture.chain.set(account(9), { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
        fixture.chain.getters.set(account(9).toRawString(), closed);
        tells(opened(9));

        await until(async () => (await numbers()).includes(9));
        await caseRound();
        expect(await numbers()).toEqual([9]);
        await fixture.restart({ cases: { seconds: 0.02 } }); // where ten minutes are none
        await until(async () => (await numbers()).length === 0);
    });
});

const VALUE = 5_000_000_000n; // nanoTON that an answer needs, as the API says
const FIVE = Buffer.alloc(32).fill(5, 31); // hash of a job

/** An API shows an open demand about query 9 at this account. */
function showDemand(chain: FakeChain, dispute: Address, change: object = {}): void {
    const answerBy = BigInt(fixture.chain.now() + 3600);
    const file = { job: FIVE, query: 9, about: Buffer.alloc(32, 7), firstPiece: 0 };
    const { receiptKey } = fixture.worker.nodeInfo;
    chain.set(dispute, { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
    chain.getters.set(dispute.toRawString(), {
        getCaseState: async () => ({ state: caseStates.open, answerBy, result: 0n, missingPieces: 0n, bond: 4n }),
        getFile: async () => ({ ...file, receiptKey }),
        getCloseValue: async () => VALUE,
        sendFail: async (via: Sender, { value }: { value: bigint }) => via.send({ to: dispute, value }),
        ...change,
    });
}

const bigintOf = ({ hash }: Address) => bytesToNumber(hash);
const openedAt = (dispute: Address) => opened(9, { dispute: bigintOf(dispute) });

/** The API shows such a demand, and tells of it. */
async function demandedAt(dispute: Address): Promise<void> {
    showDemand(fixture.chain, dispute);
    tells(openedAt(dispute));
    await until(async () => (await numbers()).includes(9));
    await caseRound();
}

describe('A demand that an API tells of', () => {
    it('is not answered at an account that is no Dispute of the provider: the coins would go to whoever made it up', async () => {
        await demandedAt(account(9));

        expect(fixture.wallet.orders).toEqual([]);
    });

    it('is answered at the Dispute that follows from provider, job and query', async () => {
        const { address } = await Dispute.ofFault(account(0x22), { class: 'A3', job: FIVE, query: 9 });
        await demandedAt(address);

        expect(fixture.wallet.orders[0]).toMatchObject([{ to: address, value: (VALUE * 11n) / 10n }]);
    });
});

describe('A demand that another endpoint shows', () => {
    let other: FakeChain; // tells the truth
    let dispute: Address;
    let seconds: number;

    beforeEach(async () => {
        await fixture.stop();
        seconds = 1000;
        other = new FakeChain();
        ({ address: dispute } = await Dispute.ofFault(account(0x22), { class: 'A3', job: FIVE, query: 9 }));
        const parts = { steady: () => seconds };
        fixture = await startFixture({ cases: { seconds: 0.02 }, chain: { pollSeconds: 0.001 } }, parts);
        fixture.chain.others = [fixture.chain, other];
        await fixture.restart();
        showDemand(other, dispute);
    });

    const answered = () => until(() => fixture.wallet.orders.length > 0);

    it('is answered although the first endpoint tells neither of it nor of its case', async () => {
        other.emissions.push({ lt: 5n, at: other.now(), body: openedAt(dispute) });
        await until(async () => (await numbers()).includes(9));
        await caseRound();
        expect(fixture.wallet.orders).toEqual([]); // the other may only be ahead

        seconds += 120;
        await answered();

        expect(fixture.wallet.orders[0]).toMatchObject([{ to: dispute, value: (VALUE * 11n) / 10n }]);
    });

    it.each([
        ['is closed', { getCaseState: async () => ({ state: caseStates.closed, outcome: 0n }) }],
        ['had to be answered before', { getCaseState: async () => ({ state: caseStates.open, answerBy: 1n }) }],
    ])('is answered although the first endpoint says that it %s', async (_, lie) => {
        showDemand(fixture.chain, dispute, lie);
        tells(openedAt(dispute));
        await until(async () => (await numbers()).includes(9));
        await caseRound();

        seconds += 120;
        await answered();

        expect(fixture.wallet.orders[0]).toMatchObject([{ to: dispute }]);
    });

    const fileAbout = (about: number) => async () => {
        const { receiptKey } = fixture.worker.nodeInfo;
        return { job: FIVE, query: 9, about: Buffer.alloc(32, about), firstPiece: 0, receiptKey };
    };
    const unknownKey = async () => ({ ...(await fileAbout(7)()), receiptKey: Buffer.alloc(32, 1) });

    it.each([
        ['another request', { getFile: fileAbout(8) }],
        ['another key', { getFile: unknownKey }],
        ['more coins than there are', { getCloseValue: async () => 10n ** 18n }],
    ])('is answered as it says, once an answer to the first endpoint failed, which made up %s', async (_, lie) => {
        let isAsked = false;
        const getFile = async () => {
            isAsked = true;
            return fileAbout(7)();
        };
        showDemand(fixture.chain, dispute, lie);
        showDemand(other, dispute, { getFile });
        const sent = jest.spyOn(fixture.wallet, 'send').mockImplementation(async () => undefined);
        tells(openedAt(dispute));

        await until(() => {
            seconds += 1;
            return isAsked && sent.mock.calls.length > 0;
        });
    });

    it('is answered although this endpoint told of its account as that of another query before', async () => {
        other.emissions.push({ lt: 5n, at: other.now(), body: opened(7, { dispute: bigintOf(dispute) }) });
        await until(async () => (await numbers()).includes(7));
        showDemand(fixture.chain, dispute);
        tells(openedAt(dispute));
        await answered();

        expect(fixture.wallet.orders[0]).toMatchObject([{ to: dispute }]);
        expect(await numbers()).toEqual([9]);
    });

    it('and that no answer closes is answered a few times, because the other endpoint may have made it up', async () => {
        other.emissions.push({ lt: 5n, at: other.now(), body: openedAt(dispute) });
        await until(() => {
            seconds += 10;
            return fixture.wallet.orders.length === 8;
        });

        seconds += 10_000;
        await caseRound();

        expect(fixture.wallet.orders).toHaveLength(8);
    });
});

describe('Messages of the provider that no endpoint gives', () => {
    it('do not keep a demand that is known from being answered', async () => {
        await fixture.restart({ cases: { seconds: 0.02 } });
        const { address } = await Dispute.ofFault(account(0x22), { class: 'A3', job: FIVE, query: 9 });
        tells(openedAt(address));
        await until(async () => (await numbers()).includes(9));
        jest.spyOn(fixture.chain, 'emitted').mockImplementation(() => {
            throw new ChainError('The API does not answer');
        });
        showDemand(fixture.chain, address);

        await until(() => fixture.wallet.orders.length > 0);
    });
});

describe('A demand that no answer closes', () => {
    it('is answered after growing pauses, so that fees do not use up the wallet', async () => {
        await fixture.stop();
        let seconds = 1000;
        fixture = await startFixture({ cases: { seconds: 0.02 } }, { steady: () => seconds });
        const sent = jest.spyOn(fixture.wallet, 'send').mockImplementation(async () => undefined);
        const { address } = await Dispute.ofFault(account(0x22), { class: 'A3', job: FIVE, query: 9 });
        await demandedAt(address);
        await caseRound();
        expect(sent).toHaveBeenCalledTimes(1);

        seconds += 0.03;
        await until(() => sent.mock.calls.length === 2);
        seconds += 0.03; // the second pause is twice as long
        await caseRound();
        expect(sent).toHaveBeenCalledTimes(2);
    });
});

describe('Forty demands at once', () => {
    const COUNT = 40;
    const WINDOW = 3600; // seconds
    let orderSeconds: number; // that an order of the wallet takes
    let passed: number; // seconds
    let disputes: Address[]; // the later ones must be answered sooner
    let answered: Set<string>; // accounts
    let orders: string[][]; // accounts that each order went to

    const now = () => Math.floor(Date.now() / 1000) + passed;
    const nameOf = (dispute: Address) => dispute.toRawString();

    /** The wallet sends the messages, and the Disputes take them if they are in time. */
    async function execute(transfers: Transfer[]): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, 20));
        passed += orderSeconds;
        orders.push(transfers.map(({ to }) => nameOf(to)));
        transfers.filter(() => passed <= WINDOW).forEach(({ to }) => answered.add(nameOf(to)));
    }

    const sendBy = (send: (transfers: Transfer[]) => Promise<void>) =>
        jest.spyOn(fixture.wallet, 'send').mockImplementation(send);

    async function demandAll(): Promise<void> {
        const end = BigInt(now() + 2 * WINDOW);
        disputes.forEach((dispute, index) => {
            const getCaseState = async () => {
                const state = answered.has(nameOf(dispute)) ? caseStates.closed : caseStates.open;
                const answerBy = end - BigInt(index);
                return { state, outcome: 0n, answerBy, result: 0n, missingPieces: 0n, bond: 4n };
            };
            const { receiptKey } = fixture.worker.nodeInfo;
            const about = Buffer.alloc(32, 7);
            const getFile = async () => ({ job: FIVE, query: index + 1, about, firstPiece: 0, receiptKey });
            showDemand(fixture.chain, dispute, { getCaseState, getFile, getCloseValue: async () => 1_000_000n });
            tells(opened(index + 1, { dispute: bigintOf(dispute) }));
        });
    }

    beforeEach(async () => {
        [orderSeconds, passed, answered, orders] = [0, 0, new Set(), []];
        await fixture.stop();
        fixture = await startFixture({ cases: { seconds: 0.02 } });
        const derived = Array.from({ length: COUNT }, (_, index) =>
            Dispute.ofFault(account(0x22), { class: 'A3', job: FIVE, query: index + 1 }),
        );
        disputes = (await Promise.all(derived)).map(({ address }) => address);
    });

    it('are all answered in time although there is time for thirty orders, because cases share an order', async () => {
        orderSeconds = WINDOW / 30;
        sendBy(execute);
        await demandAll();

        await until(() => orders.flat().length >= COUNT);

        expect(answered.size).toBe(COUNT);
        expect(orders.flat()).toHaveLength(COUNT); // none is answered twice
    });

    it('are all answered but for one whose answer makes every order fail that holds it', async () => {
        const wrong = disputes[COUNT - 1]; // the first to be answered
        sendBy(async (transfers) => {
            if (transfers.some(({ to }) => to.equals(wrong))) {
                await new Promise((resolve) => setTimeout(resolve, 20));
                throw new ChainError('The API refuses it');
            }
            await execute(transfers);
        });
        await demandAll();

        await until(() => answered.size === COUNT - 1);
        expect(answered).not.toContain(nameOf(wrong));
    });
});

describe('A job that cannot be read', () => {
    it('does not keep the demands of other jobs from being answered', async () => {
        const read = jest.spyOn(SqliteJobs.prototype, 'get');
        read.mockImplementation(async (hash) => {
            if (hash.at(-1) === 5) {
                throw new Error('The row is damaged');
            }
            return undefined;
        });
        const closed = { getCaseState: async () => ({ state: caseStates.closed, outcome: 0n }) };
        for (const number of [8, 9]) {
            fixture.chain.set(account(number), { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
            fixture.chain.getters.set(account(number).toRawString(), closed);
        }
        tells(opened(8));
        tells(opened(9, { job: 6n }));

        await until(async () => (await numbers()).join() === '8');
        read.mockRestore();
    });
});

describe('The end of a case that one endpoint tells of', () => {
    it('is not believed while another shows the case open', async () => {
        const there = { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n };
        const closed = { getCaseState: async () => ({ state: caseStates.closed, outcome: 0n }) };
        let elsewhere: object = { getCaseState: async () => ({ state: caseStates.open }) };
        fixture.chain.set(account(9), there);
        fixture.chain.getters.set(account(9).toRawString(), closed);
        const { chain } = fixture;
        const other = { account: chain.account.bind(chain), open: () => elsewhere };
        (chain as { others?: unknown[] }).others = [other];
        await fixture.restart({ cases: { seconds: 0.02 } });
        tells(opened(9));
        await until(async () => (await numbers()).includes(9));
        await caseRound();
        expect(await numbers()).toEqual([9]);
        elsewhere = closed;

        await until(async () => (await numbers()).length === 0);
    });
});

describe('A clock that jumps years ahead', () => {
    it('does not have the worker forget what answers a demand', async () => {
        await fixture.stop();
        let ahead = 0;
        const now = (): number => Math.floor(Date.now() / 1000) + ahead;
        fixture = await startFixture({ cases: { seconds: 0.02 } }, { now });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const query = client.seal(1, 'one');
        await client.send(query);
        await client.end();
        await until(async () => {
            await fixture.worker.claimNow();
            return (await fixture.worker.status()).jobs.ended === 1;
        });

        ahead = 10 * 365 * 86_400;
        await caseRound();

        expect((await client.fetch(query)).text).toBe('one');
    });
});
