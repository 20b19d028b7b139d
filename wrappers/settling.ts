/** Waits for what a message leads to: the whole chain of messages that it begins, until none is on its way. */
import {
    type Address,
    Cell,
    type Contract,
    type ContractProvider,
    type Message,
    type OpenedContract,
    type Sender,
    type SenderArguments,
    SendMode,
    type Transaction,
} from '@ton/core';
import { type Actor, addressOf } from './actions/actor';
import { channelCodes } from './actions/library';
import { codesOfThisCheckout } from './codes';
import { exitCodeOf, parseMessage } from './parsing';
import { InsufficientFunds, NotRun, RefusedMessage, UnseenMessage } from './remedies';

/** How long to wait, and how often to ask. */
export interface WaitLimits {
    seconds?: number; // 120 unless given
    pollMs?: number; // 1500 unless given
}

/** A wallet contract of @ton/ton, such as WalletContractV3R2, V4 or V5R1. */
export interface WalletContract extends Contract {
    sender(provider: ContractProvider, secretKey: Buffer): Sender;
}

const SECONDS = 120;
const PAGE = 16; // transactions
const MAX_FOLLOWED = 1000; // transactions that one message leads to; a launch of a market leads to a dozen

/** An account as its transactions. */
class Account implements Contract {
    constructor(readonly address: Address) {}

    async getNewest(provider: ContractProvider): Promise<{ lt: bigint; hash: Buffer } | undefined> {
        const { last } = await provider.getState();
        return last === null || last.lt === 0n ? undefined : { lt: BigInt(last.lt), hash: Buffer.from(last.hash) };
    }

    async getPage(provider: ContractProvider, { lt, hash }: { lt: bigint; hash: Buffer }): Promise<Transaction[]> {
        return provider.getTransactions(this.address, lt, hash, PAGE);
    }

    async getBalance(provider: ContractProvider): Promise<bigint> {
        return (await provider.getState()).balance;
    }

    async getCode(provider: ContractProvider): Promise<Cell | undefined> {
        const { state } = await provider.getState();
        return state.type === 'active' && state.code ? Cell.fromBoc(state.code)[0] : undefined;
    }
}

/**
 * An actor of a wallet of @ton/ton: each send resolves when the chain has processed the whole of it.
 * @throws {InsufficientFunds} from a send that the wallet cannot pay
 * @throws {RefusedMessage} from a send that a contract refused
 * @throws {NotRun} from a send that came back because no contract is there
 * @throws {UnseenMessage} from one that did not arrive in time
 */
export function walletActor(
    chain: Pick<Actor, 'open' | 'tryLocateResultTx'>,
    wallet: WalletContract,
    secretKey: Buffer,
    waiting: WaitLimits = {},
): Actor {
    const open = <T extends Contract>(contract: T) => chain.open(contract);
    const { sender } = open(wallet) as unknown as { sender(secretKey: Buffer): Sender };
    const actor = { open, address: wallet.address, sender: sender.call(open(wallet), secretKey) };
    const tryLocateResultTx = chain.tryLocateResultTx?.bind(chain);
    return settling({ ...actor, ...(tryLocateResultTx && { tryLocateResultTx }) }, waiting);
}

/** The same actor, whose sends resolve when the chain has processed the whole of them, and reject otherwise. */
export function settling(actor: Actor, waiting: WaitLimits = {}): Actor {
    const wallet = addressOf(actor);
    const send = async (message: SenderArguments): Promise<void> => {
        const [newest, own, balance] = await Promise.all([
            account(actor, message.to).getNewest(),
            account(actor, wallet).getNewest(),
            account(actor, wallet).getBalance(),
        ]);
        if (balance < message.value) {
            throw new InsufficientFunds(wallet, balance, message.value);
        }
        // Otherwise some wallets take the fee out of the value, and a contract gets less than its getter says.
        const sendMode = message.sendMode ?? SendMode.PAY_GAS_SEPARATELY;
        await actor.sender.send({ ...message, sendMode });
        await settle(actor, message, { since: newest?.lt ?? 0n, ownSince: own?.lt ?? 0n }, waiting);
    };
    const tryLocateResultTx = actor.tryLocateResultTx?.bind(actor);
    return {
        open: (contract) => actor.open(contract),
        ...{ address: wallet, sender: { address: wallet, send } },
        ...(tryLocateResultTx && { tryLocateResultTx }),
    };
}

const account = ({ open }: Pick<Actor, 'open'>, address: Address): OpenedContract<Account> =>
    open(new Account(address));

/** `since`: the newest transaction of the receiver before it was sent, `ownSince`: of the wallet (lt). */
async function settle(
    actor: Actor,
    message: SenderArguments,
    { since, ownSince }: { since: bigint; ownSince: bigint },
    waiting: WaitLimits,
): Promise<void> {
    const wallet = addressOf(actor);
    const body = (message.body ?? Cell.EMPTY).hash();
    const isOurs = ({ info, body: found }: Message) =>
        info.type === 'internal' &&
        info.src.equals(wallet) &&
        info.dest.equals(message.to) &&
        found.hash().equals(body);
    const sentIn = ({ outMessages }: Transaction) => outMessages.values().find(isOurs);
    const route = async (end: number): Promise<Route | undefined> => {
        const range = { since: ownSince, end };
        const { found: sending } = await find(actor, wallet, range, (each) => sentIn(each) !== undefined);
        return sending && routeOf(sentIn(sending)!);
    };
    const first = await waitFor(actor, { address: message.to, since, isIt: isOurs, route }, waiting);
    const queue = [first];
    let followed = 0; // an endpoint could make up one message after another
    for (let transaction = queue.shift(); transaction !== undefined; transaction = queue.shift()) {
        await refuseIfFailed(actor, transaction);
        for (const { info } of transaction.outMessages.values()) {
            if (info.type === 'internal' && !info.dest.equals(wallet)) {
                const { createdLt, src, dest } = info;
                if (++followed > MAX_FOLLOWED) {
                    throw new UnseenMessage(dest, waiting.seconds ?? SECONDS);
                }
                const isIt = ({ info: other }: Message) =>
                    other.type === 'internal' && other.createdLt === createdLt && other.src.equals(src);
                const route = async () => ({ src, dest, createdLt });
                queue.push(await waitFor(actor, { address: dest, since: createdLt, isIt, route }, waiting));
            }
        }
    }
}

/** Where a message went, as an endpoint finds it. */
interface Route {
    src: Address;
    dest: Address;
    createdLt: bigint;
}

const routeOf = ({ info }: Message): Route | undefined => (info.type === 'internal' ? info : undefined);

/** A message that is waited for. `route`: undefined while it is not known, in unix milliseconds until `end`. */
interface Expected {
    address: Address;
    since: bigint; // lt: its transaction is later
    isIt: (message: Message) => boolean;
    route: (end: number) => Promise<Route | undefined>;
}

/** The transaction of an account later than `since` whose incoming message is the one. */
async function waitFor(
    actor: Actor,
    expected: Expected,
    { seconds = SECONDS, pollMs = 1500 }: WaitLimits,
): Promise<Transaction> {
    const { address, since, isIt } = expected;
    const takes = ({ lt, inMessage }: Transaction) =>
        lt > since && inMessage !== null && inMessage !== undefined && isIt(inMessage);
    for (const end = Date.now() + seconds * 1000; ;) {
        const { found, isAll } = await find(actor, address, { since, end }, takes);
        const transaction = found ?? (isAll ? await locate(actor, expected, end, takes) : undefined);
        if (transaction !== undefined) {
            return transaction;
        }
        if (Date.now() >= end) {
            throw new UnseenMessage(address, seconds);
        }
        await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
}

/**
 * The transaction of an account that it left deleted, or that deleted it: no endpoint lists any of such a one. If
 * somebody sends something there later, it lists what followed.
 */
async function locate(
    actor: Actor,
    { route }: Expected,
    end: number,
    takes: (transaction: Transaction) => boolean,
): Promise<Transaction | undefined> {
    if (actor.tryLocateResultTx === undefined) {
        return undefined;
    }
    const sent = await route(end);
    const found =
        sent && (await actor.tryLocateResultTx(sent.src, sent.dest, `${sent.createdLt}`).catch(() => undefined));
    return found && takes(found) ? found : undefined;
}

/**
 * Reads back to `since`, in unix milliseconds until `end`: an endpoint could make up pages without an end. `isAll`: the
 * listed history begins after `since`, as that of an account that is deleted or came back.
 */
async function find(
    actor: Actor,
    address: Address,
    { since, end }: { since: bigint; end: number },
    isIt: (transaction: Transaction) => boolean,
): Promise<{ found?: Transaction | undefined; isAll: boolean }> {
    const opened = account(actor, address);
    let from = await opened.getNewest();
    let isAll = from === undefined;
    while (from !== undefined && from.lt > since) {
        const page: Transaction[] = await opened.getPage(from);
        const found = page.find((transaction) => transaction.lt > since && isIt(transaction));
        const oldest = page.at(-1);
        const isLast = oldest === undefined || oldest.prevTransactionLt >= from.lt || Date.now() >= end;
        if (found !== undefined || isLast) {
            return { found, isAll };
        }
        const { prevTransactionLt: lt, prevTransactionHash } = oldest;
        from = { lt, hash: Buffer.from(prevTransactionHash.toString(16).padStart(64, '0'), 'hex') };
        isAll = lt === 0n && oldest.lt > since;
    }
    return { isAll };
}

async function refuseIfFailed(actor: Actor, transaction: Transaction): Promise<void> {
    const { inMessage, description } = transaction;
    const exitCode = exitCodeOf(transaction);
    if (inMessage?.info.type !== 'internal') {
        return;
    }
    const { dest } = inMessage.info;
    const sent = parseMessage(inMessage.body)?.name ?? 'a message';
    // A message that may not bounce stays, such as coins for a wallet that is not deployed yet.
    if (description.type === 'generic' && description.computePhase.type === 'skipped' && description.bouncePhase) {
        throw new NotRun(dest, sent);
    }
    if (exitCode === 0 || exitCode === 1) {
        return;
    }
    throw new RefusedMessage(exitCode, await kindOf(await account(actor, dest).getCode()), dest, sent);
}

/** The kind of contract that runs this code, such as `Escrow`. */
async function kindOf(code: Cell | undefined): Promise<string> {
    if (code === undefined) {
        return 'The account';
    }
    const codes = await codesOfThisCheckout();
    const kinds = [...Object.entries(codes), ...(await channelCodes()).map((each) => ['channel', each] as const)];
    const kind = kinds.find(([, each]) => each.equals(code))?.[0];
    return kind === undefined ? 'A contract' : `${kind[0].toUpperCase()}${kind.slice(1)}`;
}
