/** A client on a chain and with a worker that the test stands in for. */
import { Client, type Fetch, memoryStore, type Store } from '@cocoon-market/client';
import {
    bytesToNumber,
    Channel,
    channelCode,
    channelData,
    Escrow,
    type JobParameters,
    jobNumber,
    loadChannelData,
    signingKey,
} from '@cocoon-market/wrappers';
import { Address, type Cell, type Contract } from '@ton/core';
import { modelHash, toWire, wireVersions } from '../../../offchain/link';
import { account, SEEDS } from '../../offchain/support/worker';

export const MODEL = 'Qwen/Qwen3-32B';
export const KEY = signingKey(Buffer.alloc(32, 9));
export const [OWNER, NODE, PROVIDER] = [account(1), account(2), account(3)];
export const RATES = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
export const DEPOSIT = 10n ** 9n;
const receiptKey = signingKey(SEEDS.receiptKey).publicKey;
const encryptionKey = Buffer.alloc(32, 5);

/** What a worker says of itself. It takes no job yet. */
export async function answerOf(url: string): Promise<Response> {
    if (!url.endsWith('/v1/node')) {
        return Response.json({ error: { code: 'paused', message: '' } }, { status: 503 });
    }
    const features: string[] = [];
    const limits = {
        minStep: 0n,
        maxStep: DEPOSIT,
        maxParallel: 4,
        maxAnswer: 1 << 20,
        minNotice: 600,
        minDeposit: 0n,
    };
    const info = {
        ...{ network: -3, node: NODE.toRawString(), provider: PROVIDER.toRawString(), payout: PROVIDER.toRawString() },
        ...{ receiptKey, encryptionKey, attestation: { tier: 'open' }, wire: wireVersions, limits, processes: [] },
        ...{ offers: [{ model: MODEL, rates: RATES, features }], channelCodes: [(await channelCode()).hash()] },
    };
    return Response.json(toWire(info));
}

/** An escrow that takes one order after the other, and the channels that it opened. */
export class StandInChain {
    seqno = 0;
    now = 1_800_000_000; // unix seconds
    isBehind = false; // then it shows no channel
    balance = DEPOSIT; // of channels
    readonly channels = new Map<string, Cell>(); // data by account
    taken: Promise<void> = Promise.resolve(); // when orders are taken

    readonly open = <T extends Contract>(contract: T): never => {
        const { address } = contract;
        const getReading = async () => this.account(address);
        const codeHash = channelCode().then((code) => bytesToNumber(code.hash()));
        const getEscrowState = async () => ({
            ...{ spendKey: bytesToNumber(KEY.publicKey), codeHash: await codeHash, seqno: BigInt(this.seqno) },
        });
        const methods =
            contract instanceof Escrow
                ? {
                      getEscrowState,
                      sendOpenJobs: (order: never) => this.take(address, order),
                      sendJobOrder: (order: JobOrder) => this.takeJobOrder(address, order),
                  }
                : { getReading };
        return methods as never;
    };

    private async account(address: Address) {
        const data = this.isBehind ? undefined : this.channels.get(address.toRawString());
        const isActive = data !== undefined || address.equals((await Escrow.ofOwner(OWNER)).address);
        return { isActive, balance: this.balance, code: data && (await channelCode()), data };
    }

    private async take(escrow: Address, order: { seqno: number; jobs: { deposit: bigint }[] }): Promise<void> {
        await this.taken;
        if (order.seqno !== this.seqno) {
            throw new Error('the escrow takes another order next');
        }
        const { deposit: _, ...rest } = order.jobs[0] as never as Parameters<typeof channelData>[1] &
            (typeof order.jobs)[0];
        const parameters = { ...rest, job: jobNumber(this.seqno++) };
        const { address } = await Channel.ofJob(escrow, parameters, await channelCode());
        this.channels.set(address.toRawString(), channelData(escrow, parameters));
    }

    private async takeJobOrder(escrow: Address, { seqno, job, action }: JobOrder): Promise<void> {
        await this.taken;
        if (seqno !== this.seqno) {
            throw new Error('the escrow takes another order next');
        }
        const { address } = await Channel.ofJob(escrow, job, await channelCode());
        const data = this.channels.get(address.toRawString());
        this.seqno++;
        if (action === 'refund' && data !== undefined && loadChannelData(data).refundAt <= this.now) {
            this.channels.delete(address.toRawString());
        }
        if (action === 'leave' && data !== undefined) {
            this.channels.set(address.toRawString(), channelData(escrow, { ...job, end: this.now + job.notice }));
        }
    }
}

interface JobOrder {
    seqno: number;
    job: JobParameters;
    action: 'leave' | 'refund';
}

/** The node as the chain has it. */
const readNode = async () => ({
    ...{ address: NODE, provider: PROVIDER, number: 0, endpoint: 'https://worker.example', receiptKey },
    ...{ encryptionKey, payout: PROVIDER, isJailed: false, slashable: 1n },
    offers: [{ model: bytesToNumber(modelHash(MODEL)), ...RATES }],
});
export const market = { network: -3, readNode };

/** A client with a spend key, whose worker is `fetch`. */
export const openClient = (
    chain: StandInChain,
    { store = memoryStore(), fetch = answerOf }: { store?: Store; fetch?: Fetch } = {},
) =>
    Client.open({
        ...{ market, chain, spendKey: KEY, owner: OWNER, store, fetch },
        ...{ limits: { job: DEPOSIT, query: DEPOSIT }, pollMs: 1, now: () => chain.now },
    });

export const openJob = (client: Client) => client.openJob({ node: NODE, model: MODEL, deposit: DEPOSIT });
