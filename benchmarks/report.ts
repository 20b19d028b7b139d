/** Everything that `npm run bench:gas` shows, as data. Amounts are nanoTON. */
import { networkConfig } from '../localnet/config';
import { channelCode, libraryRent, pricesOf, YEAR } from '@cocoon-market/wrappers';
import { PriceLevel } from '../tests/support/chain';
import { Batch, creditUsed, maxBatch } from './batches';
import { Floor, measureFloors } from './floors';
import { Cast, Measurement, measure } from './meter';
import { caseStage, disputes } from './operations/disputes';
import { Operations } from './operations/operation';
import { leftAfterJob, payments, paymentStage, rentOfJob } from './operations/payments';
import { governance, registrations, rentOfNode, stakes, stakeStage } from './operations/stake';

export const LEVELS: PriceLevel[] = ['2025', '2026'];

/** The operations by what they are about. */
export const SECTIONS = {
    'Jobs and payments': payments,
    'Stake and the registry': { ...registrations, ...stakes, ...governance },
    'Faults and cases': disputes,
};

/** An operation as measured, with the title of its row and the gas of what its contracts cannot do without. */
export type ReportRow = Measurement & { title: string; floorGas: bigint };

/** One price level: the channel's code in a library, and the plain profile beside it. */
export interface LevelReport {
    level: PriceLevel;
    operations: Record<string, ReportRow>;
    rentPerYear: bigint; // of an open job
    nodeRentPerYear: bigint; // of a node with one offer
    leftAfterJob: bigint; // in its account
    claimOverFloor: number; // gas of a payee's claim in the channel over that of one signature, one memory and one message
    floors: Record<Floor, bigint>; // gas
    plain: { operations: Record<string, ReportRow>; rentPerYear: bigint };
    library: { rentPerYear: bigint; savedPerJob: bigint; jobsToBreakEven: bigint };
}

async function measureAll<Stage extends { cast: Cast }>(
    stage: Stage,
    operations: Operations<Stage>,
    floors: Record<Floor, bigint>,
): Promise<Record<string, ReportRow>> {
    const { blockchain } = stage.cast;
    const [fresh, now] = [blockchain.snapshot(), blockchain.now];
    const rows: Record<string, ReportRow> = {};
    for (const [name, { title, floor, prepare }] of Object.entries(operations)) {
        const floorGas = floor.reduce((sum, step) => sum + floors[step], 0n);
        try {
            rows[name] = { title, floorGas, ...(await measure(stage.cast, await prepare(stage))) };
        } catch (error) {
            throw new Error(`${name} (${title}): ${(error as Error).message}`, { cause: error });
        }
        await blockchain.loadFrom(fresh);
        blockchain.now = now;
    }
    return rows;
}

/** Measures every operation at a price level. */
export async function reportOf(level: PriceLevel): Promise<LevelReport> {
    const main = await paymentStage(level, { library: true });
    const plainStage = await paymentStage(level, { library: false });
    const stake = await stakeStage(level);
    const floors = await measureFloors();
    const operations = await measureAll(main, payments, floors);
    Object.assign(operations, await measureAll(stake, SECTIONS['Stake and the registry'], floors));
    Object.assign(operations, await measureAll(await caseStage(level), disputes, floors));
    const plain = {
        operations: await measureAll(plainStage, payments, floors),
        rentPerYear: await rentOfJob(plainStage),
    };
    const savedPerJob = plain.operations.job.fees - operations.job.fees;
    const rentOfLibrary = libraryRent(pricesOf(networkConfig(level)), await channelCode(), YEAR);
    return {
        level,
        operations,
        leftAfterJob: await leftAfterJob(main),
        rentPerYear: await rentOfJob(main),
        nodeRentPerYear: await rentOfNode(stake),
        claimOverFloor: overFloor(operations.claim),
        floors,
        plain,
        library: {
            rentPerYear: rentOfLibrary,
            savedPerJob,
            jobsToBreakEven: (rentOfLibrary + savedPerJob - 1n) / savedPerJob,
        },
    };
}

/** Gas of an operation's contracts over that of its floor. */
export function overFloor({ contractGas, floorGas }: ReportRow): number {
    return Number(contractGas) / Number(floorGas);
}

/** What one message carries at most, and how much of an order's gas credit is used. */
export interface BatchReport {
    claims: Batch;
    closes: Batch;
    creditUsed: Record<string, number>;
}

/** Measures the largest batches, at the prices of 2025. */
export async function reportOfBatches(): Promise<BatchReport> {
    return {
        claims: await maxBatch(await paymentStage('2025', { library: true }), { last: false }),
        closes: await maxBatch(await paymentStage('2025', { library: true }), { last: true }),
        creditUsed: await creditUsed(await paymentStage('2025', { library: true })),
    };
}
