/**
 * Sweeps: sends what the worker's wallet has above its needs to the owner of the provider. The owner's address is
 * proved by the provider's, and compared with the chain before and after everything else was checked. The order is
 * stored before it is on its way, so that no crash makes two of one.
 */
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import { assertOwner } from './owner';

const DEMAND_RESERVE = 300_000_000n; // nanoTON for the answers to demands
const CLAIM_RESERVE = 14_000_000n; // nanoTON that one claim needs until the rest of it comes back, above every level
const FEES = 10_000_000n; // nanoTON that the order may cost, and that remain for the next one
const MAX_CLAIMS = 255; // in one order
const MAX_JOBS = 255;

/** What a sweep sends, or why it sends nothing. Amounts are nanoTON. */
export interface SweepPlan {
    to: string; // raw address of the owner
    balance: bigint; // the least that an endpoint says
    keep: bigint; // what remains for claims, demands and fees
    amount: bigint; // 0: nothing
    reason: string; // why nothing; '' otherwise
}

export interface SweepReport extends SweepPlan {
    sent: boolean;
}

export interface SweepOptions {
    all?: boolean; // leave nothing but fees: of a worker that has no jobs and no cases any more
}

export class Sweeper {
    constructor(
        private readonly context: WorkerContext,
        private readonly wallet: ClaimWallet,
    ) {}

    /**
     * What a sweep would send now.
     * @throws if `sweep.to` is not the owner, the API does not answer, or jobs or cases still need what `all` takes
     */
    async plan({ all = false }: SweepOptions = {}): Promise<SweepPlan> {
        const { config, store } = this.context;
        if (config.sweep === undefined) {
            throw new Error('worker.json does not say where to sweep: add "sweep": {"to": the owner of the provider}');
        }
        const to = config.sweep.to.toRawString();
        await assertOwner(this.context, config.sweep.to);
        const [balance, keep] = [await this.minBalance(), all ? await this.noNeeds() : await this.needs()];
        const amount = balance > keep + FEES ? balance - keep - FEES : 0n;
        const isDemanded = (await store.cases.open()).some((record) => record.class === 'A3');
        const reason = isDemanded
            ? 'a demand is open: its answer may need the wallet'
            : amount === 0n
              ? 'the wallet holds no more than claims and demands need'
              : '';
        return { to, balance, keep: keep + FEES, amount: reason === '' ? amount : 0n, reason };
    }

    /** Sweeps if the wallet holds more than `sweep.above`, and finishes what an earlier process began. */
    async sweepDue(): Promise<SweepReport | undefined> {
        const { config } = this.context;
        const isOpen = await this.settleOpen();
        const isAbove = config.sweep !== undefined && (await this.wallet.balance('routine')) > config.sweep.above;
        return isAbove && !isOpen ? this.sweepNow() : undefined;
    }

    /**
     * Sweeps whatever the threshold. A sweep that an earlier process began is finished first.
     * @throws as {@link plan} does, or if the wallet did not send
     */
    async sweepNow(options: SweepOptions = {}): Promise<SweepReport> {
        const { config, log, store } = this.context;
        const isOpen = await this.settleOpen();
        const plan = await this.plan(options);
        if (isOpen) {
            const reason = 'an earlier sweep is on its way: try again in two minutes';
            return { ...plan, amount: 0n, reason, sent: false };
        }
        if (plan.amount === 0n) {
            return { ...plan, sent: false };
        }
        const { to } = config.sweep!;
        await assertOwner(this.context, to); // again: nothing is sent on one answer
        const { amount } = plan;
        let hash = '';
        // Without a bounce, because the owner's wallet may not be deployed yet.
        await this.wallet.send([{ to, value: amount, bounce: false }], async (order) => {
            const { seqno, from, validUntil } = order;
            hash = order.hash;
            await store.wallet.addSweep({ hash, seqno, from, validUntil, account: plan.to, amount });
        });
        await store.wallet.endSweep(hash, 'sent');
        log.info({ to: plan.to, amount: amount.toString() }, 'swept');
        return { ...plan, sent: true };
    }

    /** Finds out the outcome of a sweep of an earlier time. True while it may still be executed. */
    private async settleOpen(): Promise<boolean> {
        const { store } = this.context;
        const open = await store.wallet.openSweep();
        if (open === undefined) {
            return false;
        }
        const { hash, seqno, from, validUntil } = open;
        const outcome = await this.wallet.outcome({ wallet: this.wallet.address, hash, seqno, from, validUntil });
        if (outcome !== 'waiting') {
            await store.wallet.endSweep(hash, outcome === 'executed' ? 'sent' : 'void');
        }
        return outcome === 'waiting';
    }

    /** The least balance of the wallet that an endpoint says. */
    private async minBalance(): Promise<bigint> {
        const { chain } = this.context;
        const read = async (source: Pick<typeof chain, 'account'>) =>
            (await source.account(this.wallet.address)).balance;
        const others = await Promise.all((chain.others ?? []).map(read));
        return others.reduce((min, balance) => (balance < min ? balance : min), await this.wallet.balance());
    }

    /** No nanoTON. Throws while a job has not ended or a case is open. */
    private async noNeeds(): Promise<bigint> {
        const { store } = this.context;
        const { open, ending } = (await store.totals()).jobs;
        const cases = await store.cases.open();
        if (open + ending > 0 || cases.length > 0) {
            const text = `${open + ending} jobs and ${cases.length} cases have not ended, so their reserve stays`;
            throw new Error(`${text}: wait for their end, or sweep without --all`);
        }
        return 0n;
    }

    /** nanoTON that the wallet needs for the claims of all jobs and for demands, or `sweep.keep` if that is more. */
    private async needs(): Promise<bigint> {
        const { config, store } = this.context;
        const { length } = await store.jobs.claimable({ limit: MAX_JOBS });
        const needed = DEMAND_RESERVE + CLAIM_RESERVE * BigInt(Math.min(MAX_CLAIMS, Math.max(1, length)));
        return config.sweep!.keep > needed ? config.sweep!.keep : needed;
    }
}
