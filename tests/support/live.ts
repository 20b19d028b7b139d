/** A client as small as a test needs, on a local network with real contracts and a worker in a process of its own. */
import { channelInit, JobParameters, Terms } from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import { HotWallet } from '../../offchain/chain';
import { Stage } from '../../demo/stage';
import { ClientChain, TestClient } from '../offchain/support/client';

/** The network as the client sees it; channels are deployed by the wallet, in an escrow's name. */
class LiveChain implements ClientChain {
    readonly network: number;

    constructor(
        private readonly stage: Stage,
        private readonly wallet: HotWallet,
    ) {
        this.network = stage.chain.network;
    }

    // Receipts carry the worker's time, which is real; the network's may be ahead of it.
    now(): number {
        return this.stage.network.now();
    }

    async openChannel(escrow: Address, job: JobParameters, code: Cell, deposit: bigint): Promise<Address> {
        const { address, data } = channelInit(escrow, job, code);
        await this.wallet.send([{ to: address, value: deposit, bounce: false, init: { code, data: data! } }]);
        return address;
    }
}

/** A job at a worker whose money comes from the wallet and goes home to `escrow`. */
export async function liveJob(
    stage: Stage,
    {
        url,
        wallet,
        escrow,
        ...terms
    }: { url: string; wallet: HotWallet; escrow: Address } & Partial<Omit<Terms, 'escrow'>>,
    deposit?: bigint,
): Promise<TestClient> {
    return TestClient.withJob(url, new LiveChain(stage, wallet), { escrow: escrow.hash, ...terms }, deposit);
}
