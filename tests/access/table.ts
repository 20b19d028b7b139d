/**
 * The form of the access table: who may send what to which contract in which state, and what happens to everyone else.
 * The expected outcomes in tests/access/ come from docs/contracts/, and docs/access.md is generated from them.
 */

/** All kinds of senders. Each is tried with each message in each state of each contract. */
export const senders = {
    governor: 'the account that governs the Registry',
    successor: 'the account that becomes governor when it accepts',
    owner: "the provider's wallet",
    operator: 'the account that the owner named as the operator',
    worker: "the worker's wallet, which is the payout of jobs",
    client: "the client's wallet, which owns the Escrow",
    reporter: 'the account that reported the fault',
    stranger: 'a wallet that nobody named',
    Registry: 'the Registry of the market',
    Provider: "the owner's Provider",
    Node: "the Provider's Node 0, about which the message is",
    Dispute: 'the Dispute about the fault',
    Escrow: "the client's Escrow",
    Channel: 'the Channel of the job',
    Library: 'the keeper of the channel code, in the masterchain',
    'other Registry': 'the Registry of another market',
    'other Provider': 'the Provider of another owner in the same market',
    'other Node': 'another Node of the same Provider',
    'other Dispute': 'the Dispute of the same Provider about another query',
    'other Escrow': "another client's Escrow",
    'other Channel': 'the Channel of another job of the same client',
    'forged Provider': 'an account with the first data of the Provider and other code',
    'forged Node': 'an account with the first data of the Node and other code',
    'forged Dispute': 'an account with the first data of the Dispute and other code',
    'forged Channel': 'an account with the first data of the Channel and other code',
    twin: 'the account of the masterchain with the 256 bits of the one that may send the message, or else of a stranger',
    'spend key': 'nobody: an external message, an order if it is one by the spend key',
    'another key': 'nobody: an external message, an order if it is one by another key',
} as const;
export type SenderKind = keyof typeof senders;
export const senderKinds = Object.keys(senders) as SenderKind[];

/** Senders of external messages. */
export const external: readonly SenderKind[] = ['spend key', 'another key'];

/** Who else may receive money. */
export const receivers = { insurance: 'the address in the rules that receives the rest of a slash' } as const;
export type Receiver = SenderKind | keyof typeof receivers | 'sender' | 'next Node';

/**
 * `ok → a, b`: accepted, with messages to these accounts, `sender` being the sender of the message. `ok`: accepted, and
 * the value stays. `not taken`: an external message that nobody looks at. `never`: no such message can exist, so it is
 * not tried. Otherwise the message is refused with this exit code, changes nothing and comes back.
 */
export type Outcome = string;

/** An outcome for all states, or outcomes by state. A key is a state, several with commas, or `*` for all others. */
export type ByState = Outcome | Record<string, Outcome>;

/** By sender. A key is a sender, several with commas, or `*` for all others. */
export type Row = Record<string, ByState>;

export interface ContractTable {
    contract: string;
    page: string; // under docs/contracts
    states: Record<string, string>; // what each means
    /** By message. What follows a colon tells apart several forms of one message. */
    rows: Record<string, Row>;
}

/** The row of every message of the schema that a contract has no row for. */
export const OTHER = 'any other message of the schema';

/** An external message for which a contract has no code, which costs and changes nothing. */
export const NO_EXTERNAL = 'not taken';

export interface Cell {
    message: string;
    state: string;
    sender: SenderKind;
    outcome: Outcome;
    named: boolean; // the row names this sender, it is not one of all others
}

/** The entry that a key of a table belongs to. @throws Error if none does, or more than one */
function entryFor<T>(entries: Record<string, T>, key: string, where: string): { entry: T; named: boolean } {
    const named = Object.keys(entries).filter((keys) => keys.split(', ').includes(key));
    const found = named.length === 0 && '*' in entries ? ['*'] : named;
    if (found.length !== 1) {
        throw new Error(`${where}: ${key} has ${found.length} entries`);
    }
    return { entry: entries[found[0]], named: named.length > 0 };
}

function checkKeys(entries: object, allowed: readonly string[], where: string): void {
    const unknown = Object.keys(entries)
        .flatMap((keys) => keys.split(', '))
        .filter((key) => key !== '*' && !allowed.includes(key));
    if (unknown.length > 0) {
        throw new Error(`${where}: there is no ${unknown[0]}`);
    }
}

/** Every cell of a table: message by message, state by state, sender by sender. @throws Error if one is missing */
export function cellsOf({ contract, states, rows }: ContractTable): Cell[] {
    const names = Object.keys(states);
    return Object.entries(rows).flatMap(([message, row]) => {
        checkKeys(row, senderKinds, `${contract}, ${message}`);
        return names.flatMap((state) =>
            senderKinds.map((sender) => {
                const where = `${contract}, ${message}`;
                const { entry, named } = entryFor(row, sender, where);
                if (typeof entry === 'string') {
                    return { message, state, sender, named, outcome: entry };
                }
                checkKeys(entry, names, `${where}, ${sender}`);
                return { message, state, sender, named, outcome: entryFor(entry, state, `${where}, ${sender}`).entry };
            }),
        );
    });
}

/** The name of the message in the schema, without what tells its forms apart; undefined for a transfer or a bounce. */
export function messageOf(row: string): string | undefined {
    const [name] = row.split(':');
    return /^[A-Z]\w+$/.test(name) ? name : undefined;
}

/** Who gets what a message does not use: the accounts after the arrow. */
export function receiversOf(outcome: Outcome): Receiver[] {
    const [, list] = /^ok → (.*)$/.exec(outcome) ?? [];
    return list === undefined ? [] : (list.split(', ') as Receiver[]);
}
