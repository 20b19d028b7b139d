/** What a contract of the model says of its account's data; both are compared as text, so that differences show. */
import { Cell } from '@ton/core';

import { bonded, Contract, longest, openNodes, Rules, sumOf, windowsOf } from '../model';
import { keyNumber } from './names';
import { readChannel, readDispute, readEscrow, readNode, readProvider, readRegistry } from './read';

export interface CodeHashes {
    plain: string;
    library: string;
}

const STATES = { new: 0, open: 1, closed: 2 } as const;
const STUCK = 3;

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
            const { governor, paused, pending } = contract;
            const expected = { governor, paused, executeAt: pending?.executeAt ?? 0, pending: pending !== undefined };
            return { expected, actual: readRegistry(data) };
        }
        case 'provider':
            return { expected: providerFields(contract), actual: providerRead(data, contract.rules) };
        case 'node': {
            const { number, state, share, gpus, clearAt, receiptKey, ended } = contract;
            const head = { number, state: STATES[state], share, gpus, clearAt, receiptKey: keyNumber(receiptKey) };
            const slots = ended.map((slot) => slot && { ...slot, key: keyNumber(slot.key) });
            const { evidence, current, pastShare, pastUntil, slashedAt, forgotten, forgottenUntil } = contract;
            const record = { evidence, current, pastShare, pastUntil, slashedAt, forgotten, forgottenUntil };
            return { expected: { ...head, ended: slots, ...(state === 'new' ? {} : record) }, actual: readNode(data) };
        }
        case 'dispute': {
            const { state, stuck, answerBy, decideFrom, clearAt, bond, stated } = contract;
            const expected = { state: stuck ? STUCK : STATES[state], answerBy, decideFrom, clearAt, bond, stated };
            return { expected, actual: readDispute(data) };
        }
    }
}

function providerFields(provider: Contract & { kind: 'provider' }): object {
    const { owner, stake, slots, nextNumber, rules, nextPayout, nextPayoutAt, operator, versions } = provider;
    const { opened, strikes, strikeAt, jailedUntil, disputeSince, windows, lockedUntil } = provider;
    const sums = {
        unbonding: bonded(provider) - stake,
        shares: sumOf(provider, 'shares'),
        frozen: sumOf(provider, 'frozen'),
        nodes: openNodes(provider),
        gpus: versions.reduce((sum, { gpus }) => sum + gpus, 0),
        cases: versions.reduce((sum, { cases }) => sum + cases, 0),
    };
    const member = { owner, nextPayout, nextPayoutAt, operator };
    const standing = { opened, strikes, strikeAt, jailedUntil, disputeSince, windows, lockedUntil };
    const counted = versions.filter(isCounted);
    return {
        stake,
        slots,
        nextNumber,
        rulesVersion: rules?.version ?? 0,
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
