/** Accounts as their data cells hold them, in the words of the model. */
import { Cell, Dictionary, DictionaryValue, Slice } from '@ton/core';
import { loadChannelData } from '@cocoon-market/wrappers';

import type { KeyLedger } from '../model';
import { accountOf } from './names';

const SLOTS = 4;

/** The fields of a Channel that the model foretells. */
export function readChannel(data: Cell) {
    const { paid, refundAt, notice, voucherKey, payout, escrow, job } = loadChannelData(data);
    const keys = { voucherKey: BigInt(`0x${voucherKey.toString('hex')}`), payout: payout.toString('hex') };
    return { paid, refundAt, notice, job, escrow: accountOf(escrow), ...keys };
}

export function readEscrow(data: Cell) {
    const slice = data.beginParse();
    const [seqno, day, spent] = [slice.loadUint(32), slice.loadUint(32), slice.loadUintBig(64)];
    const [spendKey, dayLimit] = [slice.loadUintBig(256), slice.loadUintBig(64)];
    slice.skip(16 + 32); // size of the code
    const jobLimit = slice.loadUintBig(64);
    const owner = accountOf(slice.loadAddress());
    const code = slice.loadMaybeRef()?.hash().toString('hex');
    return { seqno, day, spent, spendKey, dayLimit, jobLimit, owner, code };
}

export function readRegistry(data: Cell) {
    const slice = data.beginParse();
    const governor = accountOf(slice.loadAddress());
    slice.skip(32); // delay
    const [paused, executeAt] = [slice.loadBit(), slice.loadUint(32)];
    slice.skip(256); // catalogue
    const pending = slice.loadMaybeRef() !== null;
    return { governor, paused, executeAt: pending ? executeAt : 0, pending };
}

export function readProvider(data: Cell) {
    const slice = data.beginParse();
    slice.loadAddress(); // registry
    const owner = accountOf(slice.loadAddress());
    const [stake, unbonding, shares] = [slice.loadUintBig(64), slice.loadUintBig(64), slice.loadUintBig(64)];
    const [nodes, gpus, nextNumber, rulesVersion] = [32, 32, 32, 32].map((bits) => slice.loadUint(bits));
    slice.loadUint(8); // code version
    const slots = slotsOf(slice, (slot) => ({ amount: slot.loadUintBig(64), unlockAt: slot.loadUint(32) }));
    const membership = slice.loadRef().beginParse();
    membership.loadAddress(); // payout
    const nextPayout = accountOf(membership.loadAddress());
    const nextPayoutAt = membership.loadUint(32);
    const operator = membership.loadMaybeAddress();
    membership.loadMaybeRef(); // rules
    const record = recordOf(membership.loadMaybeRef()?.beginParse());
    const operatorAccount = operator === null ? undefined : accountOf(operator);
    const member = { owner, nextPayout, nextPayoutAt, operator: operatorAccount };
    return { stake, unbonding, shares, nodes, gpus, nextNumber, rulesVersion, slots, ...member, ...record };
}

function recordOf(record: Slice | undefined) {
    if (record === undefined) {
        const zeros = { opened: 0, strikes: 0, strikeAt: 0, jailedUntil: 0, disputeSince: 0, lockedUntil: 0 };
        return { frozen: 0n, cases: 0, ...zeros, windows: { evidence: 0, cases: 0, unbonding: 0 }, versions: [] };
    }
    const [frozen, cases, opened] = [record.loadUintBig(64), record.loadUint(32), record.loadUint(32)];
    const [strikes, strikeAt, jailedUntil] = [record.loadUint(8), record.loadUint(32), record.loadUint(32)];
    record.skip(256 + 16); // code of Disputes of before
    const disputeSince = record.loadUint(32);
    const windows = { evidence: record.loadUint(32), cases: record.loadUint(32), unbonding: record.loadUint(32) };
    const lockedUntil = record.loadUint(32);
    record.loadMaybeRef(); // slashes by verdict
    const counted = record.loadDict(Dictionary.Keys.Uint(8), Dictionary.Values.Cell());
    const versions = Array.from({ length: 8 }, (_, place) => counted.get(place)?.beginParse()).map(
        (version) =>
            version && {
                shares: version.loadUintBig(64),
                nodes: version.loadUint(32),
                gpus: version.loadUint(32),
                maxShare: version.loadUintBig(64),
                slashable: version.loadUintBig(64),
                frozen: version.loadUintBig(64),
                cases: version.loadUint(32),
                pendingVerdicts: version.loadUint(32),
            },
    );
    const standing = { frozen, cases, opened, strikes, strikeAt, jailedUntil, disputeSince };
    return { ...standing, windows, lockedUntil, versions };
}

export function readNode(data: Cell) {
    const slice = data.beginParse();
    slice.loadAddress(); // provider
    const number = slice.loadUint(32);
    const [state, share, gpus] = [slice.loadUint(2), slice.loadUintBig(64), slice.loadUint(16)];
    const [clearAt, receiptKey] = [slice.loadUint(32), slice.loadUintBig(256)];
    slice.loadUintBig(256); // encryption key
    const ended = slotsOf(slice, (slot) => {
        const key = slot.loadUintBig(256);
        return { key, endsAt: slot.loadUint(32), freeAt: slot.loadUint(32), ...ledgerOf(slot) };
    });
    const info = slice.loadMaybeRef()?.beginParse();
    return { number, state, share, gpus, clearAt, receiptKey, ended, ...(info && nodeRecordOf(info)) };
}

function ledgerOf(slice: Slice): KeyLedger {
    return { slashed: slice.loadUintBig(64), disputed: slice.loadUintBig(64), frozen: slice.loadUintBig(64) };
}

function nodeRecordOf(info: Slice) {
    info.skip(8 + 16 + 16 + 256); // hardware
    info.loadAddress(); // registry
    info.loadAddress(); // owner
    info.skip(8 + 8); // versions
    info.loadRef(); // service
    info.loadMaybeRef(); // offers
    const rest = info.loadRef().beginParse();
    rest.loadMaybeRef(); // attestation
    const record = rest.loadMaybeRef()?.beginParse();
    if (record === undefined) {
        return {};
    }
    const evidence = record.loadUint(32);
    const current = ledgerOf(record);
    const [pastShare, pastUntil] = [record.loadUintBig(64), record.loadUint(32)];
    const [A1, A2, A3, B1] = [32, 32, 32, 32].map((bits) => record.loadUint(bits));
    const slashedAt = { A1, A2, A3, B1 };
    return {
        evidence,
        current,
        pastShare,
        pastUntil,
        slashedAt,
        forgotten: ledgerOf(record),
        forgottenUntil: record.loadUint(32),
    };
}

export function readDispute(data: Cell) {
    const slice = data.beginParse();
    slice.loadAddress(); // provider
    slice.skip(8 + 256 + 32 + 8); // class, job, query and version of the node's code
    const [state, answerBy, decideFrom, clearAt] = [2, 32, 32, 32].map((bits) => slice.loadUint(bits));
    return { state, answerBy, decideFrom, clearAt, bond: slice.loadUintBig(64), stated: slice.loadBit() };
}

function slotsOf<T>(slice: Slice, read: (slice: Slice) => T): (T | undefined)[] {
    const value: DictionaryValue<T> = {
        serialize: () => undefined,
        parse: (entry) => read(entry.loadRef().beginParse()),
    };
    const slots = slice.loadDict(Dictionary.Keys.Uint(8), value);
    return Array.from({ length: SLOTS }, (_, slot) => slots.get(slot));
}
