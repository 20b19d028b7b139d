/** The whole market as plain data, derived from the stored facts alone. Every number is defined in definitions.ts. */
import {
    channelCode,
    Escrow,
    libraryOf,
    Node,
    Provider,
    type ProviderAccount,
    Registry,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { amountFromBytes } from '../store/database';
import { type Faults, type MarketCase, type MarketSlash, readFaults } from './cases';
import { definitions } from './definitions';
import { type IndexedJob, jobsOf } from './jobs';
import { dayOf, type IndexedDemand, Listings } from './listings';
import {
    countBy,
    grouped,
    type MarketModel,
    type MarketNode,
    type MarketSupply,
    modelsOf,
    supplyOf,
    tierAt,
} from './models';
import { by } from './order';
import { factsInRole, factsOfKind } from './reading';
import type { IndexData } from './store';
import { daysOf, type DayView, emptyDay, type JobSummary, Sums } from './sums';

export interface ProviderView extends JobSummary {
    provider: string;
    owner: string;
    knownCode: boolean;
    joinedAt: number;
    payouts: string[];
    sharesPayout: boolean; // with another provider
    busyPayouts: string[]; // that are not followed, as too busy or too many, so jobs may be missing
    lt: bigint | null; // of the last transaction
    account: Omit<ProviderAccount, 'registry' | 'owner'> | null; // null until it is read
    jailed: boolean | null;
    stakeUse: number | null; // basis points
    openNodes: number;
    jobsPerNode: number | null; // hundredths
    cases: number;
    slashes: number;
    slashed: bigint;
}

export interface MarketView {
    registry: string;
    network: number;
    asOf: number;
    today: DayView;
    totals: JobSummary & { settled: number; slashed: bigint; stake: bigint };
    supply: MarketSupply[];
    regions: Record<string, number>; // GPUs
    paused: boolean;
    catalogue: string | null;
    unreadable: string[];
    codes: Record<string, string[]>; // hashes of the codes that are read
    providers: ProviderView[];
    nodes: MarketNode[];
    demands: IndexedDemand[];
    models: MarketModel[];
    days: DayView[];
    clients: (JobSummary & { client: string })[];
    cases: MarketCase[];
    slashes: MarketSlash[];
    definitions: typeof definitions;
}

/** Which market, and the time at which windows end; by default that of the newest fact. */
export interface ViewOptions {
    registry: Address;
    network: number;
    at?: number | undefined; // unix seconds
    /** Called with each job, by the addresses of the channels. */
    onJob?: (job: IndexedJob) => void;
}

/** Derives the market from what is stored. Memory grows with providers, nodes, clients and days, not with jobs. */
export async function readView(store: IndexData, { registry, network, at, onJob }: ViewOptions): Promise<MarketView> {
    const listings = new Listings();
    for await (const fact of factsInRole(store, 'registry')) {
        listings.take(fact);
    }
    listings.end();
    const faults = await readFaults(store);
    const payouts = await payoutsOf(store);
    const sums = new Sums();
    for await (const job of jobsOf(store, new Set(payouts.keys()))) {
        sums.add(job);
        onJob?.(job);
    }
    const asOf = at ?? Math.max(listings.lastAt, faults.lastAt, sums.lastAt, await lastOpening(store));
    const providers = await providerViews(store, listings, { payouts, faults, sums, asOf });
    const jailed = new Map(providers.map(({ provider, jailed }) => [provider, jailed]));
    const nodes = [...listings.nodes.values()].sort(by('key')).map((node): MarketNode => ({
        ...node,
        tier: tierAt(node, asOf),
        providerJailed: jailed.get(node.provider) ?? null,
    }));
    const days = daysOf(sums, faults);
    const today = days.find(({ day }) => day === dayOf(asOf)) ?? emptyDay(dayOf(asOf));
    const selling = nodes.filter(({ open, knownCode, providerJailed }) => open && knownCode && providerJailed !== true);
    const summary = sums.summaryOf([...payouts.keys()], asOf);
    return {
        ...{ registry: registry.toRawString(), network, asOf, today },
        totals: {
            ...summary,
            settled: summary.jobs - summary.openJobs,
            slashed: faults.slashes.reduce((sum, { amount }) => sum + amount, 0n),
            stake: providers.reduce((sum, { account }) => sum + (account?.stake ?? 0n), 0n),
        },
        supply: supplyOf(selling),
        regions: countBy(
            selling,
            ({ service }) => service?.region ?? '',
            ({ hardware }) => hardware?.gpus ?? 0,
        ),
        ...{ paused: listings.paused, catalogue: listings.catalogue, unreadable: listings.unreadable },
        codes: await codesRead(),
        ...{ providers, nodes },
        demands: [...listings.demands.values()].sort(by('client', 'model')),
        models: modelsOf(listings, nodes, asOf),
        days,
        clients: sums.clients(asOf),
        cases: faults.cases,
        slashes: faults.slashes,
        definitions,
    };
}

/** The hashes of the codes whose accounts are read, by kind. */
async function codesRead(): Promise<Record<string, string[]>> {
    const nobody = new Address(0, Buffer.alloc(32));
    const channel = await channelCode();
    const codes = {
        registry: [(await Registry.ofGovernor(nobody, 0)).init!.code],
        provider: [(await Provider.ofOwner(nobody, nobody)).init!.code],
        node: [(await Node.ofProvider(nobody, 0)).init!.code],
        escrow: [(await Escrow.ofOwner(nobody)).init!.code],
        channel: [channel, libraryOf(channel).cell],
    };
    return Object.fromEntries(
        Object.entries(codes).map(([kind, cells]) => [kind, cells.map((cell) => cell.hash().toString('hex'))]),
    );
}

/** The payouts of the market, each with the providers that name it. */
export async function payoutsOf(store: IndexData): Promise<Map<string, Set<string>>> {
    const payouts = new Map<string, Set<string>>();
    for await (const { log, subject } of factsOfKind(store, 'payout')) {
        const providers = payouts.get(subject) ?? new Set();
        payouts.set(subject, providers.add(log.slice('provider/'.length)));
    }
    return payouts;
}

async function lastOpening({ db }: IndexData): Promise<number> {
    const row = await db
        .selectFrom('facts')
        .select(({ fn }) => fn.max('at').as('at'))
        .where('kind', '=', 'opened')
        .executeTakeFirstOrThrow();
    return row.at ?? 0;
}

async function providerViews(
    store: IndexData,
    listings: Listings,
    { payouts, faults, sums, asOf }: { payouts: Map<string, Set<string>>; faults: Faults; sums: Sums; asOf: number },
): Promise<ProviderView[]> {
    const readings = new Map(
        (await store.db.selectFrom('readings').selectAll().execute()).map((row) => [row.log, row]),
    );
    const { db } = store;
    const followedRows = await db
        .selectFrom('logs')
        .select('account')
        .where('role', '=', 'payout')
        .where('busy', '=', 0)
        .execute();
    const followed = new Set(followedRows.map(({ account }) => account));
    const namesOf = grouped([...payouts.keys()].sort(), (payout) => payouts.get(payout)!);
    const nodesOf = grouped([...listings.nodes.values()], (node) => [node.provider]);
    const slashesOf = grouped(faults.slashes, ({ provider }) => [provider]);
    const casesOf = grouped(faults.cases, ({ provider }) => [provider]);
    return [...listings.providers.values()].sort(by('provider')).map((provider) => {
        const names = namesOf.get(provider.provider) ?? [];
        const reading = readings.get(`provider/${provider.provider}`);
        const account = reading === undefined ? null : accountOf(reading.body);
        const openNodes = (nodesOf.get(provider.provider) ?? []).filter(({ open }) => open);
        const summary = sums.summaryOf(names, asOf);
        const slashes = slashesOf.get(provider.provider) ?? [];
        return {
            ...provider,
            ...summary,
            payouts: names,
            sharesPayout: names.some((payout) => payouts.get(payout)!.size > 1),
            busyPayouts: names.filter((payout) => !followed.has(payout)),
            lt: reading === undefined ? null : amountFromBytes(reading.lt),
            account,
            jailed: account && (account.jailedUntil !== 0 || account.stake < account.requiredStake),
            stakeUse: account && ratio(account.requiredStake, account.stake, 10_000n),
            openNodes: openNodes.length,
            jobsPerNode: ratio(BigInt(summary.openJobs), BigInt(openNodes.length), 100n),
            cases: (casesOf.get(provider.provider) ?? []).length,
            slashes: slashes.length,
            slashed: slashes.reduce((sum, { amount }) => sum + amount, 0n),
        };
    });
}

const ratio = (part: bigint, whole: bigint, scale: bigint): number | null =>
    whole === 0n ? null : Number((part * scale) / whole);

function accountOf(body: string): NonNullable<ProviderView['account']> {
    const {
        registry: _,
        owner: __,
        stake,
        unbonding,
        requiredStake,
        frozen,
        ...numbers
    } = JSON.parse(body) as {
        [name in 'registry' | 'owner' | 'stake' | 'unbonding' | 'requiredStake' | 'frozen']: string;
    } & Pick<ProviderAccount, Exclude<keyof ProviderAccount, 'registry' | 'owner'>>;
    const amounts = { stake: BigInt(stake), unbonding: BigInt(unbonding) };
    return { ...numbers, ...amounts, requiredStake: BigInt(requiredStake), frozen: BigInt(frozen) };
}
