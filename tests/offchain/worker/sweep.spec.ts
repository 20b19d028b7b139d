import { codeId, Provider } from '@cocoon-market/wrappers';
import { type Address, beginCell, Cell } from '@ton/core';
import { writeFileSync } from 'node:fs';
import { workerCommand } from '../../../offchain/cli/worker';
import { ANSWER_SECONDS, EVIDENCE_SECONDS } from '../../../offchain/link';
import { serveAdmin } from '../../../offchain/worker';
import { TestClient } from '../support/client';
import { account, claimRound, configFor, type Fixture, type Overrides, RATES, startFixture } from '../support/worker';

let fixture: Fixture;

afterEach(() => fixture.stop());

const OWNER = account(0x55);
const REGISTRY = account(0x66);
const NODE = account(0x11);
const EARLIER_CODE = beginCell().storeUint(1, 8).endCell(); // of a Provider
const EARLIER = codeId(EARLIER_CODE).hash;
const KEEP = 500_000_000n;
const ABOVE = 2_000_000_000n;
/** The demands' reserve, and one claim. */
const NEVER = (1n << 60n).toString();
const NEEDS = 300_000_000n + 14_000_000n;
const FEES = 10_000_000n;

/** A worker of the provider of OWNER, of which the chain says that it belongs to `saysOwner`. */
async function start(
    sweep: object = {},
    is: { saysOwner?: Address; code?: Cell } = {},
    more: Overrides = {},
): Promise<void> {
    const provider = (await Provider.ofOwner(REGISTRY, OWNER, is.code)).address;
    fixture = await startFixture(
        {
            ...{ provider: provider.toRawString(), registry: REGISTRY.toRawString() },
            sweep: { to: OWNER.toRawString(), above: NEVER, keep: KEEP.toString(), ...sweep },
            ...more,
        },
        { node: async () => undefined },
    );
    await fixture.chain.setProvider(REGISTRY, OWNER, is);
}

/** A configuration that the command reads; the running worker has its own. */
const FILE = {
    ...{ network: -239, endpoint: 'http://127.0.0.1:1/', node: account(1).toRawString(), keyFile: 'keys.json' },
    ...{
        provider: account(2).toRawString(),
        store: 'worker.db',
        listen: { port: 0 },
        backends: [{ kind: 'embedded' }],
    },
    offers: [{ model: 'm', rates: RATES }],
};

const sent = () =>
    fixture.wallet.orders.flat().map(({ to, value, bounce }) => ({ to: to.toRawString(), value, bounce }));
const toOwner = (value: bigint) => ({ to: OWNER.toRawString(), value, bounce: false });

describe('A sweep', () => {
    it('sends to the owner what is above sweep.keep and the fees', async () => {
        await start();
        fixture.wallet.coins = 3_000_000_000n;
        const report = await fixture.worker.sweepNow();

        expect(report).toMatchObject({ sent: true, amount: 3_000_000_000n - KEEP - FEES, reason: '' });
        expect(sent()).toEqual([toOwner(report.amount)]);
    });

    it.each([
        { coins: NEEDS + FEES, amount: 0n },
        { coins: NEEDS + FEES + 1n, amount: 1n },
    ])('leaves what claims and demands need, whatever sweep.keep is: of $coins it sends $amount', async (row) => {
        await start({ keep: '0' });
        fixture.wallet.coins = row.coins;
        expect(await fixture.worker.sweepNow()).toMatchObject({ amount: row.amount, sent: row.amount > 0n });
        expect(sent()).toEqual(row.amount > 0n ? [toOwner(row.amount)] : []);
    });

    it.each([
        { coins: ABOVE, endpoints: 2, sweeps: 0 },
        { coins: ABOVE + 1n, endpoints: 2, sweeps: 1 },
        { coins: ABOVE + 1n, endpoints: 1, sweeps: 0 },
    ])('begins by itself above sweep.above: $sweeps of $coins with $endpoints endpoints', async (row) => {
        const { coins, endpoints, sweeps } = row;
        await start({ above: ABOVE.toString() });
        fixture.wallet.coins = coins;
        await fixture.worker.earnings('day'); // reads the ledger
        fixture.chain.others = endpoints === 2 ? [fixture.chain, fixture.chain] : [];
        await fixture.restart(); // its first round of claims is over before the next command
        await fixture.worker.claimNow();
        await fixture.worker.close();
        expect(sent()).toHaveLength(sweeps);
    });

    it('sends nothing to an address that the provider does not follow from, whatever the chain says', async () => {
        const thief = account(0x77);
        await start({ to: thief.toRawString() }, { saysOwner: thief });
        await expect(fixture.worker.sweepNow()).rejects.toThrow('is not the owner of the provider');
        expect(sent()).toEqual([]);
    });

    it('sends nothing when the chain names another owner, in its first answer or just before the order', async () => {
        await start({}, { saysOwner: account(0x77) });
        await expect(fixture.worker.sweepNow()).rejects.toThrow('is not the owner of the provider');

        const answers = [OWNER, account(0x77)];
        const getProviderState = async () => ({ owner: answers.shift()! });
        const provider = (await Provider.ofOwner(REGISTRY, OWNER)).address.toRawString();
        fixture.chain.getters.set(provider, { getProviderState });
        await expect(fixture.worker.sweepNow()).rejects.toThrow('is not the owner of the provider');
        expect(sent()).toEqual([]);
    });

    it.each([
        { code: 'an earlier code, which the registry names', hashes: [EARLIER, 1n], sends: true },
        { code: 'a code that the registry does not name', hashes: [1n, 2n], sends: false },
    ])('goes to the owner of a provider with $code: $sends', async ({ hashes, sends }) => {
        await start({}, { code: EARLIER_CODE });
        fixture.chain.getters.set(REGISTRY.toRawString(), {
            getCodeHash: async (_kind: bigint, version: bigint) => hashes[Number(version)] ?? 0n,
        });
        fixture.wallet.coins = 3_000_000_000n;
        const sweep = fixture.worker.sweepNow().then(({ sent: isSent }) => isSent, String);

        expect(await sweep).toEqual(sends || (expect.stringContaining('is not the owner of the provider') as string));
        expect(sent()).toHaveLength(sends ? 1 : 0);
    });

    it('leaves only fees with --all, and refuses that while a job has not ended', async () => {
        await start();
        fixture.wallet.coins = 400_000_000n;
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one two');
        await expect(fixture.worker.sweepNow({ all: true })).rejects.toThrow('1 jobs and 0 cases have not ended');
        expect(await fixture.worker.sweepNow()).toMatchObject({ amount: 0n });

        await client.end();
        await fixture.worker.claimNow();
        await expect(fixture.worker.sweepNow({ all: true })).rejects.toThrow('once the chain has shown it for 0 s');
        for (let look = 0; look < 4; look++) await fixture.worker.claimNow();
        const { balance } = await fixture.worker.sweepPlan();
        fixture.wallet.coins += 400_000_000n - balance;
        await expect(fixture.worker.sweepNow({ all: true })).rejects.toThrow('clients may make demands until');
        expect(sent().filter(({ bounce }) => bounce === false)).toEqual([]);

        fixture.chain.advance(EVIDENCE_SECONDS + ANSWER_SECONDS);
        expect(await fixture.worker.sweepNow({ all: true })).toMatchObject({ sent: true, amount: 400_000_000n - FEES });
    });

    it.each([
        { what: 'is open', clearAt: () => 0, words: 'leave the market first' },
        { what: 'can be reported', clearAt: (now: number) => now + 1, words: 'clients may make demands until' },
        { what: 'has been liable for long enough', clearAt: (now: number) => now, words: undefined },
    ])('takes everything only of a node that no endpoint says $what', async ({ clearAt, words }) => {
        await start();
        const { chain, worker } = fixture;
        chain.freeze();
        chain.set(NODE, { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
        chain.getters.set(NODE.toRawString(), {
            getNodeState: async () => ({ clearAt: BigInt(clearAt(chain.now())) }),
            getNodeRecord: async () => ({ evidence: 3600n }),
        });
        const sweep = worker.sweepNow({ all: true });

        expect(await sweep.then(() => undefined, String)).toEqual(words && (expect.stringContaining(words) as string));
        expect(sent()).toHaveLength(words === undefined ? 1 : 0);
    });

    it("waits with --all for the market's own evidence window, as long as an endpoint says, and says why", async () => {
        await start();
        const { chain, worker } = fixture;
        const client = await TestClient.withJob(worker.url, chain);
        await client.ask(1, 'one two');
        const end = chain.freeze();
        await client.end();
        for (let look = 0; look < 4; look++) await worker.claimNow();
        const closed = (evidence: bigint) => ({
            getNodeState: async () => ({ clearAt: 1n }),
            getNodeRecord: async () => ({ evidence }),
        });
        chain.set(NODE, { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
        chain.getters.set(NODE.toRawString(), closed(3600n));
        const other = Object.assign(Object.create(chain) as typeof chain, { getters: new Map(chain.getters) });
        other.getters.set(NODE.toRawString(), closed(7200n));
        chain.others = [other, chain];

        chain.freeze(end + 7200 + ANSWER_SECONDS - 1);
        await expect(worker.sweepNow({ all: true })).rejects.toThrow('(a job ended less than 2 hours ago');
        chain.freeze(end + 7200 + ANSWER_SECONDS);
        await expect(worker.sweepNow({ all: true })).resolves.toBeDefined();
    });

    it('takes no shorter window than 120 hours on the word of a single endpoint', async () => {
        await start();
        const { chain, worker } = fixture;
        const client = await TestClient.withJob(worker.url, chain);
        await client.ask(1, 'one two');
        const end = chain.freeze();
        await client.end();
        for (let look = 0; look < 4; look++) await worker.claimNow();
        chain.set(NODE, { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
        chain.getters.set(NODE.toRawString(), {
            getNodeState: async () => ({ clearAt: 1n }),
            getNodeRecord: async () => ({ evidence: 3600n }),
        });

        chain.freeze(end + 120 * 3600 + ANSWER_SECONDS - 1);
        await expect(worker.sweepNow({ all: true })).rejects.toThrow('(a job ended less than 120 hours ago');
        chain.freeze(end + 120 * 3600 + ANSWER_SECONDS);
        await expect(worker.sweepNow({ all: true })).resolves.toBeDefined();
    });

    it('sends no more than the ledger of the wallet has, whatever an endpoint says of the balance', async () => {
        await start();
        fixture.wallet.coins = 3_000_000_000n;
        jest.spyOn(fixture.wallet, 'balance').mockResolvedValue(50_000_000_000n);

        expect(await fixture.worker.sweepNow()).toMatchObject({ sent: true, amount: 3_000_000_000n - KEEP - FEES });
    });

    it('counts as sent only when the ledger shows it, and pauses when the wallet sent nothing', async () => {
        await start({ above: ABOVE.toString() });
        fixture.wallet.coins = 3_000_000_000n;
        fixture.wallet.executes = false;
        expect(await fixture.worker.sweepNow()).toMatchObject({
            sent: false,
            reason: expect.stringContaining('sent nothing') as string,
        });

        expect((await fixture.worker.earnings('day')).wallet).toMatchObject({ swept: 0n, balance: 3_000_000_000n });
    });

    it('does not begin by itself for an hour after one for which the wallet sent nothing', async () => {
        await start({ above: ABOVE.toString() }, {}, { claim: { seconds: 0.02 } });
        const { chain, wallet, worker } = fixture;
        wallet.coins = 3_000_000_000n;
        wallet.executes = false;
        const at = chain.freeze();
        await worker.sweepNow();
        wallet.executes = true;
        chain.others = [chain, chain];
        const before = sent().length;

        chain.freeze(at + 3599);
        await claimRound();
        expect(sent()).toHaveLength(before);
        chain.freeze(at + 3600);
        await claimRound();
        expect(sent()).toHaveLength(before + 1);
    });

    it('waits while a demand is open, and says so', async () => {
        await start();
        const { folder } = fixture;
        await fixture.worker.close();
        const { SqliteWorkerStore } = await import('../../../offchain/store/sqliteWorker');
        const store = await SqliteWorkerStore.open(`${folder}/worker.db`);
        const [dispute, job] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
        await store.cases.add([{ dispute, class: 'A3', job, number: 1, reportedAt: fixture.chain.now() }], 1n);
        await store.close();
        await fixture.restart();

        expect(await fixture.worker.sweepNow()).toMatchObject({
            amount: 0n,
            sent: false,
            reason: expect.stringContaining('demand') as string,
        });
        expect(sent()).toEqual([]);
    });

    it.each([
        { above: '500000000', words: 'above is more than keep' },
        { to: OWNER.toString({ testOnly: true }), words: 'test' },
    ])('has settings that make sense: refused because of "$words"', async ({ words, ...sweep }) => {
        fixture = await startFixture();
        const settings = { to: OWNER.toRawString(), above: '500000001', keep: '500000000' };
        expect(() => configFor(fixture.folder, { sweep: settings })).not.toThrow();
        expect(() => configFor(fixture.folder, { sweep: { ...settings, ...sweep } })).toThrow(words);
    });

    it('is printed for people, with --dry-run before it is sent, and refused with the reason', async () => {
        await start();
        fixture.wallet.coins = 3_000_000_000n;
        const { folder, worker } = fixture;
        const admin = await serveAdmin({ store: `${folder}/worker.db` }, worker, async () => undefined);
        const logged = jest.spyOn(console, 'log').mockImplementation(() => undefined);
        const printed = async (...flags: string[]) => {
            await workerCommand().parseAsync(['sweep', '--config', `${folder}/worker.json`, ...flags], {
                from: 'user',
            });
            return String(logged.mock.calls.at(-1)![0]);
        };
        writeFileSync(`${folder}/worker.json`, JSON.stringify({ ...FILE, sweep: { to: OWNER.toRawString() } }));
        try {
            const planned = await printed('--dry-run');
            expect(planned).toContain(`A sweep sends 2.49 TON to ${OWNER.toString({ bounceable: false })}`);
            expect(planned).toContain('keeps 0.51 TON, more than "keep" (0.5 TON), for claims');
            expect(sent()).toEqual([]);
            expect(JSON.parse(await printed('--json'))).toMatchObject({ sent: true, amount: '2490000000' });
            expect(await printed()).toMatch(/^Nothing is swept: the wallet holds no more than/);
        } finally {
            logged.mockRestore();
            admin?.close();
        }
        expect(sent()).toEqual([toOwner(2_490_000_000n)]);
    });

    it('is refused without sweep in the configuration, and says what to add', async () => {
        fixture = await startFixture();
        await expect(fixture.worker.sweepNow()).rejects.toThrow('add "sweep"');
    });
});
