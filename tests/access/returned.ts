/**
 * Messages that make a contract send what the network does not take. A send that fails undoes the message, and its
 * value goes back (contracts/protocol/sending).
 */
import { forwardFee, pricesOf } from '@cocoon-market/wrappers';
import { Address, beginCell, Cell, storeMessage, TransactionComputeVm, TransactionDescriptionGeneric } from '@ton/core';
import { BlockchainTransaction } from '@ton/sandbox';
import { Trial } from './run';
import { receiversOf } from './table';

type Prices = ReturnType<typeof pricesOf>;

/** Exit codes of the action phase. */
export const [NOT_SENT, TOO_LARGE] = ['36', '40'];
/** The value of an Open stays as a deposit: an order that failed in the action phase could be carried again. */
const IGNORES_ERRORS = ['Open'];

/**
 * An event that cannot be paid undoes the message, and its value stays. The contracts that send these messages have
 * counted what all of their events cost.
 */
const PAYS_EVENTS = ['FaultFound', 'ShareSlashed'];

/** One trial of each message. */
const oneEach = (trials: Trial[]) => [...new Map(trials.map((trial) => [trial.message, trial])).values()];

/** What the contract sends on. What came back once does not come back again, and an external message has no value. */
const isSending = ({ outcome, from, bounced }: Trial) =>
    receiversOf(outcome).length > 0 && from?.workChain === 0 && !bounced;

/**
 * Each message that anyone may send, from an account in the workchain 1, with its outcome where the basechain takes no
 * message: it comes back, unless all that is sent goes to its sender.
 */
export function fromElsewhere(trials: Trial[]): Trial[] {
    return oneEach(trials.filter((trial) => !trial.named && isSending(trial))).map((trial) => {
        const fails = receiversOf(trial.outcome).some((receiver) => receiver !== 'sender');
        const from = new Address(1, trial.from!.hash);
        return { ...trial, from, outcome: fails ? NOT_SENT : trial.outcome };
    });
}

/** Each message that makes the contract send something on. */
export const sending = (trials: Trial[]): Trial[] =>
    oneEach(trials.filter(isSending).filter(({ message }) => !IGNORES_ERRORS.includes(message)));

/** Each message that must come back if it brings too little. */
export const sendingOfAnyValue = (trials: Trial[]): Trial[] =>
    sending(trials).filter(({ message }) => !PAYS_EVENTS.includes(message.split(':')[0]));

/** Each message that an account of the masterchain may send, to which the way back is dearer. */
export const fromMasterchain = (trials: Trial[]): Trial[] =>
    oneEach(trials.filter(({ sender, outcome }) => sender === 'twin' && receiversOf(outcome).length > 0));

/**
 * The same message with values that pay for the gas of `tx`, which it caused before, and for the way back, and with
 * little more for what else is sent and for the fine of what could not be sent.
 */
export function withSmallValues(trial: Trial, tx: BlockchainTransaction, { basechain, masterchain }: Prices): Trial[] {
    const { computePhase } = tx.description as TransactionDescriptionGeneric;
    const gas = (computePhase as TransactionComputeVm).gasFees;
    const wayBack = forwardFee(trial.from!.workChain === 0 ? basechain : masterchain, { cells: 0n, bits: 0n });
    const message = forwardFee(basechain, { cells: 0n, bits: 0n });
    return [1n, 3n, 5n, 7n, 9n].map((i) => ({ ...trial, value: gas + wayBack + (i * message) / 4n }));
}

/** Cells besides the first one of the largest message and of the largest event that were sent. */
export function cellsSent({ outMessages }: BlockchainTransaction): { message: number; event: number } {
    const largest = (type: 'internal' | 'external-out') =>
        Math.max(
            0,
            ...outMessages
                .values()
                .filter(({ info }) => info.type === type)
                .map((message) => cellsOf(beginCell().store(storeMessage(message)).endCell()).size - 1),
        );
    return { message: largest('internal'), event: largest('external-out') };
}

function cellsOf(cell: Cell, known = new Set<string>()): Set<string> {
    const hash = cell.hash().toString('hex');
    if (!known.has(hash)) {
        known.add(hash);
        cell.refs.forEach((each) => cellsOf(each, known));
    }
    return known;
}
