/** A whole market as plain data, for records and comparisons. */
import { Address, Cell } from '@ton/core';
import { Actor } from './actions/actor';
import type { CodeKind, RuleWindow } from './Registry';
import { codeHashes, codeKindNames, codeKinds, parseCommittee, parseRules, Registry, windowsOf } from './Registry';
import { numberToHex } from './bytes';

/** Amounts in nanoTON as decimal strings, times in seconds, keys and hashes in hex, addresses raw. */
export interface MarketRecord {
    registry: string;
    governor: string;
    delay: number;
    rules: Record<RuleWindow, number> & {
        baseStake: string;
        insurance: string;
        rates: string[]; // per GPU, by GPU class
    };
    committee: { threshold: number; keys: string[] };
    catalogue: string;
    codes: Record<CodeKind, string[]>; // by version, as `codeName` names them
}

/** A market as it was when the record was written: `deployments/<network>.json`. */
export interface Deployment extends MarketRecord {
    network: string;
    globalId: number; // what GLOBALID answers there
    registryCode: string; // hash, hex
    commit: string; // of the checkout that wrote this
    date: string; // ISO 8601, UTC
}

/** Reads a launched market. */
export async function readMarket({ open }: Pick<Actor, 'open'>, address: Address): Promise<MarketRecord> {
    const registry = open(Registry.fromAddress(address));
    const { governor, delay, catalogue } = await registry.getRegistryState();
    const rules = parseRules(await registry.getRules());
    const committee = parseCommittee(await registry.getCommittee());
    const codes: [CodeKind, string[]][] = [];
    for (const kind of codeKindNames) {
        codes.push([kind, await codeVersions(registry, kind)]);
    }
    return {
        registry: address.toRawString(),
        governor: governor.toRawString(),
        delay: Number(delay),
        rules: {
            ...windowsOf(rules, Number),
            baseStake: rules.baseStake.toString(),
            insurance: rules.insurance.toRawString(),
            rates: rules.rates.map(String),
        },
        committee: { threshold: committee.threshold, keys: committee.keys.map(numberToHex) },
        catalogue: numberToHex(catalogue),
        codes: Object.fromEntries(codes) as MarketRecord['codes'],
    };
}

async function codeVersions(
    registry: Record<'getCodeHash' | 'getCodeDepth', (kind: bigint, version: bigint) => Promise<bigint>>,
    kind: CodeKind,
): Promise<string[]> {
    const names: string[] = [];
    for (const hash of await codeHashes(registry, kind)) {
        const depth = await registry.getCodeDepth(BigInt(codeKinds[kind]), BigInt(names.length));
        names.push(`${numberToHex(hash)}:${depth}`);
    }
    return names;
}

/** The hash and depth of a code, from which addresses follow. */
export function codeName(code: Cell): string {
    return `${codeHash(code)}:${code.depth()}`;
}

/** The hash of a code in hex. */
export function codeHash(code: Cell): string {
    return code.hash().toString('hex');
}

/** Every single value by a name such as `rules.baseStake` or `codes.node 0`. */
export function marketValues(market: MarketRecord): Map<string, string> {
    const { registry, governor, delay, catalogue, rules, committee, codes } = market;
    const { rates, ...others } = rules;
    return new Map([
        ...entries('', { registry, governor, delay, catalogue }),
        ...entries('rules.', others),
        ...rates.map((rate, gpuClass) => [`rules.rate of GPU class ${gpuClass}`, rate] as const),
        ['committee.threshold', String(committee.threshold)],
        ...committee.keys.map((key, i) => [`committee.key ${i + 1}`, key] as const),
        ...Object.entries(codes).flatMap(([kind, names]) =>
            names.map((name, version) => [`codes.${kind} ${version}`, name] as const),
        ),
    ]);
}

function entries(prefix: string, values: object): [string, string][] {
    return Object.entries(values).map(([name, value]) => [prefix + name, String(value)]);
}

/** A value in which two markets differ; undefined where one does not have it. */
export interface Difference {
    name: string;
    one: string | undefined;
    other: string | undefined;
}

/** Everything in which two markets differ. */
export function compareMarkets(one: MarketRecord, other: MarketRecord): Difference[] {
    const [ours, theirs] = [marketValues(one), marketValues(other)];
    return [...new Set([...ours.keys(), ...theirs.keys()])]
        .map((name) => ({ name, one: ours.get(name), other: theirs.get(name) }))
        .filter((each) => each.one !== each.other);
}
