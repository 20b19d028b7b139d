/** Messages on their way, and a delivery as the handler of a contract sees it. */
import type { ErrorName } from '@cocoon-market/wrappers';

import type { Body } from './bodies';
import type { Account, Contract, Key, Signature } from './types';

/** How the receiver took a message: `done`, an exit code by name or number, or `noRun`: no code ran. */
export type Code = 'done' | ErrorName | '8' | '9' | '130' | 'noRun' | 'short';

export interface Message {
    from: Account;
    to: Account;
    value: bigint;
    bounce: boolean;
    bounced?: boolean; // a message on its way back
    external?: boolean; // an order: no value, the receiver pays for its import
    least?: bigint; // fees do not take it below this amount
    most?: bigint; // prices do not make it more than this amount
    exact?: boolean; // the value is a promise to the nanoTON; otherwise fees are paid out of it
    body: Body;
    init?: Contract; // what it deploys at `to` if nothing is there
}

/** What the network's prices make of the values that the documents name. All nanoTON. */
export interface Prices {
    /** A value with which every message certainly runs to its end. */
    run: bigint;
    claimValue: bigint;
    refundValue: bigint;
    /** Of jobs with this code. */
    minDeposit: Readonly<Record<'plain' | 'library', bigint>>;
    escrowReserve: bigint;
    openFee: Readonly<Record<'plain' | 'library', readonly bigint[]>>; // by the number of jobs
    jobOrderFee: bigint;
    setUpValue: bigint;
    leaveJobValue: bigint;
    withdrawValue: bigint;
    /** The reserve of a Provider, and the values of its messages without a year's rent. */
    providerReserve: bigint;
    stakeStep: bigint;
    registerNode: bigint;
    changeNode: bigint;
    /** What showing a fault costs, the bond of a demand, and the rent that a Dispute begins with. */
    reportCost: bigint;
    report: bigint;
    demandBond: bigint;
    caseRent: bigint;
    nodeReserve: bigint;
}

export interface State {
    readonly now: number;
    readonly network: number;
    readonly prices: Prices;
    /** Whether the library of channel code is published. */
    readonly library: boolean;
    readonly contracts: ReadonlyMap<Account, Contract>;
    /** Accounts that have ended, as they were last. Their addresses still prove what they were. */
    readonly ended: ReadonlyMap<Account, Contract>;
    /** What accounts that are no contracts of a market have received, less what they sent. */
    readonly wallets: ReadonlyMap<Account, bigint>;
    /** Messages on their way. Two of the same sender and receiver arrive in their order. */
    readonly queue: readonly Message[];
}

/** What happened to one delivered message. */
export interface Outcome {
    readonly message: Message;
    readonly code: Code;
    /** What the receiver sent, in order; a refused value on its way back is among them. */
    readonly sent: readonly Message[];
    /** External messages that the receiver emitted, by name. */
    readonly events: readonly string[];
    /** What the receiver holds afterwards is in this range; a single amount where it does not depend on prices. */
    readonly balance: readonly [min: bigint, max: bigint];
}

/** What a chain says of a delivery that the documents leave to prices. Without it, the model decides alone. */
export interface Facts {
    /** The receiver's balance, rent deducted and without the message's value. */
    balance?: bigint;
    /** How the chain took the message. Followed only where a value lies below its documented minimum. */
    code?: Code;
    /** The value of a refused message did not cover its return and stayed. */
    stayed?: boolean;
    /** The account owes so much rent that it runs no code until somebody restores it. */
    frozen?: boolean;
}

export class Refusal extends Error {
    constructor(readonly code: Code) {
        super(code);
    }
}

export function refuseIf(condition: boolean, code: Code): void {
    if (condition) {
        throw new Refusal(code);
    }
}

/** The signature of a key over these fields: nobody else makes this text. */
export const signed = (key: Key, ...fields: readonly (string | number | bigint)[]): Signature =>
    `${key}(${fields.join(',')})`;

/** What an account is by its address, whether it is still there or has ended. */
export const knownAt = ({ contracts, ended }: State, account: Account): Contract | undefined =>
    contracts.get(account) ?? ended.get(account);

/** Keys that the contracts refuse wherever they enter, by name. */
export const isWeak = (key: Key): boolean => key.startsWith('weak');

export const min = (...of: bigint[]): bigint => of.reduce((a, b) => (b < a ? b : a));
export const max = (...of: bigint[]): bigint => of.reduce((a, b) => (b > a ? b : a));
export const basisPoints = (of: bigint, rate: number): bigint => (of * BigInt(rate)) / 10_000n;

export const HOUR = 3600;
export const DAY = 24 * HOUR;

export const inBasechain = (account: Account): boolean => !account.startsWith('-1:');

/** A delivery as the handler of a contract sees it. */
export class Call {
    readonly sent: Message[] = [];
    readonly events: string[] = [];
    /** The receiver keeps the value, and fees are paid out of it. */
    absorbs = false;
    /** Where its balance depends on prices in another way. */
    range?: readonly [min: bigint, max: bigint];

    constructor(
        readonly state: State,
        readonly self: Account,
        readonly message: Message,
        readonly facts: Facts,
    ) {}

    get now(): number {
        return this.state.now;
    }

    get prices(): Prices {
        return this.state.prices;
    }

    /**
     * Refuses a value that the chain found too small. Only a value below the documented minimum may be, which pays the
     * debt of the account as well.
     */
    needs(value: bigint, code: Code = 'ErrLowValue'): void {
        const { balance = 0n } = this.facts;
        const debt = balance < 0n ? -balance : 0n;
        this.openIf(this.message.value < value + debt, [code, 'short', 'noRun', '9']);
    }

    /** Where the documents leave a limit to prices: follows the chain if its code is one of these; alone, refuses. */
    openIf(condition: boolean, codes: readonly Code[]): void {
        if (condition) {
            const code = this.facts.code ?? codes[0];
            refuseIf(codes.includes(code), code);
        }
    }

    /** Sends exactly this amount. */
    pay(to: Account, value: bigint, body: Body = { op: 'none' }): void {
        this.sent.push({ from: this.self, to, value, bounce: false, exact: true, body });
    }

    /** Sends what is left of the value, from which fees are paid. */
    pass(to: Account, value: bigint, body: Body = { op: 'excesses' }, bounce = false): void {
        this.sent.push({ from: this.self, to, value, bounce, body });
    }
}
