/** A program without a gateway: it opens a job, asks, pays and settles with @cocoon-market/client, over HTTP alone. */
import { Client, type ClientJob, type Receipt } from '@cocoon-market/client';
import { fileStore } from '@cocoon-market/client/file';
import { type Actor, addressOf, modelKey, numberToHex, setUpEscrow, signingKey } from '@cocoon-market/wrappers';
import { Market } from '@cocoon-market/wrappers/market';
import { type Address, toNano } from '@ton/core';
import { TonClient } from '@ton/ton';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { endAll } from '../../demo/processes';
import { MODEL } from '../../demo/setup';
import { type Seller, Stage } from '../../demo/stage';
import { isGone } from '../support/stage';

const DEPOSIT = toNano('1');
const QUESTION = {
    messages: [{ role: 'user' as const, content: 'What is a voucher?' }],
    maxTokens: 120,
    temperature: 0, // the same answer each time
};

jest.setTimeout(180_000);

describe('A client without a gateway', () => {
    let stage: Stage;
    let registry: Address;
    let seller: Seller;
    let client: Client | undefined;

    beforeAll(async () => {
        stage = await Stage.open('2026');
        ({ address: registry } = await stage.launch());
        seller = await stage.register(await stage.join(registry));
        await stage.startWorker(registry, seller);
    });

    afterEach(async () => {
        await client?.close();
        client = undefined;
    });

    afterAll(async () => {
        endAll();
        await stage.close();
    });

    /** An app developer: a wallet with an escrow, whose spend key the program has. */
    const developer = async (name: string) => {
        const actor = stage.actor(await stage.wallet(name));
        const spendKey = signingKey(randomBytes(32));
        const limits = { jobLimit: DEPOSIT, dayLimit: toNano('20') };
        await setUpEscrow(actor, { ...limits, spendKey: spendKey.publicKey, deposit: toNano('5') });
        return { actor, spendKey, folder: join(stage.folder, name) };
    };
    type Developer = Awaited<ReturnType<typeof developer>>;

    const open = async ({ actor, spendKey, folder }: Developer, by: 'key' | 'wallet' = 'key') => {
        const chain = new TonClient({ endpoint: stage.network.url });
        return (client = await Client.open({
            market: await Market.open({ globalId: -3, registry: registry.toRawString() }, chain),
            chain,
            ...(by === 'key' ? { spendKey, owner: addressOf(actor) } : { wallet: walletOf(actor) }),
            store: fileStore(folder),
            limits: { job: DEPOSIT, query: toNano('0.5') },
            now: () => stage.network.now(),
            pollMs: 20,
        }));
    };
    const walletOf = (actor: Actor) => ({ sender: actor.sender, address: addressOf(actor) });
    const openJob = (of: Client) => of.openJob({ node: seller.node.address, model: MODEL, deposit: DEPOSIT });

    const askOnce = async (job: ClientJob): Promise<{ text: string; receipt: Receipt }> => {
        const answer = job.ask(QUESTION);
        let text = '';
        for await (const delta of answer) {
            text += delta.text;
        }
        return { text, receipt: answer.receipt! };
    };

    /** nanoTON that the last transaction of a channel took from its balance for the payout. */
    const paidFor = (job: ClientJob, balance: bigint): bigint => {
        const last = stage.network.transactions.filter((one) => one.account === job.address.toRawString()).at(-1)!;
        const isElsewhere = ({ destination }: { destination: string | null }) =>
            destination !== seller.hot.address.toRawString();
        const home = last.outMessages.filter(isElsewhere).reduce((sum, { value }) => sum + value, 0n);
        return balance - last.storageFees - home;
    };

    it('opens with the spend key, asks, pays exactly its receipts, and settles', async () => {
        const job = await openJob(await open(await developer('ann')));

        const [first, second] = [await askOnce(job), await askOnce(job)];
        const held = await stage.balanceOf(job.address);
        const settlement = await job.settle();

        const cost = first.receipt.price + second.receipt.price;
        expect(first.text).toContain('signature');
        expect(settlement).toMatchObject({ phase: 'ended', spent: cost });
        expect(await isGone(stage, job.address)).toBe(true);
        expect(paidFor(job, held)).toBe(cost);
    });

    it('opens a model by its hash, and shows voucher, account and receipts of a job, also when it is over', async () => {
        const emma = await open(await developer('emma'));
        const model = numberToHex(modelKey(MODEL));
        const job = await emma.openJob({ node: seller.node.address, model, deposit: DEPOSIT });
        const { receipt } = await askOnce(job);
        const account = await job.account();
        await job.settle();
        const [ended] = await emma.endedJobs();

        expect([job.model, job.deposit, account?.paid]).toEqual([MODEL, DEPOSIT, 0n]);
        expect(account!.balance).toBeGreaterThanOrEqual(DEPOSIT);
        expect(job.voucher).toMatchObject({ cumulative: receipt.price, count: 1 });
        expect(await job.account()).toBeUndefined();
        expect([await emma.jobs(), await ended.receipts()]).toEqual([[], [receipt]]);
    });

    it('opens with the wallet, goes on after a restart of the program, and leaves a worker alone', async () => {
        const bob = await developer('bob');
        const first = await openJob(await open(bob, 'wallet'));
        const { receipt } = await askOnce(first);
        await client!.close();
        const [again] = await (await open(bob, 'wallet')).jobs();

        await askOnce(again);
        const { phase, refundAt, spent } = await again.leave();

        expect((await again.receipts())[0]).toEqual(receipt);
        expect([phase, spent]).toEqual(['leaving', again.owed]);
        await expect(again.refund()).rejects.toMatchObject({ code: 'wrong_phase' });
        stage.network.setTime(refundAt!);
        expect((await again.refund()).phase).toBe('ended');
    });

    it('lets no two programs use one store', async () => {
        const carl = await developer('carl');
        await open(carl);

        await expect(open(carl)).rejects.toMatchObject({ code: 'store_in_use' });
    });
});
