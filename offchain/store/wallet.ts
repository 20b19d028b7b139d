/** The worker's wallet in its store: every change of its balance, and the sweeps to the owner. */

/**
 * `claim`: to or from the channel of a job; `sweep`: to the owner; `fee`: gas, storage and message fees of the wallet;
 * `transfer`: anything else, such as funding or the answer to a demand.
 */
export type MovementKind = 'claim' | 'sweep' | 'fee' | 'transfer';

/** One change of a wallet's balance. The sum of all is the balance. */
export interface Movement {
    lt: bigint; // of the transaction
    number: number; // in the transaction
    at: number; // unix seconds
    kind: MovementKind;
    account: string; // raw address of the other side; '' of a fee
    job: Buffer | undefined; // of a claim
    isIncoming: boolean;
    isBounced: boolean; // what came back of a message that the other side refused
    amount: bigint; // nanoTON
    order: string | undefined; // hash (hex) of the order that the transaction executed
}

/** All movements of one kind and direction. `amount`: nanoTON. */
export type MovementSum = Pick<Movement, 'kind' | 'isIncoming' | 'amount'>;

/** The last transaction of a wallet that the store contains. */
export interface WalletCursor {
    lt: bigint;
    hash: Buffer;
}

/**
 * `sending`: the outcome of the order is not known yet; `sent`: the wallet's transactions show the transfer; `void`:
 * the wallet did not execute the order, or it sent nothing.
 */
export type SweepState = 'sending' | 'sent' | 'void';

/** A sweep, stored before its order is on its way. */
export interface StoredSweep {
    hash: string; // of the order's body, hex
    seqno: number;
    from: number; // unix seconds of the chain when the order was signed
    validUntil: number; // unix seconds
    account: string; // raw address of the owner
    amount: bigint; // nanoTON
    state: SweepState;
}

/** `wallet`: the account of a wallet. */
export interface WalletStore {
    /** Undefined before the first transaction. */
    cursor(wallet: Buffer): Promise<WalletCursor | undefined>;
    /** Stores the movements up to a transaction in one step. Throws when another step came first. */
    add(
        wallet: Buffer,
        movements: readonly Movement[],
        from: WalletCursor | undefined,
        to: WalletCursor,
    ): Promise<void>;
    /** Stores movements in the place of all that are stored of the wallet. */
    replace(wallet: Buffer, movements: readonly Movement[], to: WalletCursor): Promise<void>;
    /** In their order. */
    movements(wallet: Buffer): Promise<Movement[]>;
    /** Those of the transaction that executed an order; none if it is not stored. */
    movementsOfOrder(order: string): Promise<Movement[]>;
    /** The sums of its movements, which the file itself keeps. */
    sums(wallet: Buffer): Promise<MovementSum[]>;
    /** The sweep whose outcome is not known yet. */
    openSweep(): Promise<StoredSweep | undefined>;
    addSweep(sweep: Omit<StoredSweep, 'state'>): Promise<void>;
    endSweep(hash: string, state: Exclude<SweepState, 'sending'>): Promise<void>;
}
