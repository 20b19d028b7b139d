/**
 * Sending without a state. A ContractProvider attaches a contract's initial state to any message to an account that
 * does not exist. An account that has ended would begin again with its first data, and an old voucher would be paid
 * twice. Therefore only messages that open an account carry a state.
 */
import { Address, Cell, comment, ContractProvider, Sender, toNano } from '@ton/core';

/** `value`: nanoTON attached. The sender gets the unused part back, unless the method says otherwise. */
export interface Call {
    value: bigint;
    queryId?: bigint;
}

/** A wrapper class that the Tact compiler generated. */
type GeneratedClass = new (
    address: Address,
    init?: { code: Cell; data: Cell },
) => {
    readonly address: Address;
    send(provider: ContractProvider, via: Sender, args: object, message: never): Promise<void>;
};

/** The generated class, with messages that carry no state and a `fromAddress` that makes an instance of a subclass. */
export function stateless<T extends GeneratedClass>(generated: T) {
    class Stateless extends (generated as GeneratedClass) {
        static fromAddress<C>(this: new (address: Address) => C, address: Address): C {
            return new this(address);
        }

        override async send(provider: ContractProvider, via: Sender, args: object, message: never) {
            await super.send({ ...provider, ...withoutState(provider, this.address) }, via, args, message);
        }
    }
    return Stateless as unknown as Pick<typeof Stateless, 'fromAddress'> & T;
}

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
