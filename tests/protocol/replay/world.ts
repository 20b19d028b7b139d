/**
 * A real gateway and a real worker, with their stores on disk, on a chain with the real contracts. The wire between
 * them, the backend, what the chain shows to the worker, and when the gateway signs are held in hand.
 */
import { loadChannelData } from '@cocoon-market/wrappers';
import type { Address, Cell } from '@ton/core';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { ChainAccount, Order, Transfer } from '../../../offchain/chain';
import { clientKeys, type Gateway, gatewayConfig, startGateway } from '../../../offchain/gateway';
import type { GatewayJob } from '../../../offchain/gateway/job';
import { JobMoney } from '../../../offchain/payer/money';
import type { GatewayStore } from '../../../offchain/store/gateway';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { startWorker, type Worker } from '../../../offchain/worker';
import type { ClaimWallet } from '../../../offchain/worker/claimSender';
import { SandboxChain, SEED, until } from '../../offchain/gateway/support';
import { ECHO, ScriptedBackend, type Step as BackendStep } from '../../offchain/support/backend';
import { configFor, SEEDS } from '../../offchain/support/worker';
import { type Market } from '../../support/market';
import { FRAME, PROMPT, STEP, type Word } from '../state';
import { Relay } from './relay';

/** nanoTON of one fortieth of a step; a token costs 10,000. */
export const UNIT = 200_000n;
export const TOKENS = 20; // that cost a unit
const RATE = '10000000000';
const RATES = { prompt: RATE, cached: RATE, completion: RATE, reasoning: RATE };
const MAX_TOKENS = 1600; // of an answer; with its prompt more than POOR
const POOR = 95n * UNIT; // less than a query may cost, and more than the vouchers of any trace promise
const OLD_SECONDS = 60;
// So short that half a step pays for the bound of its prompt: a gateway asks no node otherwise.
const QUESTION = { model: ECHO, messages: [{ role: 'user', content: 'wo '.repeat(40) }], max_tokens: MAX_TOKENS };
export const NOTICE = 3600;

/** Sends claims as the payout. */
class PayoutWallet implements ClaimWallet {
    claimed = 0n; // nanoTON, the largest sum that a claim stated

    constructor(private readonly market: Market) {}

    get address(): Address {
        return this.market.payout.address;
    }

    balance(): Promise<bigint> {
        return this.market.balanceOf(this.market.payout);
    }

    async outcome() {
        return 'executed' as const;
    }

    async send(transfers: Transfer[], note: (order: Order) => Promise<void> = async () => undefined): Promise<void> {
        const { now, payout } = this.market;
        await note({ wallet: this.address, seqno: 0, hash: '00', from: now, validUntil: now + 120 });
        for (const { to, value, body } of transfers) {
            const cumulative = (body as Cell).beginParse().skip(32).loadUintBig(64); // after the opcode
            this.claimed = cumulative > this.claimed ? cumulative : this.claimed;
            await this.market.send(payout, { address: to }, { value, body: body });
        }
    }
}

/** What a gateway wants to sign and post by its own rules waits here until a trace lets it. */
class Payments {
    isFree = false;
    private readonly waiting = new Set<JobMoney>();
    private readonly start = JobMoney.prototype.start;

    constructor() {
        const { start, waiting } = this;
        const isFree = () => this.isFree;
        JobMoney.prototype.start = function (this: JobMoney) {
            if (isFree()) {
                start.call(this);
            } else {
                waiting.add(this);
            }
        };
    }

    waits(money: JobMoney): boolean {
        return this.waiting.has(money);
    }

    begin(money: JobMoney): void {
        this.waiting.delete(money);
        this.start.call(money);
    }

    remove(): void {
        JobMoney.prototype.start = this.start;
    }
}

export class World {
    readonly relay = new Relay();
    readonly chain: SandboxChain; // as the gateway sees it
    readonly wallet: PayoutWallet;
    readonly backend = new ScriptedBackend();
    word: Word = 'truth';
    worker: Worker | undefined;
    workerStore: SqliteWorkerStore | undefined;
    gateway: Gateway | undefined;
    gatewayStore: GatewayStore | undefined;
    readonly payments = new Payments();
    channel!: Address;
    job!: Buffer; // hash
    jobNumber!: number;
    private readonly folders: string[] = [];
    private workerFolder = this.folder();
    private gatewayFolder = this.folder();
    private workerBackup: string | undefined;
    private gatewayBackup: string | undefined;
    private firstAccount: ChainAccount | undefined;
    private question: AbortController | undefined;

    private constructor(
        readonly market: Market,
        frames: number,
    ) {
        this.chain = new SandboxChain(market);
        this.wallet = new PayoutWallet(market);
        this.backend.bound = PROMPT * TOKENS;
        const delta = { type: 'delta', content: 'word '.repeat((FRAME * TOKENS) / 5), tokens: FRAME * TOKENS } as const;
        const deltas = Array.from({ length: frames }, (): BackendStep[] => [{ type: 'pause' }, delta]).flat();
        this.backend.script = () => [
            { type: 'prompt', prompt: PROMPT * TOKENS, cached: 0 },
            ...deltas,
            { type: 'pause' },
            { type: 'end', finish: 'stop' },
        ];
    }

    /** A gateway with one job at a worker that knows it, and whose backend gives so many frames. */
    static async open(market: Market, frames: number): Promise<World> {
        const world = new World(market, frames);
        await world.relay.start();
        await world.startWorker();
        world.relay.passes = new Set(['introduction']);
        await world.startGateway();
        const job = await world.gateway!.opener.open(ECHO, new Set());
        world.channel = job.channel;
        world.job = job.stored.hash;
        world.jobNumber = job.number;
        world.firstAccount = await world.chain.truth(job.channel);
        return world;
    }

    get gatewayJob(): GatewayJob {
        return this.gateway!.book.get(this.jobNumber)!;
    }

    /** True in the moment after a result in which the next query may take its voucher along. */
    get isAboutToPay(): boolean {
        const money = this.gateway?.book.get(this.jobNumber)?.money as { soon?: unknown } | undefined;
        return money?.soon !== undefined;
    }

    private folder(): string {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-trace-'));
        this.folders.push(folder);
        return folder;
    }

    /** What a disk has now. */
    private image(folder: string): string {
        const copy = this.folder();
        cpSync(folder, copy, { recursive: true });
        return copy;
    }

    async startWorker(): Promise<void> {
        const chain = new SandboxChain(this.market);
        chain.lie = (address, truth) => this.shown(address, truth);
        const config = configFor(this.workerFolder, {
            ...{ offers: [{ model: ECHO, rates: RATES }], creditSeconds: 300 },
            chain: { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 600 },
            claim: { threshold: `${1n << 62n}` },
        });
        const store = await SqliteWorkerStore.open(config.store);
        const { backend, wallet } = this;
        const parts = { chain, backend, wallet, store, seeds: SEEDS, node: async () => undefined };
        this.worker = await startWorker(config, { ...parts, now: () => this.market.now });
        this.worker.failed.catch(() => undefined);
        this.workerStore = store;
        this.relay.upstream = this.worker.url;
    }

    private shown(address: Address, truth: ChainAccount): ChainAccount {
        if (this.word === 'truth' || !address.equals(this.channel)) {
            return truth;
        }
        switch (this.word) {
            case 'absent':
                return { ...truth, state: 'uninitialized', balance: 0n, code: undefined, data: undefined };
            case 'poor':
                return { ...truth, balance: POOR };
            case 'old':
                return { ...this.firstAccount!, at: this.firstAccount!.at - OLD_SECONDS };
        }
    }

    async startGateway(): Promise<void> {
        const { market, relay } = this;
        const store = await openGatewayStore(join(this.gatewayFolder, 'gateway.sqlite'));
        const price = { prompt: RATE, cached: RATE, completion: RATE, reasoning: RATE };
        const config = gatewayConfig.parse({
            ...{ network: this.chain.network, endpoint: 'http://127.0.0.1:1/', pollMs: 10 },
            ...{ escrow: market.escrow.address.toString(), keyFile: 'unused', store: 'unused', listen: { port: 0 } },
            ...{ workers: [relay.url], models: { [ECHO]: { maxPrice: price } }, attestation: { allowOpen: true } },
            shutdownSeconds: 0,
            job: {
                ...{ deposit: '1000000000', step: String(BigInt(STEP) * UNIT), notice: NOTICE, lifetime: 86_400 },
                ...{ maxParallel: 4, maxOpen: 1 },
            },
        });
        relay.isOpen = true;
        this.gatewayStore = store;
        this.gateway = await startGateway(config, {
            ...{ chain: this.chain, keys: clientKeys(SEED), now: () => market.now, store },
            ...{ log: pino({ level: 'silent' }), sweepMs: 3_600_000, watchMs: 3_600_000 },
        });
        await this.gateway.recovery.loaded;
    }

    /** Asks as an app does, and does not wait for the answer. */
    ask(): void {
        this.leaveQuestion();
        const { signal } = (this.question = new AbortController());
        const headers = { 'content-type': 'application/json' };
        const asked = { method: 'POST', headers, body: JSON.stringify(QUESTION), signal };
        void fetch(`${this.gateway!.url}/v1/chat/completions`, asked).then(
            (answer) => answer.text().catch(() => undefined),
            () => undefined,
        );
    }

    /** The app goes away; nothing of its question runs any more. */
    leaveQuestion(): void {
        this.question?.abort();
        this.question = undefined;
    }

    /** The worker dies: what its disk has at this moment stays. */
    async killWorker(): Promise<void> {
        const { worker, relay } = this;
        this.workerFolder = this.image(this.workerFolder);
        relay.upstream = undefined;
        relay.breakStream();
        const sent = relay.find('query') ?? relay.find('voucher');
        for (let held = sent; held !== undefined; held = relay.find('query') ?? relay.find('voucher')) {
            relay.lose(held);
        }
        this.worker = this.workerStore = undefined;
        await worker?.close();
    }

    /** The gateway dies: what its disk has at this moment stays. */
    async killGateway(): Promise<void> {
        const { gateway, relay } = this;
        this.gatewayFolder = this.image(this.gatewayFolder);
        relay.isOpen = false;
        relay.cut();
        this.leaveQuestion();
        this.gateway = this.gatewayStore = undefined;
        await gateway?.close();
    }

    backUpWorker(): void {
        this.workerBackup = this.image(this.workerFolder);
    }

    backUpGateway(): void {
        this.gatewayBackup = this.image(this.gatewayFolder);
    }

    /** Puts the backup in the place of a worker that is down; `isWhole`: its mark too. */
    restoreWorker({ isWhole }: { isWhole: boolean }): void {
        const mark = join(this.workerFolder, 'keys.json.mark');
        this.workerFolder = this.image(this.workerBackup!);
        if (!isWhole) {
            cpSync(mark, join(this.workerFolder, 'keys.json.mark'));
        }
    }

    restoreGateway(): void {
        this.gatewayFolder = this.image(this.gatewayBackup!);
    }

    /** nanoTON that the channel has paid; undefined once it is closed. */
    async paid(): Promise<bigint | undefined> {
        const { data } = await this.chain.truth(this.channel);
        return data === undefined ? undefined : loadChannelData(data).paid;
    }

    /** Lets everything arrive, and the backend go on, until `condition` holds. */
    async flow(condition: () => boolean | Promise<boolean>): Promise<void> {
        const { relay, payments } = this;
        relay.passes = new Set(['introduction', 'query', 'voucher', 'stored', 'end']);
        payments.isFree = true;
        payments.begin(this.gatewayJob.money);
        await until(async () => {
            for (const kind of ['query', 'voucher', 'stored', 'end'] as const) {
                const held = relay.find(kind);
                if (held !== undefined && relay.upstream !== undefined) {
                    await (kind === 'query' ? relay.deliverQuery(held) : relay.deliver(held).catch(() => undefined));
                }
            }
            while ((relay.stream?.records.length ?? 0) > 0) {
                relay.deliverRecord();
            }
            this.backend.go();
            return condition();
        }, 20_000);
    }

    async close(): Promise<void> {
        this.leaveQuestion();
        this.relay.cut();
        this.relay.isOpen = false;
        this.payments.remove();
        await this.gateway?.close();
        await this.worker?.close();
        await this.relay.stop();
        this.folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
    }
}
