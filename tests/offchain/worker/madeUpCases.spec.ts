/**
 * What one endpoint of the chain can do that makes up cases of the node, or shows those wrongly that there are.
 *
 * Longer than 350 lines because each test needs the same liar, and what it may make up is best read in one place.
 */
import { bytesToNumber, caseStates, Dispute } from '@cocoon-market/wrappers';
import { type Address, beginCell, Cell, type Sender } from '@ton/core';
import { storeCaseOpened } from '../../../wrappers/bodies';
import { ChainError } from '../../../offchain/chain';
import { FakeChain } from '../support/chain';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { account, caseRound, type Fixture, startFixture } from '../support/worker';

const JOB: Buffer = Buffer.alloc(32).fill(5, 31);
const VALUE = 1_000_000n; // nanoTON that an answer needs, as the endpoints say
const FAR = 4_000_000_000; // number of a query far ahead of what its job has used

let fixture: Fixture;
let liar: FakeChain; // the first endpoint
let honest: FakeChain;
let seconds: number;
let looks: number; // at cases that are made up

const numbers = async () => (await fixture.worker.status()).cases.map(({ number }) => number);
const answers = () => fixture.wallet.orders.flat();

async function disputeOf(query: number, job = JOB): Promise<Address> {
    return (await Dispute.ofFault(account(0x22), { class: 'A3', job, query })).address;
}

/** What a demand about a query is about. */
function fileOf(query: number, job: Buffer): object {
    const { receiptKey } = fixture.worker.nodeInfo;
    return { job, query, about: Buffer.alloc(32, 7), firstPiece: 0, receiptKey };
}

/** An endpoint shows an open demand about a query at this account. */
function show(chain: FakeChain, dispute: Address, query: number, change: object = {}): void {
    const answerBy = BigInt(fixture.chain.now() + 3600);
    chain.set(dispute, { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
    chain.getters.set(dispute.toRawString(), {
        getCaseState: async () => ({ state: caseStates.open, answerBy, result: 0n, missingPieces: 0n, bond: 4n }),
        getFile: async () => fileOf(query, JOB),
        getCloseValue: async () => VALUE,
        sendFail: async (via: Sender, { value }: { value: bigint }) => via.send({ to: dispute, value }),
        ...change,
    });
}

function tell(chain: FakeChain, dispute: Address, query: number, at = fixture.chain.now(), job = JOB): void {
    const named = { job: bytesToNumber(job), query: BigInt(query), dispute: bytesToNumber(dispute.hash) };
    const rest = { faultClass: 3n, node: 0n, date: 1n, answerBy: 2n, amount: 3n, bond: 4n };
    const message = { $$type: 'CaseOpened' as const, serial: BigInt(query), ...named, ...rest };
    const body = beginCell().store(storeCaseOpened(message)).endCell();
    chain.emissions.unshift({ lt: BigInt(chain.emissions.length + 1), at, body });
}

/** The liar tells of a demand about a query of this job, and shows it. */
async function showDemand(query: number, job: Buffer): Promise<Address> {
    const dispute = await disputeOf(query, job);
    show(liar, dispute, query, { getFile: async () => fileOf(query, job) });
    tell(liar, dispute, query, undefined, job);
    return dispute;
}

/** The liar tells of cases about these queries, of long ago, and shows them. */
async function makeUp(queries: number[]): Promise<void> {
    for (const query of queries) {
        const dispute = await disputeOf(query);
        const answerBy = BigInt(fixture.chain.now() + 3600);
        const getCaseState = async () => {
            looks++;
            return { state: caseStates.open, answerBy, result: 0n, missingPieces: 0n, bond: 4n };
        };
        show(liar, dispute, query, { getCaseState });
        tell(liar, dispute, query, 1000);
    }
}

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

beforeEach(async () => {
    [seconds, looks] = [1000, 0];
    honest = new FakeChain();
    const chain = { pollSeconds: 0.0001 };
    fixture = await startFixture({ cases: { seconds: 0.02 }, chain }, { steady: () => seconds });
    liar = fixture.chain;
    liar.others = [liar, honest];
    await fixture.restart();
});

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

describe('An endpoint that lists messages without an end', () => {
    beforeEach(() => {
        honest.emitted = async function* () {
            for (;;) {
                await new Promise((resolve) => setTimeout(resolve, 5));
                yield* []; // nothing, for as long as it likes
            }
        };
    });

    it('keeps no demand from being answered of which another tells', async () => {
        await fixture.restart();
        const dispute = await disputeOf(9);
        show(liar, dispute, 9);
        tell(liar, dispute, 9);

        await until(() => answers().length > 0);

        expect(answers()[0].to).toEqual(dispute);
    });
});

describe('Cases that one endpoint makes up', () => {
    it('keep no demand waiting of which another endpoint tells', async () => {
        const dispute = await disputeOf(9);
        show(liar, dispute, 9);
        show(honest, dispute, 9);
        await makeUp(range(100, 900));
        tell(honest, dispute, 9);

        await until(() => answers().some(({ to }) => to.equals(dispute)));

        expect(looks).toBeLessThan(900);
    });

    it('are no more than a thousand', async () => {
        const made = range(100, 1100);
        await makeUp(made);
        await until(async () => (await numbers()).length > 0);

        expect(await numbers()).toHaveLength(1000);
    });

    it('are computed once in a reading that tells of them hundreds of times', async () => {
        const dispute = await disputeOf(9);
        for (let i = 0; i < 300; i++) tell(liar, dispute, 9, 1000);
        const computed = jest.spyOn(Dispute, 'ofFault');
        await fixture.restart();
        await until(async () => (await numbers()).length > 0);

        expect(computed.mock.calls.length).toBeLessThan(300);
    });

    it('are computed a few at a time, so that clients are served meanwhile', async () => {
        const disputes = await Promise.all(range(100, 200).map((query) => disputeOf(query)));
        disputes.forEach((dispute, i) => tell(liar, dispute, 100 + i, 1000));
        let turns = 0;
        const turnsAt: number[] = []; // by account that is computed
        const note = () => {
            turns++;
            immediate = setImmediate(note);
        };
        let immediate = setImmediate(note);
        const compute = Dispute.ofFault.bind(Dispute);
        jest.spyOn(Dispute, 'ofFault').mockImplementation((...fault) => {
            turnsAt.push(turns);
            return compute(...fault);
        });
        await fixture.restart();
        await until(async () => (await numbers()).length === 200);
        clearImmediate(immediate);

        expect(new Set(turnsAt).size).toBeGreaterThan(8);
    });

    it('spend no number of a job while no other endpoint answers in time', async () => {
        const client = await TestClient.withJob(fixture.worker.url, liar);
        const { job } = client;
        const dispute = await disputeOf(FAR, job);
        const { account: accountOf } = honest;
        honest.account = async (address) => {
            if (address.equals(dispute)) {
                throw new ChainError('made-up cases use up its calls', undefined, { busy: true });
            }
            return accountOf.call(honest, address);
        };
        await showDemand(FAR, job);
        await until(async () => (await numbers()).includes(FAR));
        await caseRound();
        await fixture.restart();

        client.url = fixture.worker.url;
        expect((await client.register()).body.highest).toBe(0);
        expect(answers()).toEqual([]);
    });

    it('use up no numbers of a job', async () => {
        const client = await TestClient.withJob(fixture.worker.url, liar);
        const { job } = client;
        await showDemand(FAR, job);
        await until(async () => (await numbers()).includes(FAR));
        await caseRound();
        await fixture.restart();

        client.url = fixture.worker.url;
        expect((await client.register()).body.highest).toBe(0);
        expect(answers()).toEqual([]);
    });

    it('use up no numbers of a job that the worker does not have yet', async () => {
        const third = new FakeChain();
        liar.others = [liar, honest, third];
        await fixture.restart();
        const client = new TestClient(fixture.worker.url, liar);
        await client.draft();
        await client.open();
        const { code, data, balance } = await liar.account(client.channel);
        third.set(client.channel, { code: code!, data: data!, balance });
        const { job } = client;
        await showDemand(FAR, job);
        await until(async () => (await numbers()).includes(FAR));
        await caseRound();
        expect(answers()).toEqual([]);
        expect((await client.register()).body.highest).toBe(0);

        seconds += 600;
        await caseRound();
        await fixture.restart();
        client.url = fixture.worker.url;
        expect((await client.register()).body.highest).toBe(0);
    });

    it('cost 64 answers in all', async () => {
        const sent = jest.spyOn(fixture.wallet, 'send').mockImplementation(async () => undefined);
        const count = () => sent.mock.calls.flatMap(([transfers]) => transfers).length;
        await makeUp(range(100, 80));
        await until(() => count() >= 64);
        for (let round = 0; round < 3; round++) {
            seconds += 1000;
            await caseRound();
        }

        expect(count()).toBe(64);
    });
});

describe('A demand for a number that its job has not used', () => {
    const query = 7;
    let dispute: Address;
    let third: FakeChain;
    let job: Buffer;
    let file: object;

    beforeEach(async () => {
        ({ job } = await TestClient.withJob(fixture.worker.url, liar));
        third = new FakeChain();
        liar.others = [liar, honest, third];
        await fixture.restart();
        dispute = await disputeOf(query, job);
        file = fileOf(query, job);
        [honest, third].forEach((chain) => show(chain, dispute, query, { getFile: async () => file }));
        tell(honest, dispute, query, undefined, job);
    });

    it('is answered although the first of three endpoints shows no such case', async () => {
        tell(third, dispute, query, undefined, job);
        await until(async () => (await numbers()).includes(query));
        await caseRound(); // sees that the first one shows nothing
        seconds += 120;
        await until(() => answers().length > 0);

        expect(answers()[0].to).toEqual(dispute);
    });

    it('is answered after ten minutes if its job is not stored, and one of three endpoints alone shows it', async () => {
        const other = await showDemand(query, JOB);
        await caseRound();
        await caseRound();
        expect(answers()).toEqual([]);

        seconds += 600;
        await until(() => answers().some(({ to }) => to.equals(other)));
    });

    it('is answered although the other of two endpoints is silent for half an hour', async () => {
        liar.others = [liar, honest];
        liar.account = async () => Promise.reject(new ChainError('is down'));
        liar.emitted = async function* () {
            yield* await Promise.reject<never[]>(new ChainError('is down'));
        };
        await fixture.restart();
        await until(async () => (await numbers()).includes(query));
        await caseRound();
        seconds += 120; // the other endpoint is asked
        await caseRound();
        await caseRound();
        expect(answers()).toEqual([]);

        seconds += 1800;
        await until(() => answers().length > 0);

        expect(answers()[0].to).toEqual(dispute);
    });

    it('has no answer while the other of two endpoints denies it, if only now and then', async () => {
        liar.others = [liar, honest];
        const down = async () => Promise.reject<never>(new ChainError('is down'));
        const { account: accountOf } = liar;
        await fixture.restart();
        await until(async () => (await numbers()).includes(query));
        for (let i = 0; i < 3; i++) {
            liar.account = accountOf;
            seconds += 800;
            await caseRound();
            await caseRound();
            liar.account = down;
            seconds += 800;
            await caseRound();
            await caseRound();
        }

        expect(answers()).toEqual([]);
    });

    it('has no answer after looks long apart, at one of which alone the other of two endpoints is silent', async () => {
        liar.others = [liar, honest];
        const { account: accountOf } = liar;
        await fixture.restart();
        await until(async () => (await numbers()).includes(query));
        for (let i = 0; i < 2; i++) {
            liar.account = accountOf;
            seconds += 1;
            await caseRound();
            await caseRound();
            liar.account = async () => Promise.reject<never>(new ChainError('its calls are used up'));
            seconds += 2000;
            await caseRound();
            await caseRound();
        }

        expect(answers()).toEqual([]);
    });

    it('is answered although one of three endpoints alone has told of it, if another shows it too', async () => {
        show(liar, dispute, query, { getFile: async () => file });
        third.account = async () => Promise.reject(new ChainError('made-up cases use up its calls'));
        await until(() => answers().length > 0);

        expect(answers()[0].to).toEqual(dispute);
    });
});

describe('An endpoint that shows a demand closed after each answer, and then open again', () => {
    it('gets the next answer after a pause only', async () => {
        const dispute = await disputeOf(9);
        let calls = 0;
        const answerBy = BigInt(fixture.chain.now() + 3600);
        const getCaseState = async () => {
            const state = calls++ % 2 === 0 ? caseStates.open : caseStates.closed;
            return { state, outcome: 0n, answerBy, result: 0n, missingPieces: 0n, bond: 4n };
        };
        liar.others = undefined;
        await fixture.restart();
        show(liar, dispute, 9, { getCaseState });
        tell(liar, dispute, 9);
        await until(() => answers().length > 0);
        await caseRound();

        expect(answers()).toHaveLength(1);
    });

    it('keeps no demand from being answered as another shows it', async () => {
        const third = new FakeChain();
        liar.others = [liar, honest, third];
        await fixture.restart();
        const dispute = await disputeOf(9);
        let answeredAt = -Infinity; // seconds
        const sent = jest.spyOn(fixture.wallet, 'send').mockImplementation(async () => void (answeredAt = seconds));
        const answerBy = BigInt(fixture.chain.now() + 3600);
        const getCaseState = async () => {
            const state = seconds - answeredAt < 30 ? caseStates.closed : caseStates.open;
            return { state, outcome: 0n, answerBy, result: 0n, missingPieces: 0n, bond: 4n };
        };
        show(liar, dispute, 9, { getCaseState, getCloseValue: async () => 1n });
        [honest, third].forEach((chain) => show(chain, dispute, 9));
        [liar, honest, third].forEach((chain) => tell(chain, dispute, 9));

        for (const end = seconds + 3600; seconds < end; seconds += 60) {
            await caseRound();
        }

        const values = sent.mock.calls.flatMap(([transfers]) => transfers).map(({ value }) => value);
        expect(values).toContain((VALUE * 11n) / 10n);
    });
});

describe('An endpoint that shows another case at the account of a demand', () => {
    it('has nothing signed and nothing sent for that one', async () => {
        const dispute = await disputeOf(9);
        show(liar, dispute, 9, { getFile: async () => fileOf(8, JOB) });
        tell(liar, dispute, 9);
        await until(async () => (await numbers()).includes(9));
        await caseRound();

        expect(answers()).toEqual([]);
    });
});

describe('An endpoint that shows nothing of a demand that can be used', () => {
    const open = { state: caseStates.open, result: 0n, missingPieces: 0n, bond: 4n };

    it.each([
        ['an error', () => Promise.reject(new Error('exit code 11'))],
        ['a deadline that no contract has', async () => ({ ...open, answerBy: 1n << 64n })],
        ['no deadline', async () => open],
        ['a bond of less than nothing', async () => ({ ...open, answerBy: BigInt(honest.now() + 7200), bond: -4n })],
    ])('but %s keeps it from being answered for two minutes only', async (_, getCaseState) => {
        const dispute = await disputeOf(9);
        show(liar, dispute, 9, { getCaseState });
        show(honest, dispute, 9);
        [liar, honest].forEach((chain) => tell(chain, dispute, 9));
        await until(async () => (await numbers()).includes(9));
        await caseRound();
        expect(answers()).toEqual([]);

        seconds += 120;
        await until(() => answers().length > 0);

        expect(answers()[0].to).toEqual(dispute);
    });
});
