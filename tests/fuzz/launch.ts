/** The accounts of the fuzzed market, their codes, and what messages cost at each price level. */
import { beginCell, Cell, contractAddress, StateInit, toNano } from '@ton/core';
import { SandboxContract } from '@ton/sandbox';
import {
    Channel,
    channelCode,
    Dispute,
    Escrow,
    faultClasses,
    libraryOf,
    Node,
    Provider,
    Registry,
    sizeOf,
} from '@cocoon-market/wrappers';

import { messageOf } from '../support/bodies';
import { DAY, HOUR, WINDOWS } from '../support/stake';
import { Committee, Prices, Rules, RuleSet } from '../model';
import { Network, PRICE_LEVELS, PriceLevel } from './chain';
import { accountNamed, accountOf, addressOf, keyNumber, pairOf } from './names';
import { listingOf, Wire } from './wire';

export const CODES = 8; // of a Dispute, as many as a Registry takes
export const DELAY = 7 * DAY; // of the Registry's changes
export const PROVIDERS = 2;
export const CLIENTS = 2;

export const GOVERNOR = accountNamed('governor');
export const STRANGER = accountNamed('stranger');
export const INSURANCES = ['insurance', 'other insurance'].map(accountNamed);
export const PAYOUTS = ['payout 0', 'payout 1'].map(accountNamed);
export const OWNERS = Array.from({ length: PROVIDERS }, (_, index) => accountNamed(`owner ${index}`));
export const OPERATORS = OWNERS.map((_, index) => accountNamed(`operator ${index}`));
export const BUYERS = Array.from({ length: CLIENTS }, (_, index) => accountNamed(`client ${index}`));

/** A value with which every message runs at a price level. */
export const plentyAt = (level: PriceLevel): bigint => toNano(level === 'tenfold' ? '200' : '20');

/** Rules that hold at every price level. */
export const ruleSet = (overrides: Partial<RuleSet> = {}): RuleSet => ({
    ...WINDOWS,
    baseStake: toNano('50'),
    insurance: INSURANCES[0],
    rates: [toNano('18'), toNano('40'), toNano('20')],
    ...overrides,
});

export function committeeOf(count: number, threshold: number): Committee {
    const names = Array.from({ length: count }, (_, index) => `committee ${index}`);
    return { threshold, keys: names.sort((a, b) => (keyNumber(a) < keyNumber(b) ? -1 : 1)) };
}

export const FIRST_RULES: Rules = {
    ...ruleSet(),
    version: 1,
    nodeVersions: 1,
    dispute: 0,
    committee: committeeOf(3, 2),
};

/** The same contract under another hash: the last instruction jumps, so that what follows it never runs. */
function twinOf(code: Cell, version: number): Cell {
    return beginCell()
        .storeSlice(code.beginParse())
        .storeUint(0, 8 * version)
        .endCell();
}

/** A code of more than 1,024 cells, which no escrow takes. */
function largeCode(): Cell {
    const tree = (depth: number, place: number): Cell =>
        depth === 0
            ? beginCell().storeUint(place, 32).endCell()
            : beginCell()
                  .storeRef(tree(depth - 1, 2 * place))
                  .storeRef(tree(depth - 1, 2 * place + 1))
                  .endCell();
    return tree(10, 0);
}

export class Accounts implements Wire {
    readonly classB1 = faultClasses.B1.number;
    /** The state that deploys an account, where it is known. */
    readonly inits = new Map<string, StateInit>();
    private readonly firstData = new Map<string, Buffer>();

    private constructor(
        readonly registry: string,
        readonly providers: string[],
        readonly escrows: string[],
        readonly codes: Wire['codes'] & { providerCode: Cell },
    ) {}

    static async create(): Promise<Accounts> {
        const registry = await Registry.ofGovernor(addressOf(GOVERNOR), DELAY);
        const providers = await Promise.all(
            OWNERS.map((owner) => Provider.ofOwner(registry.address, addressOf(owner))),
        );
        const escrows = await Promise.all(BUYERS.map((owner) => Escrow.ofOwner(addressOf(owner))));
        const plain = await channelCode();
        const node = (await Node.ofProvider(registry.address, 0)).init!.code;
        const { code } = (await Dispute.ofFault(registry.address, { class: 'A1', job: Buffer.alloc(32), query: 0 }))
            .init!;
        const disputes = Array.from({ length: CODES }, (_, version) => twinOf(code, version));
        const library = libraryOf(plain).cell;
        const codes = { plain, library, large: largeCode(), node: [node], disputes };
        const all = [registry, ...providers, ...escrows];
        const accounts = new Accounts(
            accountOf(registry.address),
            providers.map(({ address }) => accountOf(address)),
            escrows.map(({ address }) => accountOf(address)),
            { ...codes, providerCode: providers[0].init!.code },
        );
        all.forEach(({ address, init }) => accounts.inits.set(accountOf(address), init!));
        return accounts;
    }

    firstDataOf(channel: string): Buffer {
        return this.firstData.get(channel) ?? Buffer.alloc(32, 1);
    }

    /** Notes the state of an account that is not there yet, and returns the account. */
    note(init: { code: Cell; data: Cell }): string {
        const account = accountOf(contractAddress(0, init));
        this.inits.set(account, init);
        this.firstData.set(account, init.data.hash());
        return account;
    }

    /** The account of the same job with another code. */
    sameJob(channel: string, kind: 'plain' | 'library'): string {
        const data = this.inits.get(channel)?.data;
        return data ? this.note({ code: this.codes[kind], data }) : channel;
    }

    async node(provider: string, number: number): Promise<string> {
        const { data } = (await Node.ofProvider(addressOf(provider), number)).init!;
        return this.note({ code: this.codes.node[0], data });
    }

    async dispute(provider: string, fault: Parameters<typeof Dispute.ofFault>[1], code: number): Promise<string> {
        const { data } = (await Dispute.ofFault(addressOf(provider), fault)).init!;
        return this.note({ code: this.codes.disputes[code] ?? Cell.EMPTY, data });
    }
}

/** Launches the Registry, without the model. */
export async function launchRegistry(network: Network, accounts: Accounts): Promise<void> {
    const registry = await Registry.ofGovernor(addressOf(GOVERNOR), DELAY);
    const topUp = await messageOf(registry, (r, p, via) => r.sendTopUp(p, via, { value: 0n, opens: true }));
    await runAll(network, GOVERNOR, accounts.registry, topUp, registry.init);
    const { nodeVersions: _, version: __, dispute: ___, committee, ...set } = FIRST_RULES;
    const launch = await messageOf(registry, (r, p, via) =>
        r.sendLaunch(p, via, {
            value: 0n,
            rules: { ...set, insurance: addressOf(set.insurance), rates: [...set.rates] },
            committee: { threshold: committee.threshold, keys: committee.keys.map(keyNumber) },
            codes: {
                provider: accounts.codes.providerCode,
                node: accounts.codes.node[0],
                dispute: accounts.codes.disputes[0],
            },
            catalogue: 1n,
        }),
    );
    await runAll(network, GOVERNOR, accounts.registry, launch);
}

/** Sends a message and delivers everything that follows. Throws if anything is refused. */
async function runAll(network: Network, from: string, to: string, body: Cell, init?: StateInit): Promise<void> {
    const value = toNano('300');
    const queue = [network.inject({ from, to, value, body, bounce: true, ...(init === undefined ? {} : { init }) })];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const ran = await network.deliver(next);
        if (ran.exitCode !== undefined && ran.exitCode !== 0) {
            throw new Error(`The market was not launched: ${ran.code}`);
        }
        queue.push(...ran.sent.map(({ wired }) => wired));
    }
}

async function setUpScratch(network: Network, owner: string, escrow: Escrow, channelCode: Cell): Promise<void> {
    const spendKey = pairOf('scratch').publicKey;
    const settings = { deposit: toNano('100'), spendKey, jobLimit: 1n, dayLimit: 1n, channelCode };
    const setUp = await messageOf(escrow, (c, p, via) => c.sendSetUp(p, via, { value: 0n, ...settings }));
    await runAll(network, owner, accountOf(escrow.address), setUp, escrow.init);
}

/** The values of messages at each price level, from the getters of a market that is thrown away. */
export async function measurePrices(network: Network, accounts: Accounts): Promise<Record<PriceLevel, Prices>> {
    const owner = accountNamed('scratch');
    const provider = await Provider.ofOwner(addressOf(accounts.registry), addressOf(owner));
    const escrow = await Escrow.ofOwner(addressOf(owner));
    const stake = toNano('100');
    const join = await messageOf(provider, (c, p, via) =>
        c.sendJoin(p, via, { value: 0n, stake, payout: addressOf(owner) }),
    );
    await runAll(network, owner, accountOf(provider.address), join, provider.init);
    const listing = listingOf({ gpuClass: 0, gpus: 1, receiptKey: 'scratch', encryptionKey: 'scratch' });
    const code = accounts.codes.node[0];
    const register = await messageOf(provider, (c, p, via) => c.sendRegisterNode(p, via, { value: 0n, code, listing }));
    await runAll(network, owner, accountOf(provider.address), register);
    const other = await Escrow.ofOwner(addressOf(accountNamed('other scratch')));
    await setUpScratch(network, accountNamed('other scratch'), other, accounts.codes.library);
    await setUpScratch(network, owner, escrow, accounts.codes.plain);
    const job = { deposit: toNano('20'), end: network.now + DAY, notice: HOUR };
    const newJob = { ...job, voucherKey: pairOf('scratch').publicKey, payout: addressOf(owner).hash };
    const open = await messageOf(escrow, (c, p, via) => c.sendOpen(p, via, { value: 0n, seqno: 0, jobs: [newJob] }));
    await runAll(network, owner, accountOf(escrow.address), open);

    const { deposit: _, ...rest } = newJob;
    const chain = network.blockchain;
    const parts = {
        channel: chain.openContract(await Channel.ofJob(escrow.address, { ...rest, job: 0 })),
        escrow: chain.openContract(escrow),
        other: chain.openContract(other),
        provider: chain.openContract(provider),
        node: chain.openContract(await Node.ofProvider(provider.address, 0)),
    };
    const all = {} as Record<PriceLevel, Prices>;
    for (const level of PRICE_LEVELS) {
        network.setPrices(level);
        all[level] = await pricesOf(parts, level, { code, listing });
    }
    return all;
}

async function pricesOf(
    parts: {
        channel: SandboxContract<Channel>;
        escrow: SandboxContract<Escrow>;
        other: SandboxContract<Escrow>;
        provider: SandboxContract<Provider>;
        node: SandboxContract<Node>;
    },
    level: PriceLevel,
    registration: { code: Cell; listing: Cell },
): Promise<Prices> {
    const { channel, escrow, other, provider, node } = parts;
    const feesOf = (of: SandboxContract<Escrow>) =>
        Promise.all([0n, 1n, 2n, 3n, 4n].map((jobs) => of.getOpenFeeOf(jobs)));
    const report = { cells: 60n, bits: 30_000n };
    const values = await provider.getValuesOf(8n, 4_000n);
    const reports = await node.getReportValues(report.cells, report.bits);
    const { wrong, wrongBond, demand, demandBond } = reports;
    const ofReports = [reports.twice, reports.excess, demand - demandBond, wrong - wrongBond];
    const { cells, bits } = sizeOf(registration.code);
    return {
        run: plentyAt(level) / 20n,
        claimValue: await channel.getClaimValue(),
        refundValue: await channel.getRefundValue(),
        minDeposit: { plain: await escrow.getMinDeposit(), library: await other.getMinDeposit() },
        escrowReserve: await escrow.getReserve(),
        openFee: { plain: await feesOf(escrow), library: await feesOf(other) },
        jobOrderFee: await escrow.getJobOrderFeeOf(),
        setUpValue: await escrow.getSetUpValue(),
        leaveJobValue: await escrow.getLeaveJobValue(),
        withdrawValue: await escrow.getWithdrawValue(),
        providerReserve: (await provider.getProviderState()).reserve,
        nodeReserve: (await node.getNodeState()).reserve,
        stakeStep: values.stakeStep,
        registerNode: (await provider.getValuesOf(cells + 20n, bits + 8_000n)).registerNode,
        changeNode: values.changeNode > values.replaceHardware ? values.changeNode : values.replaceHardware,
        reportCost: reports.cost,
        report: ofReports.reduce((a, b) => (b > a ? b : a)),
        demandBond,
        caseRent: 0n,
    };
}
