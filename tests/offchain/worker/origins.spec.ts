/** A channel that a stranger deployed in the name of another's escrow: what it can take from that client. */
import { Channel, Reason } from '@cocoon-market/wrappers';
import { Address, internal, SendMode, toNano } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { TonHttpChain } from '../../../offchain/chain';
import { originOf } from '../../../offchain/worker/origins';
import { World } from '../../indexer/support/world';
import { ECHO, echo } from '../support/backend';
import type { FakeChain } from '../support/chain';
import { type Answer, TestClient } from '../support/client';
import { until } from '../support/until';
import { account, type Fixture, type Overrides, RATES, startFixture, TOKEN } from '../support/worker';

const STEP = 1000n * TOKEN;
const STRANGER = { account: account(0x77) };

let fixture: Fixture;
const running: Fixture[] = [];

afterEach(() => Promise.all(running.splice(0).map((one) => one.stop())));

const start = async (overrides: Overrides = {}) => {
    fixture = await startFixture({ limits: { startSteps: 1 }, ...overrides });
    running.push(fixture);
};
const PATIENT = { creditSeconds: 30 }; // where nothing waits for credit in vain

/** Jobs of one escrow; that escrow has deployed their channels. */
async function jobsOfOne(count: number): Promise<TestClient[]> {
    const escrow = randomBytes(32);
    const jobs: TestClient[] = [];
    for (let i = 1; i <= count; i++) {
        const client = new TestClient(fixture.worker.url, fixture.chain);
        client.jobNumber = 4 * i;
        await client.draft({ step: STEP, escrow });
        await client.open();
        expect((await client.register()).status).toBe(200);
        jobs.push(client);
    }
    return jobs;
}

/** A client that is new, and a job in its name that has left an answer unpaid, whose channel has these senders. */
async function withStranger(senders = [STRANGER]): Promise<{ client: TestClient; stranger: TestClient }> {
    const [client, stranger] = await jobsOfOne(2);
    fixture.chain.setSenders(stranger.channel, senders);
    expect((await stranger.ask(1, 'one', { pays: false })).result).toBeDefined();
    return { client, stranger };
}

const escrowOf = ({ terms }: TestClient) => new Address(0, terms.escrow);
const unfunded = { reason: Reason.Unfunded };

type History = FakeChain['history'];

/** From now on the worker has several endpoints; each gets what the chain holds, and says what it likes. */
function setEndpoints(...histories: ((read: History) => History)[]): void {
    const { chain } = fixture;
    const account = (address: Address) => chain.account(address);
    const others = histories.map((says) => ({ account, history: says(chain.history.bind(chain)) }));
    (chain as { others?: unknown[] }).others = others;
}

const honest = (read: History): History => read;
/** Says of every message that this account has sent it. */
const namesSender = (sender: Address) => (read: History) =>
    async function* (...args: Parameters<History>) {
        for await (const one of read(...args)) {
            yield { ...one, received: { account: sender, amount: 0n, isBounced: false } };
        }
    };
const silent = (): History => () => {
    throw new Error('The API does not answer');
};

describe("A stranger's channel that names the escrow of a client", () => {
    it('keeps no new job of the client waiting by what it owes', async () => {
        await start(PATIENT);
        const { client } = await withStranger();
        expect((await client.ask(1, 'one')).result).toBeDefined();
    });

    it('gets no second step, also while the client has credit', async () => {
        await start();
        const { client, stranger } = await withStranger();
        expect((await stranger.ask(2, 'two', { pays: false })).fail).toMatchObject(unfunded);
        expect((await client.ask(1, 'one')).result).toBeDefined();
        expect((await stranger.ask(3, 'three', { pays: false })).fail).toMatchObject(unfunded);
        expect(fixture.backend.requests).toHaveLength(2);
    });

    it('is one also if a message to the escrow came back', async () => {
        await start(PATIENT);
        const [client, stranger] = await jobsOfOne(2);
        fixture.chain.setSenders(stranger.channel, [STRANGER, { account: escrowOf(client), isBounced: true }]);
        await stranger.ask(1, 'one', { pays: false });
        expect((await client.ask(1, 'one')).result).toBeDefined();
    });

    it.each([
        [1000, { result: expect.anything() }],
        [1001, { fail: unfunded }],
    ])(
        'is found among a thousand messages, and counts as that of the escrow with more: %i',
        async (count, expected) => {
            await start();
            const { client } = await withStranger(Array.from({ length: count }, () => STRANGER));
            expect(await client.ask(1, 'one')).toMatchObject(expected);
        },
    );

    it('takes no place in the queue of the client', async () => {
        await start({ queue: { max: 2, seconds: 30 }, offers: [{ model: ECHO, rates: RATES, maxParallel: 1 }] });
        const { client, stranger } = await withStranger();
        await stranger.ask(2, 'two', { pays: false });
        const waiting = [3, 4].map((number) => stranger.ask(number, 'more', { pays: false }));
        await until(async () => (await fixture.worker.status()).running === 2);

        expect((await client.ask(1, 'one')).result).toBeDefined();
        await Promise.all(waiting);
    });

    it('takes no place in the queue of the client while it has credit, either', async () => {
        const queue = { max: 2, seconds: 30 };
        await start({ ...PATIENT, queue, offers: [{ model: ECHO, rates: RATES, maxParallel: 1 }] });
        const { backend } = fixture;
        const [client, stranger] = await jobsOfOne(2);
        fixture.chain.setSenders(stranger.channel, [STRANGER]);
        await stranger.pay(stranger.voucher(4n * STEP, 0));
        backend.script = (request) => [{ type: 'pause' }, ...echo(request)];
        const ofStranger = [1, 2].map((number) => stranger.ask(number, 'more')); // one runs, and one waits
        await until(async () => (await stranger.state()).highest === 2);

        let number = 0;
        const ask = async (): Promise<Answer> => {
            const answer = await client.ask(++number, 'one');
            return answer.decline === undefined ? answer : ask();
        };
        const answer = ask();
        await until(async () => (await fixture.worker.status()).running === 3);

        backend.script = echo;
        backend.go();
        expect((await answer).text).toBe('one');
        expect((await Promise.all(ofStranger)).map(({ text }) => text)).toEqual(['more', 'more']);
    });
});

describe('A channel that its escrow deployed', () => {
    it('is its own whatever strangers sent to it before and after', async () => {
        await start();
        const [debtor, next] = await jobsOfOne(2);
        fixture.chain.setSenders(debtor.channel, [STRANGER, { account: escrowOf(debtor) }, STRANGER]);
        await debtor.ask(1, 'one', { pays: false });
        expect((await next.ask(1, 'one')).fail).toMatchObject(unfunded);
    });
});

describe('A channel that has ended, and that a stranger deploys again', () => {
    it('leaves what its job owes with its client, although its history begins anew', async () => {
        await start();
        const [debtor, next] = await jobsOfOne(2);
        await debtor.ask(1, 'one', { pays: false });
        fixture.chain.advance(7200);
        fixture.chain.setSenders(debtor.channel, [STRANGER]);
        expect((await next.ask(1, 'one')).fail).toMatchObject(unfunded);
    });
});

describe('Endpoints that do not agree who opened a channel', () => {
    it('take no credit from a client if one of three lies', async () => {
        await start();
        setEndpoints(honest, namesSender(STRANGER.account), honest);
        const [client] = await jobsOfOne(1);
        await client.ask(1, 'one', { pays: false });
        expect((await client.ask(2, 'two')).fail).toMatchObject(unfunded); // all have said who opened it
        await client.pay();
        expect((await client.ask(3, 'three')).result).toBeDefined();
    });

    it.each([
        ['also if one of three denies it', honest, { result: expect.anything() }],
        ['but not if one of three denies it and one is silent', silent, { fail: unfunded }],
    ])("say together that a channel is a stranger's, %s", async (_, third, expected) => {
        await start();
        const { client } = await withStranger();
        setEndpoints(honest, namesSender(escrowOf(client)), third);
        expect(await client.ask(1, 'one')).toMatchObject(expected);
    });
});

describe('The history of a channel on a network', () => {
    it('tells who opened it, behind more gifts of a stranger than come with one call', async () => {
        const world = await World.start();
        try {
            const client = await world.client('client');
            const [byKey] = await world.open(client, [world.market.payout]);
            const [byOwner] = await world.open(client, [world.market.payout], { byOwner: true });
            const { address: escrow } = client.escrow;
            const forged = await Channel.ofJob(escrow, { ...byKey.job, job: byKey.job.job + 1000 });
            const { stranger } = world.market;
            await stranger.send({ to: forged.address, value: toNano('1'), init: forged.init!, bounce: false });
            const giftsTo = ({ address: to }: { address: Address }) =>
                Array.from({ length: 60 }, () => internal({ to, value: toNano('0.001'), bounce: false }));
            for (const channel of [byKey.channel, forged]) {
                await stranger.sendMessages(giftsTo(channel), SendMode.PAY_GAS_SEPARATELY);
            }

            const chain = new TonHttpChain(world.settings);
            const origins = [byKey.channel, byOwner.channel, forged].map(({ address }) =>
                originOf(chain, address, escrow),
            );
            expect(await Promise.all(origins)).toEqual(['escrow', 'escrow', 'stranger']);
        } finally {
            await world.close();
        }
    });
});
