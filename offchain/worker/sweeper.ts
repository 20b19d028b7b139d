/**
 * Sweeps: sends what the worker's wallet has above its needs to the owner of the provider. The owner's address is
 * proved by the provider's, and compared with the chain before and after everything else was checked. The order is
 * stored before it is on its way, so that no crash makes two of one. It counts as sent when the wallet's ledger shows
 * it, because a wallet that holds too little executes an order and sends nothing.
 */
import { Node, parseRules, Provider } from '@cocoon-market/wrappers';
import { type ChainReader, MAX_TRANSFERS } from '../chain';
import { ANSWER_SECONDS, EVIDENCE_SECONDS } from '../link';
import type { SweepState } from '../store/wallet';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import { assertOwner } from './owner';
import type { AssertAlone } from './processes';
import { CLAIM_RESERVE, DEMAND_RESERVE } from './reserves';
import type { WalletLedger } from './walletLedger';

const FEES = 10_000_000n; // nanoTON that the order may cost, and that remain for the next one
const HOUR = 3600;

/** What a sweep sends, or why it sends nothing. Amounts are nanoTON. */
export interface SweepPlan {
    to: string; // raw address of the owner
    balance: bigint; // the least that an endpoint or the ledger says
    keep: bigint; // what remains for claims, demands and fees
    amount: bigint; // 0: nothing
    reason: string; // why nothing; '' otherwise
}

export interface SweepReport extends SweepPlan {
    sent: boolean;
}

export interface SweepOptions {
    all?: boolean; // leave nothing but fees: of a worker whose node nobody can report any more
}

export class Sweeper {
    private pausedUntil = -Infinity; // steady seconds; until then only commands sweep
    private hasWarned = false;

    constructor(
        private readonly context: WorkerContext,
        private readonly wallet: ClaimWallet,
        private readonly ledger: Pick<WalletLedger, 'refresh' | 'totals'>,
    ) {}

    /**
     * What a sweep would send now.
     * @throws if `sweep.to` is not the owner, an endpoint does not answer, or something still needs what `all` takes
     */
    async planNow(options: SweepOptions = {}): Promise<SweepPlan> {
        await this.ledger.refresh();
        return this.plan(options);
    }

    /**
     * Sweeps if the wallet holds more than `sweep.above`, and finishes what an earlier process began. One endpoint
     * alone may state a balance that is not there, so this needs two.
     */
    async sweepDue(assertAlone: AssertAlone): Promise<void> {
        const { chain, config, log, steady } = this.context;
        const isOpen = (await this.settleOpen()) === 'sending';
        const isAbove = config.sweep !== undefined && (await this.wallet.balance('routine')) > config.sweep.above;
        if (!isAbove || isOpen || steady() < this.pausedUntil) {
            return;
        }
        if ((chain.others ?? []).length < 2) {
            if (!this.hasWarned) {
                log.warn(
                    'nothing is swept by itself with one endpoint: add a second one, or run "cocoon worker sweep"',
                );
            }
            this.hasWarned = true;
            return;
        }
        await this.send({}, assertAlone);
    }

    /**
     * Sweeps whatever the threshold. A sweep that an earlier process began is finished first. `exclusively` runs what
     * spends the wallet's coins.
     * @throws as {@link planNow} does, or if the wallet did not send
     */
    async sweepNow(
        options: SweepOptions = {},
        exclusively: (send: (assertAlone: AssertAlone) => Promise<SweepReport>) => Promise<SweepReport> = (send) =>
            send(async () => undefined),
    ): Promise<SweepReport> {
        await this.ledger.refresh();
        const report = await exclusively((assertAlone) => this.send(options, assertAlone));
        if (!report.sent) {
            return report;
        }
        await this.ledger.refresh().catch(() => undefined); // else it shows the sweep later
        const state = await this.settleOpen();
        const reason =
            state === 'void'
                ? 'the wallet executed the order and sent nothing: it held less than an endpoint says'
                : 'the order was executed, and the transactions of the wallet do not show the transfer yet';
        return state === 'sent' ? report : { ...report, sent: false, reason };
    }

    private async plan({ all = false }: SweepOptions): Promise<SweepPlan> {
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

    /** Orders a sweep. `sent` of the report: the wallet has executed the order. */
    private async send(options: SweepOptions, assertAlone: AssertAlone): Promise<SweepReport> {
        const { config, log, store } = this.context;
        const isOpen = (await this.settleOpen()) === 'sending';
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
        // Without a bounce, because the owner's wallet may not be deployed yet.
        await this.wallet.send([{ to, value: amount, bounce: false }], async ({ hash, seqno, from, validUntil }) => {
            await assertAlone();
            await store.wallet.addSweep({ hash, seqno, from, validUntil, account: plan.to, amount });
        });
        log.info({ to: plan.to, amount: amount.toString() }, 'a sweep is ordered');
        return { ...plan, sent: true };
    }

    /** Finds out the outcome of the sweep under way, and returns its state; undefined if there is none. */
    private async settleOpen(): Promise<SweepState | undefined> {
        const { log, steady, store } = this.context;
        const open = await store.wallet.openSweep();
        if (open === undefined) {
            return undefined;
        }
        const { hash, seqno, from, validUntil, account } = open;
        const movements = await store.wallet.movementsOfOrder(hash);
        if (movements.some((movement) => !movement.isIncoming && movement.account === account)) {
            await store.wallet.endSweep(hash, 'sent');
            log.info({ to: account, amount: open.amount.toString() }, 'swept');
            return 'sent';
        }
        if (movements.length > 0) {
            await store.wallet.endSweep(hash, 'void');
            this.pausedUntil = steady() + HOUR;
            log.error({ amount: open.amount.toString() }, 'the wallet executed a sweep and sent nothing');
            return 'void';
        }
        const outcome = await this.wallet.outcome({ wallet: this.wallet.address, hash, seqno, from, validUntil });
        if (outcome === 'lapsed' || outcome === 'overtaken') {
            await store.wallet.endSweep(hash, 'void');
            return 'void';
        }
        return 'sending'; // until the ledger shows it
    }

    /** The least balance of the wallet that an endpoint or the ledger says. */
    private async minBalance(): Promise<bigint> {
        const { chain } = this.context;
        const read = async (source: Pick<ChainReader, 'account'>) =>
            (await source.account(this.wallet.address)).balance;
        const others = await Promise.all((chain.others ?? []).map(read));
        const stored = (await this.ledger.totals())?.balance ?? 0n;
        return [...others, stored].reduce((min, one) => (one < min ? one : min), await this.wallet.balance());
    }

    /**
     * No nanoTON. Throws while a job has not ended, a case is open, or a client may still make a demand: by the node on
     * chain, and by the time since jobs ended and the longest evidence window that an endpoint says.
     */
    private async noNeeds(): Promise<bigint> {
        const { config, now, store } = this.context;
        const { open, ending } = (await store.totals()).jobs;
        const cases = await store.cases.open();
        if (open + ending > 0 || cases.length > 0) {
            const text = `${open + ending} jobs and ${cases.length} cases have not ended, so their reserve stays`;
            const { confirmSeconds } = config.chain;
            const counts = `counts once the chain has shown it for ${confirmSeconds} s`;
            const unclaimed = 'and of one with vouchers that were too small to claim not before the end in its terms';
            const when = ending === 0 ? '' : `, which ${counts}, ${unclaimed}`;
            throw new Error(
                `${text}: run this again after their end${when}. "cocoon worker sweep" sends what they do not need`,
            );
        }
        const evidence = await this.evidenceOfClosed();
        const lastEnd = await store.jobs.lastEnd();
        const until = lastEnd === undefined ? 0 : lastEnd + evidence + ANSWER_SECONDS;
        if (now() < until) {
            const hours = Math.round(evidence / 360) / 10;
            throw waitUntil(until, `a job ended less than ${hours} hours ago, the market's window for evidence`);
        }
        return 0n;
    }

    /**
     * Seconds after a receipt in which it counts as evidence, as the endpoint says that says the most. One endpoint
     * alone could be wrong, so its word shortens no window. Throws unless nobody can report the node any more, as every
     * endpoint says.
     */
    private async evidenceOfClosed(): Promise<number> {
        const { chain, config } = this.context;
        const { others = [] } = chain;
        let seconds = others.length === 0 ? EVIDENCE_SECONDS : 0;
        for (const source of [chain, ...others]) {
            const { state, at } = await source.account(config.node);
            if (state === 'uninitialized') {
                // Its account ends only when nobody can report it; the rules are still at its provider.
                const { rules } = await source.open(Provider.fromAddress(config.provider)).getMembership();
                seconds = Math.max(seconds, rules === null ? EVIDENCE_SECONDS : parseRules(rules).evidence);
                continue;
            }
            const node = source.open(Node.fromAddress(config.node));
            const clearAt = Number((await node.getNodeState()).clearAt);
            if (clearAt === 0) {
                throw new Error('The node is open on chain: leave the market first, or sweep without --all');
            }
            if (at < clearAt) {
                throw waitUntil(clearAt, 'the node is closed, and liable by the rules of the market');
            }
            seconds = Math.max(seconds, Number((await node.getNodeRecord()).evidence));
        }
        return seconds;
    }

    /** nanoTON that the wallet needs for the claims of all jobs and for demands, or `sweep.keep` if that is more. */
    private async needs(): Promise<bigint> {
        const { config, store } = this.context;
        const { length } = await store.jobs.claimable({ limit: MAX_TRANSFERS, ofAll: true }); // that one order can claim
        const needed = DEMAND_RESERVE + CLAIM_RESERVE * BigInt(Math.max(1, length));
        return config.sweep!.keep > needed ? config.sweep!.keep : needed;
    }
}

function waitUntil(seconds: number, reason: string): Error {
    const text = `clients may make demands until ${new Date(seconds * 1000).toISOString()} (${reason})`;
    return new Error(`${text}, so the reserve stays: keep the worker running until then, or sweep without --all`);
}
