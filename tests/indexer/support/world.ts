/** A market with real contracts on a local network, and the traffic that fills its histories. */
import { type Address, external, toNano } from '@ton/core';
import type { SandboxContract } from '@ton/sandbox';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import {
    Channel,
    channelCode,
    claimBody,
    codesOfThisCheckout,
    Escrow,
    type JobParameters,
    jobNumber,
    Node,
    nodeChanges,
    openJobsCell,
    Registry,
    signedOrder,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { NodeJob, report } from '../../support/cases';
import { START } from '../../support/chain';
import { spendKey, voucherKey } from '../../support/market';
import {
    CATALOGUE,
    CHANGE_DELAY,
    committeeOf,
    type JoinedMarket,
    joinProvider,
    listingWith,
    type Market,
    modelOf,
    registerNode,
    rulesWith,
    STAKE,
} from '../../support/stake';
import { type Wallet, walletOf } from '../../support/wallet';

export interface WorldJob {
    channel: SandboxContract<Channel>;
    job: JobParameters;
    payout: Wallet;
    escrow: WorldClient;
    deposit: bigint;
    signed: bigint; // the highest voucher that was shown
}

export interface WorldClient {
    owner: Wallet;
    escrow: SandboxContract<Escrow>;
    seqno: number;
}

export class World {
    readonly jobs: WorldJob[] = [];
    readonly clients: WorldClient[] = [];

    private constructor(
        readonly net: Localnet,
        readonly market: Market,
    ) {}

    static async start(): Promise<World> {
        const net = await startLocalnet({ clock: 'manual', now: START, prices: '2026' });
        const { blockchain } = net;
        const names = ['governor', 'owner', 'operator', 'payout', 'stranger', 'insurance'];
        const [governor, owner, operator, payout, stranger, insurance] = await Promise.all(
            names.map((name) => walletOf(blockchain, name)),
        );
        const registry = blockchain.openContract(await Registry.ofGovernor(governor.address, CHANGE_DELAY));
        const { provider, node, dispute } = await codesOfThisCheckout();
        const market = {
            ...{ blockchain, registry, governor, owner, operator, payout, stranger, insurance },
            codes: { provider, node, dispute },
        };
        await registry.sendTopUp(governor.getSender(), { value: toNano('1'), opens: true });
        const rules = rulesWith(insurance.address);
        const launch = { rules, committee: committeeOf(3, 2), codes: market.codes, catalogue: CATALOGUE };
        await registry.sendLaunch(governor.getSender(), { value: toNano('1'), ...launch });
        return new World(net, market);
    }

    get registry(): Address {
        return this.market.registry.address;
    }

    get settings() {
        return { network: this.net.networkId, endpoint: this.net.url };
    }

    wallet(name: string): Promise<Wallet> {
        return walletOf(this.net.blockchain, name);
    }

    /** A provider of this owner, whose money goes to `payout`. */
    async provider(name: string, payout?: Wallet, stake = STAKE): Promise<JoinedMarket> {
        const owner = await this.wallet(name);
        const market = { ...this.market, owner, payout: payout ?? (await this.wallet(`${name}'s payout`)) };
        return { ...market, provider: await joinProvider(market, owner, stake) };
    }

    node(provider: JoinedMarket, listing: Parameters<typeof listingWith>[0] = {}) {
        return registerNode(provider, { listing: listingWith(listing) });
    }

    /** The same, with a value that is known before: for many nodes. */
    async change(provider: JoinedMarket, number: number, change: ReturnType<typeof nodeChanges.offers>): Promise<void> {
        const value = await provider.provider.getChangeNodeValue(change);
        await provider.provider.sendChangeNode(provider.owner.getSender(), { value, number, change });
    }

    async demand(by: Wallet, model: string, queriesPerDay: number, seconds = 86_400): Promise<void> {
        const value = await this.market.registry.getAnnounceDemandValue(false);
        const demand = { model: modelOf(model), queriesPerDay, endsAt: this.net.now() + seconds };
        await this.market.registry.sendAnnounceDemand(by.getSender(), { value, ...demand });
    }

    async client(name: string): Promise<WorldClient> {
        const owner = await this.wallet(name);
        const escrow = this.net.blockchain.openContract(await Escrow.ofOwner(owner.address));
        await escrow.sendSetUp(owner.getSender(), {
            ...{ value: toNano('501'), deposit: toNano('500'), spendKey: spendKey.publicKey },
            ...{ jobLimit: toNano('20'), dayLimit: toNano('5000'), channelCode: await channelCode() },
        });
        const client = { owner, escrow, seqno: 0 };
        this.clients.push(client);
        return client;
    }

    /** Opens jobs with one order of the spend key, or with a message of the owner. */
    async open(
        client: WorldClient,
        payouts: readonly Wallet[],
        { deposit = toNano('1'), byOwner = false } = {},
    ): Promise<WorldJob[]> {
        const jobs = payouts.map((payout) => ({
            ...{ deposit, end: this.net.now() + 30 * 86_400, notice: 3600 },
            ...{ voucherKey: voucherKey.publicKey, payout: payout.address.hash },
        }));
        const seqno = client.seqno++;
        if (byOwner) {
            await client.escrow.sendOpen(client.owner.getSender(), { value: toNano('5'), seqno, jobs });
        } else {
            const head = { network: this.net.networkId, escrow: client.escrow.address, seqno };
            const order = openJobsCell({ ...head, validUntil: this.net.now() + 60, jobs });
            const body = signedOrder(order, spendKey);
            await this.net.blockchain.sendMessage(external({ to: client.escrow.address, body }));
        }
        const opened = await Promise.all(
            jobs.map(async ({ deposit: _, ...terms }, position) => {
                const job = { ...terms, job: jobNumber(seqno, position) };
                const channel = this.net.blockchain.openContract(await Channel.ofJob(client.escrow.address, job));
                return { channel, job, payout: payouts[position], escrow: client, deposit, signed: 0n };
            }),
        );
        this.jobs.push(...opened);
        return opened;
    }

    /** Claims `more` above what was claimed before. */
    async claim(job: WorldJob, more: bigint, { by = job.payout, last = false } = {}): Promise<void> {
        job.signed += more;
        const hash = Voucher.hash(voucherFor(this.net.networkId, job.channel.address, job.signed, 1));
        const voucher = { cumulative: job.signed, count: 1, signature: voucherKey.sign(hash) };
        const value = toNano('0.1');
        await by.send({ to: job.channel.address, value, body: claimBody(voucher, { last }) });
    }

    async end(job: WorldJob): Promise<void> {
        await job.payout.send({
            to: job.channel.address,
            value: toNano('0.1'),
            body: claimBody(undefined, { last: true }),
        });
    }

    async leave({ channel, escrow }: WorldJob): Promise<void> {
        const value = await escrow.escrow.getLeaveJobValue();
        await escrow.escrow.sendLeaveJob(escrow.owner.getSender(), { value, channel: channel.address });
    }

    async refund(job: WorldJob, by: Wallet): Promise<void> {
        await job.channel.sendRefund(by.getSender(), { value: toNano('0.1') });
    }

    /** A fault of class A1, which slashes the provider at once. */
    async fault(provider: JoinedMarket, number: number, seed: number): Promise<void> {
        const node = this.net.blockchain.openContract(await Node.ofProvider(provider.provider.address, number));
        const market = { ...provider, node };
        const job = new NodeJob(market, Buffer.alloc(32, seed), this.market.stranger.address);
        await report(market, 'twice', job.report.twice(job.result(), job.result({ price: 1n, cumulative: 1n })));
    }

    /** Everything as it is now; the result goes back to it, so that another history can follow. */
    async snapshot(): Promise<() => Promise<void>> {
        const state = await this.net.snapshot();
        const jobs = this.jobs.map((job) => ({ job, signed: job.signed }));
        const clients = this.clients.map((client) => ({ client, seqno: client.seqno }));
        return async () => {
            await this.net.restore(state);
            this.jobs.splice(0, this.jobs.length, ...jobs.map(({ job, signed }) => Object.assign(job, { signed })));
            clients.forEach(({ client, seqno }) => Object.assign(client, { seqno }));
            this.clients.splice(clients.length);
        };
    }

    close(): Promise<void> {
        return this.net.close();
    }
}
