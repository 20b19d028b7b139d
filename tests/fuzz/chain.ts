/**
 * The sandbox as a network whose messages wait until somebody delivers them: each delivery is one transaction, and what
 * it sends waits too. Every nanoTON is counted.
 */
import { Address, beginCell, Cell, Dictionary, external, Message as Wired, StateInit } from '@ton/core';
import { internal, Blockchain, BlockchainSnapshot, EmulationError, SmartContractTransaction } from '@ton/sandbox';
import { errorName } from '@cocoon-market/wrappers';

import { networkConfig } from '../../localnet/config';
import { PRICE_LEVELS, PriceLevel } from '../../localnet/levels';
import { createBlockchain, exitCodeOf, START, withoutValidators } from '../support/chain';
import { Account, Code } from '../model';
import { accountOf, addressOf } from './names';

/** One internal message that a transaction sent. */
export interface Sent {
    from: Account;
    to: Account;
    value: bigint;
    op: number | undefined; // the opcode; of a bounced one that of the message that comes back
    bounced: boolean;
    wired: Wired;
}

/** One delivered message. */
export interface Ran {
    code: Code;
    exitCode: number | undefined;
    balance: bigint; // before its value, after rent
    balanceAfter: bigint;
    sent: Sent[];
    events: number;
    gas: bigint;
    fees: bigint;
    frozen: boolean; // no code is there to run, mostly because the account owes too much rent
}

export interface NetworkSnapshot {
    chain: BlockchainSnapshot;
    balances: Map<Account, bigint>;
    sums: { injected: bigint; fees: bigint; carried: bigint };
}

const ANOTHER_LIBRARY = beginCell().storeUint(0, 8).endCell();

const configs = new Map<PriceLevel, string>();

function configOf(level: PriceLevel): string {
    const config = configs.get(level) ?? withoutValidators(networkConfig(level)).toBoc().toString('base64');
    configs.set(level, config);
    return config;
}

export class Network {
    /** Money that came from nowhere, and what validators took of it. */
    private injected = 0n;
    private fees = 0n;
    private readonly balances = new Map<Account, bigint>();
    private carried = 0n; // in messages on their way, forward fees included

    private constructor(readonly blockchain: Blockchain) {}

    static async create(): Promise<Network> {
        const network = new Network(await createBlockchain({ prices: '2025' }));
        network.blockchain.recordStorage = false;
        return network;
    }

    get now(): number {
        return this.blockchain.now!;
    }

    pass(seconds: number): void {
        this.blockchain.now = this.now + seconds;
    }

    setPrices(level: PriceLevel): void {
        // Parsing a configuration takes long; the sandbox keeps it as text.
        Object.assign(this.blockchain, { networkConfig: configOf(level) });
    }

    /** Publishes these libraries and no others. */
    publish(codes: Cell[]): void {
        const all = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
        [ANOTHER_LIBRARY, ...codes].forEach((code) => all.set(code.hash(), code));
        this.blockchain.libs = beginCell().storeDictDirect(all).endCell();
    }

    snapshot(): NetworkSnapshot {
        const { injected, fees, carried } = this;
        return {
            chain: this.blockchain.snapshot(),
            balances: new Map(this.balances),
            sums: { injected, fees, carried },
        };
    }

    async restore({ chain, balances, sums }: NetworkSnapshot): Promise<void> {
        await this.blockchain.loadFrom(chain);
        this.blockchain.now = chain.time;
        this.balances.clear();
        balances.forEach((balance, account) => this.balances.set(account, balance));
        Object.assign(this, sums);
    }

    /** A message of an account that the network does not keep: its value comes from nowhere. */
    inject(message: {
        from: Account;
        to: Account;
        value: bigint;
        body: Cell;
        bounce: boolean;
        init?: StateInit;
    }): Wired {
        const { from, to, value, body, bounce, init } = message;
        this.injected += value;
        this.carried += value;
        const rest = init === undefined ? {} : { stateInit: init };
        return internal({ from: addressOf(from), to: addressOf(to), value, body, bounce, ...rest });
    }

    /** The message on its way back, as when its receiver does not run. */
    returned({ info, body }: Wired): Wired {
        if (info.type !== 'internal') {
            throw new Error('Only an internal message comes back');
        }
        const slice = body.beginParse();
        const kept = slice.loadBits(Math.min(slice.remainingBits, BOUNCED_BITS));
        const cell = beginCell().storeUint(0xffffffff, 32).storeBits(kept).endCell();
        return { info: { ...info, src: info.dest, dest: info.src, bounce: false, bounced: true }, body: cell };
    }

    outside(to: Account, body: Cell): Wired {
        return external({ to: addressOf(to), body });
    }

    /** Delivers one message. An external one that is refused changes nothing. */
    async deliver(wired: Wired): Promise<Ran> {
        const to = accountOf(wired.info.dest as Address);
        const contract = await this.blockchain.getContract(addressOf(to));
        const before = this.balances.get(to) ?? contract.balance;
        advance(this.blockchain);
        let tx: SmartContractTransaction;
        try {
            tx = await contract.receiveMessage(wired);
        } catch (error) {
            if (wired.info.type !== 'external-in' || !(error instanceof EmulationError)) {
                throw error;
            }
            // Nothing ran if the account cannot pay for the import: the emulator then names exit code 0.
            const exitCode = error.exitCode === 0 ? undefined : error.exitCode;
            const nothing = { sent: [], events: 0, gas: 0n, fees: 0n, frozen: false };
            return { code: codeOf(exitCode), exitCode, balance: before, balanceAfter: before, ...nothing };
        }
        const record = this.record(tx, to, before);
        const frozen = record.exitCode === undefined && contract.accountState?.type !== 'active';
        const balanceAfter = contract.balance;
        this.balances.set(to, balanceAfter);
        const ran = { ...record, frozen, balanceAfter };
        const value = wired.info.type === 'internal' ? wired.info.value.coins + wired.info.forwardFee : 0n;
        const out = ran.sent.reduce((sum, { value: each, wired: { info } }) => sum + each + feeOf(info), 0n);
        const inFee = wired.info.type === 'internal' ? wired.info.forwardFee : 0n;
        this.carried += out - value;
        this.fees += ran.fees + inFee;
        if (before + value - inFee !== balanceAfter + out + ran.fees) {
            throw new Error(
                `A transaction of ${to} lost ${before + value - inFee - balanceAfter - out - ran.fees} nanoTON`,
            );
        }
        return ran;
    }

    private record(tx: SmartContractTransaction, to: Account, before: bigint): Omit<Ran, 'frozen' | 'balanceAfter'> {
        const outs = tx.outMessages.values();
        const sent = outs.flatMap((wired) => (wired.info.type === 'internal' ? [sentOf(to, wired)] : []));
        const rent = tx.description.type === 'generic' ? (tx.description.storagePhase?.storageFeesCollected ?? 0n) : 0n;
        const exitCode = exitCodeOf(tx);
        const gas =
            tx.description.type === 'generic' && tx.description.computePhase.type === 'vm'
                ? tx.description.computePhase.gasUsed
                : 0n;
        const events = outs.length - sent.length;
        const balance = before - rent;
        return { code: codeOf(exitCode), exitCode, balance, sent, events, gas, fees: tx.totalFees.coins };
    }

    /** All money that came in is somewhere, or validators took it. Throws otherwise. */
    checkTotal(): void {
        const there = [...this.balances.values()].reduce((sum, balance) => sum + balance, 0n);
        const missing = this.injected - this.fees - there - this.carried;
        if (missing !== 0n) {
            throw new Error(`${missing} nanoTON are missing`);
        }
    }

    async balanceOf(account: Account): Promise<bigint> {
        return (await this.blockchain.getContract(addressOf(account))).balance;
    }

    /** The account's data; undefined if no code is there. */
    async dataOf(account: Account): Promise<Cell | undefined> {
        const { accountState } = await this.blockchain.getContract(addressOf(account));
        return accountState?.type === 'active' ? (accountState.state.data ?? undefined) : undefined;
    }
}

const feeOf = (info: Wired['info']): bigint => (info.type === 'internal' ? info.forwardFee : 0n);

function sentOf(from: Account, wired: Wired): Sent {
    const { info } = wired;
    if (info.type !== 'internal') {
        throw new Error('An internal message is internal');
    }
    const slice = wired.body.isExotic ? undefined : wired.body.beginParse();
    if (info.bounced) {
        slice?.skip(Math.min(slice.remainingBits, 32));
    }
    const op = slice !== undefined && slice.remainingBits >= 32 ? slice.loadUint(32) : undefined;
    return { from, to: accountOf(info.dest), value: info.value.coins, op, bounced: info.bounced, wired };
}

const BOUNCED_BITS = 256; // of a body that comes back

const SHORT = [-14, 37, 38, 40]; // out of gas, or not enough TON for an action

/** An exit code in the model's words. */
export function codeOf(exitCode: number | undefined): Code {
    if (exitCode === undefined) {
        return 'noRun';
    }
    if (exitCode === 0) {
        return 'done';
    }
    if (SHORT.includes(exitCode)) {
        return 'short';
    }
    const name = errorName(exitCode).replace(/ .*/, '');
    return (name.startsWith('Err') ? name : String(exitCode)) as Code;
}

/** A later logical time, as every transaction of the sandbox has. */
function advance(blockchain: Blockchain): void {
    const clock = blockchain as unknown as { currentLt: bigint };
    clock.currentLt += 1_000_000n;
}

export { PRICE_LEVELS, START };
export type { PriceLevel };
