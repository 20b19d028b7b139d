/** What a row of the benchmark is made of. */
import { Address } from '@ton/core';
import { YEAR } from '@cocoon-market/wrappers';
import { transactionsOn } from '../../tests/support/chain';
import { rentOf } from '../../tests/support/market';
import { Wallet } from '../../tests/support/wallet';
import { Floor } from '../floors';
import { Cast, Ran } from '../meter';

/**
 * `prepare` brings a stage to where the operation begins; what it returns is measured. `floor`: what its contracts
 * cannot do without, one after the other.
 */
export interface Operation<Stage> {
    title: string;
    floor: Floor[];
    prepare: (stage: Stage) => Promise<() => Promise<Ran>>;
}

/** Operations by their name in the history. */
export type Operations<Stage> = Record<string, Operation<Stage>>;

const TOP_UP = 500_000_000n; // nanoTON

/** nanoTON of rent that an account comes to in a year, as a transfer after it collects it. */
export async function rentOfYear({ blockchain }: Cast, by: Wallet, account: { address: Address }): Promise<bigint> {
    blockchain.now! += YEAR;
    const result = await by.send({ to: account.address, value: TOP_UP });
    return rentOf(transactionsOn(result, account.address)[0]);
}
