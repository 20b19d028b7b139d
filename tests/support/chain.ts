/**
 * What a test sees of the chain: sums of money, exit codes, refusals. Works on the results of the sandbox alone.
 *
 * Conservation: money leaves the chain only as fees. `feesOf` counts every nanoTON that validators take from a list of
 * transactions, so over any action the sum of all balances falls by exactly that (checked in chain.spec.ts).
 */
import '@ton/test-utils';

import { Address, beginCell, Cell, Dictionary, Transaction } from '@ton/core';
import { Blockchain, BlockchainTransaction, Executor, SendMessageResult } from '@ton/sandbox';

/** Unix seconds at which every test blockchain starts: 2026-11-23 12:00:00 UTC. */
export const START = 1_795_435_200;

export type PriceLevel = '2025' | '2026' | 'tenfold';

// One for all blockchains of a process: it keeps nothing of them, and making it takes longer than many a test.
const shared = globalThis as { sandboxExecutor?: Promise<Executor> };

/**
 * A blockchain at the fixed time START that records storage, which `expectRefused` needs.
 * `prices`: a config level of localnet/config.ts. `slim`: the sandbox's small config, faster, same prices as '2025'.
 */
export async function createBlockchain(options: { prices?: PriceLevel; slim?: boolean } = {}): Promise<Blockchain> {
    shared.sandboxExecutor ??= Executor.create();
    const blockchain = await Blockchain.create({
        config: await configOf(options),
        executor: await shared.sandboxExecutor,
    });
    blockchain.now = START;
    blockchain.recordStorage = true;
    blockchain.verbosity = { print: false, blockchainLogs: false, vmLogs: 'none', debugLogs: false };
    return blockchain;
}

const VALIDATOR_SETS = [32, 34, 36]; // previous, current, next

/**
 * The configuration without its validators. They are nine tenths of it, every getter loads it, and our contracts do
 * not read them.
 */
export function withoutValidators(config: Cell): Cell {
    const params = config.beginParse().loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    VALIDATOR_SETS.forEach((id) => params.delete(id));
    return beginCell().storeDictDirect(params).endCell();
}

const slimConfigs = new Map<PriceLevel, Cell>();

async function configOf({ prices, slim }: { prices?: PriceLevel; slim?: boolean }): Promise<Cell | 'slim' | 'default'> {
    if (prices !== undefined) {
        const { networkConfig } = await import('../../localnet/config');
        const config = slimConfigs.get(prices) ?? withoutValidators(networkConfig(prices));
        slimConfigs.set(prices, config);
        return config;
    }
    return slim === false ? 'default' : 'slim';
}

/** Every account the blockchain knows, treasuries and those that ended included; balances in nanoTON. */
export function accountsOf(blockchain: Blockchain): { address: Address; balance: bigint }[] {
    type Known = { storage: { knownContracts(): { address: Address; balance: bigint }[] } };
    return (blockchain as unknown as Known).storage.knownContracts();
}

/** Sum of the balances of all accounts the blockchain knows, in nanoTON. */
export function totalBalance(blockchain: Blockchain): bigint {
    return accountsOf(blockchain).reduce((sum, { balance }) => sum + balance, 0n);
}

/**
 * What validators took for these transactions, in nanoTON: each transaction's total fees (rent, gas, the first third of
 * its forward fees, import, fines, the whole fee of an event), and the rest of the forward fee, which travels in each
 * internal message and is counted where that message arrives.
 */
export function feesOf(transactions: BlockchainTransaction[]): bigint {
    return transactions.reduce((sum, tx) => {
        const carried = tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.forwardFee : 0n;
        return sum + tx.totalFees.coins + carried;
    }, 0n);
}

/** Gas units of all compute phases of these transactions. */
export function gasOf(transactions: Transaction[]): bigint {
    return transactions.reduce((sum, tx) => sum + gasOfOne(tx), 0n);
}

function gasOfOne(tx: Transaction): bigint {
    if (tx.description.type !== 'generic' || tx.description.computePhase.type !== 'vm') {
        return 0n;
    }
    return tx.description.computePhase.gasUsed;
}

/**
 * Runs the action and asserts that the sum of all balances fell by exactly the fees of its transactions.
 * Create treasuries and fund anything from nowhere before it, not inside.
 */
export async function expectConserved<T extends SendMessageResult>(
    blockchain: Blockchain,
    action: () => Promise<T>,
): Promise<T> {
    const before = totalBalance(blockchain);

    const result = await action();

    const [fallen, fees] = [before - totalBalance(blockchain), feesOf(result.transactions)];
    if (fallen !== fees) {
        throw new Error(`The balances fell by ${fallen} nanoTON, the fees are ${fees}`); // benchmarks have no `expect`
    }
    return result;
}

/** The exit code of the compute phase, or of the action phase when that failed; undefined when nothing was computed. */
export function exitCodeOf(tx: Transaction): number | undefined {
    if (tx.description.type !== 'generic' || tx.description.computePhase.type !== 'vm') {
        return undefined;
    }
    const { computePhase, actionPhase } = tx.description;
    return computePhase.success && actionPhase?.success === false ? actionPhase.resultCode : computePhase.exitCode;
}

/** The transactions of a result on one account, optionally only those caused by `from`, in order. */
export function transactionsOn(
    result: Pick<SendMessageResult, 'transactions'>,
    to: Address,
    from?: Address,
): BlockchainTransaction[] {
    return result.transactions.filter((tx) => {
        const { info } = tx.inMessage ?? {};
        const addressed = info?.dest instanceof Address && info.dest.equals(to);
        return addressed && (from === undefined || (info?.type === 'internal' && info.src.equals(from)));
    });
}

/**
 * Asserts that `to` refused a message with exactly this code: the transaction aborted, its data stayed the same, its
 * balance fell by no more than the rent due, and the value went back to the sender in a bounce.
 * The last transaction on `to` (from `from`, if given) is the one judged; it is returned.
 */
export function expectRefused(
    result: SendMessageResult,
    { from, to, exitCode }: { from?: Address; to: Address; exitCode: number | bigint },
): BlockchainTransaction {
    const tx = transactionsOn(result, to, from).pop();
    if (tx === undefined || tx.description.type !== 'generic') {
        throw new Error(`No message reached ${to.toString()}`);
    }

    expect({ exitCode: exitCodeOf(tx), aborted: tx.description.aborted }).toEqual({
        exitCode: Number(exitCode),
        aborted: true,
    });
    // An account whose first message is refused exists nevertheless, with the data that the message brought.
    const untouched = tx.oldStorage ?? tx.inMessage?.init?.data ?? undefined;
    expect(tx.newStorage?.hash().toString('hex')).toBe(untouched?.hash().toString('hex'));
    expect(drawnFrom(tx)).toBeLessThanOrEqual(tx.description.storagePhase?.storageFeesCollected ?? 0n);
    if (tx.inMessage?.info.type === 'internal') {
        expect(tx.inMessage.info.bounce ? bouncedBy(tx) : true).toBe(true);
    }
    return tx;
}

/** By how much this transaction lowered the account's own balance, in nanoTON; negative when it rose. */
export function drawnFrom(tx: BlockchainTransaction): bigint {
    const internals = tx.outMessages.values().flatMap(({ info }) => (info.type === 'internal' ? [info] : []));
    const sent = internals.reduce((sum, info) => sum + info.value.coins + info.forwardFee, 0n);
    const received = tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : 0n;
    return tx.totalFees.coins + sent - received;
}

/** True when the transaction sent its incoming message back. */
function bouncedBy(tx: BlockchainTransaction): boolean {
    const sender = tx.inMessage?.info.src;
    return tx.outMessages
        .values()
        .some(
            ({ info }) =>
                info.type === 'internal' && info.bounced && sender instanceof Address && info.dest.equals(sender),
        );
}
