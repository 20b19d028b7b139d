/** Chain values in the JSON of the TON HTTP API v2, as toncenter writes them and TonClient checks them. */
import { createHash } from 'node:crypto';
import type { Address, Message, ShardAccount, Transaction, TupleItem } from '@ton/core';
import { beginCell, Cell, storeStateInit } from '@ton/core';
import { type LoggedEntry, type GetMethodOutcome } from './ledger';

const SHARD = '-9223372036854775808';
const NO_HASH = Buffer.alloc(32).toString('base64');

/** There are no real blocks: transaction n is block n of both chains, and the hashes only tell blocks apart. */
export function blockId(workchain: number, seqno: number) {
    const hash = (part: string) => createHash('sha256').update(`${part}:${workchain}:${seqno}`).digest('base64');
    return {
        '@type': 'ton.blockIdExt',
        workchain,
        shard: SHARD,
        seqno,
        root_hash: hash('root'),
        file_hash: hash('file'),
    };
}

/** Answer of getAddressInformation. */
export function addressInformation(shardAccount: ShardAccount, seqno: number, now: number) {
    const storage = shardAccount.account?.storage;
    const state = storage?.state;
    const active = state?.type === 'active' ? state.state : undefined;
    return {
        '@type': 'raw.fullAccountState',
        balance: (storage?.balance.coins ?? 0n).toString(),
        extra_currencies: (storage?.balance.other?.keys() ?? []).map((id) => ({
            '@type': 'extraCurrency',
            id,
            amount: storage!.balance.other!.get(id)!.toString(),
        })),
        code: active?.code?.toBoc().toString('base64') ?? '',
        data: active?.data?.toBoc().toString('base64') ?? '',
        last_transaction_id: transactionId(shardAccount.lastTransactionLt, hash256(shardAccount.lastTransactionHash)),
        block_id: blockId(-1, seqno),
        frozen_hash: state?.type === 'frozen' ? hash256(state.stateHash) : '',
        sync_utime: now,
        state: accountState(shardAccount),
    };
}

/** Answer of getAddressState. */
export function accountState(shardAccount: ShardAccount): 'active' | 'uninitialized' | 'frozen' {
    const type = shardAccount.account?.storage.state.type ?? 'uninit';
    return type === 'uninit' ? 'uninitialized' : type;
}

/** One element of getTransactions; `fee` is all that the account paid, forwarding included. */
export function transactionJson({ account, transaction, record }: LoggedEntry) {
    const outMessages = transaction.outMessages.values();
    const fee = outMessages.reduce((sum, { info }) => {
        return info.type === 'internal' ? sum + info.forwardFee + info.ihrFee : sum;
    }, record.totalFees);
    return {
        '@type': 'raw.transaction',
        address: { '@type': 'accountAddress', account_address: account.toString() },
        utime: record.now,
        data: record.boc,
        transaction_id: transactionId(record.lt, transaction.hash().toString('base64')),
        fee: fee.toString(),
        storage_fee: record.storageFees.toString(),
        other_fee: (fee - record.storageFees).toString(),
        in_msg: transaction.inMessage ? messageJson(transaction.inMessage) : undefined,
        out_msgs: outMessages.map(messageJson),
    };
}

/** One element of getBlockTransactions. */
export function shortTransactionId({ record }: LoggedEntry) {
    return {
        '@type': 'blocks.shortTxId',
        mode: 135,
        account: record.account,
        lt: record.lt.toString(),
        hash: Buffer.from(record.hash, 'hex').toString('base64'),
    };
}

/** Answer of estimateFee, from a transaction that was only rehearsed. */
export function queryFees({ totalFees, description }: Transaction) {
    const storage = ('storagePhase' in description && description.storagePhase?.storageFeesCollected) || 0n;
    const compute = 'computePhase' in description ? description.computePhase : undefined;
    const action = 'actionPhase' in description ? description.actionPhase : undefined;
    const gas = compute?.type === 'vm' ? compute.gasFees : 0n;
    return {
        '@type': 'query.fees',
        source_fees: {
            '@type': 'fees',
            in_fwd_fee: Number(totalFees.coins - storage - gas - (action?.totalActionFees ?? 0n)),
            storage_fee: Number(storage),
            gas_fee: Number(gas),
            fwd_fee: Number(action?.totalFwdFees ?? 0n),
        },
        destination_fees: [],
    };
}

/** Answer of runGetMethod. */
export function runResult(outcome: GetMethodOutcome, seqno: number) {
    return {
        '@type': 'smc.runResult',
        gas_used: Number(outcome.gasUsed),
        stack: outcome.stack.map(stackItemJson),
        exit_code: outcome.exitCode,
        block_id: blockId(-1, seqno),
    };
}

/** What getLibraries says of one hash (hex): nothing when nobody publishes it. */
export function libraryEntry(hash: string, library: Cell | undefined) {
    const data = library?.toBoc().toString('base64');
    const entry = { '@type': 'smc.libraryEntry', hash: Buffer.from(hash, 'hex').toString('base64'), data };
    return library === undefined ? [] : [entry];
}

/** Reads one argument of runGetMethod; undefined if it is of no known form. */
export function parseStackItem([type, value]: [string, string | number]): TupleItem | undefined {
    switch (type) {
        case 'num':
            return { type: 'int', value: parseNumber(value) };
        case 'tvm.Cell':
            return { type: 'cell', cell: Cell.fromBase64(String(value)) };
        case 'tvm.Slice':
            return { type: 'slice', cell: Cell.fromBase64(String(value)) };
        case 'tvm.Builder':
            return { type: 'builder', cell: Cell.fromBase64(String(value)) };
        default:
            return undefined;
    }
}

function messageJson({ info, body, init }: Message) {
    const text = commentOf(body);
    const internal = info.type === 'internal' ? info : undefined;
    return {
        '@type': 'raw.message',
        source: info.type === 'external-in' ? '' : addressText(info.src),
        destination: info.type === 'external-out' ? '' : addressText(info.dest),
        value: (internal?.value.coins ?? 0n).toString(),
        extra_currencies: [],
        fwd_fee: (internal?.forwardFee ?? 0n).toString(),
        ihr_fee: (internal?.ihrFee ?? 0n).toString(),
        created_lt: info.type === 'external-in' ? '0' : info.createdLt.toString(),
        body_hash: body.hash().toString('base64'),
        msg_data:
            text === undefined
                ? { '@type': 'msg.dataRaw', body: body.toBoc().toString('base64'), init_state: initText(init) }
                : { '@type': 'msg.dataText', text: Buffer.from(text).toString('base64') },
        message: text ?? '',
    };
}

function stackItemJson(item: TupleItem): [string, unknown] {
    switch (item.type) {
        case 'int':
            return [
                'num',
                `${item.value < 0n ? '-' : ''}0x${(item.value < 0n ? -item.value : item.value).toString(16)}`,
            ];
        case 'cell':
        case 'slice': // toncenter does not tell a slice from a cell
            return ['cell', { bytes: item.cell.toBoc().toString('base64') }];
        case 'builder':
            return ['builder', { bytes: item.cell.toBoc().toString('base64') }];
        case 'tuple':
            return ['tuple', { '@type': 'tvm.tuple', elements: item.items.map(stackEntryJson) }];
        case 'null':
            return ['list', { '@type': 'tvm.list', elements: [] }];
        case 'nan':
            return ['num', 'NaN'];
    }
}

function stackEntryJson(item: TupleItem): Record<string, unknown> {
    switch (item.type) {
        case 'int':
            return {
                '@type': 'tvm.stackEntryNumber',
                number: { '@type': 'tvm.numberDecimal', number: item.value.toString() },
            };
        case 'cell':
            return {
                '@type': 'tvm.stackEntryCell',
                cell: { '@type': 'tvm.cell', bytes: item.cell.toBoc().toString('base64') },
            };
        case 'slice':
            return {
                '@type': 'tvm.stackEntrySlice',
                slice: { '@type': 'tvm.slice', bytes: item.cell.toBoc().toString('base64') },
            };
        case 'tuple':
            return {
                '@type': 'tvm.stackEntryTuple',
                tuple: { '@type': 'tvm.tuple', elements: item.items.map(stackEntryJson) },
            };
        case 'null':
            return { '@type': 'tvm.stackEntryList', list: { '@type': 'tvm.list', elements: [] } };
        case 'builder':
        case 'nan':
            return { '@type': 'tvm.stackEntryUnsupported' };
    }
}

function transactionId(lt: bigint, hash: string) {
    return { '@type': 'internal.transactionId', lt: lt.toString(), hash };
}

function hash256(value: bigint): string {
    return value === 0n ? NO_HASH : Buffer.from(value.toString(16).padStart(64, '0'), 'hex').toString('base64');
}

function addressText(address: Address | null | undefined): string {
    return address ? address.toString() : '';
}

function initText(init: Message['init']): string {
    return init ? beginCell().store(storeStateInit(init)).endCell().toBoc().toString('base64') : '';
}

function commentOf(body: Cell): string | undefined {
    const slice = body.beginParse();
    if (slice.remainingBits < 32 || slice.loadUint(32) !== 0) {
        return undefined;
    }
    try {
        return slice.loadStringTail();
    } catch {
        return undefined; // opcode 0 before something that is no text
    }
}

function parseNumber(value: string | number): bigint {
    const text = String(value);
    return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
}
