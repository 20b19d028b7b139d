/** A program without a gateway: it opens a job, asks, pays and settles with @cocoon-market/client, over HTTP alone. */
import { Client, type ClientJob, type Receipt } from '@cocoon-market/client';
import { fileStore } from '@cocoon-market/client/file';
import { type Actor, addressOf, setUpEscrow, signingKey } from '@cocoon-market/wrappers';
import { Market } from '@cocoon-market/wrappers/market';
import { type Address, toNano } from '@ton/core';
import { TonClient } from '@ton/ton';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { endAll } from '../../demo/processes';
import { MODEL } from '../../demo/setup';
import { type Seller, Stage } from '../../demo/stage';
import { isGone, messagesBetween } from '../support/stage';

const DEPOSIT = toNano('1');
const QUESTION = { messages: [{ role: 'user' as const, content: 'What is a voucher?' }], maxTokens: 120 };

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

    /** What the chain paid for a job that has ended. */
    const paidFor = (job: ClientJob): bigint => {
        const [last] = messagesBetween(stage, job.address, seller.hot.address).slice(-1);
        return last.value;
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
        expect(held).toBeGreaterThan(cost);
        expect(paidFor(job)).toBeGreaterThanOrEqual(cost);
    });
});
