/** The terms of a job: agreed off chain, bound into every receipt by their hash, read on chain only in a dispute. */
import { beginCell, Cell } from '@ton/core';
import { Rates } from '../price';
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

/** The cell whose hash is the terms' hash: three cells in a row. */
export function termsCell(terms: Terms): Cell {
    const prices = beginCell()
        .storeBuffer(terms.model, 32)
        .storeUint(terms.rates.prompt, 64)
        .storeUint(terms.rates.cached, 64)
        .storeUint(terms.rates.completion, 64)
        .storeUint(terms.rates.reasoning, 64)
        .storeUint(terms.step, 64)
        .storeUint(terms.maxParallel, 32)
        .storeUint(terms.maxAnswer, 32)
        .storeUint(terms.notice, 32)
        .storeUint(terms.end, 32)
        .endCell();
    const keys = beginCell()
        .storeBuffer(terms.receiptKey, 32)
        .storeBuffer(terms.payout, 32)
        .storeBuffer(terms.voucherKey, 32)
        .storeRef(prices)
        .endCell();
    return beginCell()
        .storeBuffer(terms.escrow, 32)
        .storeBuffer(terms.provider, 32)
        .storeBuffer(terms.node, 32)
        .storeRef(keys)
        .endCell();
}

/** The terms that a cell made by {@link termsCell} holds. Throws when it holds anything else. */
export function loadTerms(cell: Cell): Terms {
    const parties = cell.beginParse();
    const [escrow, provider, node] = [parties.loadBuffer(32), parties.loadBuffer(32), parties.loadBuffer(32)];
    const keys = parties.loadRef().beginParse();
    parties.endParse();
    const [receiptKey, payout, voucherKey] = [keys.loadBuffer(32), keys.loadBuffer(32), keys.loadBuffer(32)];
    const prices = keys.loadRef().beginParse();
    keys.endParse();
    const terms: Terms = {
        escrow,
        provider,
        node,
        receiptKey,
        payout,
        voucherKey,
        model: prices.loadBuffer(32),
        rates: {
            prompt: prices.loadUintBig(64),
            cached: prices.loadUintBig(64),
            completion: prices.loadUintBig(64),
            reasoning: prices.loadUintBig(64),
        },
        step: prices.loadUintBig(64),
        maxParallel: prices.loadUint(32),
        maxAnswer: prices.loadUint(32),
        notice: prices.loadUint(32),
        end: prices.loadUint(32),
    };
    prices.endParse();
    return terms;
}

/** The 32 bytes that stand for a job in every receipt. */
export function jobHash(network: number, channel: Buffer, terms: Terms): Buffer {
    return Job.hash({ network, channel, terms: termsCell(terms).hash() });
}
