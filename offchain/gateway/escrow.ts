/** The client's escrow as the gateway reads it: what it holds and allows, and why it opens no job. */
import type { EscrowState } from '@cocoon-market/wrappers';
import { bytesToNumber, channelCodes, errorName, errors, Escrow, formatTon, smaller } from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import { type Accepted, answersOf, type Chain, type ChainAccount } from '../chain';
import { addressText } from '../process/addresses';
import type { ChainClock } from './chainClock';
import { GatewayError, noMoney, unavailable } from './errors';

const DAY = 86400;

/** What the escrow holds and allows. */
export interface Purse {
    balance: bigint; // nanoTON
    available: bigint; // nanoTON above the reserve
    dayRemaining: bigint; // nanoTON the spend key may still spend today (UTC)
    dayLimit: bigint; // nanoTON
    daySpent: bigint; // nanoTON the spend key spent today, deposits and fees
    jobLimit: bigint; // nanoTON
    seqno: number;
}

/** Before a job is opened. Amounts are nanoTON. */
export interface Openable {
    remaining: bigint; // for which the escrow may open jobs today
    cost: bigint; // of the job, with the fee
}

/** The escrow at one moment. */
export interface EscrowReading {
    account: ChainAccount;
    state: EscrowState;
    code: Cell; // of the channels that it opens
}

export class EscrowAccount {
    /** `spendKey`: the public key of this gateway. */
    constructor(
        private readonly chain: Chain,
        readonly address: Address,
        private readonly spendKey: Buffer,
        readonly clock: ChainClock,
    ) {}

    /** The same account, asked with the urgency of what earns or saves money. */
    get urgent(): EscrowAccount {
        return this.by(this.chain.as('urgent'));
    }

    /** The same account, as another chain shows it, such as one of several endpoints. */
    by(chain: Chain): EscrowAccount {
        return new EscrowAccount(chain, this.address, this.spendKey, this.clock);
    }

    /** The escrow's address for people. */
    get name(): string {
        return addressText(this.address, this.chain);
    }

    /** The account and its state. Throws 402 if the escrow is not set up for this gateway's key. */
    async read(): Promise<EscrowReading> {
        const account = await this.chain.account(this.address);
        this.clock.compare(account.at);
        if (account.state !== 'active') {
            throw noMoney(
                `The escrow ${this.name} is not set up: its owner deposits there and sets this gateway's spend key`,
            );
        }
        const state = await this.state();
        const spendKey = this.spendKey.toString('hex');
        if (state.spendKey !== bytesToNumber(this.spendKey)) {
            throw noMoney(
                `The escrow ${this.name} has another spend key than this gateway: its owner sets it to ${spendKey}`,
            );
        }
        const code = (await channelCodes()).find((one) => state.codeHash === bytesToNumber(one.hash()));
        if (code === undefined) {
            throw unavailable(
                `The escrow ${this.name} opens channels of another version: its owner sets this version's code`,
            );
        }
        return { account, state, code };
    }

    state(): Promise<EscrowState> {
        return this.chain.open(Escrow.fromAddress(this.address)).getEscrowState();
    }

    /** What can be spent now. Throws 402 if the escrow is not set up for this gateway's key. */
    async purse(): Promise<Purse> {
        return this.purseOf(await this.read());
    }

    /**
     * What the escrow may open today, and what a job of this deposit costs it. Throws 402 if it does not open one;
     * unlike the chain, it says how much is missing.
     */
    async requireMoney(reading: EscrowReading, deposit: bigint): Promise<Openable> {
        const cost = deposit + (await this.chain.open(Escrow.fromAddress(this.address)).getOpenFeeOf(1n));
        const purse = await this.purseOf(reading);
        if (deposit > purse.jobLimit) {
            throw this.refusalOf(errors.ErrOverJobLimit, { cost, deposit });
        }
        if (cost > purse.dayRemaining) {
            throw this.refusalOf(errors.ErrOverDayLimit, { cost, deposit, purse });
        }
        if (cost > purse.available) {
            throw this.refusalOf(errors.ErrLowBalance, { cost, deposit, purse });
        }
        return { remaining: smaller(purse.dayRemaining, purse.available), cost };
    }

    /** The error for an order that the escrow refuses with an exit code. Amounts are nanoTON. */
    refusalOf(
        exitCode: number,
        { cost, deposit, purse }: { cost: bigint; deposit: bigint; purse?: Purse },
    ): GatewayError {
        const name = errorName(exitCode);
        switch (exitCode) {
            case errors.ErrLowBalance: {
                const missing = purse === undefined ? cost : cost - purse.available;
                return noMoney(
                    `The escrow has too little to open the next job (${name}): deposit at least ${formatTon(missing)} TON ` +
                        `to ${this.name}`,
                );
            }
            case errors.ErrOverDayLimit:
                return noMoney(
                    `The next job costs ${formatTon(cost)} TON, and of the day's limit (UTC) ` +
                        `${purse === undefined ? 'less' : `${formatTon(purse.dayRemaining)} TON`} remains (${name}): ` +
                        `the owner of ${this.name} raises the day's limit, or wait until tomorrow`,
                );
            case errors.ErrOverJobLimit:
                return noMoney(
                    `A job of ${formatTon(deposit)} TON is above the escrow's limit per job (${name}): the owner of ` +
                        `${this.name} raises the job limit, or lower job.deposit in the gateway's configuration`,
                );
            case errors.ErrNoKey:
            case errors.ErrBadSignature:
                return noMoney(
                    `The escrow ${this.name} has another spend key or none (${name}): its owner sets it to ` +
                        this.spendKey.toString('hex'),
                );
            default:
                return unavailable(`The escrow ${this.name} refused the order: ${name}`, 'order_refused');
        }
    }

    /** Accounts in as few calls as the API allows. */
    accounts(addresses: readonly Address[]): Promise<ChainAccount[]> {
        return this.chain.accountsAt(addresses);
    }

    /** The orders that the escrow took, newest first, as each endpoint lists them. `signal`: ends the lists. */
    orders(signal: AbortSignal): AsyncIterable<Accepted>[] {
        type Lister = Pick<Chain, 'accepted'>;
        const others = (this.chain.others ?? []).filter(
            (one): one is typeof one & Lister => one.accepted !== undefined,
        );
        const sources: readonly Lister[] = others.length > 0 ? others : [this.chain];
        return sources.map((one) => one.accepted(this.address, { signal }));
    }

    /** What each of several endpoints says of an account, within `ms`; nothing where there is one. */
    accountsAt(address: Address, ms: number): Promise<ChainAccount[]> {
        return answersOf(this.chain, (one) => one.account(address), ms);
    }

    /** Compares the clock of this machine with the chain's. */
    async compareClocks(): Promise<void> {
        this.clock.compare((await this.chain.account(this.address)).at);
    }

    private async purseOf({ account: { balance, at }, state }: EscrowReading): Promise<Purse> {
        const reserve = await this.chain.open(Escrow.fromAddress(this.address)).getReserve();
        const spent = state.day === BigInt(Math.floor(at / DAY)) ? state.spent : 0n;
        const positive = (amount: bigint) => (amount > 0n ? amount : 0n);
        return {
            balance,
            available: positive(balance - reserve),
            dayRemaining: positive(state.dayLimit - spent),
            dayLimit: state.dayLimit,
            daySpent: spent,
            jobLimit: state.jobLimit,
            seqno: Number(state.seqno),
        };
    }
}
