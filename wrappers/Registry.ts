/** The rules, codes and committee of a market. Its events are the market's history. See docs/contracts/registry.md. */
import { Address, beginCell, Cell, ContractProvider, Dictionary, Sender } from '@ton/core';
import * as tact from '../build/Registry/Registry_Registry';
import { ruleBounds } from './bounds';
import { loadAccount, toCell } from './cells';
import { withFewEntries } from './dictionaries';
import {
    address,
    bigUint,
    boolean,
    CALL,
    cell,
    checkFields,
    checkKnownFields,
    ValueChecks,
    listOf,
    objectOf,
    objectWith,
    oneOf,
    optional,
    uint,
} from './fields';
import { Call, messagesOf, stateless, withWholeValue } from './sending';
import { bytesToNumber } from './bytes';

export type { CodeId, RegistryInfo } from '../build/Registry/Registry_Registry';

type CodeId = tact.CodeId;

/** Kinds of contracts whose code versions the Registry names. */
export const codeKinds = {
    provider: Number(tact.KindProvider),
    node: Number(tact.KindNode),
    escrow: Number(tact.KindEscrow),
    channel: Number(tact.KindChannel),
    dispute: Number(tact.KindDispute),
} as const;
export type CodeKind = keyof typeof codeKinds;
export const codeKindNames = Object.keys(codeKinds) as [CodeKind, ...CodeKind[]];

/**
 * Hashes of the codes of a kind that an opened registry names, by version. There are at most as many as a registry can
 * have: one of other code might name them without end.
 */
export async function codeHashes(
    registry: Record<'getCodeHash', (kind: bigint, version: bigint) => Promise<bigint>>,
    kind: CodeKind,
): Promise<bigint[]> {
    const hashes: bigint[] = [];
    while (hashes.length < maxCodeVersions) {
        const hash = await registry.getCodeHash(BigInt(codeKinds[kind]), BigInt(hashes.length));
        if (hash === 0n) {
            break;
        }
        hashes.push(hash);
    }
    return hashes;
}

/** The times among the rules, by name. */
export const ruleWindows = ['evidence', 'response', 'verdict', 'buffer', 'unbonding', 'payoutDelay'] as const;
export type RuleWindow = (typeof ruleWindows)[number];

/** Times in seconds, amounts in nanoTON. */
export interface Rules {
    evidence: number;
    response: number;
    verdict: number;
    buffer: number;
    unbonding: number; // at least the sum of the four above
    payoutDelay: number;
    baseStake: bigint;
    insurance: Address;
    rates: bigint[]; // nanoTON per GPU, by GPU class; at most 8, 0: class not taken
}

export interface Committee {
    threshold: number; // at least two thirds of the keys
    keys: bigint[]; // 1 to 9 Ed25519 keys
}

/** What a registry begins with. */
interface Launch {
    rules: Rules;
    committee: Committee;
    codes: Partial<Record<CodeKind, Cell>>;
    catalogue: bigint;
}

const RATE_BITS = 64;
const { gpuClasses, membersPerCell, maxCodeVersions } = ruleBounds;

const RULES = {
    ...windowsOf({} as Record<RuleWindow, unknown>, () => uint(32)),
    ...{ baseStake: bigUint(64), insurance: address, rates: listOf(bigUint(RATE_BITS), gpuClasses) },
};
const COMMITTEE = { threshold: uint(8), keys: listOf(bigUint(256), 255) };
const CODES: ValueChecks = Object.fromEntries(codeKindNames.map((kind) => [kind, optional(cell)]));

function ruleSet(rules: Rules): tact.RuleSet {
    checkKnownFields('Rules', RULES, rules);
    const { rates, baseStake, insurance, ...times } = rules;
    const packed = beginCell();
    for (let gpuClass = 0; gpuClass < gpuClasses; gpuClass++) {
        packed.storeUint(rates[gpuClass] ?? 0n, RATE_BITS);
    }
    return { $$type: 'RuleSet', ...windowsOf(times, BigInt), baseStake, insurance, rates: packed.endCell() };
}

/** The times of rules in another form. */
export function windowsOf<A, B>(times: Record<RuleWindow, A>, convert: (time: A) => B): Record<RuleWindow, B> {
    return Object.fromEntries(ruleWindows.map((name) => [name, convert(times[name])])) as Record<RuleWindow, B>;
}

/** The rules in a cell of a Provider or the Registry, with their version, codes and committee. */
export function parseRules(
    cell: Cell,
): Rules & { version: number; nodeCodes: CodeId[]; dispute: CodeId; committee: Committee } {
    const { version, set, nodeCodes, dispute, committee } = withFewEntries(() => tact.loadRules(cell.beginParse()));
    return {
        version: Number(version),
        nodeCodes: nodeCodes.keys().map((key) => nodeCodes.get(key)!),
        dispute,
        committee: parseCommittee(committee),
        ...rulesOf(tact.loadRuleSet(set.beginParse())),
    };
}

/** Rules out of their storage form. */
export function rulesOf({ rates, baseStake, insurance, ...times }: tact.RuleSet): Rules {
    const slice = rates.beginParse();
    return {
        ...windowsOf(times, Number),
        baseStake,
        insurance,
        rates: Array.from({ length: slice.remainingBits / RATE_BITS }, () => slice.loadUintBig(RATE_BITS)),
    };
}

function committeeFields(committee: Committee): tact.Committee {
    checkKnownFields('Committee', COMMITTEE, committee);
    const { threshold, keys } = committee;
    const ascending = [...keys].sort((a, b) => (a < b ? -1 : 1));
    const cells = (from: number): Cell => {
        const builder = beginCell();
        ascending.slice(from, from + membersPerCell).forEach((key) => builder.storeUint(key, 256));
        const next = from + membersPerCell;
        return (next < ascending.length ? builder.storeRef(cells(next)) : builder).endCell();
    };
    return { $$type: 'Committee', threshold: BigInt(threshold), count: BigInt(keys.length), keys: cells(0) };
}

export function parseCommittee(cell: Cell): Committee {
    const { threshold, count, keys } = tact.loadCommittee(cell.beginParse());
    let slice = keys.beginParse();
    const parsed = Array.from({ length: Number(count) }, () => {
        if (slice.remainingBits === 0) {
            slice = slice.loadRef().beginParse();
        }
        return slice.loadUintBig(256);
    });
    return { threshold: Number(threshold), keys: parsed };
}

/** The hash and depth of a code, from which addresses follow. */
export function codeId(code: Cell): CodeId {
    cell(code, 'code');
    return { $$type: 'CodeId', hash: bytesToNumber(code.hash()), depth: BigInt(code.depth()) };
}

/** Changes that wait in the Registry, for ProposeChange. */
export const registryChanges = {
    rules: (rules: Rules): Cell => toCell(tact.storeReplaceRules({ $$type: 'ReplaceRules', rules: ruleSet(rules) })),
    /** The next version of a kind's code, at most 8 of each. */
    code: (kind: CodeKind, code: Cell): Cell => {
        oneOf(codeKindNames)(kind, 'kind');
        return toCell(tact.storeAddCode({ $$type: 'AddCode', kind: BigInt(codeKinds[kind]), code: codeId(code) }));
    },
    committee: (committee: Committee): Cell =>
        toCell(tact.storeReplaceCommittee({ $$type: 'ReplaceCommittee', committee: committeeFields(committee) })),
};

const LAUNCH = {
    ...{ rules: objectWith(RULES), committee: objectWith(COMMITTEE) },
    ...{ codes: objectOf(CODES), catalogue: bigUint(256) },
};

const message = messagesOf<typeof tact.Registry>();

export class Registry extends stateless(tact.Registry) {
    /** A registry as it is deployed, before Launch. `delay`: seconds that every change waits, for ever. */
    static async ofGovernor(governor: Address, delay: number): Promise<Registry> {
        // not paused; no time, catalogue, change, state and next governor
        const { address, init } = await tact.Registry.fromInit(
            governor,
            BigInt(delay),
            false,
            0n,
            0n,
            null,
            null,
            null,
        );
        return new Registry(address, init);
    }

    /**
     * Sets the first rules, codes (version 0 of each kind) and committee. From the governor, once.
     * @throws on chain: ErrNotGovernor, ErrWrongState, ErrWrongWindows, ErrWrongInsurance, ErrWrongAmount,
     * ErrWrongCommittee, ErrWeakKey, ErrUnknownVersion
     */
    readonly sendLaunch = message('Launch', LAUNCH, ({ rules, committee, codes, catalogue }: Launch) => ({
        rules: ruleSet(rules),
        committee: committeeFields(committee),
        codes: Object.entries(codes).reduce(
            (all, [kind, code]) => all.set(codeKinds[kind as CodeKind] * maxCodeVersions, codeId(code)),
            Dictionary.empty<number, CodeId>(),
        ),
        catalogue,
    }));

    /**
     * Starts the clock of a change, see `registryChanges`. From the governor, while none waits.
     * @throws on chain: ErrNotGovernor, ErrWrongState, ErrUnknownChange, and the codes of what breaks a bound
     */
    readonly sendProposeChange = message('ProposeChange');

    /**
     * Applies the waiting change, from its `executeAt` on. From anyone.
     * @throws on chain: ErrWrongState, ErrTooEarly
     */
    readonly sendExecuteChange = message('ExecuteChange');

    /**
     * Drops the waiting change. From the governor.
     * @throws on chain: ErrNotGovernor, ErrWrongState
     */
    readonly sendCancelChange = message('CancelChange');

    /** Stops or resumes the arrival of providers and nodes. From the governor. @throws on chain: ErrNotGovernor */
    readonly sendSetPaused = message('SetPaused');

    /** Names the hash of the newest model catalogue. From the governor. @throws on chain: ErrNotGovernor */
    readonly sendSetCatalogue = message('SetCatalogue');

    /** Names the next governor. From the governor. @throws on chain: ErrNotGovernor */
    readonly sendProposeGovernor = message('ProposeGovernor');

    /** Takes over the Registry. From the proposed governor. @throws on chain: ErrNotGovernor */
    readonly sendAcceptGovernor = message('AcceptGovernor');

    /** Pays rent ahead with the whole value. From anyone. If the account does not exist, `opens` deploys it. */
    async sendTopUp(provider: ContractProvider, via: Sender, args: Call & { opens?: boolean }) {
        checkFields('TopUpRegistry', { ...CALL, opens: optional(boolean) }, args);
        const { value, queryId = 0n, opens = false } = args;
        const { send } = opens ? tact.Registry.prototype : this; // the generated method attaches the state
        const whole = { ...provider, ...withWholeValue(provider) };
        await send.call(this, whole, via, { value }, { $$type: 'TopUpRegistry', queryId });
    }

    /**
     * Announces what a client is going to buy; binds nobody. From anyone; `value` at least `getAnnounceDemandValue(…)`,
     * which is told whether the sender is in the masterchain.
     * `model`: SHA-256 of its catalogue id; `endsAt`: unix seconds.
     * @throws on chain: ErrExpired, ErrLowValue
     */
    readonly sendAnnounceDemand = message(
        'AnnounceDemand',
        { model: bigUint(256), queriesPerDay: uint(32), endsAt: uint(32) },
        ({ model, queriesPerDay, endsAt }: { model: bigint; queriesPerDay: number; endsAt: number }) => ({
            model,
            queriesPerDay: BigInt(queriesPerDay),
            endsAt: BigInt(endsAt),
        }),
    );

    /** `nextGovernor`: null also if the governor has proposed what is no account, from which nobody can accept. */
    override async getRegistryState(provider: ContractProvider): Promise<tact.RegistryInfo> {
        const { stack } = await provider.get('registryState', []);
        const [governor, next] = [stack.readAddress(), stack.readCellOpt()];
        return {
            $$type: 'RegistryInfo',
            governor,
            nextGovernor: (next && loadAccount(next.beginParse())) ?? null,
            delay: stack.readBigNumber(),
            paused: stack.readBoolean(),
            rulesVersion: stack.readBigNumber(),
            catalogue: stack.readBigNumber(),
            executeAt: stack.readBigNumber(),
            change: stack.readCellOpt(),
        };
    }
}
