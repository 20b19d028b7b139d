/**
 * An honest worker, as a process of its own, under every accusation that a client can make: it answers demands and is
 * paid what that costs, signs nothing that could be shown, and is acquitted or left alone by the committee.
 */
import { Address, OpenedContract, toNano } from '@ton/core';
import { writeFileSync } from 'node:fs';
import { DemoLedger } from '../../demo/ledger';
import { endAll, RunningProcess } from '../../demo/processes';
import { Buyer, Seller, Stage } from '../../demo/stage';
import { HotWallet } from '../../offchain/chain';
import { RecordType, signReceipt } from '../../offchain/link';
import {
    Accept,
    caseOutcomes,
    caseStates,
    decideCase,
    Dispute,
    errors,
    Evidence,
    prepareReport,
    Registry,
    sendReport,
    submitVerdict,
    Vote,
} from '@cocoon-market/wrappers';
import { askWorker } from '../../offchain/worker';
import { Answer, TestClient } from '../offchain/support/client';
import { liveJob } from '../support/live';
import { messagesBetween, until } from '../support/stage';
import { cocoon } from './support/cocoon';

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type Accusation = Without<Evidence, 'channel' | 'terms'>;

const ANSWER_SECONDS = 600;
const SETTINGS = {
    chain: { confirmSeconds: 0 },
    limits: { startSteps: 1000 }, // these queries are mostly not paid on purpose
    cases: { seconds: 0.2 },
    claim: { seconds: 1000, threshold: '1000000000000' },
};
const QUESTION = 'What is a voucher?';

jest.setTimeout(120_000);

describe('An honest worker', () => {
    let stage: Stage;
    let ledger: DemoLedger;
    let registry: OpenedContract<Registry>;
    let seller: Seller;
    let buyer: Buyer;
    let worker: RunningProcess;
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

    /** Sends a report of this job; nothing comes of it when the node refuses. */
    async function accuse(evidence: Accusation): Promise<{ dispute: OpenedContract<Dispute>; bond: bigint }> {
        const { channel, terms } = client;
        const shown = { ...evidence, channel: channel.hash, terms };
        const report = await prepareReport(stage.chain, client.chain.network, shown);
        await sendReport(stage.actor(wallet), report);
        return { dispute: stage.chain.open(Dispute.fromAddress(report.dispute ?? report.node)), bond: report.bond };
    }

    const demand = (accept: Buffer) => accuse({ class: 'A3', accept });

    async function expectNoFault(evidence: Accusation): Promise<void> {
        await accuse(evidence);
        const at = seller.node.address.toRawString();
        const last = stage.network.transactions.filter(({ account }) => account === at).at(-1);
        expect([last!.computeExitCode, last!.aborted]).toEqual([errors.ErrNoFault, true]);
    }

    const acceptOf = (answer: Answer) => answer.receipts.get(RecordType.Accept)!;
    const resultOf = (answer: Answer) => answer.receipts.get(RecordType.Result)!;

    async function expectAnswered({ dispute, bond }: Awaited<ReturnType<typeof demand>>): Promise<string> {
        await until(async () => (await dispute.getCaseState()).state !== caseStates.open, 20);

        expect(await dispute.getCaseState()).toMatchObject({
            state: caseStates.closed,
            outcome: caseOutcomes.innocent,
        });
        const paid = messagesBetween(stage, dispute.address, seller.hot.address).filter(({ name }) => name === '');
        const back = messagesBetween(stage, dispute.address, wallet.address).filter(({ name }) => name === '');
        expect(paid).toHaveLength(1);
        expect(paid[0].value).toBeGreaterThan(0n);
        expect(back.map(({ value }) => value)).toEqual([bond - paid[0].value]);
        expect(await seller.provider.getStanding()).toMatchObject({ frozen: 0n, strikes: 0n });
        const answers = messagesBetween(stage, seller.hot.address, dispute.address);
        expect(answers).toHaveLength(1);
        return answers[0].name;
    }

    it('A3: posts the pieces of what was delivered and not acknowledged', async () => {
        const answer = await ask({ pays: false });
        expect(answer.complete).toBe(true);

        expect(await expectAnswered(await demand(acceptOf(answer)))).toBe('PostPiece');
    });

    it('A3: shows the voucher that acknowledges the result', async () => {
        const answer = await ask({ pays: true });

        expect(await expectAnswered(await demand(acceptOf(answer)))).toBe('PostVoucher');
    });

    it('A3: posts what was delivered before the client cut the query', async () => {
        const answer = await ask({ pays: false, onFrame: (_frame, cut) => cut() });
        expect(answer.result).toBeUndefined();

        expect(await expectAnswered(await demand(acceptOf(answer)))).toBe('PostPiece');
    });

    it('A3: denies a query that it never saw, once, and never answers it afterwards', async () => {
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

    it('A3: answers after it was killed between the answer and the demand', async () => {
        const answer = await ask({ pays: false });
        await worker.end('SIGKILL');
        const made = await demand(acceptOf(answer));

        worker = await stage.startWorker(registry.address, seller, SETTINGS);

        expect(await expectAnswered(made)).toBe('PostPiece');
        await client.register(); // its session ended with the process
    });

    it('A3: is not demanded from twice for one query', async () => {
        const answer = await ask({ pays: false });
        const first = await demand(acceptOf(answer));
        await expectAnswered(first);

        await demand(acceptOf(answer));

        const said = messagesBetween(stage, first.dispute.address, seller.provider.address);
        expect(said.map(({ name }) => name)).toEqual(['CaseClosed', 'CaseClosed']); // answered, then taken already
        await expectAnswered(first);
    });

    it('A1: signs nothing that excludes anything, whatever a client repeats', async () => {
        const before = await ask({ pays: true });
        const query = client.seal(++number, QUESTION, { ceiling: toNano('0.04'), maxTokens: 100 });
        const answer = await client.send(query);
        const again = await client.send(query);
        const other = await client.ask(number, 'Something else?');

        expect([...again.receipts]).toEqual([...answer.receipts]);
        expect(again.bytes).toEqual(answer.bytes);
        expect(other.refusal?.code).toBe('used_number');
        await expectNoFault({ class: 'A1', first: resultOf(answer), second: resultOf(again) });
        await expectNoFault({ class: 'A1', first: resultOf(before), second: resultOf(answer) });
    });

    it('A2: bills what counts, neighbours and ceiling allow', async () => {
        const [before, answer] = [await ask({ pays: true }), await ask({ pays: true })];
        const result = resultOf(answer);

        await expectNoFault({ class: 'A2', result });
        await expectNoFault({ class: 'A2', result, comparison: resultOf(before) });
        await expectNoFault({ class: 'A2', result, comparison: acceptOf(answer) });
    });

    it('B1: is acquitted by a committee to which the reporter shows nothing; the bond goes to the insurance', async () => {
        const { dispute, bond } = await accuse({ class: 'B1', ...(await accusation()) });
        const store = `${seller.folder}/worker.sqlite`;
        const cases = async () =>
            ((await askWorker({ store }, 'GET', '/status')) as { cases: { class: string }[] }).cases;
        await until(async () => (await cases()).length === 1, 20);
        expect(await cases()).toMatchObject([{ class: 'B1', number }]);
        const { answerBy, decideFrom } = await dispute.getCaseState();
        stage.network.setTime(Number(answerBy) + 1);

        await submitVerdict(stage.actor(wallet), {
            ...{ dispute: dispute.address, basisPoints: 0, validUntil: Number(decideFrom) },
            votes: await votes(dispute.address),
        });

        expect(await dispute.getCaseState()).toMatchObject({ outcome: caseOutcomes.innocent, slash: 0n });
        const { insurance } = (await dispute.getFile())!;
        const paid = messagesBetween(stage, dispute.address, insurance);
        expect(paid.map(({ value }) => value)).toEqual([bond]);
        expect(messagesBetween(stage, dispute.address, seller.hot.address)).toEqual([]);
        await until(async () => (await cases()).length === 0, 20);
    });

    it('B1: loses nothing to a silent committee', async () => {
        const stake = (await seller.provider.getProviderState()).stake;
        const { dispute, bond } = await accuse({ class: 'B1', ...(await accusation()) });
        stage.network.setTime(Number((await dispute.getCaseState()).decideFrom) + 1);

        await decideCase(stage.actor(wallet), { dispute: dispute.address });

        expect((await dispute.getCaseState()).outcome).toBe(caseOutcomes.draw);
        expect((await seller.provider.getProviderState()).stake).toBe(stake);
        const back = messagesBetween(stage, dispute.address, wallet.address);
        expect(back.map(({ value }) => value)).toContain(bond);
    });

    const accusation = async () => ({
        result: resultOf(await ask({ pays: true })),
        statement: Buffer.alloc(32, number),
    });

    /** Two members acquit with `cocoon committee sign`, which without the evidence signs nothing else. */
    async function votes(dispute: Address): Promise<Vote[]> {
        const given: Vote[] = [];
        for (const [i, seed] of stage.committeeSeeds.slice(0, 2).entries()) {
            const [key, out] = [`${stage.folder}/member-${i}`, `${stage.folder}/vote-${i}.json`];
            writeFileSync(key, seed.toString('hex'), { mode: 0o600 });
            const files = ['--key', key, '--config', `${seller.folder}/worker.json`, '--out', out];
            const sign = (basisPoints: string) =>
                cocoon<{ member: number; signature: string }>(
                    'committee',
                    ...['sign', dispute.toRawString(), '--basis-points', basisPoints, ...files],
                );
            await expect(sign('1')).rejects.toThrow('A verdict that slashes needs the statement');
            const { member, signature } = await sign('0');
            given.push({ member, signature: Buffer.from(signature, 'hex') });
        }
        return given;
    }

    it('loses no nanoTON on all these ways', async () => {
        ledger.close('all of the above');

        expect(await ledger.conserved((address) => stage.balanceOf(address))).toBe(true);
    });
});
