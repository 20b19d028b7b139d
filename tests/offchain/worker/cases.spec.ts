/** How the worker finds the cases of its node, and that no message keeps it from doing so. */
import { Accept, opcodes, reports, signingKey } from '@cocoon-market/wrappers';
import { beginCell, Cell } from '@ton/core';
import type { Received } from '../../../offchain/chain';
import { signReceipt } from '../../../offchain/link';
import { TestClient } from '../support/client';
import { account, SEEDS, startFixture } from '../support/worker';
import type { Fixture } from '../support/worker';

const KEY = signingKey(SEEDS.receiptKey);
const CODE = beginCell().endCell();

let fixture: Fixture;

afterEach(() => fixture.stop());

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The cell that the TVM takes for `cell`, and that no reader off chain can look into. */
function libraryOf(cell: Cell): Cell {
    return beginCell().storeUint(2, 8).storeBuffer(cell.hash()).endCell({ exotic: true });
}

function demand(client: TestClient, number: number): Cell {
    const { job, terms, channel } = client;
    const accept = { job, number, request: Buffer.alloc(32, 5), ceiling: 1n, deadline: 1_900_000_000 };
    return reports.demand({ channel: channel.hash, terms, accept: signReceipt(Accept, accept, KEY), code: CODE });
}

/** The same body with its evidence, its first reference but one, in a library cell. */
function hidden(body: Cell): Cell {
    const builder = beginCell().storeBits(body.bits);
    body.refs.forEach((ref, i) => builder.storeRef(i === 1 ? libraryOf(ref) : ref));
    return builder.endCell();
}

describe('The reader of cases', () => {
    let lt: bigint;

    beforeEach(async () => {
        lt = 1n;
        fixture = await startFixture({ cases: { seconds: 0.02 } });
        const getDisputeAddress = async (_class: bigint, _job: bigint, query: bigint) => account(Number(query));
        fixture.chain.getters.set(account(0x22).toRawString(), { getDisputeAddress });
    });

    const arrives = (body: Cell, more: Partial<Received> = {}) => {
        fixture.chain.messages.unshift({
            ...{ lt: ++lt, at: fixture.chain.now(), from: account(0x77), body, failed: false, ...more },
        });
    };
    const numbers = async () => (await fixture.worker.status()).cases.map(({ number }) => number).sort();

    it('passes and counts a demand whose evidence is in a library cell, and finds the next one', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        arrives(hidden(demand(client, 7)));
        arrives(demand(client, 8));

        await until(async () => (await numbers()).includes(8));
        expect((await fixture.worker.status()).unreadable).toBe(1);
    });

    it.each([
        { what: 'is an exotic cell', body: libraryOf(CODE) },
        { what: 'is cut off', body: beginCell().storeUint(opcodes.DemandAnswer, 32).endCell() },
        { what: 'holds nothing', body: Cell.EMPTY },
    ])('goes on after a message whose body $what', async ({ body }) => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        arrives(body);
        arrives(demand(client, 9));

        await until(async () => (await numbers()).includes(9));
    });

    it('goes on after a transaction that the API gives and nobody can read, also after a restart', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        arrives(Cell.EMPTY, { unreadable: new Error('no transaction') });
        await until(async () => (await fixture.worker.status()).unreadable === 1);

        await fixture.restart();
        arrives(demand(client, 3));

        await until(async () => (await numbers()).includes(3));
        expect((await fixture.worker.status()).unreadable).toBe(0); // it is behind the cursor
    });
});
