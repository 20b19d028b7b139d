/** The whole way, with worker and gateways as processes of their own that see the chain only through its HTTP API. */
import type { Localnet } from '@cocoon-market/localnet';
import { Address, Cell, OpenedContract, toNano } from '@ton/core';
import { ask } from '../../demo/ask';
import { DemoLedger } from '../../demo/ledger';
import { endAll, runCocoon, RunningProcess } from '../../demo/processes';
import { MODEL } from '../../demo/setup';
import { Buyer, Seller, Stage } from '../../demo/stage';
import {
    channelLibrary,
    opcodes,
    parseMessage,
    publishLibrary,
    readOrder,
    Registry,
    setUpEscrow,
} from '@cocoon-market/wrappers';
import { plain, SchemaDecoder } from '../support/decoder';
import { endJob, gatewayJobs, isGone, JobRow, openaiOf, until } from '../support/stage';

/**
 * What the last transaction of a channel took from its `balance` (nanoTON) for the payout: all that it did not send
 * elsewhere and that was not rent.
 */
function paidOut({ transactions }: Localnet, channel: Address, balance: bigint, payout: Address): bigint {
    const last = transactions.filter(({ account }) => account === channel.toRawString()).pop();
    const sentToOthers = (last?.outMessages ?? [])
        .filter(({ destination }) => destination !== payout.toRawString())
        .reduce((total, { value }) => total + value, 0n);
    return last === undefined ? 0n : balance - last.storageFees - sentToOthers;
}

const DEPOSIT = toNano('5');
const JOB_DEPOSIT = toNano('1');
const NOTICE = 3600;
const SETTINGS = { job: { deposit: JOB_DEPOSIT.toString(), notice: NOTICE } };
const quiet = () => undefined;

jest.setTimeout(180_000);

describe('From query to payout', () => {
    let stage: Stage;
    let ledger: DemoLedger;
    let registry: OpenedContract<Registry>;
    let seller: Seller;
    let worker: RunningProcess;

    beforeAll(async () => {
        stage = await Stage.open('2026');
        ledger = new DemoLedger(stage.network);
        registry = await stage.launch();
        seller = await stage.register(await stage.join(registry.address));
        worker = await stage.startWorker(registry.address, seller);
    });

    afterAll(async () => {
        endAll();
        await stage.close();
    });

    const start = (buyer: Buyer) => stage.startGateway(registry.address, buyer, [worker.url], SETTINGS);
    const channelOf = ({ channel }: JobRow) => Address.parse(channel);

    it('serves two clients at once and pays exactly what each owes', async () => {
        const buyers = [await stage.buyer('Ann', DEPOSIT), await stage.buyer('Bob', DEPOSIT)];
        const gateways = await Promise.all(buyers.map(start));

        const answers = await Promise.all(
            gateways.map(async (gateway) => {
                const openai = openaiOf(gateway);
                return [
                    await ask(openai, 'What is a voucher?', quiet),
                    await ask(openai, 'Who can read my prompt?', quiet),
                ];
            }),
        );

        for (const [i, gateway] of gateways.entries()) {
            const cost = answers[i].reduce((sum, answer) => sum + answer.cost, 0n);
            const [job, ...others] = await gatewayJobs(gateway);
            const held = await stage.balanceOf(channelOf(job));
            await endJob(gateway, 'settle', job.job);
            await until(() => isGone(stage, channelOf(job)));
            expect(others).toEqual([]);
            expect(BigInt(job.owed)).toBe(cost);
            expect(paidOut(stage.network, channelOf(job), held, seller.hot.address)).toBe(cost);
            await gateway.end();
        }
        expect(answers[0][0].answer).toContain('signature');
        expect(answers[1]).toEqual(answers[0]);
    });

    it('answers without streaming as it does with it', async () => {
        const gateway = await start(await stage.buyer('Carl', DEPOSIT));
        const openai = openaiOf(gateway);

        const whole = await openai.chat.completions.create({
            model: MODEL,
            messages: [{ role: 'user', content: 'What is a voucher?' }],
            max_tokens: 120,
            temperature: 0,
        });
        const streamed = await ask(openai, 'What is a voucher?', quiet);

        expect(whole.choices[0].message.content).toBe(streamed.answer);
        expect(whole.usage?.total_tokens).toBe(streamed.tokens);
        expect((await openai.models.list()).data.map(({ id }) => id)).toEqual([MODEL]);
        await gateway.end();
    });

    it('serves and settles a client whose jobs name their code as a library', async () => {
        const buyer = await stage.buyer('Lea', DEPOSIT);
        const { cell } = await channelLibrary();
        await publishLibrary(stage.actor(buyer.wallet), { rent: toNano('10') });
        const { spendKey, jobLimit, dayLimit } = await buyer.escrow.getEscrowState();
        const settings = { spendKey: Buffer.from(spendKey.toString(16).padStart(64, '0'), 'hex'), jobLimit, dayLimit };
        await setUpEscrow(stage.actor(buyer.wallet), { ...settings, channelCode: cell, deposit: 0n });
        const gateway = await start(buyer);

        const { cost } = await ask(openaiOf(gateway), 'What is a voucher?', quiet);

        const [job] = await gatewayJobs(gateway);
        const held = await stage.balanceOf(channelOf(job));
        expect((await stage.chain.account(channelOf(job))).code?.hash()).toEqual(cell.hash());
        await endJob(gateway, 'settle', job.job);
        await until(() => isGone(stage, channelOf(job)));
        expect(paidOut(stage.network, channelOf(job), held, seller.hot.address)).toBe(cost);
        await gateway.end();
    });

    it('pays a provider whose client is gone', async () => {
        const gateway = await start(await stage.buyer('Dora', DEPOSIT));
        const { cost } = await ask(openaiOf(gateway), 'What is a voucher?', quiet);
        const [job] = await gatewayJobs(gateway);
        const held = await stage.balanceOf(channelOf(job));
        await gateway.end('SIGKILL');

        await worker.end();
        await runCocoon(['worker', 'claim', '--config', `${seller.folder}/worker.json`]);
        worker = await stage.startWorker(registry.address, seller);

        const { balance } = await stage.chain.account(channelOf(job));
        expect(held - balance).toBeGreaterThanOrEqual(cost);
        expect(paidOut(stage.network, channelOf(job), held, seller.hot.address) - balance).toBe(cost);
    });

    it('refunds a client whose worker is gone, after the notice', async () => {
        const buyer = await stage.buyer('Eve', DEPOSIT);
        const gateway = await start(buyer);
        await ask(openaiOf(gateway), 'What is a voucher?', quiet);
        const [job] = await gatewayJobs(gateway);
        await worker.end('SIGKILL');
        const before = await stage.balanceOf(buyer.escrow.address);

        await endJob(gateway, 'leave', job.job);
        await expect(endJob(gateway, 'refund', job.job)).rejects.toThrow('can be refunded from');
        stage.network.advance(NOTICE);
        await endJob(gateway, 'refund', job.job);

        const home = (await stage.balanceOf(buyer.escrow.address)) - before;
        expect(await isGone(stage, channelOf(job))).toBe(true);
        expect(home).toBeGreaterThan(JOB_DEPOSIT - toNano('0.005'));
        await gateway.end();
    });

    it('has messages that a decoder made of docs/schema.tlb reads as the wrappers do', () => {
        const decoder = SchemaDecoder.make();
        const messages = stage.network.transactions.flatMap(({ inMessage, outMessages }) => [
            ...(inMessage?.type === 'external-in' ? [inMessage] : []),
            ...outMessages.filter(({ bounced }) => !bounced),
        ]);
        const escrows = new Set(
            stage.network.transactions.flatMap(({ inMessage }) =>
                inMessage?.type === 'internal' && inMessage.opcode === opcodes.SetUp ? [inMessage.destination!] : [],
            ),
        );
        const names = messages.flatMap(({ type, body, destination }) => {
            const cell = Cell.fromBase64(body);
            if (type === 'external-in' && escrows.has(destination!)) {
                const { order } = decoder.read('SignedOrder', cell) as { order: string };
                const isOpening = readOrder(cell).jobs.length > 0;
                decoder.read(isOpening ? 'OpenJobs' : 'JobOrder', cell.refs[0]);
                expect(order).toBe(cell.refs[0].hash().toString('hex'));
                return isOpening ? 'OpenJobs' : 'JobOrder';
            }
            const parsed = parseMessage(cell);
            if (parsed === undefined) {
                return []; // a transfer, a deployment, a wallet's own message
            }
            expect(decoder.read(parsed.name, cell)).toEqual(plain(parsed.fields));
            return parsed.name;
        });

        const expected = ['Launch', 'Join', 'ProviderRegistered', 'NodeAnnounced', 'SetUp', 'OpenJobs', 'JobOrder'];
        expect(names).toEqual(expect.arrayContaining([...expected, 'Claim', 'ClaimLast', 'Leave', 'Refund']));
    });

    it('loses no nanoTON on all these ways', async () => {
        ledger.close('all of the above');

        expect(await ledger.conserved((address) => stage.balanceOf(address))).toBe(true);
    });
});
