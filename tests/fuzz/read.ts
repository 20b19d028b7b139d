/** Accounts as their data cells hold them, in the words of the model. */
import { Cell, Dictionary, DictionaryValue, Slice } from '@ton/core';
import { loadChannelData, parseRules } from '@cocoon-market/wrappers';

import type { KeyLedger } from '../model';
import { accountOf } from './names';

const SLOTS = 4;
export const GPU_CLASSES = 8;
const KINDS = ['provider', 'node', 'escrow', 'channel', 'dispute'] as const;
const VERSIONS = 8; // of each kind

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
    const [delay, paused, executeAt] = [slice.loadUint(32), slice.loadBit(), slice.loadUint(32)];
    slice.skip(256); // catalogue
    const pending = slice.loadMaybeRef() !== null;
    const state = slice.loadMaybeRef()?.beginParse();
    const next = slice.loadMaybeAddress();
    const nextGovernor = next === null ? undefined : accountOf(next);
    const rules = state && rulesIn(state.loadRef());
    const numbers = state?.loadDict(Dictionary.Keys.Uint(8), Dictionary.Values.Cell()).keys() ?? [];
    const codes = Object.fromEntries(
        KINDS.map((kind, place) => [kind, numbers.filter((number) => Math.floor(number / VERSIONS) === place).length]),
    );
    return { governor, nextGovernor, delay, paused, executeAt, pending, codes, rules };
}

/** Rules in a cell. Codes are those of Nodes, and the newest one of Disputes. */
function rulesIn(cell: Cell) {
    const { nodeCodes, dispute, insurance, ...rest } = parseRules(cell);
    return { ...rest, nodeVersions: nodeCodes.length, insurance: accountOf(insurance), dispute: hexOf(dispute.hash) };
}

const hexOf = (hash: bigint): string => hash.toString(16).padStart(64, '0');

export function readProvider(data: Cell) {
    const slice = data.beginParse();
    const [registry, owner] = [accountOf(slice.loadAddress()), accountOf(slice.loadAddress())];
    const [stake, unbonding, shares] = [slice.loadUintBig(64), slice.loadUintBig(64), slice.loadUintBig(64)];
    const [nodes, gpus, nextNumber, rulesVersion] = [32, 32, 32, 32].map((bits) => slice.loadUint(bits));
    const codeVersion = slice.loadUint(8);
    const slots = slotsOf(slice, (slot) => ({ amount: slot.loadUintBig(64), unlockAt: slot.loadUint(32) }));
    const membership = slice.loadRef().beginParse();
    const [payout, nextPayout] = [accountOf(membership.loadAddress()), accountOf(membership.loadAddress())];
    const nextPayoutAt = membership.loadUint(32);
    const operator = membership.loadMaybeAddress();
    const rulesCell = membership.loadMaybeRef();
    const rules = rulesCell === null ? undefined : rulesIn(rulesCell);
    const record = recordOf(membership.loadMaybeRef()?.beginParse());
    const operatorAccount = operator === null ? undefined : accountOf(operator);
    const member = { registry, owner, payout, nextPayout, nextPayoutAt, operator: operatorAccount, codeVersion };
    return { stake, unbonding, shares, nodes, gpus, nextNumber, rulesVersion, rules, slots, ...member, ...record };
}

function recordOf(record: Slice | undefined) {
    if (record === undefined) {
        const zeros = { opened: 0, strikes: 0, strikeAt: 0, jailedUntil: 0, disputeSince: 0, lockedUntil: 0 };
        const windows = { evidence: 0, cases: 0, unbonding: 0 };
        return { frozen: 0n, cases: 0, ...zeros, disputeBefore: hexOf(0n), windows, verdicts: [], versions: [] };
    }
    const [frozen, cases, opened] = [record.loadUintBig(64), record.loadUint(32), record.loadUint(32)];
    const [strikes, strikeAt, jailedUntil] = [record.loadUint(8), record.loadUint(32), record.loadUint(32)];
    const disputeBefore = hexOf(record.loadUintBig(256));
    record.skip(16); // its depth
    const disputeSince = record.loadUint(32);
    const windows = { evidence: record.loadUint(32), cases: record.loadUint(32), unbonding: record.loadUint(32) };
    const lockedUntil = record.loadUint(32);
    const verdicts = verdictsIn(record.loadMaybeRef()?.beginParse());
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
    const standing = { frozen, cases, opened, strikes, strikeAt, jailedUntil, disputeBefore, disputeSince };
    return { ...standing, windows, lockedUntil, verdicts, versions };
}

/** Slashes by verdict, newest first. */
function verdictsIn(list: Slice | undefined): { at: number; amount: bigint }[] {
    const all =
        list === undefined ? [] : Array.from({ length: SLOTS }, () => [list.loadUint(32), list.loadUintBig(64)]);
    return all.map(([at, amount]) => ({ at: Number(at), amount: BigInt(amount) })).filter(({ at }) => at > 0);
}

export function readNode(data: Cell) {
    const slice = data.beginParse();
    const [provider, number] = [accountOf(slice.loadAddress()), slice.loadUint(32)];
    const [state, share, gpus] = [slice.loadUint(2), slice.loadUintBig(64), slice.loadUint(16)];
    const [clearAt, receiptKey, encryptionKey] = [slice.loadUint(32), slice.loadUintBig(256), slice.loadUintBig(256)];
    const ended = slotsOf(slice, (slot) => {
        const key = slot.loadUintBig(256);
        const ended = { key, endsAt: slot.loadUint(32), freeAt: slot.loadUint(32), ...ledgerOf(slot) };
        return { ...ended, serial: slot.loadUint(64) };
    });
    const info = slice.loadMaybeRef()?.beginParse();
    const head = { number, provider, state, share, gpus, clearAt, receiptKey, encryptionKey };
    return { ...head, ended, ...(info && nodeRecordOf(info)) };
}

function ledgerOf(slice: Slice): KeyLedger {
    return { slashed: slice.loadUintBig(64), disputed: slice.loadUintBig(64), frozen: slice.loadUintBig(64) };
}

function nodeRecordOf(info: Slice) {
    const gpuClass = info.loadUint(8);
    info.skip(16 + 16 + 256); // the other hardware
    const [registry, owner] = [accountOf(info.loadAddress()), accountOf(info.loadAddress())];
    const codeVersion = info.loadUint(8);
    info.skip(8); // version of the Provider's code
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
        ...{ gpuClass, registry, owner, codeVersion },
        evidence,
        current,
        pastShare,
        pastUntil,
        slashedAt,
        forgotten: ledgerOf(record),
        forgottenUntil: record.loadUint(32),
        serial: record.loadUint(64),
    };
}

export function readDispute(data: Cell) {
    const slice = data.beginParse();
    const provider = accountOf(slice.loadAddress());
    slice.skip(8 + 256 + 32 + 8); // class, job, query and version of the node's code
    const [state, answerBy, decideFrom, clearAt] = [2, 32, 32, 32].map((bits) => slice.loadUint(bits));
    const [bond, stated] = [slice.loadUintBig(64), slice.loadBit()];
    slice.skip(4 + 64); // missing pieces, cost of the answer
    const file = slice.loadMaybeRef()?.beginParse();
    return { provider, state, answerBy, decideFrom, clearAt, bond, stated, ...(file && caseFileOf(file)) };
}

const GUILTY = 1; // an outcome

function caseFileOf(file: Slice) {
    file.loadRef(); // fault
    file.loadRef(); // rules
    const guilty = file.loadUint(2) === GUILTY;
    const [slash, slashed, loss] = [file.loadUintBig(64), file.loadUintBig(64), file.loadUintBig(64)];
    return { guilty, slash, slashed, loss, sentAt: file.loadUint(32) };
}

function slotsOf<T>(slice: Slice, read: (slice: Slice) => T): (T | undefined)[] {
    const value: DictionaryValue<T> = {
        serialize: () => undefined,
        parse: (entry) => read(entry.loadRef().beginParse()),
    };
    const slots = slice.loadDict(Dictionary.Keys.Uint(8), value);
    return Array.from({ length: SLOTS }, (_, slot) => slots.get(slot));
}
