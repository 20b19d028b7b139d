/** Everybody who checks a signature: what each says of it. Contracts say it in the sandbox. */
import { Address, beginCell, Cell, toNano } from '@ton/core';
import type { SandboxContract } from '@ton/sandbox';
import {
    Accept,
    cellHash,
    cellOf,
    Fail,
    type Fields,
    isWeakKey,
    type Layout,
    opcodes,
    Result,
    type SignedVoucher,
    type SigningKey,
    type Terms,
    Verifier,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { verifyReceipt } from '@cocoon-market/wrappers/market';
import { openReceipt } from '../../offchain/link';
import { JobMoney } from '../../offchain/payer/money';
import type { WorkerContext } from '../../offchain/worker/context';
import type { WorkerJob } from '../../offchain/worker/job';
import { Refused } from '../../offchain/worker/refusal';
import { takeVoucher } from '../../offchain/worker/vouchers';
import { createBlockchain, exitCodeOf, transactionsOn } from '../support/chain';
import { Market, NETWORK, type OpenJob, spendKey, voucherKey } from '../support/market';
import { deployProbe, type Probe } from '../support/probe';
import type { SignatureCase } from './forger';

/** Whether each of them takes it, by name. `chain`: the contract, or what all contracts share. */
export type Verdicts = { chain: boolean } & Record<string, boolean>;

/** The keys of the wrappers as browsers get them. */
export interface BrowserKeys {
    Verifier: new (publicKey: Buffer) => Pick<Verifier, 'verify'>;
    isWeakKey(publicKey: Buffer): boolean;
}

const numberOf = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`);
const sliceOf = (bytes: Buffer) => beginCell().storeBuffer(bytes).asSlice();

/** False where `check` throws: whoever asks refuses it then. */
function holds(check: () => boolean): boolean {
    try {
        return check();
    } catch {
        return false;
    }
}

const resolves = (promise: Promise<unknown>): Promise<boolean> =>
    promise.then(
        () => true,
        () => false,
    );

/** The contracts' answer to a getter that throws what they refuse. Any other error is one of this test. */
const isTaken = (promise: Promise<unknown>): Promise<boolean> =>
    promise.then(
        () => true,
        (error: unknown) => {
            if (typeof (error as { exitCode?: number }).exitCode !== 'number') {
                throw error;
            }
            return false;
        },
    );

/** Whether a worker takes it. An error other than its refusal is one of this test. */
const isAccepted = (promise: Promise<unknown>): Promise<boolean> =>
    promise.then(
        () => true,
        (error: unknown) => {
            if (!(error instanceof Refused)) {
                throw error;
            }
            return false;
        },
    );

const RECEIPTS = { accept: Accept, result: Result, fail: Fail };
export type ReceiptKind = keyof typeof RECEIPTS;

/** A receipt as it came, and for which job and key it should be. */
export interface ShownReceipt {
    kind: ReceiptKind;
    payload: Buffer;
    signature: Buffer;
    job: Buffer; // hash
    key: Buffer;
}

export class Verifiers {
    private constructor(
        private readonly probe: SandboxContract<Probe>,
        private readonly market: Market,
        private readonly open: OpenJob,
        private readonly fresh: ReturnType<Market['blockchain']['snapshot']>,
        private readonly browser: BrowserKeys,
    ) {}

    static async start(browser: BrowserKeys): Promise<Verifiers> {
        const probe = await deployProbe(await createBlockchain());
        const market = await Market.deploy();
        const open = await market.openJob({ deposit: toNano('1') });
        return new Verifiers(probe, market, open, market.blockchain.snapshot(), browser);
    }

    /** The account of the channel whose vouchers are shown. */
    get channel(): Buffer {
        return this.open.channel.address.hash;
    }

    /** A signature over a hash, for a key that may be weak: a contract refuses the key where it enters. */
    async ofSignature({ key, hash, signature }: Omit<SignatureCase, 'family' | 'isGood'>): Promise<Verdicts> {
        const isWeak = await this.probe.getWeak(numberOf(key));
        const isSigned = await this.probe.getVerifies(numberOf(hash), sliceOf(signature), numberOf(key));
        const aside = async () => new Verifier(key).verifyAside(hash, signature);
        return {
            chain: !isWeak && isSigned,
            verify: holds(() => new Verifier(key).verify(hash, signature)),
            verifyAside: await aside().catch(() => false),
            browser: holds(() => new this.browser.Verifier(key).verify(hash, signature)),
            // A key that one of them takes and the other refuses is no equal verdict, whatever the signature.
            ...(isWeak === isWeakKey(key) && isWeak === this.browser.isWeakKey(key) ? {} : { weakKey: !isSigned }),
        };
    }

    /** A payload that nothing else here reads: the hash of its cell on chain, and off chain. */
    async ofPayload(payload: Buffer, signature: Buffer, key: Buffer): Promise<Verdicts> {
        const hash = await this.probe.getHashOf(cellOf(payload));
        return {
            chain: await this.probe.getVerifies(hash, sliceOf(signature), numberOf(key)),
            verify: holds(() => new Verifier(key).verify(cellHash(payload), signature)),
            browser: holds(() => new this.browser.Verifier(key).verify(cellHash(payload), signature)),
        };
    }

    /** A receipt, as Node and Dispute read it, gateway and client, and whoever checks it offline. */
    async ofReceipt({ kind, payload, signature, job, key }: ShownReceipt, terms: Terms): Promise<Verdicts> {
        const evidence = beginCell().storeBuffer(signature).storeRef(cellOf(payload)).endCell();
        const getter = ({ accept: 'getAcceptIn', result: 'getResultIn', fail: 'getFailIn' } as const)[kind];
        const isShown = await isTaken(this.probe[getter](numberOf(job), numberOf(key), evidence));
        const receipt = Buffer.concat([payload, signature]);
        const layout = RECEIPTS[kind] as unknown as Layout<Fields & { job: 'b256' }>;
        const opens = (verifier: () => Pick<Verifier, 'verify'>) =>
            holds(() => openReceipt(layout, receipt, verifier() as Verifier).job.equals(job));
        return {
            chain: isShown && !(await this.probe.getWeak(numberOf(key))),
            openReceipt: opens(() => new Verifier(key)),
            browser: opens(() => new this.browser.Verifier(key)),
            ...(kind === 'result' && { verifyReceipt: this.reports(receipt, job, { ...terms, receiptKey: key }) }),
        };
    }

    private reports(receipt: Buffer, job: Buffer, terms: Terms): boolean {
        const { checks } = verifyReceipt({ network: NETWORK, channel: this.channel, terms, receipt, job });
        const fields = ['layout', 'signature', 'job'];
        return fields.every((name) => checks.some(({ field, state }) => field === name && state === 'right'));
    }

    /** A voucher of the test's key, as the Channel reads it, the worker, and the payer whose own it should be. */
    async ofVoucher(voucher: SignedVoucher): Promise<Verdicts> {
        const { cumulative, count, signature } = voucher;
        const payload = voucherFor(NETWORK, new Address(0, this.channel), cumulative, count);
        const { Verifier: InBrowser } = this.browser;
        return {
            chain: await this.claims(voucher),
            takeVoucher: await isAccepted(takeVoucher(...this.worker(), voucher)),
            adopt: await resolves(this.payer().adopt(voucher)),
            browser: holds(() => new InBrowser(voucherKey.publicKey).verify(Voucher.hash(payload), signature)),
        };
    }

    /** True if the channel pays the voucher. Its state is then put back. */
    private async claims({ cumulative, count, signature }: SignedVoucher): Promise<boolean> {
        const { market, open } = this;
        const body = beginCell()
            .storeUint(opcodes.Claim, 32)
            .storeUint(cumulative, 64)
            .storeUint(count, 32)
            .storeBuffer(signature)
            .endCell();
        const result = await market.send(market.payout, open.channel, { value: toNano('0.05'), body });
        const isPaid = exitCodeOf(transactionsOn(result, open.channel.address).pop()!) === 0;
        await market.blockchain.loadFrom(this.fresh);
        return isPaid;
    }

    /** As much of a worker and of its job as vouchers need. */
    private worker(): [WorkerContext, WorkerJob] {
        const context = {
            config: { network: NETWORK },
            store: { jobs: { addVoucher: async () => true } },
            now: () => 0,
        };
        const job = {
            id: Buffer.alloc(32),
            voucher: undefined,
            record: { channel: this.channel },
            channel: { covers: async () => true, confirm: async () => true, mayPromise: () => true },
            verifier: new Verifier(voucherKey.publicKey),
            noteSigned: () => undefined,
            adoptVoucher: () => undefined,
        };
        return [context as unknown as WorkerContext, job as unknown as WorkerJob];
    }

    private payer(): JobMoney {
        const job = { channel: this.channel, hash: Buffer.alloc(32), terms: { step: 1n }, voucher: null };
        const worker = { voucher: async (_job: Buffer, voucher: SignedVoucher) => voucher };
        const store = { saveVoucher: async () => undefined };
        const parts = { key: voucherKey, worker, store, requireMember: () => undefined, network: NETWORK };
        return new JobMoney(job, { ...parts, onUnpaid: () => undefined });
    }

    /** An order of the spend key, as the Escrow reads it. Off chain nobody reads orders of others. */
    async ofOrder(order: Cell, signature: Buffer): Promise<Verdicts> {
        const { market } = this;
        const body = beginCell().storeBuffer(signature).storeRef(order).endCell();
        const isTakenIn = await isTaken(market.carry(body));
        await market.blockchain.loadFrom(this.fresh);
        const { publicKey } = spendKey;
        return {
            chain: isTakenIn,
            verify: holds(() => new Verifier(publicKey).verify(order.hash(), signature)),
            browser: holds(() => new this.browser.Verifier(publicKey).verify(order.hash(), signature)),
        };
    }

    /** The order that opens one more job, signed by a key. */
    async order(key: SigningKey = spendKey): Promise<{ order: Cell; signature: Buffer }> {
        const { market } = this;
        const body = await market.openOrder([market.newJob()], { key });
        return { order: body.refs[0], signature: body.beginParse().loadBuffer(64) };
    }
}
