/** Everything that `npm run bench:gas` shows, as data. Amounts are nanoTON. */
import { Cell } from '@ton/core';
import { networkConfig } from '../localnet/config';
import { channelCode, libraryRent, pricesOf, YEAR } from '../wrappers';
import { PriceLevel } from '../tests/support/chain';
import { Cast, Measurement, measure } from './meter';
import { Operations } from './operations/operation';
import { leftAfterJob, payments, paymentStage, rentOfYear } from './operations/payments';
import { governance, registrations, stakes, stakeStage } from './operations/stake';

export const LEVELS: PriceLevel[] = ['2025', '2026'];

/** An operation as measured, with the title of its row. */
export type Row = Measurement & { title: string };

/** One price level: the channel's code in a library, and the plain profile beside it. */
export interface LevelReport {
    level: PriceLevel;
    operations: Record<string, Row>;
    rentPerYear: bigint; // of an open job
    leftAfterJob: bigint; // in its account
    plain: { operations: Record<string, Row>; rentPerYear: bigint };
    library: { rentPerYear: bigint; savedPerJob: bigint; jobsToBreakEven: bigint };
}

async function measureAll<Stage extends { cast: Cast }>(
    stage: Stage,
    operations: Operations<Stage>,
): Promise<Record<string, Row>> {
    const { blockchain } = stage.cast;
    const [fresh, now] = [blockchain.snapshot(), blockchain.now];
    const rows: Record<string, Row> = {};
    for (const [name, { title, prepare }] of Object.entries(operations)) {
        rows[name] = { title, ...(await measure(stage.cast, await prepare(stage))) };
        await blockchain.loadFrom(fresh);
        blockchain.now = now;
    }
    return rows;
}

/** Measures every operation at a price level. */
export async function reportOf(level: PriceLevel): Promise<LevelReport> {
    const main = await paymentStage(level, true);
    const plainStage = await paymentStage(level, false);
    const stake = await stakeStage(level);
    const operations = await measureAll(main, payments);
    Object.assign(operations, await measureAll(stake, { ...registrations, ...stakes, ...governance }));
    const plain = { operations: await measureAll(plainStage, payments), rentPerYear: await rentOfYear(plainStage) };
    const savedPerJob = plain.operations.job.fees - operations.job.fees;
    const rentOfLibrary = libraryRent(pricesOf(networkConfig(level)), await channelCode(), YEAR);
    return {
        level,
        operations,
        leftAfterJob: await leftAfterJob(main),
        rentPerYear: await rentOfYear(main),
        plain,
        library: {
            rentPerYear: rentOfLibrary,
            savedPerJob,
            jobsToBreakEven: (rentOfLibrary + savedPerJob - 1n) / savedPerJob,
        },
    };
}

/** Different cells of a tree and their bits, as storage counts them. */
export function sizeOf(root: Cell): { cells: number; bits: number } {
    const seen = new Map<string, number>();
    const visit = (cell: Cell): void => {
        const hash = cell.hash().toString('hex');
        if (!seen.has(hash)) {
            seen.set(hash, cell.bits.length);
            cell.refs.forEach(visit);
        }
    };
    visit(root);
    return { cells: seen.size, bits: [...seen.values()].reduce((sum, bits) => sum + bits, 0) };
}
