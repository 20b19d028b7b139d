/** A contract in one state, and what is sent to it there. */
import { Address, beginCell, Cell, Sender, toNano } from '@ton/core';
import { Blockchain, SendMessageResult } from '@ton/sandbox';
import { type OpcodeName, opcodes } from '@cocoon-market/wrappers';
import { Accounts } from './cast';
import { ContractTable, SenderKind } from './table';

/** nanoTON of a message unless a scene says otherwise: more than any needs, a bond included. */
const VALUE = toNano('10');

/** The row of a table to which a body belongs -> the body. */
export type Bodies = Record<string, Cell>;

export interface Scene {
    blockchain: Blockchain;
    account: Address;
    accounts: Accounts;
    bodies: Bodies;
    /** The bodies of orders, which differ by the key that signs. */
    orders: Record<string, Partial<Record<SenderKind, Cell>>>;
    value: bigint; // nanoTON of each message
    values: Record<string, bigint>; // of messages that need another one
}

/** The states of a contract -> how each is made. */
export type Scenes = Record<string, () => Promise<Scene>>;

export const scene = (
    fields: Pick<Scene, 'blockchain' | 'account' | 'accounts' | 'bodies'> & Partial<Scene>,
): Scene => ({ orders: {}, value: VALUE, values: {}, ...fields });

/** Transfers that every contract may get. */
const TRANSFERS: Bodies = {
    'no body': Cell.EMPTY,
    'an empty comment': beginCell().storeUint(0, 32).endCell(),
    'a comment': beginCell().storeUint(0, 32).storeStringTail('hello').endCell(),
};

/** The body for a row of the table of this scene; what bounces is cut as the network cuts it. */
export function bodyFor({ bodies }: Pick<Scene, 'bodies'>, row: string): Cell {
    const bounced = /^bounce of (.*)$/.exec(row);
    const body = bodies[bounced?.[1] ?? row] ?? TRANSFERS[row];
    if (body === undefined) {
        throw new Error(`There is no body for ${row}`);
    }
    return bounced === null ? body : bouncedBody(body);
}

/** What comes back of a message: 256 bits after the prefix. */
export function bouncedBody(body: Cell): Cell {
    const bits = body.bits.substring(0, Math.min(body.bits.length, 256));
    return beginCell().storeUint(0xffffffff, 32).storeBits(bits).endCell();
}

/** The body of the first message of this name in a result. */
export function bodyIn({ transactions }: SendMessageResult, name: OpcodeName): Cell {
    const found = transactions.find(({ inMessage }) => {
        const slice = inMessage?.body.beginParse();
        return (
            inMessage?.info.type === 'internal' && slice!.remainingBits >= 32 && slice!.loadUint(32) === opcodes[name]
        );
    });
    if (found === undefined) {
        throw new Error(`No ${name} was sent`);
    }
    return found.inMessage!.body;
}

/** The body that a wrapper would send. */
export async function bodySentBy(send: (via: Sender) => Promise<unknown>): Promise<Cell> {
    let body: Cell | undefined;
    await send({ send: async (args) => void (body = args.body ?? Cell.EMPTY) });
    if (body === undefined) {
        throw new Error('Nothing was sent');
    }
    return body;
}

/** @throws Error if a state of the table has no scene, or a scene no state */
export function checkScenes({ contract, states }: ContractTable, scenes: Scenes): void {
    const missing = Object.keys(states).filter((state) => !(state in scenes));
    const unknown = Object.keys(scenes).filter((state) => !(state in states));
    if (missing.length + unknown.length > 0) {
        throw new Error(`${contract}: ${[...missing, ...unknown].join(', ')} is not in the table and among the scenes`);
    }
}
