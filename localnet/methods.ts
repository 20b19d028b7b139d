/** The JSON-RPC methods: how each one's parameters are read, and what it asks the ledger. */
import { Address, Cell, external, loadMessage, type Message, type StateInit, type TupleItem } from '@ton/core';
import { z } from 'zod';
import {
    accountState,
    addressInformation,
    blockId,
    libraryEntry,
    parseStackItem,
    queryFees,
    runResult,
    shortTransactionId,
    transactionJson,
} from './codecs';
import { configParam } from './config';
import { ApiError, liteServerError, unreadableMessage } from './errors';
import { type Disturbance, type Disturbances } from './disturbances';
import { type LoggedEntry, type LocalLedger } from './ledger';

/** Calls a method with unchecked parameters. */
export type Method = (params: unknown, ledger: LocalLedger, disturbances: Disturbances) => unknown;

const MAX_PAGE = 1000;
const MAX_FAUCET = 10n ** 18n;

/** A parameter read by a function that throws on bad input. */
function parsed<I, O>(input: z.ZodType<I>, read: (value: I) => O) {
    return input.transform((value, context) => {
        try {
            return read(value);
        } catch (error) {
            context.addIssue({ code: 'custom', message: (error as Error).message });
            return z.NEVER;
        }
    });
}

const address = parsed(z.string(), (text) => {
    try {
        return Address.parse(text);
    } catch {
        throw new Error(`Incorrect address: ${text}`);
    }
});
const whole = parsed(z.union([z.string().regex(/^\d+$/), z.number().int().nonnegative()]), BigInt);
const position = parsed(z.union([z.string().regex(/^\d+$/), z.number().int().nonnegative()]), Number);
const workchain = parsed(z.union([z.string().regex(/^-?\d+$/), z.number().int()]), Number);
const optionalCell = parsed(z.string().default(''), (boc) => (boc === '' ? null : Cell.fromBase64(boc)));
const hash = parsed(z.string(), (text) => {
    const bytes = Buffer.from(text, text.length === 64 ? 'hex' : 'base64');
    if (bytes.length !== 32) {
        throw new Error(`Invalid hash: ${text}`);
    }
    return bytes.toString('hex');
});
const stackItem = parsed(z.tuple([z.string(), z.union([z.string(), z.number()])]), (item): TupleItem => {
    const read = parseStackItem(item);
    if (!read) {
        throw new Error(`Unsupported stack item: ${item[0]}`);
    }
    return read;
});
const route = { source: address, destination: address, created_lt: whole };

const status = z.number().int().min(500).max(599).default(504);
const disturbance = z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('down'), status }),
    z.strictObject({ kind: z.literal('late'), status, afterMs: z.number().int().nonnegative().default(0) }),
    z.strictObject({ kind: z.literal('hang') }),
]) satisfies z.ZodType<Disturbance>;

/** Every method by its name. */
export const methods: ReadonlyMap<string, Method> = new Map(
    Object.entries({
        getAddressInformation: method({ address }, async (params, ledger) =>
            addressInformation(await ledger.account(params.address), ledger.height, ledger.clock.now()),
        ),

        getAddressBalance: method({ address }, async (params, ledger) => {
            const { account } = await ledger.account(params.address);
            return (account?.storage.balance.coins ?? 0n).toString();
        }),

        getAddressState: method({ address }, async (params, ledger) =>
            accountState(await ledger.account(params.address)),
        ),

        runGetMethod: method(
            { address, method: z.union([z.string(), z.number().int()]), stack: z.array(stackItem).default([]) },
            async (params, ledger) => {
                const outcome = await ledger.runGetMethod(params.address, params.method, params.stack);
                return runResult(outcome, ledger.height);
            },
        ),

        getTransactions: method(
            {
                address,
                limit: z.number().int().min(1).max(MAX_PAGE).default(10),
                lt: whole.optional(),
                hash: hash.optional(),
                to_lt: whole.default(0n),
            },
            (params, ledger) => {
                const entries = ledger.entriesOf(params.address);
                // As toncenter does: a start needs both, otherwise the newest is the start.
                const start =
                    params.lt !== undefined && params.hash !== undefined
                        ? startOf(entries, params.lt, params.hash)
                        : newestOf(entries);
                return entries
                    .slice(beginningOf(entries, start, params.limit), start + 1)
                    .filter(({ record }) => record.lt > params.to_lt)
                    .reverse()
                    .map(transactionJson);
            },
        ),

        sendBoc: method({ boc: z.string() }, async (params, ledger) => {
            const { message, to } = readExternal(params.boc);
            await ledger.sendExternal(message, to);
            return { '@type': 'ok' };
        }),

        estimateFee: method(
            {
                address,
                body: parsed(z.string(), (boc) => Cell.fromBase64(boc)),
                init_code: optionalCell,
                init_data: optionalCell,
                ignore_chksig: z.boolean().default(true),
            },
            async (params, ledger) => {
                const { init_code: code, init_data: data } = params;
                const init: StateInit | undefined = code || data ? { code, data } : undefined;
                const message = external({ to: params.address, init, body: params.body });
                return queryFees(
                    await ledger.rehearse(message, params.address, { ignoreChksig: params.ignore_chksig }),
                );
            },
        ),

        getMasterchainInfo: method({}, (_, ledger) => ({
            '@type': 'blocks.masterchainInfo',
            last: blockId(-1, ledger.height),
            state_root_hash: blockId(-1, ledger.height).root_hash,
            init: blockId(-1, 0),
        })),

        shards: method({ seqno: position }, (params, ledger) => {
            requireBlock(ledger, params.seqno);
            return { '@type': 'blocks.shards', shards: [blockId(0, params.seqno)] };
        }),

        getBlockTransactions: method(
            { workchain, seqno: position, count: z.number().int().positive().default(40) },
            (params, ledger) => {
                requireBlock(ledger, params.seqno);
                const entry = ledger.entryAt(params.seqno);
                return {
                    '@type': 'blocks.transactions',
                    id: blockId(params.workchain, params.seqno),
                    req_count: params.count,
                    incomplete: false,
                    transactions: entry?.account.workChain === params.workchain ? [shortTransactionId(entry)] : [],
                };
            },
        ),

        getConfigParam: method({ config_id: z.number().int() }, (params, ledger) => {
            const cell = configParam(ledger.config, params.config_id);
            if (!cell) {
                throw liteServerError(`no configuration parameter ${params.config_id}`);
            }
            return { '@type': 'configInfo', config: { '@type': 'tvm.cell', bytes: cell.toBoc().toString('base64') } };
        }),

        getLibraries: method({ libraries: z.array(hash) }, (params, ledger) => ({
            '@type': 'smc.libraryResult',
            result: params.libraries.flatMap((each) => libraryEntry(each, ledger.library(each))),
        })),

        tryLocateResultTx: method(route, (params, ledger) =>
            locate(ledger.entriesOf(params.destination), ({ transaction: { inMessage } }) =>
                isMessage(inMessage, params.source, params.destination, params.created_lt),
            ),
        ),

        tryLocateSourceTx: method(route, (params, ledger) =>
            locate(ledger.entriesOf(params.source), ({ transaction: { outMessages } }) =>
                outMessages
                    .values()
                    .some((sent) => isMessage(sent, params.source, params.destination, params.created_lt)),
            ),
        ),

        localnet_faucet: method({ address, amount: whole }, async (params, ledger) => {
            if (params.amount === 0n || params.amount > MAX_FAUCET) {
                throw new ApiError(422, `amount must be between 1 and ${MAX_FAUCET} nanoTON`);
            }
            return ledger.credit(params.address, params.amount);
        }),

        localnet_advance: method({ seconds: z.number().int().nonnegative() }, (params, ledger) => {
            try {
                ledger.clock.advance(params.seconds);
            } catch (error) {
                throw new ApiError(422, (error as Error).message);
            }
            return { now: ledger.clock.now() };
        }),

        localnet_time: method({}, (_, ledger) => ({ now: ledger.clock.now(), clock: ledger.clock.mode })),

        localnet_info: method({}, (_, ledger) => ({
            networkId: ledger.networkId,
            seqno: ledger.height,
            lt: ledger.blockchain.lt,
        })),

        localnet_limit: method(
            { callsPerSecond: z.number().int().positive().optional() },
            (params, _, disturbances) => {
                disturbances.limit = params.callsPerSecond;
                return { refused: disturbances.refused, calls: Object.fromEntries(disturbances.calls) };
            },
        ),

        localnet_disturb: method(
            { method: z.string(), disturbance, times: z.number().int().min(0).max(MAX_PAGE).default(1) },
            (params, _, disturbances) => {
                disturbances.plan(params.method, params.disturbance, params.times);
                return {};
            },
        ),

        localnet_transactions: method(
            { from: position.default(0), limit: z.number().int().min(1).max(MAX_PAGE).default(MAX_PAGE) },
            (params, ledger) => ledger.log(params.from, params.limit),
        ),
    }),
);

function method<S extends z.ZodRawShape>(
    shape: S,
    run: (params: z.output<z.ZodObject<S>>, ledger: LocalLedger, disturbances: Disturbances) => unknown,
): Method {
    const schema = z.object(shape);
    return (params, ledger, disturbances) => {
        const read = schema.safeParse(params);
        if (!read.success) {
            const reasons = read.error.issues.map((issue) => `${issue.path.join('.') || 'params'}: ${issue.message}`);
            throw new ApiError(422, reasons.join('; '));
        }
        return run(read.data, ledger, disturbances);
    };
}

function readExternal(boc: string): { message: Message; to: Address } {
    let message: Message;
    try {
        message = loadMessage(Cell.fromBase64(boc).beginParse());
    } catch {
        throw unreadableMessage('external message is not a valid bag of cells');
    }
    // An internal message here would be coins from nowhere.
    if (message.info.type !== 'external-in') {
        throw unreadableMessage('external message must begin with ext_in_msg_info$10');
    }
    return { message, to: message.info.dest };
}

/** The newest transaction of an account that exists: the state of the shard names none of one that is deleted. */
const newestOf = (entries: readonly LoggedEntry[]): number =>
    entries.at(-1)?.transaction.endStatus === 'non-existing' ? -1 : entries.length - 1;

/** The first of at most so many transactions up to one: an account that was deleted begins another history. */
function beginningOf(entries: readonly LoggedEntry[], end: number, limit: number): number {
    let begin = Math.max(0, end);
    while (begin > 0 && end - begin + 1 < limit && entries[begin].transaction.prevTransactionLt !== 0n) {
        begin--;
    }
    return begin;
}

function startOf(entries: readonly LoggedEntry[], lt: bigint, hash: string): number {
    let [start, end] = [0, entries.length];
    while (start < end) {
        const middle = (start + end) >> 1;
        [start, end] = entries[middle].record.lt < lt ? [middle + 1, end] : [start, middle];
    }
    if (entries[start]?.record.lt !== lt) {
        throw liteServerError(`cannot compute block with specified transaction: lt=${lt}: lt not in db`);
    }
    if (entries[start].record.hash !== hash) {
        throw liteServerError(`transaction hash mismatch at lt=${lt}`);
    }
    return start;
}

function requireBlock(ledger: LocalLedger, seqno: number): void {
    if (seqno > ledger.height) {
        throw liteServerError(`cannot load block ${seqno}: seqno not in db`);
    }
}

function locate(entries: readonly LoggedEntry[], matches: (entry: LoggedEntry) => boolean) {
    const found = entries.find(matches);
    if (!found) {
        throw liteServerError('Tx not found');
    }
    return transactionJson(found);
}

function isMessage(sent: Message | null | undefined, source: Address, destination: Address, lt: bigint): boolean {
    return (
        sent?.info.type === 'internal' &&
        sent.info.src.equals(source) &&
        sent.info.dest.equals(destination) &&
        sent.info.createdLt === lt
    );
}
