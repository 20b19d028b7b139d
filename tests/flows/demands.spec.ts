/** An honest worker, as a process of its own, under every demand that a client can make: it answers, and earns the bond. */
import { OpenedContract, toNano } from '@ton/core';
import { DemoLedger } from '../../demo/ledger';
import { endAll, Running } from '../../demo/processes';
import { Buyer, Seller, Stage } from '../../demo/stage';
import { HotWallet } from '../../offchain/chain';
import { RecordType, signReceipt } from '../../offchain/link';
import { Accept, caseOutcomes, caseStates, Dispute, prepareReport, Registry, sendReport } from '../../wrappers';
import { Answer, TestClient } from '../offchain/support/client';
import { liveJob } from '../support/live';
import { messagesBetween, until } from '../support/stage';

const ANSWER_SECONDS = 600;
const SETTINGS = { cases: { seconds: 0.2 }, claim: { seconds: 1000, threshold: '1000000000000' } };
const QUESTION = 'What is a voucher?';

jest.setTimeout(120_000);

describe('An honest worker under a demand', () => {
    let stage: Stage;
    let ledger: DemoLedger;
    let registry: OpenedContract<Registry>;
    let seller: Seller;
    let buyer: Buyer;
    let worker: Running;
    let wallet: HotWallet;
    let client: TestClient;
    let number = 0;

    beforeAll(async () => {
        stage = await Stage.open('2026');
        ledger = new DemoLedger(stage.network);
        registry = await stage.launch();
        seller = await stage.register(await stage.join(registry.address));
        buyer = await stage.buyer('client', toNano('1'));
        wallet = await stage.wallet('accuser');
        worker = await stage.startWorker(registry.address, seller, SETTINGS);
        const parties = { url: worker.url, wallet, escrow: buyer.escrow.address };
        client = await liveJob(stage, { ...parties, step: toNano('0.05') }, toNano('2'));
        stage.network.advance(ANSWER_SECONDS + 1); // so that every accept's deadline has passed on chain
    });

    afterAll(async () => {
        endAll();
        await stage.close();
    });

    const ask = (options: Parameters<TestClient['ask']>[2]) =>
        client.ask(++number, QUESTION, { ceiling: toNano('0.04'), maxTokens: 100, ...options });

    async function demand(accept: Buffer): Promise<{ dispute: OpenedContract<Dispute>; bond: bigint }> {
        const { job: _, channel, terms } = client;
        const evidence = { class: 'A3', channel: channel.hash, terms, accept } as const;
        const report = await prepareReport(stage.actor(wallet), client.chain.network, evidence);
        await sendReport(stage.actor(wallet), report);
        return { dispute: stage.chain.open(Dispute.fromAddress(report.dispute!)), bond: report.bond };
    }

    const acceptOf = (answer: Answer) => answer.receipts.get(RecordType.Accept)!;

    async function expectAnswered({ dispute, bond }: Awaited<ReturnType<typeof demand>>): Promise<string> {
        await until(async () => (await dispute.getCaseState()).state !== caseStates.open, 20);

        expect(await dispute.getCaseState()).toMatchObject({
            state: caseStates.closed,
            outcome: caseOutcomes.innocent,
        });
        const paid = messagesBetween(stage, dispute.address, seller.hot.address);
        expect(paid.map(({ value }) => value)).toContain(bond);
        expect(await seller.provider.getStanding()).toMatchObject({ frozen: 0n, strikes: 0n });
        const answers = messagesBetween(stage, seller.hot.address, dispute.address);
        expect(answers).toHaveLength(1);
        return answers[0].name;
    }

    it('posts the pieces of what was delivered and not acknowledged', async () => {
        const answer = await ask({ pays: false });
        expect(answer.complete).toBe(true);

        expect(await expectAnswered(await demand(acceptOf(answer)))).toBe('PostPiece');
    });

    it('shows the voucher that acknowledges the result', async () => {
        const answer = await ask({ pays: true });

        expect(await expectAnswered(await demand(acceptOf(answer)))).toBe('PostVoucher');
    });

    it('posts what was delivered before the client cut the query', async () => {
        const answer = await ask({ pays: false, onFrame: (_frame, cut) => cut() });
        expect(answer.result).toBeUndefined();

        expect(await expectAnswered(await demand(acceptOf(answer)))).toBe('PostPiece');
    });

    it('denies a query that it never saw, once, and never answers it afterwards', async () => {
        const stolen = {
            job: client.job,
            number: ++number,
            request: Buffer.alloc(32, 0xab),
            ceiling: toNano('0.04'),
            deadline: Math.floor(Date.now() / 1000) + 60,
        };

        const outcome = await expectAnswered(await demand(signReceipt(Accept, stolen, seller.keys.receiptKey)));

        expect(outcome).toBe('PostFail');
        const asked = await client.ask(number, QUESTION, { pays: false });
        expect(asked.refusal?.code).toBe('used_number');
    });

    it('answers after it was killed between the answer and the demand', async () => {
        const answer = await ask({ pays: false });
        await worker.end('SIGKILL');
        const made = await demand(acceptOf(answer));

        worker = await stage.startWorker(registry.address, seller, SETTINGS);

        expect(await expectAnswered(made)).toBe('PostPiece');
    });

    it('is not demanded from twice for one query', async () => {
        const answer = await ask({ pays: false });
        const first = await demand(acceptOf(answer));
        await expectAnswered(first);

        await demand(acceptOf(answer));

        const said = messagesBetween(stage, first.dispute.address, seller.provider.address);
        expect(said.map(({ name }) => name)).toEqual(['CaseClosed', 'CaseClosed']); // answered, then taken already
        await expectAnswered(first);
    });

    it('loses no nanoTON on all these ways', async () => {
        ledger.close('all of the above');

        expect(await ledger.conserved((address) => stage.balanceOf(address))).toBe(true);
    });
});
