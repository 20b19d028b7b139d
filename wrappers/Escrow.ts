/** One client's deposit. See docs/contracts/escrow.md. */
import { Address, Cell, contractAddress, ContractProvider, Sender, Slice } from '@ton/core';
import * as tact from '../build/Escrow/Escrow_Escrow';
import { SigningKey } from './keys';
import { JobParameters } from './Channel';
import { jobOrderCell, jobsCell, NewJob, openJobsCell, OrderHead, signedOrder } from './signed/orders';
import { toCell } from './cells';
import {
    address,
    bigUint,
    boolean,
    bytes,
    CALL,
    cell,
    checkFields,
    coins,
    listOf,
    nullable,
    objectWith,
    optional,
    uint,
} from './fields';
import { Call, stateless, withoutState, withWholeValue } from './sending';
import { refusalIn, RefusedMessage } from './remedies';
import { bytesToNumber } from './bytes';

export type { EscrowState } from '../build/Escrow/Escrow_Escrow';

/** The settings of the owner: the spend key, its limits, and the code of new channels. */
export interface EscrowSettings {
    spendKey: Buffer; // Ed25519; 32 zero bytes for none
    jobLimit: bigint; // nanoTON, below 2^64
    dayLimit: bigint; // nanoTON a day (UTC), fees included, below 2^64
    channelCode: Cell | null; // null leaves the old one
}

/** The head of an order of this escrow, and the spend key that signs it. */
type Order = Omit<OrderHead, 'escrow'> & { key: SigningKey };

const SET_UP = {
    ...CALL,
    ...{ deposit: coins, spendKey: bytes(32), jobLimit: bigUint(64), dayLimit: bigUint(64) },
    channelCode: nullable(cell),
};
const OPEN = { ...CALL, seqno: uint(32), jobs: listOf(objectWith({}), 4), total: optional(bigUint(64)) };

let code: Cell | undefined;

function initialData(owner: Address): Cell {
    const zeros = { spendKey: 0n, dayLimit: 0n, sentCells: 0n, sentBits: 0n, jobLimit: 0n };
    const settings = tact.storeEscrowSettings({ $$type: 'EscrowSettings', ...zeros, owner, channelCode: null });
    const data = { seqno: 0n, day: 0n, spent: 0n, settings: toCell(settings).asSlice() };
    return toCell(tact.storeEscrowData({ $$type: 'EscrowData', ...data }));
}

/** The owner that an escrow's data cell names. Throws when the cell is not an escrow's. */
export function ownerInEscrowData(data: Cell): Address {
    const { settings } = tact.loadEscrowData(data.beginParse());
    return tact.loadEscrowSettings(settings).owner;
}

export class Escrow extends stateless(tact.Escrow) {
    /** The escrow of a client's wallet, as it is deployed: without key, limits and channel code. */
    static async ofOwner(owner: Address): Promise<Escrow> {
        code ??= (await tact.Escrow.init()).code; // read once, because this is called often
        const init = { code, data: initialData(owner) };
        return new Escrow(contractAddress(0, init), init);
    }

    /** Any order, to an escrow that exists. */
    override async sendExternal(provider: ContractProvider, message: Slice) {
        await withoutState(provider, this.address).external(message.asCell());
    }

    /** Deposits the whole value. From anyone. If the account does not exist, `opens` deploys it. */
    async sendDeposit(provider: ContractProvider, via: Sender, args: Call & { opens?: boolean }) {
        checkFields('Deposit', { ...CALL, opens: optional(boolean) }, args);
        const { value, queryId = 0n, opens = false } = args;
        const to = opens ? withWholeValue(provider) : withoutState(provider, this.address);
        await to.internal(via, { value, body: toCell(tact.storeDeposit({ $$type: 'Deposit', queryId })) });
    }

    /**
     * Keeps `deposit`, sets spend key, limits and channel code, and returns the rest of `value`. From the owner;
     * deploys the account if it does not exist. `value` at least `deposit` + `getSetUpValue()`.
     * @throws on chain: ErrNotOwner, ErrWeakKey, ErrWrongCode, ErrLowValue
     */
    async sendSetUp(provider: ContractProvider, via: Sender, args: Call & EscrowSettings & { deposit: bigint }) {
        checkFields('SetUp', SET_UP, args);
        const { value, deposit, queryId = 0n, ...settings } = args;
        const spendKey = bytesToNumber(settings.spendKey);
        const body = toCell(tact.storeSetUp({ $$type: 'SetUp', queryId, deposit, ...settings, spendKey }));
        await withWholeValue(provider).internal(via, { value, body });
    }

    /**
     * Opens one to four jobs without limits. From the owner; `value` stays as a deposit.
     * @throws on chain: ErrNotOwner, ErrStaleSeqno, ErrWrongCode, ErrMalformed, ErrWrongCount, ErrLowBalance,
     * ErrLowDeposit, ErrWrongTotal, ErrWrongEnd, ErrWrongNotice, ErrWeakKey
     */
    async sendOpen(
        provider: ContractProvider,
        via: Sender,
        args: Call & { seqno: number; jobs: NewJob[]; total?: bigint },
    ) {
        checkFields('Open', OPEN, args);
        const total = args.total ?? args.jobs.reduce((sum, job) => sum + job.deposit, 0n);
        const { value, queryId = 0n, seqno } = args;
        const open = tact.storeOpen({
            $$type: 'Open',
            queryId,
            seqno: BigInt(seqno),
            total,
            jobs: jobsCell(args.jobs),
        });
        await this.send(provider, via, { value }, toCell(open).asSlice());
    }

    /**
     * Asks a channel to leave: its refund is then due after its notice. From the owner; `value` at least
     * `getLeaveJobValue()`; the rest comes back.
     * @throws on chain: ErrNotOwner, ErrLowValue
     */
    async sendLeaveJob(provider: ContractProvider, via: Sender, args: Call & { channel: Address }) {
        checkFields('LeaveJob', { ...CALL, channel: address }, args);
        const { value, channel, queryId = 0n } = args;
        const account = bytesToNumber(channel.hash);
        const body = toCell(tact.storeLeaveJob({ $$type: 'LeaveJob', queryId, channel: account }));
        await this.send(provider, via, { value }, body.asSlice());
    }

    /**
     * Takes `amount` home, 0n for all above the reserve. From the owner; `value` at least `getWithdrawValue()`; the
     * rest comes back with the amount.
     * @throws on chain: ErrNotOwner, ErrLowValue, ErrLowBalance
     */
    async sendWithdraw(provider: ContractProvider, via: Sender, args: Call & { amount: bigint }) {
        checkFields('Withdraw', { ...CALL, amount: coins }, args);
        const { value, amount, queryId = 0n } = args;
        const body = toCell(tact.storeWithdraw({ $$type: 'Withdraw', queryId, amount }));
        await this.send(provider, via, { value }, body.asSlice());
    }

    /**
     * Opens one to four jobs with the spend key, without a wallet. A refused order costs nothing, and throws
     * {@link RefusedMessage}. Only the endpoint says so: it may have passed on the same order before. An accepted
     * order skips a job that breaks a rule, and the exit code names the rule.
     * @throws on chain, refused: ErrNoKey, ErrMalformed, ErrBadSignature, ErrWrongNetwork, ErrWrongEscrow,
     * ErrStaleSeqno, ErrExpired, ErrWrongCount, ErrOverDayLimit, ErrLowBalance; of a job: ErrMalformed,
     * ErrLowDeposit, ErrOverJobLimit, ErrWrongTotal, ErrWrongEnd, ErrWrongNotice, ErrWeakKey
     */
    async sendOpenJobs(provider: ContractProvider, { key, ...order }: Order & { jobs: NewJob[]; total?: bigint }) {
        const body = signedOrder(openJobsCell({ ...order, escrow: this.address }), key);
        await this.deliver(provider, 'OpenJobs', body);
    }

    private async deliver(provider: ContractProvider, name: string, body: Cell): Promise<void> {
        try {
            await this.sendExternal(provider, body.asSlice());
        } catch (error) {
            const exitCode = refusalIn(error);
            throw exitCode === undefined ? error : new RefusedMessage(exitCode, 'Escrow', this.address, name);
        }
    }

    /**
     * Asks a running job to leave, or sends the rest of an ended one home, with the spend key. Finds channels of the
     * escrow's present channel code only; the owner's LeaveJob and anyone's Refund find all.
     * @throws on chain: ErrNoKey, ErrMalformed, ErrBadSignature, ErrWrongNetwork, ErrWrongEscrow, ErrStaleSeqno,
     * ErrExpired, ErrUnknownOrder, ErrOverDayLimit, ErrLowBalance
     */
    async sendJobOrder(
        provider: ContractProvider,
        { key, ...order }: Order & { job: JobParameters; action: 'leave' | 'refund' },
    ) {
        const body = signedOrder(jobOrderCell({ ...order, escrow: this.address }), key);
        await this.deliver(provider, 'JobOrder', body);
    }
}
