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

type MessageOf<C extends GeneratedClass> = Parameters<InstanceType<C>['send']>[3];

/** What a message says besides its opcode and query id. */
type FieldsOf<M, Name> = Omit<Extract<M, { $$type: Name }>, '$$type' | 'queryId'>;

/**
 * Makes the send methods of a {@link stateless} class: `message('X')` sends a message X without a state. Its arguments
 * are the message's fields, or what `fields` makes them of.
 */
export function messagesOf<C extends GeneratedClass>() {
    type Name = (MessageOf<C> & { $$type: string })['$$type'];
    return <N extends Name, A extends object = FieldsOf<MessageOf<C>, N>>(
        name: N,
        fields: (args: A) => FieldsOf<MessageOf<C>, N> = (args) => args as never,
    ) =>
        async function (this: object, provider: ContractProvider, via: Sender, args: Call & A): Promise<void> {
            const { value, queryId = 0n } = args;
            const message = { ...fields(args), $$type: name, queryId };
            await (this as InstanceType<GeneratedClass>).send(provider, via, { value }, message as never);
        };
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
