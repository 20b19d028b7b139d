/**
 * The getters of a contract say what to attach to a message. A stranger's contract would say all that the wallet has.
 */
import {
    type Address,
    beginCell,
    type Builder,
    Cell,
    contractAddress,
    type Contract,
    type Sender,
    type Slice,
    toNano,
} from '@ton/core';
import { type Blockchain, createShardAccount, type SandboxContract, type TreasuryContract } from '@ton/sandbox';
import {
    Accept,
    type Actor,
    addStake,
    adoptRules,
    announceDemand,
    changeNode,
    claimJob,
    clearCase,
    clearNode,
    closeNode,
    decideCase,
    Dispute,
    Escrow,
    jobHash,
    joinMarket,
    leaveJob,
    Node,
    openJob,
    postFail,
    postPieces,
    postVoucher,
    prepareReport,
    Provider,
    refundJob,
    registerNode,
    replaceHardware,
    ruleBounds,
    signingKey,
    stateCase,
    submitVerdict,
    type Terms,
    unbondStake,
    withdrawDeposit,
} from '@cocoon-market/wrappers';
import { MarketError } from '@cocoon-market/wrappers/market';
import { type Chain, providerCodes } from '../../offchain/chain';
import { readRules } from '../../offchain/setup/market';
import {
    loadNode$Data,
    loadProvider$Data,
    type Node$Data,
    type Provider$Data,
    storeNode$Data,
    storeProvider$Data,
} from '../../wrappers/bodies';
import { caseMarket, NodeJob, useCases } from '../support/cases';
import { createBlockchain } from '../support/chain';
import { GREEDY } from '../support/greedy';
import { listingWith } from '../support/stake';

const voucher = { cumulative: 1n, count: 1, signature: Buffer.alloc(64) };
const receipt = Buffer.alloc(200);
const votes = [{ member: 0, signature: Buffer.alloc(64) }];

const actions: Record<string, (actor: Actor, at: Address) => Promise<unknown>> = {
    refundJob: (actor, channel) => refundJob(actor, { channel }),
    claimJob: (actor, channel) => claimJob(actor, { channel, voucher }),
    leaveJob: (actor, escrow) => leaveJob(actor, { escrow, channel: escrow }),
    addStake: (actor, provider) => addStake(actor, { provider, amount: 1n }),
    clearNode: (actor, node) => clearNode(actor, { node }),
    postPieces: (actor, dispute) =>
        postPieces(actor, { dispute, result: receipt, answer: Buffer.alloc(1), indexes: [0] }),
    postFail: (actor, dispute) => postFail(actor, { dispute, fail: receipt }),
    postVoucher: (actor, dispute) => postVoucher(actor, { dispute, result: receipt, voucher }),
    stateCase: (actor, dispute) => stateCase(actor, { dispute, statement: Buffer.alloc(32) }),
    submitVerdict: (actor, dispute) => submitVerdict(actor, { dispute, basisPoints: 0, validUntil: 1, votes }),
    decideCase: (actor, dispute) => decideCase(actor, { dispute }),
    clearCase: (actor, dispute) => clearCase(actor, { dispute }),
    announceDemand: (actor, registry) =>
        announceDemand(actor, { registry, model: 1n, queriesPerDay: 1, endsAt: 2_000_000_000 }),
};

/** Steps at accounts that the sender names as their own, or that were believed: of each only the fees are bounded. */
const paidSteps: Record<string, (actor: Actor, at: Address) => Promise<unknown>> = {
    'joinMarket of any code': (actor, registry) =>
        joinMarket(actor, { registry, stake: 1n, payout: registry, anyCode: true }),
    'adoptRules of any code': (actor, provider) => adoptRules(actor, { provider, anyCode: true }),
    'addStake of any code': (actor, provider) => addStake(actor, { provider, amount: 1n, anyCode: true }),
    unbondStake: (actor, provider) => unbondStake(actor, { provider, amount: 1n }),
    registerNode: (actor, provider) => registerNode(actor, { provider, code: Cell.EMPTY, listing: listingWith() }),
    changeNode: (actor, provider) => changeNode(actor, { provider, number: 0, change: Cell.EMPTY }),
    replaceHardware: (actor, provider) =>
        replaceHardware(actor, { provider, number: 0, hardware: listingWith().hardware }),
    closeNode: (actor, provider) => closeNode(actor, { provider, number: 0 }),
    'clearNode of any code': (actor, node) => clearNode(actor, { node, anyCode: true }),
    'refundJob of any code': (actor, channel) => refundJob(actor, { channel, anyCode: true }),
    'claimJob of any code': (actor, channel) => claimJob(actor, { channel, voucher, anyCode: true }),
    'leaveJob of any code': (actor, escrow) => leaveJob(actor, { escrow, channel: escrow, anyCode: true }),
    withdrawDeposit: (actor) => withdrawDeposit(actor, { amount: 0n }),
    'clearCase of any code': (actor, dispute) => clearCase(actor, { dispute, anyCode: true }),
    'announceDemand of any code': (actor, registry) =>
        announceDemand(actor, { registry, model: 1n, queriesPerDay: 1, endsAt: 2_000_000_000, anyCode: true }),
};

describe('A contract of a stranger that asks for all that the wallet has', () => {
    let blockchain: Blockchain;
    let wallet: SandboxContract<TreasuryContract>;
    let greedy: Address;
    const init = { code: GREEDY, data: Cell.EMPTY };

    beforeAll(async () => {
        blockchain = await createBlockchain();
        wallet = await blockchain.treasury('wallet');
        greedy = contractAddress(0, init);
        await wallet.send({ to: greedy, value: toNano('0.1'), init, bounce: false });
    });

    const actor = (): Actor => ({
        open: <T extends Contract>(contract: T) => blockchain.openContract(contract) as never,
        sender: wallet.getSender(),
    });

    it.each(Object.entries(actions))('gets nothing by %s', async (_, action) => {
        const before = await wallet.getBalance();

        const refused = await action(actor(), greedy).catch((error: unknown) => error);

        expect(before - (await wallet.getBalance())).toBe(0n);
        expect(refused).toBeInstanceOf(MarketError);
        expect(refused).toMatchObject({ code: 'foreign-code' });
    });

    it('receives nothing of a client who leaves, though the endpoint names the code of an escrow there', async () => {
        const { code } = (await Escrow.ofOwner(wallet.address)).init!;
        const getAccount = async () => ({ newest: undefined, balance: 1n, code, data: Cell.EMPTY });
        const open = <T extends Contract>(contract: T) =>
            ('getAccount' in contract ? { getAccount } : actor().open(contract)) as never;
        const before = await wallet.getBalance();

        const leave = leaveJob({ ...actor(), open }, { escrow: greedy, channel: greedy });

        await expect(leave).rejects.toMatchObject({ code: 'foreign-code' });
        expect(before - (await wallet.getBalance())).toBe(0n);
    });

    it('is not needed by an endpoint that lies: openJob brings no more than a job and a year of rent can cost', async () => {
        const lying = (reserve: bigint) => ({
            address: greedy,
            getEscrowState: async () => ({ seqno: 0n }),
            getOpenFeeOf: async () => toNano('0.05'),
            getReserve: async () => reserve,
            sendOpen: async (via: Sender, { value }: { value: bigint }) => via.send({ to: greedy, value }),
        });
        const sent: bigint[] = [];
        const sender = { address: wallet.address, send: async ({ value }: { value: bigint }) => void sent.push(value) };
        const open = (reserve: bigint) =>
            openJob(
                { sender, open: () => lying(reserve) as never },
                { seqno: 0, job: { deposit: toNano('1') } as never },
            );

        await open(toNano('0.2'));
        await expect(open(toNano('1000'))).rejects.toMatchObject({ code: 'dear-fees' });

        expect(sent).toEqual([toNano('1.45')]);
    });

    it.each(Object.entries(paidSteps))('and is named as the own one gets nothing by %s', async (_, action) => {
        const asked = 2n ** 40n;
        const values = { stakeStep: asked, adopt: asked, closeNode: asked };
        const getters: Record<string, unknown> = {
            getValuesOf: values,
            getProviderState: { registry: greedy, nextNumber: 0n },
            getMembership: { rules: null },
            getRules: Cell.EMPTY,
            getNodeState: { share: 1n, gpus: 1n },
            getNodeAddress: greedy,
            getAccount: { code: GREEDY, data: Cell.EMPTY },
        };
        const sends: string[] = [];
        const fields: Record<string, unknown> = { address: greedy, then: undefined };
        const lying = new Proxy(fields, {
            get: (_target, name) => {
                const method = String(name);
                return method in fields ? fields[method] : async () => answer(method);
            },
        });
        const answer = (method: string) => {
            if (method.startsWith('send')) {
                sends.push(method);
            }
            return getters[method] ?? asked;
        };

        const refused = await action({ ...actor(), open: () => lying as never }, greedy).catch(
            (error: unknown) => error,
        );

        expect(sends).toEqual([]);
        expect(refused).toMatchObject({ code: 'dear-fees' });
    });

    it('is no node of which a report is made, though its provider names the right Dispute', async () => {
        const key = signingKey(Buffer.alloc(32, 1)).publicKey;
        const rates = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
        const terms: Terms = {
            ...{ escrow: greedy.hash, provider: greedy.hash, node: greedy.hash, receiptKey: key, payout: greedy.hash },
            ...{ voucherKey: key, model: key, rates, step: 1n, maxParallel: 1, maxAnswer: 1, notice: 3_600, end: 1 },
        };
        const channel = greedy.hash;
        const fields = { ...{ number: 1, request: key, ceiling: 1n, deadline: 1 }, job: jobHash(-239, channel, terms) };
        const accept = Buffer.concat([Accept.encode(fields), Buffer.alloc(64)]);
        const { address } = await Dispute.ofFault(greedy, { class: 'A3', job: fields.job, query: 1 });
        const lying = {
            address: greedy,
            getValuesFor: async () => ({ demand: 2n ** 40n, demandBond: 1n, cost: 0n }),
            getNodeState: async () => ({ codeVersion: 0n }),
            getDisputeAddress: async () => address,
        };
        const chain = {
            open: <T extends Contract>(contract: T) =>
                (contract instanceof Node || contract instanceof Provider ? lying : actor().open(contract)) as never,
        };
        const prepare = (anyCode: boolean) =>
            prepareReport(chain, -239, { class: 'A3', channel, terms, accept }, { anyCode });

        await expect(prepare(false)).rejects.toMatchObject({ code: 'foreign-code' });
        expect((await prepare(true)).value).toBe(2n ** 40n);
    });

    it('is no market that a worker would join', async () => {
        const account = async () => ({ state: 'active', code: GREEDY });
        const chain = { network: -3, account, open: actor().open } as unknown as Chain;

        await expect(readRules(chain, greedy)).rejects.toThrow('is no registry of this release');
    });

    it('names no more codes of providers than a registry can have', async () => {
        const chain = { open: actor().open } as Pick<Chain, 'open'>;

        expect(await providerCodes(chain, greedy)).toHaveLength(ruleBounds.maxCodeVersions);
    });
});

describe('A contract of this release with data that a stranger made up', () => {
    const market = useCases(() => caseMarket());
    const reader = () => ({
        open: <T extends Contract>(contract: T) => market().blockchain.openContract(contract) as never,
    });

    /** The code and data that a contract has now, with other fields in the data. */
    async function stateWith<D extends object>(
        { address }: Contract,
        { load, store }: { load(data: Slice): D; store(data: D): (builder: Builder) => void },
        fields: Partial<D>,
    ): Promise<{ code: Cell; data: Cell }> {
        const { code, data } = await stateOf(market().blockchain, address);
        const changed = beginCell().store(store({ ...load(data.beginParse()), ...fields }));
        return { code, data: changed.endCell() };
    }

    const providerWith = (fields: Partial<Provider$Data>) =>
        stateWith(market().provider, { load: loadProvider$Data, store: storeProvider$Data }, fields);
    const nodeWith = (fields: Partial<Node$Data>) =>
        stateWith(market().node, { load: loadNode$Data, store: storeNode$Data }, fields);

    async function deploy(init: { code: Cell; data: Cell }): Promise<Address> {
        const to = contractAddress(0, init);
        await market().owner.send({ to, value: toNano('0.2'), init, bounce: false });
        return to;
    }

    const prepare = (
        { channel, terms, result }: { channel: Buffer; terms: Terms; result: Buffer },
        of: Parameters<typeof prepareReport>[3] = {},
    ) => prepareReport(reader(), -239, { class: 'B1', channel, terms, result, statement: Buffer.alloc(32) }, of);

    /** A job of which a stranger holds a signed result, with these accounts in its terms. */
    function jobWith(accounts: { node: Buffer; provider?: Buffer }) {
        const job = new NodeJob(market(), Buffer.alloc(32, 5), market().victim.address, accounts);
        return { channel: job.channel, terms: job.terms, result: job.result() };
    }

    it('gets no stake, of which it would ask for as much as it says that it has', async () => {
        const { provider, stranger, owner } = market();
        const thief = await deploy(await providerWith({ stake: toNano('5000'), owner: owner.address }));
        const actor = { ...reader(), sender: stranger.getSender() };
        const before = await stranger.getBalance();

        const add = addStake(actor, { provider: thief, amount: toNano('1') });

        await expect(add).rejects.toMatchObject({ code: 'foreign-code' });
        expect(before - (await stranger.getBalance())).toBe(0n);
        await addStake(actor, { provider: provider.address, amount: toNano('1') });
        expect(before - (await stranger.getBalance())).toBeLessThan(toNano('1.1'));
    });

    it('is no node of which a report is made, whose bond an account of the stranger would keep', async () => {
        const { node, stranger } = market();
        const thief = await deploy(await nodeWith({ share: toNano('20000'), provider: stranger.address }));

        const report = prepare(jobWith({ node: thief.hash }));

        await expect(report).rejects.toMatchObject({ code: 'foreign-code' });
        expect(await prepare(jobWith({ node: node.address.hash }))).toMatchObject({ bond: toNano('5') });
    });

    it('is not needed by whoever rules a market of their own: a report may name the market of its node', async () => {
        const { node, registry, stranger } = market();
        const job = jobWith({ node: node.address.hash });

        await expect(prepare(job, { registry: stranger.address })).rejects.toMatchObject({ code: 'unfit-node' });
        expect(await prepare(job, { registry: registry.address })).toMatchObject({ bond: toNano('5') });
    });

    it('is no provider of whose node a report is made', async () => {
        const { blockchain } = market();
        const thief = await deploy(await providerWith({ nextNumber: 9n }));
        const { address } = await Node.ofProvider(thief, 0);
        const state = await nodeWith({ share: toNano('20000'), provider: thief });
        await blockchain.setShardAccount(address, createShardAccount({ address, ...state, balance: toNano('1') }));

        const report = prepare(jobWith({ node: address.hash, provider: thief.hash }));

        await expect(report).rejects.toMatchObject({ code: 'foreign-code' });
    });
});

/** Code and data of an account that is active. */
async function stateOf(blockchain: Blockchain, address: Address): Promise<{ code: Cell; data: Cell }> {
    const { accountState } = await blockchain.getContract(address);
    if (accountState?.type !== 'active') {
        throw new Error(`Nothing is active at ${address.toString()}`);
    }
    const { code, data } = accountState.state;
    return { code: code!, data: data! };
}
