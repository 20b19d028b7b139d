/** The terms of a job: agreed off chain, bound into every receipt by their hash, read on chain only in a dispute. */
import { beginCell, Cell } from '@ton/core';
import { bigUint, bytes as bytesOf, checkKnownFields, objectWith, uint } from '../fields';
import { Rates } from '../price';
import { cellHash, cellOf, parentHash } from './layout';
import { Job } from './payloads';

export interface Terms {
    escrow: Buffer; // account
    provider: Buffer; // account
    node: Buffer; // account
    receiptKey: Buffer; // Ed25519, signs the node's receipts
    payout: Buffer; // account
    voucherKey: Buffer; // Ed25519, signs the client's vouchers
    model: Buffer; // SHA-256 of the catalogue id
    rates: Rates; // nanoTON per million tokens
    step: bigint; // nanoTON, the most unpaid work per running query
    maxParallel: number; // most queries at once
    maxAnswer: number; // bytes of sealed frames
    notice: number; // seconds
    end: number; // unix seconds
}

const KEY_BYTES = 32;
const PARTY_BYTES = 3 * KEY_BYTES; // of the first cell, and of the second
const TERMS_BYTES = 2 * PARTY_BYTES + KEY_BYTES + 5 * 8 + 4 * 4;

const RATES = { prompt: bigUint(64), cached: bigUint(64), completion: bigUint(64), reasoning: bigUint(64) };
const KEY = bytesOf(KEY_BYTES);
const TERMS = {
    ...{ escrow: KEY, provider: KEY, node: KEY, receiptKey: KEY, payout: KEY, voucherKey: KEY, model: KEY },
    ...{ rates: objectWith(RATES), step: bigUint(64) },
    ...{ maxParallel: uint(32), maxAnswer: uint(32), notice: uint(32), end: uint(32) },
};

/**
 * The bytes of the cells of {@link termsCell}, one after another.
 * @throws {InvalidField} when a field is missing or does not fit
 */
export function termsBytes(terms: Terms): Buffer {
    checkKnownFields('Terms', TERMS, terms);
    const { escrow, provider, node, receiptKey, payout, voucherKey, model, rates, step } = terms;
    const bytes = Buffer.allocUnsafe(TERMS_BYTES);
    let at = 0;
    for (const each of [escrow, provider, node, receiptKey, payout, voucherKey, model]) {
        at += each.copy(bytes, at);
    }
    for (const amount of [rates.prompt, rates.cached, rates.completion, rates.reasoning, step]) {
        at = bytes.writeBigUInt64BE(amount, at);
    }
    for (const number of [terms.maxParallel, terms.maxAnswer, terms.notice, terms.end]) {
        at = bytes.writeUInt32BE(number, at);
    }
    return bytes;
}

/** The terms that {@link termsBytes} wrote. Throws when these are not as many bytes. */
export function termsFromBytes(bytes: Buffer): Terms {
    if (bytes.length !== TERMS_BYTES) {
        throw new Error(`Terms have ${TERMS_BYTES} bytes, these are ${bytes.length}`);
    }
    const key = (place: number) => bytes.subarray(place * KEY_BYTES, (place + 1) * KEY_BYTES);
    const amount = (place: number) => bytes.readBigUInt64BE(7 * KEY_BYTES + place * 8);
    const number = (place: number) => bytes.readUInt32BE(7 * KEY_BYTES + 5 * 8 + place * 4);
    return {
        ...{ escrow: key(0), provider: key(1), node: key(2) },
        ...{ receiptKey: key(3), payout: key(4), voucherKey: key(5), model: key(6) },
        rates: { prompt: amount(0), cached: amount(1), completion: amount(2), reasoning: amount(3) },
        step: amount(4),
        ...{ maxParallel: number(0), maxAnswer: number(1), notice: number(2), end: number(3) },
    };
}

/** The cell whose hash is the terms' hash: three cells in a row. */
export function termsCell(terms: Terms): Cell {
    const bytes = termsBytes(terms);
    const [parties, keys] = [bytes.subarray(0, PARTY_BYTES), bytes.subarray(PARTY_BYTES, 2 * PARTY_BYTES)];
    const prices = cellOf(bytes.subarray(2 * PARTY_BYTES));
    const rest = beginCell().storeBuffer(keys).storeRef(prices).endCell();
    return beginCell().storeBuffer(parties).storeRef(rest).endCell();
}

/** The terms that a cell made by {@link termsCell} holds. Throws when it holds anything else. */
export function loadTerms(cell: Cell): Terms {
    const parties = cell.beginParse();
    const keys = parties.loadRef().beginParse();
    const prices = keys.loadRef().beginParse();
    const bytes = [parties.loadBuffer(PARTY_BYTES), keys.loadBuffer(PARTY_BYTES)];
    bytes.push(prices.loadBuffer(TERMS_BYTES - 2 * PARTY_BYTES));
    [parties, keys, prices].forEach((slice) => slice.endParse());
    return termsFromBytes(Buffer.concat(bytes));
}

/** The 32 bytes that stand for a job in every receipt. */
export function jobHash(network: number, channel: Buffer, terms: Terms): Buffer {
    return Job.hash({ network, channel, terms: termsHash(terms) });
}

/** The hash of {@link termsCell}, without its cells: a worker computes it for each job that it reads. */
function termsHash(terms: Terms): Buffer {
    const bytes = termsBytes(terms);
    const prices = cellHash(bytes.subarray(2 * PARTY_BYTES));
    const rest = parentHash(bytes.subarray(PARTY_BYTES, 2 * PARTY_BYTES), { hash: prices, depth: 0 });
    return parentHash(bytes.subarray(0, PARTY_BYTES), { hash: rest, depth: 1 });
}
