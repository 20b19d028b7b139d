/** The sandbox's executor with a witness: whatever way a transaction is made, it passes here, in order. */
import {
    type Address,
    beginCell,
    Cell,
    loadMessage,
    loadShardAccount,
    type ShardAccount,
    storeShardAccount,
} from '@ton/core';
import {
    Executor,
    type ExecutorEmulationResult,
    type ExecutorGetMethodArgs,
    type ExecutorGetMethodResult,
    type ExecutorRunTickTockArgs,
    type ExecutorRunTransactionArgs,
    type IExecutor,
} from '@ton/sandbox';

/** An account that is deleted leaves nothing in the state of its shard: one that comes back begins a new history. */
const NO_ACCOUNT = beginCell()
    .store(storeShardAccount({ account: null, lastTransactionHash: 0n, lastTransactionLt: 0n }))
    .endCell()
    .toBoc()
    .toString('base64');
const MAX_NO_ACCOUNT = 2 * NO_ACCOUNT.length; // characters; a state of any account is longer

export class Recorder implements IExecutor {
    private hadLibraries = false;

    constructor(
        private inner: IExecutor,
        private readonly onTransaction: (account: Address, transaction: Cell, state: () => ShardAccount) => void,
    ) {}

    runGetMethod(args: ExecutorGetMethodArgs): Promise<ExecutorGetMethodResult> {
        return this.inner.runGetMethod(args);
    }

    async runTransaction(args: ExecutorRunTransactionArgs): Promise<ExecutorEmulationResult> {
        const done = withoutDeleted(await this.rehearse(args));
        const { dest } = loadMessage(args.message.beginParse()).info;
        this.record(dest as Address, done);
        return done;
    }

    async runTickTock(args: ExecutorRunTickTockArgs): Promise<ExecutorEmulationResult> {
        const done = await (await this.executorFor(args.libs)).runTickTock(args);
        const { account } = loadShardAccount(Cell.fromBase64(args.shardAccount).beginParse());
        this.record(account!.addr, done);
        return done;
    }

    /** Runs a transaction without recording it. */
    async rehearse(args: ExecutorRunTransactionArgs): Promise<ExecutorEmulationResult> {
        const executor = await this.executorFor(args.libs);
        const done = await executor.runTransaction(args);
        // VM logs take time and memory. Only a refused message runs again with its log.
        return done.result.success ? done : executor.runTransaction({ ...args, verbosity: 'full' });
    }

    /** An executor keeps the libraries that it was given last: without any, a new one takes over. */
    private async executorFor(libraries: Cell | null): Promise<IExecutor> {
        if (libraries === null && this.hadLibraries) {
            this.inner = await Executor.create();
        }
        this.hadLibraries = libraries !== null;
        return this.inner;
    }

    private record(account: Address, { result }: ExecutorEmulationResult): void {
        if (result.success) {
            // Parsing a state takes as long as running the transaction, so it is done on request.
            const state = () => loadShardAccount(Cell.fromBase64(result.shardAccount).beginParse());
            this.onTransaction(account, Cell.fromBase64(result.transaction), state);
        }
    }
}

/** The executor keeps in an account that is deleted which transaction was its last. */
function withoutDeleted(done: ExecutorEmulationResult): ExecutorEmulationResult {
    const { result } = done;
    const isShort = result.success && result.shardAccount.length <= MAX_NO_ACCOUNT;
    return isShort && !loadShardAccount(Cell.fromBase64(result.shardAccount).beginParse()).account
        ? { ...done, result: { ...result, shardAccount: NO_ACCOUNT } }
        : done;
}
