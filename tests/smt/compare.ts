/** Compares the translation with the contracts, on inputs at random: `PROVE_RUNS` for each message. */
import { BlockchainTransaction } from '@ton/sandbox';
import fc from 'fast-check';

export const RUNS = Number(process.env.PROVE_RUNS ?? 30); // inputs of each message
export const SEED = Number(process.env.PROVE_SEED ?? 20_261_129);
export const MAX = 2n ** 64n - 1n; // nanoTON in 64 bits

/** An amount from `min` to `max`. */
export const nanos = (max: bigint, min = 0n) => fc.bigInt({ min, max });
export const numberOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);

/** Compares on inputs at random, the same ones with each seed. */
export async function compare<T>(inputs: fc.Arbitrary<T>, expectEqual: (values: T) => Promise<void>): Promise<void> {
    const property = fc.asyncProperty(inputs, expectEqual);
    await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
}

export function gasOf(tx: BlockchainTransaction): bigint {
    const { description } = tx;
    if (description.type !== 'generic' || description.computePhase.type !== 'vm') {
        throw new Error('Nothing was computed');
    }
    return description.computePhase.gasFees;
}

/** The fees of external messages out of a transaction: those of the action phase that no internal one paid. */
export function eventFee({ description, outMessages }: BlockchainTransaction, fee: bigint): bigint {
    const all = description.type === 'generic' ? (description.actionPhase?.totalFwdFees ?? 0n) : 0n;
    const internals = outMessages.values().filter(({ info }) => info.type === 'internal').length;
    return all - BigInt(internals) * fee;
}

/** Who got how much. */
export function sentIn(tx: BlockchainTransaction): { to: string; amount: bigint }[] {
    return tx.outMessages
        .values()
        .flatMap(({ info }) =>
            info.type === 'internal' ? [{ to: info.dest.toString(), amount: info.value.coins }] : [],
        );
}
