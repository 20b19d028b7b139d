/** The rules, codes and committee of a market. Its events are the market's history. See docs/contracts/registry.md. */
import { Address, beginCell, Builder, Cell, ContractProvider, Dictionary, Sender } from '@ton/core';
import {
    Registry as Generated,
    CodeId,
    Committee as CommitteeFields,
    KindChannel,
    KindDispute,
    KindEscrow,
    KindNode,
    KindProvider,
    loadCommittee,
    loadRules,
    loadRuleSet,
    RegistryInfo,
    RuleSet,
    storeAddCode,
    storeReplaceCommittee,
    storeReplaceRules,
} from '../build/Registry/Registry_Registry';
import { ruleBounds } from './bounds';
import { Call, stateless } from './sending';
import { bytesToNumber } from './bytes';

export type { CodeId, RegistryInfo };

/** Kinds of contracts whose code versions the Registry names. */
export const codeKinds = {
    provider: Number(KindProvider),
    node: Number(KindNode),
    escrow: Number(KindEscrow),
    channel: Number(KindChannel),
    dispute: Number(KindDispute),
} as const;
export type CodeKind = keyof typeof codeKinds;
export const codeKindNames = Object.keys(codeKinds) as [CodeKind, ...CodeKind[]];

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

const RATE_BITS = 64;
const { gpuClasses, membersPerCell, maxCodeVersions } = ruleBounds;

function ruleSet({ rates, baseStake, insurance, ...times }: Rules): RuleSet {
    const packed = beginCell();
    for (let gpuClass = 0; gpuClass < gpuClasses; gpuClass++) {
        packed.storeUint(rates[gpuClass] ?? 0n, RATE_BITS);
    }
    const { evidence, response, verdict, buffer, unbonding, payoutDelay } = times;
    return {
        $$type: 'RuleSet',
        evidence: BigInt(evidence),
        response: BigInt(response),
        verdict: BigInt(verdict),
        buffer: BigInt(buffer),
        unbonding: BigInt(unbonding),
        payoutDelay: BigInt(payoutDelay),
        baseStake,
        insurance,
        rates: packed.endCell(),
    };
}

/** The rules in a cell of a Provider or the Registry, with their version, codes and committee. */
export function parseRules(
    cell: Cell,
): Rules & { version: number; nodeCodes: CodeId[]; dispute: CodeId; committee: Committee } {
    const { version, set, nodeCodes, dispute, committee } = loadRules(cell.beginParse());
    return {
        version: Number(version),
        nodeCodes: nodeCodes.keys().map((key) => nodeCodes.get(key)!),
        dispute,
        committee: parseCommittee(committee),
        ...rulesOf(loadRuleSet(set.beginParse())),
    };
}

/** Rules out of their storage form. */
export function rulesOf({ rates, baseStake, insurance, ...times }: RuleSet): Rules {
    const slice = rates.beginParse();
    return {
        evidence: Number(times.evidence),
        response: Number(times.response),
        verdict: Number(times.verdict),
        buffer: Number(times.buffer),
        unbonding: Number(times.unbonding),
        payoutDelay: Number(times.payoutDelay),
        baseStake,
        insurance,
        rates: Array.from({ length: slice.remainingBits / RATE_BITS }, () => slice.loadUintBig(RATE_BITS)),
    };
}

function committeeFields({ threshold, keys }: Committee): CommitteeFields {
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
    const { threshold, count, keys } = loadCommittee(cell.beginParse());
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
    return { $$type: 'CodeId', hash: bytesToNumber(code.hash()), depth: BigInt(code.depth()) };
}

/** Changes that wait in the Registry, for ProposeChange. */
export const registryChanges = {
    rules: (rules: Rules): Cell => toCell(storeReplaceRules({ $$type: 'ReplaceRules', rules: ruleSet(rules) })),
    /** The next version of a kind's code, at most 8 of each. */
    code: (kind: CodeKind, code: Cell): Cell =>
        toCell(storeAddCode({ $$type: 'AddCode', kind: BigInt(codeKinds[kind]), code: codeId(code) })),
    committee: (committee: Committee): Cell =>
        toCell(storeReplaceCommittee({ $$type: 'ReplaceCommittee', committee: committeeFields(committee) })),
};

function toCell(store: (builder: Builder) => void): Cell {
    return beginCell().store(store).endCell();
}

export class Registry extends stateless(Generated) {
    /** A registry as it is deployed, before Launch. `delay`: seconds that every change waits, for ever. */
    static async ofGovernor(governor: Address, delay: number): Promise<Registry> {
        // not paused; no time, catalogue, change, state and next governor
        const { address, init } = await Generated.fromInit(governor, BigInt(delay), false, 0n, 0n, null, null, null);
        return new Registry(address, init);
    }

    /**
     * Sets the first rules, codes (version 0 of each kind) and committee. From the governor, once.
     * @throws on chain: ErrNotGovernor, ErrWrongState, ErrWrongWindows, ErrWrongInsurance, ErrWrongAmount,
     * ErrWrongCommittee, ErrWeakKey, ErrUnknownVersion
     */
    async sendLaunch(
        provider: ContractProvider,
        via: Sender,
        args: Call & { rules: Rules; committee: Committee; codes: Partial<Record<CodeKind, Cell>>; catalogue: bigint },
    ) {
        const codes = Dictionary.empty<number, CodeId>();
        for (const [kind, code] of Object.entries(args.codes)) {
            codes.set(codeKinds[kind as CodeKind] * maxCodeVersions, codeId(code));
        }
        const { value, queryId = 0n, catalogue } = args;
        const [rules, committee] = [ruleSet(args.rules), committeeFields(args.committee)];
        await this.send(provider, via, { value }, { $$type: 'Launch', queryId, rules, committee, codes, catalogue });
    }

    /**
     * Starts the clock of a change, see `registryChanges`. From the governor, while none waits.
     * @throws on chain: ErrNotGovernor, ErrWrongState, ErrUnknownChange, and the codes of what breaks a bound
     */
    async sendProposeChange(
        provider: ContractProvider,
        via: Sender,
        { value, change, queryId = 0n }: Call & { change: Cell },
    ) {
        await this.send(provider, via, { value }, { $$type: 'ProposeChange', queryId, change });
    }

    /**
     * Applies the waiting change, from its `executeAt` on. From anyone.
     * @throws on chain: ErrWrongState, ErrTooEarly
     */
    async sendExecuteChange(provider: ContractProvider, via: Sender, { value, queryId = 0n }: Call) {
        await this.send(provider, via, { value }, { $$type: 'ExecuteChange', queryId });
    }

    /**
     * Drops the waiting change. From the governor.
     * @throws on chain: ErrNotGovernor, ErrWrongState
     */
    async sendCancelChange(provider: ContractProvider, via: Sender, { value, queryId = 0n }: Call) {
        await this.send(provider, via, { value }, { $$type: 'CancelChange', queryId });
    }

    /** Stops or resumes the arrival of providers and nodes. From the governor. @throws on chain: ErrNotGovernor */
    async sendSetPaused(
        provider: ContractProvider,
        via: Sender,
        { value, paused, queryId = 0n }: Call & { paused: boolean },
    ) {
        await this.send(provider, via, { value }, { $$type: 'SetPaused', queryId, paused });
    }

    /** Names the hash of the newest model catalogue. From the governor. @throws on chain: ErrNotGovernor */
    async sendSetCatalogue(
        provider: ContractProvider,
        via: Sender,
        { value, catalogue, queryId = 0n }: Call & { catalogue: bigint },
    ) {
        await this.send(provider, via, { value }, { $$type: 'SetCatalogue', queryId, catalogue });
    }

    /** Names the next governor. From the governor. @throws on chain: ErrNotGovernor */
    async sendProposeGovernor(
        provider: ContractProvider,
        via: Sender,
        { value, governor, queryId = 0n }: Call & { governor: Address },
    ) {
        await this.send(provider, via, { value }, { $$type: 'ProposeGovernor', queryId, governor });
    }

    /** Takes over the Registry. From the proposed governor. @throws on chain: ErrNotGovernor */
    async sendAcceptGovernor(provider: ContractProvider, via: Sender, { value, queryId = 0n }: Call) {
        await this.send(provider, via, { value }, { $$type: 'AcceptGovernor', queryId });
    }

    /** Pays rent ahead with the whole value. From anyone. If the account does not exist, `opens` deploys it. */
    async sendTopUp(
        provider: ContractProvider,
        via: Sender,
        { value, queryId = 0n, opens = false }: Call & { opens?: boolean },
    ) {
        const { send } = opens ? Generated.prototype : this; // the generated method attaches the state
        await send.call(this, provider, via, { value }, { $$type: 'TopUpRegistry', queryId });
    }

    /**
     * Announces what a client is going to buy; binds nobody. From anyone; `value` at least `getAnnounceDemandValue(…)`,
     * which is told whether the sender is in the masterchain.
     * `model`: SHA-256 of its catalogue id; `endsAt`: unix seconds.
     * @throws on chain: ErrExpired, ErrLowValue
     */
    async sendAnnounceDemand(
        provider: ContractProvider,
        via: Sender,
        args: Call & { model: bigint; queriesPerDay: number; endsAt: number },
    ) {
        const { value, queryId = 0n, model, queriesPerDay, endsAt } = args;
        const demand = { model, queriesPerDay: BigInt(queriesPerDay), endsAt: BigInt(endsAt) };
        await this.send(provider, via, { value }, { $$type: 'AnnounceDemand', queryId, ...demand });
    }
}
