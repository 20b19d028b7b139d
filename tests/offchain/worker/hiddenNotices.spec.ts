/**
 * A client's notice that the first endpoint hides: vouchers below the threshold are claimed before the refund. And one
 * that it makes up: no job ends by it.
 *
 * Longer than 350 lines because what endpoints can do with a notice is best read in one place.
 */
import { opcodes, Reason } from '@cocoon-market/wrappers';
import type { Address, Cell } from '@ton/core';
import { ChainError } from '../../../offchain/chain';
import { ServedChannel } from '../../../offchain/worker/servedChannel';
import { FakeChain } from '../support/chain';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { claimRound, type Fixture, startFixture } from '../support/worker';

const DUE = 500n; // nanoTON, half the threshold
const MARGIN = 1800;

let fixture: Fixture;
let seconds: number;

beforeEach(async () => {
    seconds = 0;
    const claim = { seconds: 0.02, threshold: '1000', minAmount: '10' };
    fixture = await startFixture({ claim, marginSeconds: MARGIN }, { steady: () => seconds });
});

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

type Read = FakeChain['account'];

/** From now on the worker has these endpoints, of which the first is asked. */
function endpoints(...all: Read[]): void {
    const { chain } = fixture;
    chain.account = all[0];
    (chain as { others?: unknown[] }).others = all.map((account) => ({ account }));
}

/** What an endpoint shows that has the channel of a client otherwise. */
function showing(client: TestClient, read: Read, change: Parameters<FakeChain['change']>[1]): Read {
    const other = new FakeChain();
    return async (address) => {
        const shown = await read(address);
        if (!address.equals(client.channel) || shown.state !== 'active') {
            return shown;
        }
        other.set(address, { code: shown.code!, data: shown.data!, balance: shown.balance });
        other.change(address, change);
        return { ...(await other.account(address)), at: shown.at };
    };
}

/** A job with a voucher below the threshold, and an endpoint that shows a notice of so many seconds from now. */
async function leaving(notice: number, { end, ...change }: { paid?: bigint; end?: number } = {}) {
    const terms = end === undefined ? {} : { end };
    const client = await TestClient.withJob(fixture.worker.url, fixture.chain, terms);
    await client.pay(client.voucher(DUE, 0));
    const { chain } = fixture;
    const read = chain.account.bind(chain);
    const shows = showing(client, read, { refundAt: chain.now() + notice, ...change });
    return { client, read, shows };
}

/** A quarter of a margin goes by, after which the channel is read again. */
async function readAgain(): Promise<void> {
    seconds += MARGIN / 4;
    await claimRound();
}

describe('A notice that the first endpoint hides', () => {
    it('has the vouchers claimed that are not worth a claim yet', async () => {
        const { client, read, shows } = await leaving(2 * MARGIN);
        endpoints(read, shows);
        await readAgain();

        await until(() => fixture.chain.paidBy(client.channel) === DUE);
        expect(fixture.wallet.orders).toHaveLength(1);
    });

    it('is seen at whichever of the other endpoints shows it, within as many readings as there are endpoints', async () => {
        const { client, read, shows } = await leaving(2 * MARGIN);
        const asked: string[] = [];
        const named =
            (name: string, tell: Read): Read =>
            (address: Address) => {
                asked.push(name);
                return tell(address);
            };
        endpoints(read, named('second', read), named('third', read), named('fourth', shows));
        for (let reading = 0; reading < 4; reading++) await readAgain();

        expect(fixture.chain.paidBy(client.channel)).toBe(DUE);
        expect(new Set(asked)).toEqual(new Set(['second', 'third', 'fourth']));
    });

    it('is none while the refund is farther than two margins', async () => {
        const { read, shows } = await leaving(2 * MARGIN + 1000);
        endpoints(read, shows);
        await readAgain();
        await readAgain();

        expect(fixture.wallet.orders).toHaveLength(0);
    });

    it('is none where an endpoint shows a refund after the end of the terms, and none the end of the terms itself', async () => {
        const { read, shows } = await leaving(3500, { end: fixture.chain.now() + 3000 });
        endpoints(read, shows);
        await readAgain();
        await readAgain();

        expect(fixture.wallet.orders).toHaveLength(0);
    });

    it('has no claim paid for that brings nothing, as the endpoint that shows it says', async () => {
        const { read, shows } = await leaving(MARGIN, { paid: DUE });
        endpoints(read, shows);
        await readAgain();
        await readAgain();

        expect(fixture.wallet.orders).toHaveLength(0);
    });

    it('that is made up brings claims forward, each worth its cost, and keeps no query from being answered', async () => {
        const { client, read, shows } = await leaving(MARGIN / 2);
        endpoints(read, shows);
        for (let reading = 0; reading < 4; reading++) await readAgain();
        expect(fixture.wallet.orders).toHaveLength(1);
        await client.pay(client.voucher(DUE + 9n, 0)); // worth no claim
        for (let reading = 0; reading < 4; reading++) await readAgain();
        expect(fixture.wallet.orders).toHaveLength(1);

        expect((await client.ask(1, 'one')).text).toBe('one');
    });

    it('that is made up brings no claim forward again that is worth its cost only', async () => {
        const { client, read, shows } = await leaving(MARGIN / 2);
        endpoints(read, shows);
        await readAgain();
        await until(() => fixture.chain.paidBy(client.channel) === DUE);
        await client.pay(client.voucher(DUE + 19n, 0)); // a claim costs 10
        for (let reading = 0; reading < 4; reading++) await readAgain();
        expect(fixture.wallet.orders).toHaveLength(1);

        await client.pay(client.voucher(DUE + 20n, 0));
        for (let reading = 0; reading < 4; reading++) await readAgain();
        expect(fixture.chain.paidBy(client.channel)).toBe(DUE + 20n);
    });

    /** As an endpoint that shows what is true, and tells a time long past. */
    const longAgo =
        (shows: Read): Read =>
        async (address) => {
            const shown = await shows(address);
            return { ...shown, at: shown.at - 10 * MARGIN };
        };

    it('by a time long past has the vouchers claimed that are not worth a claim yet', async () => {
        const { client, shows } = await leaving(MARGIN);
        endpoints(longAgo(shows), shows);
        await readAgain();

        await until(() => fixture.chain.paidBy(client.channel) === DUE);
        expect(fixture.wallet.orders).toHaveLength(1);
    });

    it('by a time long past is none while the refund is farther than a margin', async () => {
        const { shows } = await leaving(MARGIN + 1000);
        endpoints(longAgo(shows), shows);
        await readAgain();
        await readAgain();

        expect(fixture.wallet.orders).toHaveLength(0);
    });

    it.each([
        ['by another refund', (read: Read) => read],
        ['by a time long past', (_: Read, shows: Read) => longAgo(shows)],
    ])('%s has nothing more answered once most endpoints show it', async (_, hiding) => {
        await fixture.restart({ marginSeconds: MARGIN }); // no claim ends the channel meanwhile
        const { client, read, shows } = await leaving(MARGIN / 2);
        endpoints(hiding(read, shows), shows, shows);
        seconds += MARGIN; // all of them are compared
        await client.ask(1, 'one');

        expect((await client.ask(2, 'two')).decline).toMatchObject({ reason: Reason.Leaving });
    });

    it.each([
        ['by another refund', (read: Read) => read],
        ['by a time long past', (_: Read, shows: Read) => longAgo(shows)],
    ])('%s has nothing answered in a job that begins while most endpoints show it', async (_, hiding) => {
        const { chain, worker } = fixture;
        const client = new TestClient(worker.url, chain);
        await client.draft();
        await client.open();
        const read = chain.account.bind(chain);
        const shows = showing(client, read, { refundAt: chain.now() + MARGIN / 2 });
        endpoints(hiding(read, shows), shows, shows);
        await client.register();

        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: Reason.Leaving });
    });

    it('keeps no other claim waiting while an endpoint does not answer', async () => {
        const { read } = await leaving(MARGIN);
        const other = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await other.pay(other.voucher(DUE, 0));
        await claimRound(); // both channels are read again only after a quarter of a margin, and then in one round
        endpoints(read, read);
        fixture.chain.change(other.channel, { refundAt: fixture.chain.now() + MARGIN });
        const sent = new Promise<void>((resolve) => {
            const send = fixture.wallet.send.bind(fixture.wallet);
            jest.spyOn(fixture.wallet, 'send').mockImplementation((...order) => send(...order).finally(resolve));
        });
        const asked = jest.spyOn(ServedChannel.prototype, 'readInTurn').mockImplementation(async () => {
            await sent; // for ever, if the order waits for this answer
            return undefined;
        });
        seconds += MARGIN / 4;
        await sent;

        expect(fixture.wallet.orders[0][0].to.equals(other.channel)).toBe(true);
        await until(() => asked.mock.calls.length > 0);
    });

    it('keeps no round of claims from its end while an endpoint never answers', async () => {
        const { client, read } = await leaving(MARGIN);
        const asked = jest.fn();
        endpoints(read, (address) => {
            if (!address.equals(client.channel)) {
                return read(address);
            }
            asked();
            return new Promise(() => undefined);
        });
        await readAgain();

        expect(asked).toHaveBeenCalled();
    });
});

describe('A notice that every endpoint shows', () => {
    it('has the vouchers claimed that only the first endpoint shows as paid', async () => {
        const { client, read } = await leaving(MARGIN);
        const refundAt = fixture.chain.now() + MARGIN / 2;
        const shows = showing(client, read, { refundAt });
        endpoints(showing(client, read, { refundAt, paid: DUE }), shows, shows);
        for (let reading = 0; reading < 3; reading++) await readAgain();

        expect(fixture.chain.paidBy(client.channel)).toBe(DUE);
    });

    it('has the wallet pay for a few claims only of vouchers that one of the others shows as not paid', async () => {
        const { client, read } = await leaving(MARGIN);
        const refundAt = fixture.chain.now() + MARGIN / 2;
        const shows = showing(client, read, { refundAt, paid: DUE });
        endpoints(shows, shows, showing(client, read, { refundAt, paid: 0n }));
        fixture.chain.change(client.channel, { paid: DUE });
        for (let reading = 0; reading < 10; reading++) await readAgain();

        expect(fixture.wallet.orders.length).toBeLessThanOrEqual(5);
    });

    it('has the wallet pay for a few claims only if one of the others shows none as paid, and is silent after each', async () => {
        const { client, read } = await leaving(MARGIN);
        const refundAt = fixture.chain.now() + MARGIN / 2;
        const [paid, unpaid] = [
            { refundAt, paid: DUE },
            { refundAt, paid: 0n },
        ].map((one) => showing(client, read, one));
        let ordered = 0; // before this round
        const silent: Read = () => Promise.reject(new ChainError('It does not answer'));
        const shifts: Read = (address) => (fixture.wallet.orders.length > ordered ? silent : unpaid)(address);
        endpoints(paid, paid, shifts);
        fixture.chain.change(client.channel, { paid: DUE });
        for (let reading = 0; reading < 20; reading++) {
            ordered = fixture.wallet.orders.length;
            await readAgain();
        }

        expect(fixture.wallet.orders.length).toBeLessThanOrEqual(6);
    });
});

const opcodesOf = () => fixture.wallet.orders.flat().map(({ body }) => (body as Cell).beginParse().loadUint(32));

describe('A notice that the first endpoint makes up', () => {
    it('ends no job, and brings no claim forward, while most endpoints show none', async () => {
        const { read, shows } = await leaving(MARGIN / 2);
        endpoints(shows, read, read);
        for (let reading = 0; reading < 4; reading++) await readAgain();

        expect(fixture.wallet.orders).toHaveLength(0);
        expect((await fixture.worker.status()).jobs.open).toBe(1);
    });

    it('keeps no query from being answered while most endpoints show none', async () => {
        const { client, read, shows } = await leaving(MARGIN / 2);
        endpoints(shows, read, read);

        expect((await client.ask(1, 'one')).text).toBe('one');
    });

    it('keeps no query from being answered that comes when the others are asked, and not heard yet', async () => {
        await fixture.restart({ marginSeconds: MARGIN, chain: { freshSeconds: 0, confirmSeconds: 0 } });
        const { client, read, shows } = await leaving(MARGIN / 2);
        let release = () => undefined as void;
        const over = new Promise<void>((resolve) => (release = resolve));
        const waits: Read = (address) => over.then(() => read(address));
        const first = jest.fn(shows);
        endpoints(first, waits, waits);
        await client.ask(1, 'one'); // has the channel read in the background
        await until(() => first.mock.calls.length > 1);
        const second = client.ask(2, 'two');
        await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 100))]);
        release();

        expect((await second).text).toBe('two');
    });

    it('keeps no query from being answered while it keeps back its word when all are asked', async () => {
        const { client, read, shows } = await leaving(MARGIN / 2);
        endpoints(shows, read, read);
        let release = () => undefined as void;
        const over = new Promise<void>((resolve) => (release = resolve));
        fixture.chain.others![0].account = (address) => over.then(() => shows(address));

        expect((await client.ask(1, 'one')).text).toBe('one');
        release();
    });

    it('keeps no queries from being answered while another endpoint is slow each time', async () => {
        const { client, read, shows } = await leaving(MARGIN / 2);
        const slow: Read = async (address) => {
            await new Promise((resolve) => setTimeout(resolve, 1700)); // longer than endpoints that agree wait for it
            return read(address);
        };
        endpoints(shows, read, slow);

        let number = 0;
        await until(async () => (await client.ask(++number, 'one')).text === 'one');
    });

    it('has vouchers claimed, and ends no job, while too few endpoints answer to know', async () => {
        const { client, read, shows } = await leaving(MARGIN / 2);
        const down: Read = async () => Promise.reject(new ChainError('The API does not answer'));
        endpoints(shows, read, down);
        await readAgain();

        await until(() => fixture.chain.paidBy(client.channel) === DUE);
        expect(opcodesOf()).toEqual([opcodes.Claim]);
    });

    it('is made up no more once most endpoints show it: the vouchers are claimed, and the channel ends', async () => {
        const { read, shows } = await leaving(MARGIN / 2);
        endpoints(shows, read, read);
        await readAgain();
        expect(fixture.wallet.orders).toHaveLength(0);
        endpoints(shows, shows, read);
        await readAgain();

        await until(async () => (await fixture.worker.status()).jobs.ended === 1);
        expect(opcodesOf()).toEqual([opcodes.ClaimLast]);
    });
});
