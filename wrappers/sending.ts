/**
 * Sending without a state. A ContractProvider attaches a contract's initial state to any message to an account that
 * does not exist. An account that has ended would begin again with its first data, and an old voucher would be paid
 * twice. Therefore only messages that open an account carry a state.
 */
import { ABIType, Address, Cell, comment, ContractABI, ContractProvider, Sender, SendMode, toNano } from '@ton/core';
import { address, bigUint, boolean, CALL, cell, checkFields, ValueCheck, ValueChecks, nullable } from './fields';

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

/** The check of a field as the compiler describes it. */
function checkOf({ type }: ABIType['fields'][number]): ValueCheck | undefined {
    if (type.kind !== 'simple') {
        return undefined;
    }
    const bits = type.format === 'coins' ? 120 : Number(type.format ?? 0);
    const base = { bool: boolean, address, cell, uint: bigUint(bits) };
    const check = base[type.type as keyof typeof base];
    return type.optional === true ? nullable(check) : check;
}

/** The checks of a message whose arguments are its fields. */
function checksOf(contract: object, name: string): ValueChecks {
    const { abi } = contract as { abi: ContractABI };
    const fields = abi.types?.find((type) => type.name === name)?.fields ?? [];
    const others = fields.filter((field) => field.name !== 'queryId');
    return Object.fromEntries(
        others.flatMap((field) => {
            const check = checkOf(field);
            return check === undefined ? [] : [[field.name, check]];
        }),
    );
}

/**
 * Makes the send methods of a {@link stateless} class: `message('X')` sends a message X without a state. Its arguments
 * are the message's fields; or those of `checks`, of which `fields` makes the message's.
 */
export function messagesOf<C extends GeneratedClass>() {
    type Name = (MessageOf<C> & { $$type: string })['$$type'];
    return <N extends Name, A extends object = FieldsOf<MessageOf<C>, N>>(
        name: N,
        checks?: { readonly [Field in keyof A]-?: ValueCheck },
        fields: (args: A) => FieldsOf<MessageOf<C>, N> = (args) => args as never,
    ) =>
        async function (this: object, provider: ContractProvider, via: Sender, args: Call & A): Promise<void> {
            const self = this as InstanceType<GeneratedClass>;
            checkFields(name, { ...(checks ?? checksOf(self, name)), ...CALL }, args);
            const { value, queryId = 0n } = args;
            await self.send(provider, via, { value }, { ...fields(args), $$type: name, queryId } as never);
        };
}

/** Some wallets take the fees of sending out of the value otherwise, and a contract gets less than its getter says. */
const WHOLE = { sendMode: SendMode.PAY_GAS_SEPARATELY };

/** A contract's provider, whose messages arrive with their whole value. */
export function withWholeValue(provider: ContractProvider): Pick<ContractProvider, 'internal'> {
    return { internal: (via, args) => provider.internal(via, { ...WHOLE, ...args }) };
}

/** A contract's provider, but without a state in what it sends. Messages arrive with their whole value. */
export function withoutState(
    provider: ContractProvider,
    address: Address,
): Pick<ContractProvider, 'internal' | 'external'> {
    return {
        async internal(via: Sender, { bounce, value, body, ...rest }) {
            await via.send({
                ...WHOLE,
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
