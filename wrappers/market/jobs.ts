/** Opening a job and signing what is owed in it. */
import { type Address, type SenderArguments } from '@ton/core';
import { openJob as openByOwner } from '../actions/client';
import { channelCodes } from '../actions/library';
import { type Actor, addressOf } from '../actions/actor';
import { bytesToNumber, numberToBytes } from '../bytes';
import { modelKeyOf } from '../catalogue';
import { Channel, type JobParameters, type SignedVoucher, voucherFor } from '../Channel';
import { Escrow } from '../Escrow';
import type { SigningKey } from '../keys';
import { formatTon } from '../money';
import type { TonConnectMessage } from '../outgoing';
import { type Rates, tokenKinds } from '../price';
import { errors } from '../protocol';
import { RefusedMessage, UnseenMessage } from '../remedies';
import { jobNumber } from '../signed/orders';
import { Voucher } from '../signed/payloads';
import { jobHash, type Terms } from '../signed/terms';
import type { WaitLimits } from '../settling';
import { type MarketClient, readAccount } from './chain';
import { MarketError } from './errors';
import type { LiveNode } from './liveNode';

/**
 * The job that is wanted. Amounts in nanoTON, times in seconds.
 *
 * @example
 * ```ts
 * import { signingKey } from '@cocoon-market/wrappers';
 * import type { JobRequest, SellingNode } from '@cocoon-market/wrappers/market';
 *
 * const jobAt = ({ address: node }: SellingNode, seed: Buffer): JobRequest => ({
 *     node,
 *     model: 'Qwen/Qwen3-32B',
 *     deposit: 1_000_000_000n,
 *     voucherKey: signingKey(seed).publicKey,
 * });
 * ```
 */
export interface JobRequest {
    node: Address;
    model: string; // id in the catalogue, or the 64 hex digits of its SHA-256
    deposit: bigint;
    voucherKey: Buffer; // Ed25519, 32 bytes: public half of the key that signs vouchers; a new one for each job
    payout?: Address; // where the worker is paid: as its `/v1/info` says; that of its provider unless given
    rates?: Rates; // that the buyer agreed to; if the node asks more, nothing is sent
    notice?: number; // 3,600 unless given
    lifetime?: number; // 7 days unless given
    step?: bigint; // the most unpaid work of one query: 0.01 TON unless given
    maxParallel?: number; // queries at once: 8 unless given
    maxAnswer?: number; // bytes of sealed frames: 4 MiB unless given
}

/**
 * Who pays without a wallet: the spend key of an escrow, within the limits that its owner set.
 *
 * @example
 * ```ts
 * import { Address } from '@ton/core';
 * import { signingKey } from '@cocoon-market/wrappers';
 * import type { SpendKey } from '@cocoon-market/wrappers/market';
 *
 * const payer = (escrow: Address, seed: Buffer): SpendKey => ({ escrow, key: signingKey(seed) });
 * ```
 */
export interface SpendKey {
    escrow: Address;
    key: SigningKey;
}

/**
 * An open job: what its worker is shown, and what vouchers and receipts are of. `hash`: 32 bytes, what receipts call
 * `job`; `number`: see `jobNumber`.
 *
 * @example
 * ```ts
 * import type { JobHandle } from '@cocoon-market/wrappers/market';
 *
 * const show = ({ channel, terms }: JobHandle) => `${channel.toString()} until ${terms.end}`;
 * ```
 */
export interface JobHandle {
    channel: Address;
    escrow: Address;
    number: number;
    deposit: bigint; // nanoTON
    terms: Terms;
    hash: Buffer;
}

/**
 * The messages of an action in three forms, in their order: as senders of @ton/core take them, for TonConnect, and as
 * links that open a wallet.
 *
 * @example
 * ```ts
 * import type { PreparedSend } from '@cocoon-market/wrappers/market';
 *
 * const request = ({ tonConnect: messages }: PreparedSend<unknown>, validUntil: number) => ({ validUntil, messages });
 * ```
 */
export interface PreparedSend<T> {
    result: T; // of the action
    messages: SenderArguments[];
    tonConnect: TonConnectMessage[];
    links: string[];
}

const HOUR = 3_600;
const DEFAULTS = {
    ...{ notice: HOUR, lifetime: 7 * 24 * HOUR, step: 10_000_000n, maxParallel: 8, maxAnswer: 4 << 20 },
};
const VALID_SECONDS = 120; // in which an order is taken
const POLL = { seconds: 120, pollMs: 1_500 };

/** What opening needs of a market. */
export interface JobPlace {
    client: MarketClient;
    network: number;
    now(): number; // unix seconds
}

/** The rates at which a node sells a model. @throws {MarketError} `unfit-node` */
export function ratesAt({ address, offers, isJailed, slashable }: LiveNode, { model, rates }: JobRequest): Rates {
    const unfit = (reason: string, remedy: string) => new MarketError('unfit-node', reason, remedy);
    const name = address.toString();
    if (isJailed) {
        throw unfit(`The provider of ${name} is in jail, or has too little stake`, 'Take another node.');
    }
    if (slashable <= 0n) {
        throw unfit(`${name} has no receipt key, or no stake covers its receipts any more`, 'Take another node.');
    }
    const hash = modelKeyOf(model);
    const [offer, ...others] = offers.filter((each) => each.model === hash);
    if (offer === undefined || others.length > 0) {
        throw unfit(`${name} does not sell ${JSON.stringify(model.slice(0, 80))} now`, 'Take another node.');
    }
    const { model: _, ...current } = offer;
    const dear = rates === undefined ? undefined : tokenKinds.find((kind) => current[kind] > rates[kind]);
    if (dear !== undefined) {
        const change = `${current[dear]} nanoTON per million ${dear} tokens, and ${rates![dear]} were agreed`;
        throw unfit(`${name} asks ${change}`, 'Make a new quote, and agree to it or take another node.');
    }
    return current;
}

/** Opens the job of a request at a node that was read just now, paid by a wallet or a spend key. */
export async function openAt(
    { client, network, now }: JobPlace,
    payer: Actor | SpendKey,
    node: LiveNode,
    request: JobRequest,
): Promise<JobHandle> {
    const rates = ratesAt(node, request);
    const { notice, lifetime, step, maxParallel, maxAnswer } = { ...DEFAULTS, ...withoutAbsent(request) };
    const { deposit, voucherKey } = request;
    const payout = (request.payout ?? node.payout).hash;
    const at = now();
    const newJob = { deposit, end: at + lifetime, notice, voucherKey, payout };
    const isKey = 'key' in payer;
    const escrow = isKey ? payer.escrow : (await Escrow.ofOwner(addressOf(payer))).address;
    const opened = client.open(Escrow.fromAddress(escrow));
    const { seqno, code } = await readEscrow(client, escrow, { deposit, ...(isKey && { key: payer.key }) });
    const { deposit: _, ...parameters } = newJob;
    const number = jobNumber(seqno);
    const job: JobParameters = { ...parameters, job: number };
    const { address: channel } = await Channel.ofJob(escrow, job, code);
    const terms: Terms = {
        ...{ escrow: escrow.hash, provider: node.provider.hash, node: node.address.hash },
        ...{ receiptKey: node.receiptKey, payout, voucherKey, model: numberToBytes(modelKeyOf(request.model)) },
        ...{ rates, step, maxParallel, maxAnswer, notice, end: newJob.end },
    };
    const handle = { channel, escrow, number, deposit, terms, hash: jobHash(network, channel.hash, terms) };
    if (isKey) {
        const validUntil = at + VALID_SECONDS;
        await opened.sendOpenJobs({ network, seqno, validUntil, key: payer.key, jobs: [newJob] });
        await waitForJob(client, handle);
    } else {
        await openByOwner(payer, { seqno, job: newJob });
    }
    return handle;
}

const withoutAbsent = (request: JobRequest): Partial<JobRequest> =>
    Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));

/**
 * The next order of an escrow, and the code of its channels.
 * @throws {MarketError} `unfit-escrow`; {RefusedMessage} for what the escrow would refuse
 */
async function readEscrow(
    client: MarketClient,
    address: Address,
    { deposit, key }: { deposit: bigint; key?: SigningKey },
) {
    const name = address.toString();
    const { code: deployed, balance } = await readAccount(client, address);
    if (deployed === undefined) {
        throw new MarketError('unfit-escrow', `There is no escrow at ${name}`, 'Set it up with setUpEscrow.');
    }
    const escrow = client.open(Escrow.fromAddress(address));
    const { codeHash, seqno, spendKey, jobLimit } = await escrow.getEscrowState();
    const code = (await channelCodes()).find((each) => bytesToNumber(each.hash()) === codeHash);
    if (code === undefined) {
        const reason = `The escrow ${name} opens channels of a code that this release does not know`;
        throw new MarketError('unfit-escrow', reason, 'Set the channel code of this release with setUpEscrow.');
    }
    const refuse = (exitCode: number) => new RefusedMessage(exitCode, 'Escrow', address, key ? 'OpenJobs' : 'Open');
    if (deposit < (await escrow.getMinDeposit())) {
        throw refuse(errors.ErrLowDeposit);
    }
    if (key !== undefined) {
        if (spendKey !== bytesToNumber(key.publicKey)) {
            throw refuse(spendKey === 0n ? errors.ErrNoKey : errors.ErrBadSignature);
        }
        if (deposit > jobLimit) {
            throw refuse(errors.ErrOverJobLimit);
        }
        const needed = deposit + (await escrow.getOpenFeeOf(1n)) + (await escrow.getReserve());
        if (balance < needed) {
            const reason = `The escrow ${name} has ${formatTon(balance)} TON, and this job needs ${formatTon(needed)}`;
            throw new MarketError('unfit-escrow', reason, `Deposit ${formatTon(needed - balance)} TON or more there.`);
        }
    }
    return { seqno: Number(seqno), code };
}

/**
 * Resolves once the channel of a job is on the chain.
 * @throws {UnseenMessage} if it is not in time: the order may still be taken
 */
export async function waitForJob(
    client: MarketClient,
    { channel }: Pick<JobHandle, 'channel'>,
    { seconds = POLL.seconds, pollMs = POLL.pollMs }: WaitLimits = {},
): Promise<void> {
    // The address proves code and data.
    for (const end = Date.now() + seconds * 1_000; (await readAccount(client, channel)).code === undefined;) {
        if (Date.now() >= end) {
            throw new UnseenMessage(channel, seconds);
        }
        await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
}

/** Signs a voucher of a job. @throws {MarketError} `wrong-voucher`, {InvalidField} */
export function signVoucher(
    network: number,
    { channel, deposit, terms }: Pick<JobHandle, 'channel' | 'deposit' | 'terms'>,
    key: SigningKey,
    { cumulative, count }: { cumulative: bigint; count: number },
): SignedVoucher {
    if (!key.publicKey.equals(terms.voucherKey)) {
        const reason = 'This key does not sign the vouchers of this job';
        throw new MarketError('wrong-voucher', reason, 'Sign with the key whose public half opened the job.');
    }
    if (cumulative > deposit) {
        const reason = `The voucher of ${cumulative} nanoTON is more than the job's deposit of ${deposit}`;
        throw new MarketError(
            'wrong-voucher',
            reason,
            'Open another job, or top this one up and pass its new deposit.',
        );
    }
    const signature = key.sign(Voucher.hash(voucherFor(network, channel, cumulative, count)));
    return { cumulative, count, signature };
}
