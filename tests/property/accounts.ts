/** Accounts as their data cells hold them, in the words of the model. */
import { beginCell, Cell, Dictionary, DictionaryValue, Slice } from '@ton/core';
import { SLOTS } from './model';

type Read<T> = (slice: Slice) => T;

/** The state of a Provider that the model foretells. */
export function providerOf(data: Cell) {
    const slice = data.beginParse();
    slice.loadAddress(); // registry
    slice.loadAddress(); // owner
    const [stake, unbonding, shares] = [slice.loadUintBig(64), slice.loadUintBig(64), slice.loadUintBig(64)];
    const [nodes, gpus, nextNumber, rulesVersion] = [32, 32, 32, 32].map((bits) => slice.loadUint(bits));
    slice.loadUint(8); // code version
    const slots = slotsOf(slice, (slot) => ({ amount: slot.loadUintBig(64), unlockAt: slot.loadUint(32) }));
    const membership = slice.loadRef().beginParse();
    membership.loadAddress(); // payout
    membership.loadAddress(); // next payout
    membership.loadUint(32);
    membership.loadMaybeAddress(); // operator
    membership.loadMaybeRef(); // rules
    const record = membership.loadMaybeRef()?.beginParse() ?? emptyRecord();
    const [frozen, cases] = [record.loadUintBig(64), record.loadUint(32)];
    record.loadUint(32); // cases ever opened
    const [strikes, strikeAt, jailedUntil] = [record.loadUint(8), record.loadUint(32), record.loadUint(32)];
    record.skip(256 + 16 + 32 + 3 * 32 + 32); // code of Disputes of before and until when, windows, hold
    record.loadMaybeRef(); // verdicts
    const version = record.loadDict(Dictionary.Keys.Uint(8), ENTRY).get(0)?.beginParse() ?? emptyVersion();
    const counted = {
        shares: version.loadUintBig(64),
        nodes: version.loadUint(32),
        gpus: version.loadUint(32),
        largest: version.loadUintBig(64),
        slashable: version.loadUintBig(64),
        frozen: version.loadUintBig(64),
        cases: version.loadUint(32),
    };
    return {
        stake,
        unbonding,
        shares,
        nodes,
        gpus,
        nextNumber,
        rulesVersion,
        slots,
        frozen,
        cases,
        strikes,
        strikeAt,
        jailedUntil,
        counted,
    };
}

/** The state of a Node that the model foretells. */
export function nodeOf(data: Cell) {
    const slice = data.beginParse();
    slice.loadAddress(); // provider
    slice.loadUint(32); // number
    const [state, share, gpus] = [slice.loadUint(2), slice.loadUintBig(64), slice.loadUint(16)];
    const [clearAt, key] = [slice.loadUint(32), slice.loadUintBig(256)];
    slice.loadUintBig(256); // encryption key
    const ledgerOf = (slice: Slice) => ({
        taken: slice.loadUintBig(64),
        asked: slice.loadUintBig(64),
        frozen: slice.loadUintBig(64),
    });
    const ended = slotsOf(slice, (slot) => ({
        key: slot.loadUintBig(256),
        endsAt: slot.loadUint(32),
        freeAt: slot.loadUint(32),
        ...ledgerOf(slot),
    }));
    const info = slice.loadRef().beginParse();
    info.skip(8 + 16 + 16 + 256); // hardware
    info.loadAddress(); // registry
    info.loadAddress(); // owner
    info.skip(8 + 8); // versions
    info.loadRef(); // service
    info.loadMaybeRef(); // offers
    const rest = info.loadRef().beginParse();
    rest.loadMaybeRef(); // attestation
    const record = rest.loadRef().beginParse();
    const evidence = record.loadUint(32);
    const current = ledgerOf(record);
    const [pastShare, pastUntil] = [record.loadUintBig(64), record.loadUint(32)];
    const [A1, A2, A3, B1] = [32, 32, 32, 32].map((bits) => record.loadUint(bits));
    const last = { A1, A2, A3, B1 };
    const forgotten = { ...ledgerOf(record), until: record.loadUint(32) };
    return { state, share, gpus, clearAt, key, ended, evidence, ...current, pastShare, pastUntil, last, forgotten };
}

/** The state of a Dispute that the model foretells. */
export function disputeOf(data: Cell) {
    const slice = data.beginParse();
    slice.loadAddress(); // provider
    slice.skip(8 + 256 + 32 + 8); // class, job, query and version of the node's code
    const [state, answerBy, decideFrom, clearAt] = [2, 32, 32, 32].map((bits) => slice.loadUint(bits));
    return { state, answerBy, decideFrom, clearAt, bond: slice.loadUintBig(64), stated: slice.loadBit() };
}

function slotsOf<T>(slice: Slice, read: Read<T>): (T | undefined)[] {
    const value: DictionaryValue<T> = {
        serialize: () => undefined,
        parse: (entry) => read(entry.loadRef().beginParse()),
    };
    const slots = slice.loadDict(Dictionary.Keys.Uint(8), value);
    return Array.from({ length: SLOTS }, (_, slot) => slots.get(slot));
}

const ENTRY = Dictionary.Values.Cell();

function emptyRecord(): Slice {
    return beginCell().storeUint(0, 256).storeUint(0, 256).storeUint(0, 122).endCell().beginParse();
}

function emptyVersion(): Slice {
    return beginCell().storeUint(0, 256).storeUint(0, 128).endCell().beginParse();
}
