/** The error of a message that a contract refused: its code, its name, who refused, and what to do. */
import type { Address } from '@ton/core';
import { formatTon } from './money';
import { type ErrorName, errorName, errors } from './protocol';

/** What to do about each exit code. */
export const remedies: { readonly [Name in ErrorName]: string } = {
    ErrNotOwner: 'Send it from the wallet that owns this contract.',
    ErrNotPayout: 'Only the payout makes the last claim: claim without `last`, or from the payout.',
    ErrNotEscrow: 'Only the escrow of a job asks it to leave: use leaveJob from its owner.',
    ErrNotGovernor: 'Send it from the governor, or from the governor that was proposed.',
    ErrNotRegistry: 'Only the registry sends this.',
    ErrNotProvider: 'Only the provider that the message names sends this.',
    ErrNotNode: 'Only the node that the message names sends this.',
    ErrNotOperator: 'Send it from the operator or the owner.',
    ErrTooEarly: 'Wait until the time from which it is allowed, and send it again.',
    ErrExpired: 'The time for it has passed: make a new one with a later time.',
    ErrNothingNew:
        'The voucher was paid already, or the channel holds too little: top the job up, or use a newer voucher.',
    ErrPaused: 'The registry takes no new work: wait until it is resumed.',
    ErrWrongState: 'Read the state of the contract: it does not allow this now.',
    ErrLowValue: 'Attach what the getter of this message says.',
    ErrLowBalance: 'Deposit more, or ask for less.',
    ErrLowDeposit: 'Give the job a larger deposit.',
    ErrOverJobLimit: 'Give the job a smaller deposit, or raise the limit of a job with setUpEscrow.',
    ErrOverDayLimit: 'Wait for the next day (UTC), or raise the limit of a day with setUpEscrow.',
    ErrLowStake: 'Add stake first.',
    ErrBadSignature: 'Sign with the key of this contract, over exactly this payload and network.',
    ErrStaleSeqno: 'Read seqno from getEscrowState and make the order again: another order was taken before.',
    ErrNoKey: 'Set a spend key with setUpEscrow.',
    ErrWeakKey: 'Take a key that only its owner can sign with.',
    ErrWrongNetwork: 'Sign for the network of this contract: -239 is mainnet, -3 testnet.',
    ErrWrongEscrow: 'Sign the order for this escrow.',
    ErrUnknownOrder: 'Use the release of this contract: it knows no such order.',
    ErrMalformed: 'Use the release of this contract: the payload has another length.',
    ErrWrongTotal: 'Leave `total` out, or make it the sum of the deposits.',
    ErrWrongNotice: 'Choose a notice from one hour to seven days.',
    ErrWrongEnd: 'Choose an end in the next 90 days.',
    ErrWrongCount: 'Open one to four jobs with one order.',
    ErrWrongCode: 'Set the channel code of this release with setUpEscrow, or publish the code that has this hash.',
    ErrWrongWindows: 'Choose windows within ruleBounds, and an unbonding time of at least all four together.',
    ErrWrongAmount: 'Choose an amount above 0 and within the limit.',
    ErrWrongCommittee: 'Name 1 to 9 different keys, of which at least two thirds decide.',
    ErrTooManyVersions: 'This kind has all its versions: it takes no more.',
    ErrUnknownChange: 'Use a change of registryChanges or nodeChanges that this contract knows.',
    ErrUnknownVersion: 'Name a version of the code that the registry has.',
    ErrWrongClass: 'Choose a GPU class that has a rate, and at least one GPU.',
    ErrNoSlot: 'Wait until a slot is free.',
    ErrEmptySlot: 'Name a slot that holds something.',
    ErrWrongOffers: 'Offer at most 8 models, each once.',
    ErrWrongService: 'Choose an endpoint of 1 to 100 bytes and an uptime of at most 10,000 basis points.',
    ErrWrongAttestation: 'Choose a known tier and an expiry in the future.',
    ErrWrongShare: 'Read share and GPUs of the node, and name those.',
    ErrKeyUsed: 'Choose a key that this node never had.',
    ErrUnknownKey: 'Name a key of this node that has not ended.',
    ErrWrongKeyEnd: 'Choose an end of the old key in the next 90 days.',
    ErrWrongInsurance: 'Name an insurance in the basechain.',
    ErrWrongRules: 'The rules have changed: read them, and agree to these.',
    ErrWrongJob: 'The evidence is of another job, node or key: take the terms and receipts of one job.',
    ErrNoFault: 'The receipts show no fault.',
    ErrNoShare: 'Receipts of this key can cost nothing more.',
    ErrWrongPiece: 'Send the pieces of the answer that this result names.',
    ErrWrongVerdict: 'Collect the votes of enough members, each once, within the maximum of the class.',
    ErrNotDispute: 'Only the dispute that the message names sends this.',
    ErrJailed: 'Leave jail with unjail when its time is over.',
    ErrNotBasechain: 'Use accounts of the basechain, 0.',
};

const byCode = new Map<number, ErrorName>(Object.entries(errors).map(([name, code]) => [code, name as ErrorName]));

const TVM_REMEDIES = new Map([
    [-14, 'Attach more value: the gas ran out.'],
    [37, 'The contract could not pay for what it sends: attach more value.'],
    [130, 'This contract knows no such message: look at the address.'],
]);

/** A contract refused a message. Its value came back, less the fees, unless the wallet sent it without bounce. */
export class RefusedMessage extends Error {
    /** The name of the exit code, such as `ErrStaleSeqno`; of the TVM's own, `exit code 9` and the like. */
    readonly code: ErrorName | (string & {});
    readonly remedy: string;

    constructor(
        readonly exitCode: number,
        readonly contract: string, // its kind, such as `Escrow`
        readonly address: Address,
        readonly sent: string, // the name of the message, such as `Open`
    ) {
        const name = byCode.get(exitCode);
        const remedy = name === undefined ? TVM_REMEDIES.get(exitCode) : remedies[name];
        super(
            `${contract} ${address.toString()} refused ${sent} with ${errorName(exitCode)}. ` +
                (remedy ?? 'Look at the transaction.'),
        );
        this.name = 'RefusedMessage';
        this.code = name ?? errorName(exitCode);
        this.remedy = remedy ?? 'Look at the transaction.';
    }
}

/** The exit code of a refused external message, as an endpoint reports it; undefined without one. */
export function refusalIn(error: unknown): number | undefined {
    const { message, response } = (error ?? {}) as { message?: unknown; response?: { data?: { error?: unknown } } };
    const [, code] = /\bexitcode=(-?\d+)/.exec(`${String(response?.data?.error)} ${String(message)}`) ?? [];
    return code === undefined ? undefined : Number(code);
}

/** A wallet holds less than a message takes along. Nothing was sent. Amounts in nanoTON. */
export class InsufficientFunds extends Error {
    readonly code = 'InsufficientFunds';
    readonly remedy =
        'Send coins there. If it is not your address, check its key and the network: a v5r1 wallet has another one on each.';

    constructor(
        readonly address: Address,
        readonly balance: bigint,
        readonly needed: bigint,
    ) {
        const [name, onTestnet] = [false, true].map((testOnly) => address.toString({ bounceable: false, testOnly }));
        super(
            `The wallet ${name} (on testnet ${onTestnet}) has ${formatTon(balance)} TON, ` +
                `and this message takes ${formatTon(needed)} TON`,
        );
        this.message += `. ${this.remedy}`;
        this.name = 'InsufficientFunds';
    }
}

/** No code ran for a message, and it came back: nothing is deployed at its address, or it took too little for gas. */
export class NotRun extends Error {
    readonly code = 'NotRun';
    readonly remedy =
        'Its value is back, less the fees. Check the address and the network, deploy the contract first, or attach more.';

    constructor(
        readonly address: Address,
        readonly sent: string, // the name of the message
    ) {
        super(`No contract ran at ${address.toString()} for ${sent}`);
        this.message += `. ${this.remedy}`;
        this.name = 'NotRun';
    }
}

/** Nothing of a message was seen in time. It may still arrive: look before it is sent again. */
export class UnseenMessage extends Error {
    readonly code = 'UnseenMessage';
    readonly remedy = 'It may still arrive: look at the wallet before you send it again.';

    constructor(
        readonly address: Address,
        readonly seconds: number,
    ) {
        super(`No message of this wallet reached ${address.toString()} within ${seconds} s`);
        this.message += `. ${this.remedy}`;
        this.name = 'UnseenMessage';
    }
}

/** An actor has no `address`, and its sender does not know its wallet. Nothing was sent. */
export class UnknownWallet extends Error {
    readonly code = 'UnknownWallet';
    readonly remedy = 'Give the actor an `address`, or make it with `walletActor`.';

    constructor() {
        super('This sender does not know its wallet');
        this.message += `. ${this.remedy}`;
        this.name = 'UnknownWallet';
    }
}

/** A provider follows rules with another Dispute than that of this release. Nothing was sent. */
export class ForeignDispute extends Error {
    readonly code = 'ForeignDispute';
    readonly remedy = 'Use the release of the rules that the provider follows.';

    constructor(readonly provider: Address) {
        super(`The provider ${provider.toString()} follows another Dispute code than this release's`);
        this.message += `. ${this.remedy}`;
        this.name = 'ForeignDispute';
    }
}
