/** Bodies of messages that a wrapper would send. */
import { Address, Cell, ContractProvider } from '@ton/core';

/** The body of the message that a wrapper's method sends, instead of sending it. */
export async function messageOf<T extends { address: Address }>(
    contract: T,
    send: (contract: T, provider: ContractProvider, via: never) => Promise<void>,
): Promise<Cell> {
    let body = Cell.EMPTY;
    const keep = (message: { body?: Cell | null }) => {
        body = message.body ?? body;
        return Promise.resolve();
    };
    const provider = { internal: (_via: unknown, message: { body?: Cell }) => keep(message) }; // of an opening
    await send(contract, provider as unknown as ContractProvider, { send: keep } as never);
    return body;
}
