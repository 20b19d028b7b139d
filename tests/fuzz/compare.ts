/** What a contract of the model says of its account's data; both are compared as text, so that differences show. */
import { Cell } from '@ton/core';

import { bonded, Contract, isDecided, longest, openNodes, Rules, sumOf, windowsOf } from '../model';
import { keyNumber } from './names';
import { GPU_CLASSES, readChannel, readDispute, readEscrow, readNode, readProvider, readRegistry } from './read';
import { encryptionNumber } from './wire';

export interface CodeHashes {
    plain: string;
    library: string;
    disputes: readonly string[]; // by number
}

const STATES = { new: 0, open: 1, closed: 2 } as const;
const STUCK = 3;
const NO_CODE = '0'.repeat(64);

/** The fields of an account's data that the model foretells, as the model has them and as the account has them. */
export function fieldsOf(contract: Contract, data: Cell, hashes: CodeHashes): { expected: object; actual: object } {
    switch (contract.kind) {
        case 'channel': {
            const { paid, refundAt, notice, job, escrow, voucherKey, payout } = contract;
            const expected = { paid, refundAt, notice, job, escrow, voucherKey: keyNumber(voucherKey), payout };
            return { expected, actual: readChannel(data) };
        }
        case 'escrow': {
            const { seqno, day, spent, spendKey, dayLimit, jobLimit, owner, code } = contract;
            const numbers = { seqno, day, spent, spendKey: keyNumber(spendKey), dayLimit, jobLimit, owner };
            return { expected: { ...numbers, code: code && hashes[code] }, actual: readEscrow(data) };
        }
        case 'registry': {
            const { governor, nextGovernor, delay, paused, pending, codes } = contract;
            const change = { executeAt: pending?.executeAt ?? 0, pending: pending !== undefined };
            const rules = rulesFields(contract.rules, hashes);
            const expected = { governor, nextGovernor, delay, paused, ...change, codes, rules };
            return { expected, actual: readRegistry(data) };
        }
        case 'provider':
            return { expected: providerFields(contract, hashes), actual: providerRead(data, contract.rules) };
        case 'node': {
            const { number, provider, state, share, gpus, clearAt, receiptKey, encryptionKey, ended } = contract;
            const keys = {
                receiptKey: keyNumber(receiptKey),
                encryptionKey: encryptionKey === undefined ? 0n : encryptionNumber(encryptionKey),
            };
            const head = { number, provider, state: STATES[state], share, gpus, clearAt, ...keys };
            const slots = ended.map((slot) => slot && { ...slot, key: keyNumber(slot.key) });
            const { evidence, current, pastShare, pastUntil, slashedAt, forgotten, forgottenUntil, serial } = contract;
            const { gpuClass, registry, owner, codeVersion } = contract;
            const home = { gpuClass, registry, owner, codeVersion };
            const past = { pastShare, pastUntil, slashedAt, forgotten, forgottenUntil };
            const record = { ...home, evidence, current, ...past, serial };
            return { expected: { ...head, ended: slots, ...(state === 'new' ? {} : record) }, actual: readNode(data) };
        }
        case 'dispute': {
            const { provider, state, stuck, answerBy, decideFrom, clearAt, bond, stated } = contract;
            const head = {
                provider,
                state: stuck ? STUCK : STATES[state],
                answerBy,
                decideFrom,
                clearAt,
                bond,
                stated,
            };
            return { expected: { ...head, ...caseFields(contract) }, actual: disputeRead(data, contract) };
        }
    }
}

type DisputeFields = Contract & { kind: 'dispute' };

/** What a case keeps once it was opened. The end of an open one, and when a demand ended, count for nothing. */
function caseFields({ state, class: faultClass, guilty, slash, slashed, loss, sentAt }: DisputeFields): object {
    if (state === 'new') {
        return {};
    }
    return {
        ...{ slashed, loss },
        ...(state === 'closed' ? { guilty, slash } : {}),
        ...(isDecided(faultClass) ? { sentAt } : {}),
    };
}

function disputeRead(data: Cell, contract: DisputeFields): object {
    const read = readDispute(data);
    const names = ['provider', 'state', 'answerBy', 'decideFrom', 'clearAt', 'bond', 'stated'];
    const known = [...names, ...Object.keys(caseFields(contract))];
    return Object.fromEntries(Object.entries(read).filter(([name]) => known.includes(name)));
}

/** The rules that a Registry gives and a Provider follows. */
function rulesFields(rules: Rules | undefined, { disputes }: CodeHashes): object | undefined {
    if (rules === undefined) {
        return undefined;
    }
    const { dispute, committee, rates, ...rest } = rules;
    const keys = committee.keys.map(keyNumber);
    const all = Array.from({ length: GPU_CLASSES }, (_, gpuClass) => rates[gpuClass] ?? 0n);
    return { ...rest, rates: all, dispute: disputes[dispute], committee: { threshold: committee.threshold, keys } };
}

function providerFields(provider: Contract & { kind: 'provider' }, hashes: CodeHashes): object {
    const { registry, owner, stake, slots, nextNumber, codeVersion, rules, versions } = provider;
    const { payout, nextPayout, nextPayoutAt, operator } = provider;
    const { opened, strikes, strikeAt, jailedUntil, disputeSince, windows, lockedUntil, verdicts } = provider;
    const sums = {
        unbonding: bonded(provider) - stake,
        shares: sumOf(provider, 'shares'),
        frozen: sumOf(provider, 'frozen'),
        nodes: openNodes(provider),
        gpus: versions.reduce((sum, { gpus }) => sum + gpus, 0),
        cases: versions.reduce((sum, { cases }) => sum + cases, 0),
    };
    const member = { registry, owner, payout, nextPayout, nextPayoutAt, operator, codeVersion };
    const disputeBefore = hashes.disputes[provider.disputeBefore] ?? NO_CODE;
    const standing = {
        opened,
        strikes,
        strikeAt,
        jailedUntil,
        disputeBefore,
        disputeSince,
        windows,
        lockedUntil,
        verdicts,
    };
    const counted = versions.filter(isCounted);
    return {
        stake,
        slots,
        nextNumber,
        rulesVersion: rules?.version ?? 0,
        rules: rulesFields(rules, hashes),
        ...member,
        ...sums,
        ...standing,
        versions: counted,
    };
}

/** The account keeps the windows of earlier rules only; those of the rules that it follows count too. */
function providerRead(data: Cell, rules: Rules | undefined): object {
    const { versions, windows: earlier, ...rest } = readProvider(data);
    const windows = rules === undefined ? earlier : longest(earlier, windowsOf(rules));
    return { ...rest, windows, versions: versions.filter((version) => version !== undefined && isCounted(version)) };
}

/** A version of which nothing was ever counted need not be stored. */
const isCounted = (version: { slashable: bigint; maxShare: bigint; shares: bigint; cases: number }): boolean =>
    version.slashable > 0n || version.maxShare > 0n || version.shares > 0n || version.cases > 0;

/** The differences of two objects, a line each; none if they are equal. */
export function differences(expected: object, actual: object): string[] {
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    return [...names].flatMap((name) => {
        const [one, other] = [expected, actual].map((each) => textOf((each as Record<string, unknown>)[name]));
        return one === other ? [] : [`${name}: the model says ${one}, the chain ${other}`];
    });
}

/** Any value as text with sorted names; what is undefined is left out. */
export function textOf(value: unknown): string {
    if (Array.isArray(value)) {
        return `[${value.map(textOf).join(', ')}]`;
    }
    if (value !== null && typeof value === 'object') {
        const entries = Object.entries(value).filter(([, each]) => each !== undefined);
        const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
        return `{${sorted.map(([name, each]) => `${name}: ${textOf(each)}`).join(', ')}}`;
    }
    return typeof value === 'bigint' ? `${value}` : String(value);
}
