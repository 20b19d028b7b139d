/**
 * What the wallet was asked to send, one message at a time. It is stored before the wallet is asked, and the chain says
 * what became of it. So nothing is asked for twice, whatever happens to the page in between.
 */
import type { Store } from '@cocoon-market/client';
import { exitCodeOf, RefusedMessage, tonConnectMessage, type TonConnectMessage } from '@cocoon-market/wrappers';
import { Address, Cell, type SenderArguments, type Transaction } from '@ton/core';
import type { PageChain } from './chain';

/** What a message of the wallet does. */
export type SendKind = 'setUp' | 'withdraw';

/** A request as TonConnect's `sendTransaction` takes it. */
export interface WalletRequest {
    validUntil: number; // unix seconds
    network: string; // GLOBALID
    from: string; // raw address
    messages: TonConnectMessage[];
}

/** What asks a wallet. Rejects with a {@link WalletRejected} if nothing was sent for certain. */
export interface Connector {
    send(request: WalletRequest): Promise<unknown>;
}

/** The wallet or its owner said no: nothing was sent. */
export class WalletRejected extends Error {
    constructor(reason = 'You said no in your wallet') {
        super(`${reason}. Nothing was sent`);
        this.name = 'WalletRejected';
    }
}

/** A message that the wallet was asked to send, and that the chain does not show yet. */
export interface PendingSend {
    kind: SendKind;
    to: string; // raw address
    body: string; // hash of its body, in hex
    amount: string; // nanoTON
    validUntil: number; // unix seconds
    since: string; // logical time of the newest transaction before it
}

/** What became of a message. `expired`: it was not sent, and no block can take it any more. */
export type SendOutcome =
    | { type: 'none' | 'waiting' }
    | { type: 'done' | 'expired' | 'rejected'; kind: SendKind }
    | { type: 'refused'; kind: SendKind; error: RefusedMessage };

const VALID_SECONDS = 300;
const LAG_SECONDS = 60; // how far an endpoint may be behind, and this clock be wrong
const PAGE = 20; // transactions
const MAX_PAGES = 10;

const CONTRACT = 'Escrow';
const NAMES = { setUp: 'SetUp', withdraw: 'Withdraw' };

/** What an outbox works with. `key`: of its record in the store. */
export interface OutboxParts {
    chain: PageChain;
    store: Store;
    key: string;
    wallet: Address;
    network: number;
    now: () => number; // unix seconds
}

export class Outbox {
    private current: PendingSend | undefined;

    private constructor(private readonly parts: OutboxParts) {}

    /** The outbox of a wallet, with what an earlier load of the page left in it. */
    static async open(parts: OutboxParts): Promise<Outbox> {
        const outbox = new Outbox(parts);
        const stored = await parts.store.get(parts.key);
        outbox.current = stored === undefined || stored === '' ? undefined : (JSON.parse(stored) as PendingSend);
        return outbox;
    }

    /** What the wallet was asked for and may still send. */
    get pending(): PendingSend | undefined {
        return this.current;
    }

    /**
     * Asks the wallet to send a message. Resolves when it says that it did, or does not know: `look` says what became
     * of the message.
     *
     * @throws {WalletRejected}; an Error if another message is pending
     */
    async send(connector: Connector, kind: SendKind, message: SenderArguments): Promise<void> {
        const { chain, wallet, network, now } = this.parts;
        if (this.current !== undefined) {
            throw new Error('Your wallet was asked for another message already. Wait until it is over');
        }
        const { to, value } = message;
        const pending: PendingSend = {
            ...{ kind, to: to.toRawString(), body: hashOf(message.body), amount: value.toString() },
            ...{ validUntil: now() + VALID_SECONDS, since: '0' },
        };
        this.current = pending; // at once: a second click finds it
        try {
            pending.since = (await chain.getContractState(to)).lastTransaction?.lt ?? '0';
            await this.store(pending);
        } catch (error) {
            this.current = undefined; // the wallet was not asked
            throw error;
        }
        const { validUntil } = pending;
        const request = { validUntil, network: network.toString(), from: wallet.toRawString() };
        try {
            await connector.send({ ...request, messages: [tonConnectMessage(message, network)] });
        } catch (error) {
            if (!(error instanceof WalletRejected)) {
                return; // a wallet that does not answer may have sent it
            }
            if (this.current === pending) {
                await this.clear();
            }
            throw error;
        }
    }

    /** Looks on the chain for what is pending. */
    async look(): Promise<SendOutcome> {
        const pending = this.current;
        if (pending === undefined) {
            return { type: 'none' };
        }
        const at = this.parts.now();
        const found = await this.find(pending);
        if (this.current !== pending) {
            return { type: 'waiting' }; // the wallet answered meanwhile
        }
        const { kind, to } = pending;
        if (found === undefined) {
            if (at <= pending.validUntil + LAG_SECONDS) {
                return { type: 'waiting' };
            }
            await this.clear();
            return { type: 'expired', kind };
        }
        await this.clear();
        const exitCode = exitCodeOf(found);
        return exitCode === 0
            ? { type: 'done', kind }
            : { type: 'refused', kind, error: new RefusedMessage(exitCode, CONTRACT, Address.parse(to), NAMES[kind]) };
    }

    private async find({ to, body, since }: PendingSend): Promise<Transaction | undefined> {
        const { chain, wallet } = this.parts;
        const address = Address.parse(to);
        let from = (await chain.getContractState(address)).lastTransaction;
        for (let page = 0; page < MAX_PAGES && from !== null && BigInt(from.lt) > BigInt(since); page++) {
            const { lt, hash } = from;
            const all = await chain.getTransactions(address, {
                limit: PAGE,
                lt,
                hash,
                archival: true,
                inclusive: true,
            });
            const found = all.find(({ inMessage }) => {
                const info = inMessage?.info;
                return info?.type === 'internal' && info.src.equals(wallet) && hashOf(inMessage?.body) === body;
            });
            const oldest = all.at(-1);
            if (found !== undefined || oldest === undefined || oldest.prevTransactionLt >= BigInt(lt)) {
                return found;
            }
            const previous = Buffer.from(oldest.prevTransactionHash.toString(16).padStart(64, '0'), 'hex');
            from = { lt: oldest.prevTransactionLt.toString(), hash: previous.toString('base64') };
        }
        return undefined;
    }

    private store(pending: PendingSend): Promise<void> {
        return this.parts.store.put(this.parts.key, JSON.stringify(pending));
    }

    private async clear(): Promise<void> {
        this.current = undefined;
        await this.parts.store.put(this.parts.key, '');
    }
}

const hashOf = (body: Cell | null | undefined): string => (body ?? Cell.EMPTY).hash().toString('hex');
