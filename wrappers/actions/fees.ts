/** The bound of what an action attaches for fees alone. */
import type { Address } from '@ton/core';
import { MarketError } from '../market/errors';
import { formatTon } from '../money';

const MAX_FEES = 5_000_000_000n; // nanoTON, far above what any step and a year of rent of its account have ever cost

/**
 * What a contract asks for fees. One of a stranger, or an endpoint that lies about the wallet's own, would ask for all
 * that the wallet has.
 * @throws {MarketError} `dear-fees` above 5 TON
 */
export function boundedFees(at: Address, requested: bigint): bigint {
    if (requested > MAX_FEES) {
        const reason = `The endpoint says that ${at.toString()} takes ${formatTon(requested)} TON for fees`;
        throw new MarketError('dear-fees', reason, 'Look at the address, or use another endpoint.');
    }
    return requested;
}
