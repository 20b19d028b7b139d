/**
 * For each class of fault: from a worker process that cheats (see support/faults.ts), through a gateway that notices
 * and the `cocoon dispute` command, to the money in the victim's escrow.
 */
import { freePort } from '../../demo/ports';
import { adminHeaders } from '../../offchain/gateway/adminToken';
import { Address, OpenedContract, toNano } from '@ton/core';
import { readFileSync, writeFileSync } from 'node:fs';
import OpenAI from 'openai';
import { DemoLedger } from '../../demo/ledger';
import { endAll } from '../../demo/processes';
import { MODEL, RATES } from '../../demo/setup';
import { Buyer, Seller, Stage } from '../../demo/stage';
import { createBackend } from '../../offchain/backend';
import type { Chain } from '../../offchain/chain';
import { Gateway, readGatewayConfig, startGateway } from '../../offchain/gateway';
import { checksOnChain } from '../../offchain/gateway/nodeChecks';
import { NodeInfo, opening, openQuery, signReceipt } from '../../offchain/link';
import { rerun } from '../../offchain/rerun';
import { Finish, jobHash, prepareReport, priceOf, Registry, Result, sendReport } from '@cocoon-market/wrappers';
import { messagesBetween, until } from '../support/stage';
import { cocoon, cocoonText } from './support/cocoon';
import { FaultName, faultyWorker } from './support/faults';

const SHARE = toNano('10'); // of one GPU in the demo's rules
const ANSWER_SECONDS = 600;

jest.setTimeout(120_000);

/** What a registered node's worker says of itself, as far as the chain says it too. */
const infoOf = ({ node, provider, keys }: Awaited<ReturnType<Stage['register']>>) =>
    ({
        node: node.address.toRawString(),
        provider: provider.address.toRawString(),
        receiptKey: keys.receiptKey.publicKey,
        encryptionKey: keys.encryptionKey,
        offers: [{ model: MODEL, rates: RATES }],
    }) as unknown as NodeInfo;

interface Found {
    class: string;
    job: number;
    queries: number[];
    loss: string;
}

interface Reported extends Found {
    sent: boolean;
    attached: string;
    bond: string;
    dispute?: string;
    standing: string;
    outcomes: { end: string; slash: string; victim: string; reporter: string; decidedBy: string; chance: string }[];
    case?: { dispute: string; state: string; outcome?: string; answerBy: number };
}

describe('A worker that cheats', () => {
    let stage: Stage;
    let ledger: DemoLedger;
    let registry: OpenedContract<Registry>;
    let walletFile: string;
    let reporter: Address;
    let excessive: Scene; // its gateway has refused a result, and runs no more

    beforeAll(async () => {
        stage = await Stage.open('2026');
        ledger = new DemoLedger(stage.network);
        registry = await stage.launch();
        const seed = Buffer.alloc(32, 0x77);
        reporter = (await stage.wallet('reporter', seed)).address;
        walletFile = secret('reporter.seed', seed);
    });

    afterAll(async () => {
        endAll();
        await stage.close();
    });

    function secret(name: string, seed: Buffer): string {
        const path = `${stage.folder}/${name}`;
        writeFileSync(path, seed.toString('hex'), { mode: 0o600 });
        return path;
    }

    interface Scene {
        seller: Seller;
        buyer: Buyer;
        gateway: Gateway;
        config: string;
        worker: { end(signal?: NodeJS.Signals): Promise<void> };
    }

    async function scene(fault: FaultName): Promise<Scene> {
        const seller = await stage.register(await stage.join(registry.address, `worker-${fault}`));
        const worker = await stage.startWorker(registry.address, seller, {}, faultyWorker(fault));
        const buyer = await stage.buyer(`victim of ${fault}`, toNano('3'));
        const config = stage.configureGateway(registry.address, buyer, [`http://127.0.0.1:${seller.port}`], {
            job: { deposit: toNano('1').toString() },
            listen: { host: '127.0.0.1', port: await freePort() },
            keepHours: 1,
            logLevel: 'silent',
        });
        return { seller, buyer, config, worker, gateway: await startGateway(readGatewayConfig(config)) };
    }

    function ask({ gateway }: Scene, signal?: AbortSignal): Promise<unknown> {
        const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'not needed', maxRetries: 0 });
        const messages = [{ role: 'user' as const, content: 'What is a voucher?' }];
        const request = { model: MODEL, messages, max_tokens: 20, temperature: 0 };
        return openai.chat.completions.create(request, { signal });
    }

    async function end({ gateway, worker }: Scene): Promise<void> {
        await worker.end('SIGKILL');
        await gateway.close();
    }

    const find = ({ config }: Scene) => cocoon<Found[]>('dispute', 'find', '--config', config);

    const report = ({ config }: Scene, ...args: string[]) =>
        cocoon<Reported>('dispute', 'report', '--config', config, '--wallet', walletFile, ...args);

    const step = ({ config }: Scene, what: string, dispute: string, ...args: string[]) =>
        cocoon<Record<string, unknown>>(
            'dispute',
            ...[what, dispute, '--config', config, '--wallet', walletFile, '--yes', ...args],
        );

    /** Shows an A2 that the seller's key has signed: a first result that counts more than its own price. */
    async function slashOnce({ provider, node, keys }: Seller): Promise<void> {
        const wallet = await stage.wallet('witness');
        const counts = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
        const [price, now] = [priceOf(counts, RATES), stage.network.now()];
        const accounts = { escrow: wallet.address.hash, provider: provider.address.hash, node: node.address.hash };
        const receiptKey = keys.receiptKey.publicKey;
        const parties = { ...accounts, receiptKey, payout: wallet.address.hash, voucherKey: Buffer.alloc(32, 2) };
        const limits = { step: 1n, maxParallel: 1, maxAnswer: 1, notice: 3600, end: now + 3600 };
        const terms = { ...parties, ...limits, model: Buffer.alloc(32), rates: RATES };
        const channel = Buffer.alloc(32, 5);
        const { network } = stage.chain;
        const named = { job: jobHash(network, channel, terms), number: 1, index: 1, content: Buffer.alloc(32) };
        const bill = { ...counts, price, cumulative: price + toNano('1'), finishedAt: now, finish: Finish.Stop };
        const result = signReceipt(Result, { ...named, ...bill }, keys.receiptKey);
        const report = await prepareReport(stage.chain, network, { class: 'A2', channel, terms, result });
        await sendReport(stage.actor(wallet), report);
    }

    const toVictim = ({ seller, buyer }: Scene) =>
        messagesBetween(stage, seller.provider.address, buyer.escrow.address).map(({ value }) => value);

    const stakeOf = async ({ seller }: Scene) => (await seller.provider.getProviderState()).stake;

    it('A1: signs two results of one index, loses a fifth of its share, and its key', async () => {
        const made = await scene('twice');
        await ask(made);
        await expect(ask(made)).rejects.toThrow();
        const [found] = await find(made);
        expect(found).toMatchObject({ class: 'A1', queries: [1, 2] });
        const before = await stakeOf(made);

        const { sent, outcomes, standing } = await report(made, '--class', 'A1', '--yes');

        expect(sent).toBe(true);
        expect(standing).toContain('the node is open and signs with this key; its provider has 0 of 3 strikes');
        expect(outcomes).toMatchObject([{ end: 'slashed', slash: `${SHARE / 5n}`, victim: found.loss }]);
        expect(outcomes[0].decidedBy).toContain('by both signatures');
        expect(outcomes[0].chance).toContain('certain, unless somebody reports it first');
        expect(toVictim(made)).toEqual([BigInt(found.loss)]);
        expect(before - (await stakeOf(made))).toBe(SHARE / 5n);
        const earned = messagesBetween(stage, made.seller.provider.address, reporter);
        expect(earned.map(({ name }) => name)).toEqual(['', 'Excesses']); // the reward, and what was not used
        expect((await made.seller.node.getNodeState()).receiptKey).toBe(0n);
        const again = report(made, '--class', 'A1', '--dry-run');
        await expect(again).rejects.toThrow('A case about this exists already');
        await end(made);
    });

    it('A2: bills twice what it counted, and pays the excess back with a fine', async () => {
        const made = await scene('excess');
        await expect(ask(made)).rejects.toThrow();
        const [found] = await find(made);
        expect(found).toMatchObject({ class: 'A2', queries: [1] });
        const before = await stakeOf(made);

        const dry = await report(made, '--class', 'A2', '--dry-run');
        expect(dry).toMatchObject({ sent: false, bond: '0', outcomes: [{ end: 'slashed', victim: found.loss }] });
        expect(dry.outcomes[0].chance).toContain('certain, unless somebody reports it first');
        expect(messagesBetween(stage, reporter, made.seller.node.address)).toEqual([]);
        const { case: opened } = await report(made, '--class', 'A2', '--yes');

        expect(opened).toMatchObject({ state: 'closed', outcome: 'guilty' });
        expect(toVictim(made)).toEqual([BigInt(found.loss)]);
        expect(before - (await stakeOf(made))).toBe(BigInt(dry.outcomes[0].slash));
        await expect(report(made, '--class', 'A2', '--yes')).rejects.toThrow('A case about this exists already');
        await end(made);
        excessive = made;
    });

    it('is kept away from by gateways once its stake is too small, but by those that allow it', async () => {
        const cheat = await stage.register(await stage.join(registry.address, 'worker-cheat'));
        const info = infoOf(cheat);
        const fault = (settings = {}) => checksOnChain(stage.chain, registry.address, settings).objection(info);
        expect(await fault()).toBeUndefined();

        await slashOnce(cheat);

        expect(await fault()).toContain('less stake than its nodes require');
        expect(await fault({ allowJailed: true })).toBeUndefined();
    });

    it('is not kept away from by gateways of which one of three endpoints shows no node', async () => {
        const info = infoOf(await stage.register(await stage.join(registry.address, 'worker-hidden')));
        const hidden = { state: 'uninitialized', balance: 0n, code: undefined, data: undefined, at: 0 };
        const liar = Object.create(stage.chain, { account: { value: async () => hidden } }) as Chain;
        const faultBy = (...others: Chain[]) =>
            checksOnChain(
                Object.create(liar, { others: { value: [liar, ...others] } }) as Chain,
                registry.address,
            ).objection(info);

        expect(await faultBy(stage.chain, stage.chain)).toBeUndefined();
        expect(await faultBy(stage.chain)).toContain('No node exists');
    });

    it('A3: accepts and says nothing, is demanded from, and pays for what it did not deliver', async () => {
        const made = await scene('silent');
        const hangUp = new AbortController();
        const asked = ask(made, hangUp.signal).catch(() => undefined);
        await until(async () => (await find(made)).length === 1);
        const [found] = await find(made);
        expect(found).toMatchObject({ class: 'A3', queries: [1] });
        await expect(report(made, '--class', 'A3', '--yes')).rejects.toThrow('demand it afterwards');
        stage.network.advance(ANSWER_SECONDS + 60);

        const told = await cocoonText('dispute', 'report', '--config', made.config, '--class', 'A3', '--dry-run');
        expect(told).toContain('open: you have neither a result nor a fail of this query');
        expect(told).toMatch(/certain, if nobody answers until \d{4}-\d{2}-\d{2}T/);
        const before = await stakeOf(made);

        const { case: opened, bond, outcomes } = await report(made, '--class', 'A3', '--yes');
        expect(opened!.state).toBe('open');
        expect(outcomes.map(({ end }) => end)).toEqual(['answered', 'unanswered']);
        await expect(step(made, 'decide', opened!.dispute)).rejects.toThrow('It is too early');
        stage.network.setTime(opened!.answerBy + 1);
        const decided = await step(made, 'decide', opened!.dispute);

        expect(decided).toMatchObject({ state: 'closed', outcome: 'guilty' });
        expect(before - (await stakeOf(made))).toBe(BigInt(outcomes[1].slash));
        expect(toVictim(made)).toEqual([BigInt(found.loss)]);
        expect(messagesBetween(stage, Address.parse(opened!.dispute), reporter).map(({ value }) => value)).toContain(
            BigInt(bond),
        );
        expect((await made.seller.provider.getStanding()).strikes).toBe(1n);
        hangUp.abort();
        await made.worker.end('SIGKILL');
        await asked;
        await end(made);
    });

    it('is expected to answer a demand for a result that was refused', async () => {
        const { sent, outcomes } = await report(excessive, '--class', 'A3', '--dry-run');

        expect(sent).toBe(false);
        expect(outcomes[0].chance).toContain('to be expected: the node has signed a result of this query');
    });

    it('B1: answers with what no model made, is convicted by two of three members, and pays the price back', async () => {
        const made = await scene('wrong');
        await ask(made);
        expect(await find(made)).toEqual([]); // nothing is wrong with the receipts
        const evidence = `${made.buyer.folder}/opening.json`;
        const path = `${made.gateway.url}/admin/jobs/${made.gateway.book.all[0].number}/queries/1/opening`;
        writeFileSync(evidence, await (await fetch(path, { headers: adminHeaders(made.gateway.url) })).text());
        const backend = createBackend({ kind: 'embedded' });
        const opened = openQuery(opening.parse(JSON.parse(readFileSync(evidence, 'utf8'))));
        expect(await rerun(opened, backend)).toMatchObject({ verdict: 'mismatch' });
        await backend.close();

        const accused = await report(made, '--class', 'B1', '--query', '1', '--statement', evidence, '--yes');
        const { dispute, answerBy } = accused.case!;
        expect(accused.outcomes.map(({ end }) => end)).toEqual(['acquitted', 'draw', 'convicted']);
        expect(accused.outcomes[1].chance).toContain('certain, if no verdict of 2 of 3 members comes until');
        expect(accused.outcomes[2].decidedBy).toContain('2 of 3 members');
        const committee = <T>(...args: string[]) => cocoon<T>('committee', ...args, '--config', made.config);
        expect(await committee('read', dispute, '--statement', evidence)).toMatchObject({ threshold: 2, model: MODEL });
        const votes = await Promise.all(
            stage.committeeSeeds.slice(0, 2).map(async (seed, i) => {
                const key = ['--key', secret(`member-${i}`, seed)];
                const out = `${stage.folder}/vote-${i}.json`;
                return { key, out };
            }),
        );
        for (const { key, out } of votes) {
            await committee('sign', dispute, ...key, '--basis-points', '500', '--statement', evidence, '--out', out);
        }
        const files = votes.map(({ out }) => out);
        const submit = (...which: string[]) =>
            committee<object>('submit', dispute, ...which, '--wallet', walletFile, '--yes');
        await expect(submit(...files)).rejects.toThrow('The owner may still make a statement');
        stage.network.setTime(answerBy + 1);
        await expect(submit(files[0], files[0])).rejects.toThrow('1 of 2 members have signed');

        expect(await submit(...files)).toMatchObject({ state: 'closed', outcome: 'guilty' });
        expect(toVictim(made)).toEqual([BigInt(accused.loss)]);
        const back = messagesBetween(stage, Address.parse(dispute), reporter).map(({ value }) => value);
        expect(back.some((value) => value >= toNano('5'))).toBe(true); // the bond
        await end(made);
    });

    it('loses no nanoTON on all these ways', async () => {
        ledger.close('all of the above');

        expect(await ledger.conserved((address) => stage.balanceOf(address))).toBe(true);
    });
});
