/** Whether a claim is worth its cost. Amounts are nanoTON. */
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import type { Costs } from './costs';
import type { WorkerJob } from './job';

export class ClaimRules {
    constructor(
        private readonly context: WorkerContext,
        private readonly costs: Costs,
        private readonly wallet: Pick<ClaimWallet, 'address'>,
    ) {}

    /** Reads the costs of a claim again when they are old. */
    refresh(): Promise<void> {
        return this.costs.refresh();
    }

    /** True when a claim of `due` pays more than it costs. */
    isWorth(due: bigint): boolean {
        return due > 0n && due >= this.costs.minClaim;
    }

    /** True when the last claim of a job pays more than it costs, or the job has promised twice its cost. */
    isEndWorth(due: bigint, promised: bigint): boolean {
        return this.isWorth(due) || (this.canEnd() && promised >= 2n * this.costs.minClaim);
    }

    /** True when this worker claims or ends the channel of a job that its client ends. */
    willClaimAtEnd({ promised, channel }: WorkerJob): boolean {
        return this.isEndWorth(promised - channel.snapshot.paid, promised);
    }

    /** True when the wallet is the payout: only the payout may send the last claim of a channel. */
    canEnd(): boolean {
        return this.wallet.address.equals(this.context.payout);
    }
}
