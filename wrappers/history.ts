/**
 * What the transactions of the contracts say, for programs that read histories: messages that a contract took, events
 * that it sent, and the data of a Provider. A message is only what its sender wanted; whether the contract did it is in
 * the transaction.
 */
import { Address, Cell, Slice } from '@ton/core';
import * as tact from '../build/Provider/Provider_Provider';
import { numberToHex } from './bytes';
import { withFewEntries } from './dictionaries';
import { opcodes } from './protocol';
import { parseRules } from './Registry';

/** A message or an event. Amounts in nanoTON, times in unix seconds, hashes and accounts as 64 hex digits. */
export type HistoryMessage =
    | { name: 'Join'; stake: bigint; payout: Address }
    | { name: 'SetPayout'; payout: Address }
    | { name: 'CaseClosed'; outcome: number; slash: bigint; faultClass: number; job: string; query: number }
    | {
          name: 'CaseOpened';
          serial: number;
          faultClass: number;
          node: number;
          job: string;
          query: number;
          dispute: string;
          date: number;
          answerBy: number; // 0 for a class that receipts alone prove
          amount: bigint;
          bond: bigint;
      }
    | {
          name: 'StakeSlashed';
          faultClass: number;
          node: number;
          job: string;
          amount: bigint;
          victim: bigint;
          reward: bigint;
          insurance: bigint;
      }
    | { name: 'Claim' | 'ClaimLast'; cumulative: bigint; count: number }
    | { name: 'Open'; seqno: number; jobs: Cell }
    | { name: 'WorkPaused'; paused: boolean }
    | { name: 'CatalogueChanged'; catalogue: string }
    | { name: 'Unjail' | 'Leave' | 'Refund' | 'TopUp' | 'AnnounceSelf' };

/** Reads a message of the suite. Undefined for one that says nothing a history needs, or that is malformed. */
export function readHistoryMessage(body: Cell): HistoryMessage | undefined {
    try {
        const slice = body.beginParse();
        const read = slice.remainingBits < 32 ? undefined : readers.get(slice.preloadUint(32));
        return read?.(slice);
    } catch {
        return undefined; // no contract took it
    }
}

const bare = (name: 'Unjail' | 'Leave' | 'Refund' | 'TopUp' | 'AnnounceSelf') => () => ({ name });

const readers = new Map<number, (slice: Slice) => HistoryMessage>([
    [
        opcodes.Join,
        (slice) => {
            const { stake, payout } = tact.loadJoin(slice);
            return { name: 'Join', stake, payout };
        },
    ],
    [opcodes.SetPayout, (slice) => ({ name: 'SetPayout', payout: tact.loadSetPayout(slice).payout })],
    [
        opcodes.CaseClosed,
        (slice) => {
            const { outcome, slash, fault } = tact.loadCaseClosed(slice);
            const { faultClass, job, query } = tact.loadFault(fault.beginParse());
            return {
                name: 'CaseClosed',
                ...{ outcome: Number(outcome), slash, faultClass: Number(faultClass) },
                ...{ job: numberToHex(job), query: Number(query) },
            };
        },
    ],
    [
        opcodes.CaseOpened,
        (slice) => {
            const { $$type: _, job, dispute, amount, bond, ...numbers } = tact.loadCaseOpened(slice);
            return {
                name: 'CaseOpened',
                ...{ job: numberToHex(job), dispute: numberToHex(dispute), amount, bond },
                ...{ serial: Number(numbers.serial), faultClass: Number(numbers.faultClass) },
                ...{ node: Number(numbers.node), query: Number(numbers.query) },
                ...{ date: Number(numbers.date), answerBy: Number(numbers.answerBy) },
            };
        },
    ],
    [
        opcodes.StakeSlashed,
        (slice) => {
            const { $$type: _, faultClass, node, job, ...amounts } = tact.loadStakeSlashed(slice);
            const numbers = { faultClass: Number(faultClass), node: Number(node) };
            return { name: 'StakeSlashed', ...numbers, job: numberToHex(job), ...amounts };
        },
    ],
    [
        opcodes.Claim,
        (slice) => {
            const { cumulative, count } = tact.loadClaim(slice);
            return { name: 'Claim', cumulative, count: Number(count) };
        },
    ],
    [
        opcodes.ClaimLast,
        (slice) => {
            const { cumulative, count } = tact.loadClaimLast(slice);
            return { name: 'ClaimLast', cumulative, count: Number(count) };
        },
    ],
    [
        opcodes.Open,
        (slice) => {
            const { seqno, jobs } = tact.loadOpen(slice);
            return { name: 'Open', seqno: Number(seqno), jobs };
        },
    ],
    [opcodes.WorkPaused, (slice) => ({ name: 'WorkPaused', paused: tact.loadWorkPaused(slice).paused })],
    [
        opcodes.CatalogueChanged,
        (slice) => ({ name: 'CatalogueChanged', catalogue: numberToHex(tact.loadCatalogueChanged(slice).catalogue) }),
    ],
    ...(['Unjail', 'Leave', 'Refund', 'TopUp', 'AnnounceSelf'] as const).map(
        (name) => [opcodes[name], bare(name)] as const,
    ),
]);

/** The bytes of a node's texts as its announcement has them; undefined where it has none. */
export function serviceBytes(announced: Cell): { region: Buffer; endpoint: Buffer } | undefined {
    const { content } = tact.loadNodeAnnounced(announced.beginParse());
    const slice = content.beginParse();
    const opcode = slice.remainingBits < 32 ? undefined : slice.preloadUint(32);
    const cell =
        opcode === opcodes.ListNode
            ? tact.loadListNode(slice).service
            : opcode === opcodes.SetService
              ? tact.loadSetService(slice).service
              : undefined;
    if (cell === undefined) {
        return undefined;
    }
    const { region, endpoint } = tact.loadService(cell.beginParse());
    const bytes = Buffer.from(region.toString(16).padStart(32, '0'), 'hex');
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) {
        end--;
    }
    return { region: bytes.subarray(0, end), endpoint: endpoint.loadBuffer(Math.floor(endpoint.remainingBits / 8)) };
}

/** What the data of a Provider says: amounts in nanoTON, times in unix seconds. */
export interface ProviderAccount {
    registry: Address;
    owner: Address;
    stake: bigint;
    unbonding: bigint; // sum of the slots
    requiredStake: bigint; // that must stay as stake, 0 without open nodes
    nodes: number; // open ones
    gpus: number; // of the open nodes
    rulesVersion: number; // 0 until joined
    codeVersion: number;
    frozen: bigint; // that open cases may take
    cases: number; // open ones
    opened: number; // cases ever opened
    strikes: number;
    strikeAt: number;
    jailedUntil: number; // 0: not in jail
}

/** Reads the data of a Provider. Throws if the cell is not a Provider's. */
export function parseProviderData(data: Cell): ProviderAccount {
    const state = withFewEntries(() => tact.loadProvider$Data(data.beginParse()));
    // By the references of a Membership: its loader throws at payouts that are no accounts, which the contract takes.
    const [rules, stored] = (state.membership?.refs ?? []) as (Cell | undefined)[];
    const record = stored && withFewEntries(() => tact.loadProviderRecord(stored.beginParse()));
    const base = rules === undefined ? 0n : parseRules(rules).baseStake;
    return {
        ...{ registry: state.registry, owner: state.owner, stake: state.stake, unbonding: state.unbonding },
        requiredStake: state.nodes === 0n ? 0n : base + state.shares,
        ...{ nodes: Number(state.nodes), gpus: Number(state.gpus) },
        ...{ rulesVersion: Number(state.rulesVersion), codeVersion: Number(state.codeVersion) },
        frozen: record?.frozen ?? 0n,
        ...{ cases: Number(record?.cases ?? 0n), opened: Number(record?.opened ?? 0n) },
        ...{ strikes: Number(record?.strikes ?? 0n), strikeAt: Number(record?.strikeAt ?? 0n) },
        jailedUntil: Number(record?.jailedUntil ?? 0n),
    };
}
