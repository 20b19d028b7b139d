/**
 * What an operation costs over its whole chain of transactions, the wallets' included: gas, each kind of fee, and who
 * bore it. What validators take is counted from the transactions and compared with what is missing from the balances.
 */
import { errorName, numberToHex } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { Blockchain, BlockchainTransaction, SendMessageResult } from '@ton/sandbox';
import { accountsOf, exitCodeOf, feesOf, gasOf, totalBalance } from '../tests/support/chain';

/** Fees by kind, in nanoTON. A message pays `action` where it leaves and `forward` on its way. */
export interface FeeParts {
    compute: bigint;
    storage: bigint;
    action: bigint;
    forward: bigint;
    import: bigint; // of a message from outside
}

export interface Measurement {
    transactions: number;
    gas: bigint;
    contractGas: bigint; // without the wallets'
    fees: bigint; // nanoTON
    parts: FeeParts;
    paid: Record<string, bigint>; // nanoTON of the fees by account; below 0: it was given more than was meant
    conserved: boolean; // the balances fell by exactly the fees
}

/** An amount in nanoTON that the operation is meant to move; what else moves is somebody's fee. */
export interface Move {
    from: Address;
    to: Address;
    amount: bigint;
}

/** What an operation did: its transactions in order, and the money it was meant to move. */
export interface Ran {
    results: SendMessageResult[];
    moves?: Move[];
}

/** Who is who on a blockchain. Accounts of one name are counted together. */
export interface Cast {
    blockchain: Blockchain;
    wallets: Map<string, string>; // names by raw address; their gas is no contract's of ours
    contracts: Map<string, string>;
    others: string; // the name of every account that is in neither
}

/** Runs the operation and measures it. Fund anything from nowhere before it, not inside. */
export async function measure(cast: Cast, operation: () => Promise<Ran>): Promise<Measurement> {
    const { blockchain, wallets, contracts, others } = cast;
    const nameOf = (raw: string) => wallets.get(raw) ?? contracts.get(raw) ?? others;
    const balancesBefore = balancesOf(blockchain, nameOf);
    const total = totalBalance(blockchain);

    const { results, moves = [] } = await operation();

    const transactions = results.flatMap((result) => result.transactions);
    const ofContracts = transactions.filter((tx) => !wallets.has(`0:${numberToHex(tx.address)}`));
    ofContracts.forEach(assertDone);
    const fees = feesOf(transactions);
    const parts = partsOf(transactions);
    const whole = Object.values(parts).reduce((sum, part) => sum + part, 0n);
    return {
        transactions: transactions.length,
        gas: gasOf(transactions),
        contractGas: gasOf(ofContracts),
        fees,
        parts,
        paid: paidBy(balancesBefore, balancesOf(blockchain, nameOf), moves, nameOf),
        conserved: total - totalBalance(blockchain) === fees && whole === fees,
    };
}

/** A refused operation is cheap: what is measured must have been done. */
function assertDone(tx: BlockchainTransaction): void {
    const { description } = tx;
    if (description.type !== 'generic' || description.computePhase.type !== 'vm') {
        return;
    }
    if (!description.computePhase.success || description.actionPhase?.success === false) {
        throw new Error(`The operation was refused: ${errorName(exitCodeOf(tx) ?? 0)}`);
    }
}

function balancesOf(blockchain: Blockchain, nameOf: (raw: string) => string): Map<string, bigint> {
    return accountsOf(blockchain).reduce((sums, { address, balance }) => {
        const name = nameOf(address.toRawString());
        return sums.set(name, (sums.get(name) ?? 0n) + balance);
    }, new Map<string, bigint>());
}

function paidBy(
    balancesBefore: Map<string, bigint>,
    balancesAfter: Map<string, bigint>,
    moves: Move[],
    nameOf: (raw: string) => string,
): Record<string, bigint> {
    const paid = new Map<string, bigint>();
    const add = (name: string, amount: bigint) => paid.set(name, (paid.get(name) ?? 0n) + amount);
    balancesBefore.forEach((balance, name) => add(name, balance));
    balancesAfter.forEach((balance, name) => add(name, -balance));
    for (const { from, to, amount } of moves) {
        add(nameOf(from.toRawString()), -amount);
        add(nameOf(to.toRawString()), amount);
    }
    return Object.fromEntries([...paid].filter(([, amount]) => amount !== 0n));
}

function partsOf(transactions: BlockchainTransaction[]): FeeParts {
    const parts: FeeParts = { compute: 0n, storage: 0n, action: 0n, forward: 0n, import: 0n };
    for (const { description, inMessage, totalFees } of transactions) {
        if (description.type !== 'generic') {
            throw new Error(`A ${description.type} transaction is no operation of ours`);
        }
        const { computePhase, storagePhase, actionPhase, bouncePhase } = description;
        const compute = computePhase.type === 'vm' ? computePhase.gasFees : 0n;
        const storage = storagePhase?.storageFeesCollected ?? 0n;
        const bounce = bouncePhase?.type === 'ok' ? bouncePhase.messageFees : 0n;
        const action = (actionPhase?.totalActionFees ?? 0n) + bounce;
        parts.compute += compute;
        parts.storage += storage;
        parts.action += action;
        if (inMessage?.info.type === 'internal') {
            parts.forward += inMessage.info.forwardFee;
        }
        if (inMessage?.info.type === 'external-in') {
            parts.import += totalFees.coins - compute - storage - action; // the transaction names it nowhere else
        }
    }
    return parts;
}
