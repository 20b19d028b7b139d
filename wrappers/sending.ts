/**
 * Sending without a state. A ContractProvider attaches a contract's initial state to any message to an account that
 * does not exist. An account that has ended would begin again with its first data, and an old voucher would be paid
 * twice. Therefore only messages that open an account carry a state.
 */
import { Address, Cell, comment, ContractProvider, Sender, toNano } from '@ton/core';

/** A contract's provider, but without a state in what it sends. */
export function withoutState(
    provider: ContractProvider,
    address: Address,
): Pick<ContractProvider, 'internal' | 'external'> {
    return {
        async internal(via: Sender, { bounce, value, body, ...rest }) {
            await via.send({
                ...rest,
                to: address,
                bounce: bounce ?? true,
                value: typeof value === 'string' ? toNano(value) : value,
                ...(body === undefined ? {} : { body: typeof body === 'string' ? comment(body) : body }),
            });
        },
        async external(message: Cell) {
            const { state } = await provider.getState();
            if (state.type !== 'active') {
                throw new Error(`Nothing to send an order to: there is no contract at ${address.toString()}`);
            }
            await provider.external(message);
        },
    };
}
