/** Sends one message of the access table to its contract, and says what became of it. */
import { type OpcodeName, errors, opcodes } from '@cocoon-market/wrappers';
import { Address, beginCell, Cell, external as externalMessage, Message } from '@ton/core';
import { BlockchainTransaction, EmulationError, internal, SmartContract } from '@ton/sandbox';
import { drawnFrom, exitCodeOf } from '../support/chain';
import { rentOf } from '../support/market';
import { messagesOfSchema } from '../support/schema';
import { Accounts } from './cast';
import { bodyFor, Scene } from './scene';
import {
    Cell as TableCell,
    cellsOf,
    ContractTable,
    external,
    messageOf,
    NO_EXTERNAL,
    OTHER,
    Outcome,
    receiversOf,
    SenderKind,
} from './table';

const codeNames = new Map<number, string>(Object.entries(errors).map(([name, code]) => [Number(code), name]));
/** Exit codes of a contract that has no code for external messages, or whose balance does not pay for their import. */
const UNTAKEN: (number | undefined)[] = [11, 0, undefined];

const nameOf = (code: number): string => codeNames.get(code) ?? `${code}`;

/** A cell of the table with what to send. */
export interface Trial extends TableCell {
    body: Cell;
    known: boolean; // the contract has a row for the message
    bounced: boolean;
    from?: Address; // undefined for an external message
    value?: bigint; // nanoTON; undefined: that of the scene
}

/** The state of an account without its balance, and its balance. */
interface Held {
    state: string;
    balance: bigint;
}

function heldBy(contract: SmartContract): Held {
    const { accountState, balance } = contract;
    if (accountState?.type !== 'active') {
        return { state: accountState?.type ?? 'none', balance };
    }
    const { code, data } = accountState.state;
    return { state: [code, data].map((cell) => cell?.hash().toString('hex')).join(' '), balance };
}

/** Tries cells of one state of a contract, each from the same beginning. */
export class Stage {
    private constructor(
        private readonly scene: Scene,
        private readonly contract: SmartContract,
        private readonly start: ReturnType<SmartContract['snapshot']>,
        private readonly before: Held,
    ) {}

    static async of(scene: Scene): Promise<Stage> {
        const contract = await scene.blockchain.getContract(scene.account);
        return new Stage(scene, contract, contract.snapshot(), heldBy(contract));
    }

    /** What became of the message. @throws Error if money was lost, or a refused message changed or kept anything */
    async outcomeOf(trial: Trial): Promise<Outcome> {
        try {
            return this.judge(trial, await this.receive(trial));
        } catch (error) {
            if (error instanceof EmulationError && trial.from === undefined) {
                this.expectUntouched();
                return UNTAKEN.includes(error.exitCode) ? NO_EXTERNAL : nameOf(error.exitCode!);
            }
            throw error;
        }
    }

    /** From the beginning, without a judgement. */
    async receive(trial: Trial): Promise<BlockchainTransaction> {
        this.contract.loadFrom(this.start);
        return (await this.contract.receiveMessage(this.messageOf(trial))) as BlockchainTransaction;
    }

    /** Does this on another network, which `change` makes of the configuration. */
    async on<T>(change: (config: Cell) => Cell, action: () => Promise<T>): Promise<T> {
        const { blockchain } = this.scene;
        const usual = blockchain.config;
        blockchain.setConfig(change(usual));
        try {
            return await action();
        } finally {
            blockchain.setConfig(usual);
        }
    }

    private messageOf({ from, body, bounced, message, value }: Trial): Message {
        const { account: to, value: usual, values } = this.scene;
        if (from === undefined) {
            return externalMessage({ to, body });
        }
        return internal({ from, to, value: value ?? values[message] ?? usual, body, bounced, bounce: !bounced });
    }

    private judge(trial: Trial, tx: BlockchainTransaction): Outcome {
        const after = heldBy(this.contract);
        if (this.before.balance - after.balance !== drawnFrom(tx)) {
            throw new Error('The balance is not what it was and what came in, less what went out and the fees');
        }
        const exitCode = exitCodeOf(tx);
        if (exitCode === undefined) {
            throw new Error('The value does not cover the gas, so that nothing was computed');
        }
        if (exitCode !== 0) {
            this.expectReturned(trial, tx);
            return nameOf(exitCode);
        }
        if (!tx.outMessages.values().every(isWhole)) {
            throw new Error('An Excesses is not what the schema says');
        }
        const to = tx.outMessages.values().flatMap(({ info }) => (info.type === 'internal' ? [info.dest] : []));
        return to.length === 0
            ? 'ok'
            : `ok → ${to
                  .map((each) => this.nameFor(each, trial))
                  .sort()
                  .join(', ')}`;
    }

    /** A refused message changes nothing, and all of its value but the fees goes back to its sender. */
    private expectReturned({ from, bounced }: Trial, tx: BlockchainTransaction): void {
        if (heldBy(this.contract).state !== this.before.state) {
            throw new Error('The contract refused the message, and its state changed');
        }
        if (bounced || from === undefined) {
            return; // what came back once does not come back again, and an external message has no value
        }
        if (from.workChain !== 0 && bouncePhaseOf(tx) === 'no-funds') {
            return; // the way back to the masterchain costs more than such a value
        }
        const back = tx.outMessages.values().filter(({ info }) => info.type === 'internal' && info.bounced);
        const dest = back[0]?.info.type === 'internal' ? back[0].info.dest : undefined;
        if (tx.outMessages.size !== 1 || dest?.equals(from) !== true) {
            throw new Error('The contract refused the message, and did not send its value back to its sender');
        }
        if (drawnFrom(tx) !== rentOf(tx)) {
            throw new Error('The contract refused the message, and kept or added money');
        }
    }

    private expectUntouched(): void {
        const { state, balance } = heldBy(this.contract);
        if (state !== this.before.state || balance !== this.before.balance) {
            throw new Error('The contract did not take the external message, and changed');
        }
    }

    /** The name of an account that receives money. */
    private nameFor(address: Address, { from }: Trial): string {
        if (from?.equals(address) === true) {
            return 'sender';
        }
        const known = Object.entries(this.scene.accounts).find(([, account]) => account.equals(address));
        return known?.[0] ?? address.toString();
    }

    /** The outcome of the table in the words of `outcomeOf`: by accounts, so that one account has one name. */
    expectedOf(trial: Trial): Outcome {
        const names = receiversOf(trial.outcome).map((receiver) => {
            const address = receiver === 'sender' ? trial.from : this.scene.accounts[receiver];
            return address === undefined ? receiver : this.nameFor(address, trial);
        });
        return names.length === 0 ? trial.outcome : `ok → ${names.sort().join(', ')}`;
    }
}

/** An Excesses holds its opcode and the number of the query, and nothing else; other messages are not looked at. */
function isWhole({ body }: Message): boolean {
    const slice = body.beginParse();
    const isExcesses = slice.remainingBits >= 32 && slice.preloadUint(32) === opcodes.Excesses;
    return !isExcesses || (slice.remainingBits === 32 + 64 && slice.remainingRefs === 0);
}

function bouncePhaseOf({ description }: BlockchainTransaction): string | undefined {
    return description.type === 'generic' ? description.bouncePhase?.type : undefined;
}

/** The account in the masterchain that has the 256 bits of an account that may send the message. */
function twinOf(cells: TableCell[], accounts: Accounts): Address {
    const may = cells.find(({ named, outcome, sender }) => named && outcome.startsWith('ok') && accounts[sender]);
    return new Address(-1, accounts[may?.sender ?? 'stranger']!.hash);
}

/**
 * What to send for the cells of one state: what every row says, and each message that the contract does not know, from
 * one sender after the other.
 */
export function trialsOf(table: ContractTable, state: string, scene: Scene): Trial[] {
    const inState = cellsOf(table).filter((cell) => cell.state === state && cell.outcome !== 'never');
    const own = inState.filter(({ message }) => message !== OTHER);
    const rows = new Map<string, TableCell[]>();
    own.forEach((cell) => rows.set(cell.message, [...(rows.get(cell.message) ?? []), cell]));
    const trials = [...rows.values()].flatMap((cells) => {
        const twin = twinOf(cells, scene.accounts);
        return cells.map((cell) => {
            const body = scene.orders[cell.message]?.[cell.sender] ?? bodyFor(scene, cell.message);
            const bounced = cell.message.startsWith('bounce of ');
            return { ...cell, body, known: true, bounced, from: fromOf(cell, scene, twin) };
        });
    });
    const received = new Set(Object.keys(table.rows).map(messageOf));
    const others = [...messagesOfSchema().keys()].filter((name) => !received.has(name));
    const cells = inState.filter(({ message }) => message === OTHER);
    const twin = twinOf([], scene.accounts);
    const turn = Object.keys(table.states).indexOf(state);
    return trials.concat(
        others.map((name, i) => {
            const cell = cells[(turn + i) % cells.length];
            const body = beginCell()
                .storeUint(opcodes[name as OpcodeName], 32)
                .endCell();
            const from = fromOf(cell, scene, twin);
            return { ...cell, message: name, body, known: false, bounced: false, from };
        }),
    );
}

function fromOf({ sender }: { sender: SenderKind }, { accounts }: Scene, twin: Address): Address | undefined {
    if (external.includes(sender)) {
        return undefined;
    }
    const from = sender === 'twin' ? twin : accounts[sender];
    if (from === undefined) {
        throw new Error(`The scene has no account for ${sender}`);
    }
    return from;
}

/**
 * A part of the trials: in every second state every sender of which a row says something, in every fourth one of all
 * others; of the messages that the contract does not know some, in each state others.
 */
export function shortened(trials: Trial[], turn: number, states: number): Trial[] {
    const groups = new Map<string, Trial[]>();
    trials.forEach((trial) => {
        const key = `${trial.message} ${isNamed(trial)}`;
        groups.set(key, [...(groups.get(key) ?? []), trial]);
    });
    return [...groups.values()].flatMap((group, at) => {
        const one = [group[(turn + at) % group.length]];
        if (!group[0].known) {
            return at % states === turn ? one : [];
        }
        if (isNamed(group[0])) {
            return (at + turn) % 2 === 0 ? group : [];
        }
        return (at + turn) % 4 === 0 ? one : [];
    });
}

/** The row says something of this sender, and not only of all others. */
function isNamed({ known, named, outcome }: Trial): boolean {
    return known && named && outcome !== NO_EXTERNAL;
}
