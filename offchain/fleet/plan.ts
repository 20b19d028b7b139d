/** A provider's nodes as a list: the registered ones, the target, and the difference. */
import type { Actor, Hardware, Listing, NodeName, Offer, Service } from '@cocoon-market/wrappers';
import {
    codeId,
    listingCell,
    Node,
    nodeChanges,
    nodeStates,
    numberToText,
    parseOffers,
    parseRules,
    parseService,
    Provider,
    sizeOf,
} from '@cocoon-market/wrappers';
import { Address, Cell, type OpenedContract } from '@ton/core';

/** A node of the target. `name` is its owner's name for it and is not on chain. */
export interface TargetNode {
    name: string;
    listing: Listing;
}

/** A node that is registered, and whether it is open. */
export interface RegisteredNode extends NodeName {
    number: number;
    codeVersion: number;
    open: boolean;
    share: bigint; // nanoTON
    hardware: Hardware;
    receiptKey: bigint;
    encryptionKey: bigint;
    service: Service;
    offers: Offer[];
}

/** One change of one node. */
export interface NodeChange {
    node: RegisteredNode;
    target: TargetNode;
    what: 'hardware' | 'service' | 'offers' | 'keys';
}

/** The difference between the target and the registered nodes. Amounts in nanoTON. */
export interface FleetPlan {
    register: TargetNode[];
    changes: NodeChange[];
    missing: RegisteredNode[]; // open, and not in the target
    unchanged: number;
    raises: boolean; // the share of a node, which is its owner's to do
    requiredStake: bigint; // after the plan, with `missing` still open
    shares: bigint; // of the nodes that are to be registered
}

const AT_ONCE = 8; // calls to the endpoint
const MAX_REGISTERED = 100_000n; // nodes of one Provider: an endpoint could name a number without an end

/**
 * Nodes of a Provider in the order of their numbers; those whose account has ended are left out.
 * @throws Error if there are more than 100,000
 */
export async function readFleet(chain: Pick<Actor, 'open'>, providerAddress: Address): Promise<RegisteredNode[]> {
    const provider = chain.open(Provider.fromAddress(providerAddress));
    const { nextNumber } = await provider.getProviderState();
    assertCountable(nextNumber);
    const { rules } = await provider.getMembership();
    const versions = rules === null ? [] : parseRules(rules).nodeCodes;
    const own = codeId((await Node.ofProvider(providerAddress, 0)).init!.code).hash;
    const found: (RegisteredNode | undefined)[] = [];
    let next = 0;
    const work = async () => {
        for (let number = next++; number < Number(nextNumber); number = next++) {
            for (let version = versions.length - 1; version >= 0 && found[number] === undefined; version--) {
                const address =
                    versions[version].hash === own
                        ? (await Node.ofProvider(providerAddress, number)).address
                        : await provider.getNodeAddress(BigInt(number), BigInt(version));
                found[number] = await readNode(chain.open(Node.fromAddress(address)), { number, codeVersion: version });
            }
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return found.filter((node): node is RegisteredNode => node !== undefined);
}

/** Throws if an endpoint says that a Provider has registered more nodes than a command can read. */
export function assertCountable(nextNumber: bigint): void {
    if (nextNumber > MAX_REGISTERED) {
        throw new Error(
            `The endpoint says that this provider has registered ${nextNumber} nodes: use another endpoint`,
        );
    }
}

// The errors of TonClient and the sandbox for an account without code.
const NO_CODE = /exit_?code: -13|non-active contract/i;

async function readNode(node: OpenedContract<Node>, name: Required<NodeName>): Promise<RegisteredNode | undefined> {
    let state: Awaited<ReturnType<typeof node.getNodeState>>;
    try {
        state = await node.getNodeState();
    } catch (error) {
        if (NO_CODE.test((error as Error).message)) {
            return undefined;
        }
        throw error;
    }
    const listing = await node.getNodeListing();
    return {
        ...name,
        open: state.state === nodeStates.open,
        share: state.share,
        hardware: {
            gpuClass: Number(listing.gpuClass),
            gpus: Number(listing.gpus),
            vram: Number(listing.vram),
            model: numberToText(listing.model, 32),
        },
        receiptKey: state.receiptKey,
        encryptionKey: state.encryptionKey,
        service: parseService(listing.service),
        offers: parseOffers(listing.offers),
    };
}

/**
 * The changes that make the target true. A node is recognised by its receipt key, or else by its endpoint. `rates`
 * and `baseStake` are those of the rules that the Provider follows.
 */
export function planFleet(
    targets: readonly TargetNode[],
    present: readonly RegisteredNode[],
    { rates, baseStake }: { rates: readonly bigint[]; baseStake: bigint },
): FleetPlan {
    const open = present.filter((node) => node.open);
    const byKey = new Map(open.map((node) => [node.receiptKey, node]));
    const byEndpoint = new Map(open.map((node) => [node.service.endpoint, node]));
    const keys = new Set(targets.map(({ listing }) => listing.receiptKey));
    const matched = new Set<RegisteredNode>();
    const plan: FleetPlan = {
        register: [],
        changes: [],
        missing: [],
        unchanged: 0,
        raises: false,
        requiredStake: 0n,
        shares: 0n,
    };
    for (const node of targets) {
        const { receiptKey, service, hardware } = node.listing;
        const registered = byEndpoint.get(service.endpoint);
        const match =
            byKey.get(receiptKey) ?? (registered && !keys.has(registered.receiptKey) ? registered : undefined);
        const share = (rates[hardware.gpuClass] ?? 0n) * BigInt(hardware.gpus);
        plan.requiredStake += share;
        if (match === undefined) {
            plan.register.push(node);
            plan.shares += share;
            continue;
        }
        matched.add(match);
        const what = differences(node.listing, match);
        plan.unchanged += what.length === 0 ? 1 : 0;
        plan.changes.push(...what.map((each) => ({ node: match, target: node, what: each })));
        plan.raises ||= what.includes('hardware') && share > match.share;
        // A share is fixed until the hardware changes, whatever the rates are now.
        plan.requiredStake += what.includes('hardware') ? 0n : match.share - share;
    }
    plan.missing = open.filter((node) => !matched.has(node));
    plan.requiredStake += baseStake + plan.missing.reduce((sum, { share }) => sum + share, 0n);
    return plan;
}

// The parts of a listing that change by a message of their own, each as that message carries it.
const PARTS: Record<NodeChange['what'], (listing: Listing, oldEndsAt: number) => Cell> = {
    hardware: ({ hardware }) => nodeChanges.hardware(hardware),
    service: ({ service }) => nodeChanges.service(service),
    offers: ({ offers }) => nodeChanges.offers(offers),
    keys: ({ receiptKey, encryptionKey }, oldEndsAt) => nodeChanges.keys({ receiptKey, encryptionKey, oldEndsAt }),
};

function differences(target: Listing, present: RegisteredNode): NodeChange['what'][] {
    const parts = Object.keys(PARTS) as NodeChange['what'][];
    return parts.filter((part) => !PARTS[part](target, 0).equals(PARTS[part](present, 0)));
}

/** What sending a fleet's messages needs besides the plan. */
export interface FleetOrder {
    provider: Address;
    oldKeysEndAt: number; // unix seconds until which a rotated receipt key still signs
}

/**
 * Sends one message for each thing that a plan names: registrations in the order of the list, then changes, then the
 * ends of `close`. Sizes that repeat are asked for once.
 */
export async function applyFleet(
    actor: Actor,
    { provider: address, oldKeysEndAt }: FleetOrder,
    { register, changes, close }: Pick<FleetPlan, 'register' | 'changes'> & { close: readonly RegisteredNode[] },
): Promise<void> {
    const provider = actor.open(Provider.fromAddress(address));
    const { code } = (await Node.ofProvider(address, 0)).init!;
    const values = new Map<string, bigint>();
    const valueOf = async (cell: Cell, ask: () => Promise<bigint>, kind: string) => {
        const { cells, bits } = sizeOf(cell);
        const key = `${kind} ${cells} ${bits}`;
        const value = values.get(key) ?? (await ask());
        values.set(key, value);
        return value;
    };
    for (const { listing } of register) {
        const body = { code, listing: listingCell(listing) };
        const value = await valueOf(body.listing, () => provider.getRegisterNodeValue(body), 'register');
        await provider.sendRegisterNode(actor.sender, { value, ...body });
    }
    for (const { node, target, what } of changes) {
        const change = PARTS[what](target.listing, oldKeysEndAt);
        const { number, codeVersion, share, hardware } = node;
        if (what === 'hardware') {
            const value = await valueOf(change, () => provider.getReplaceHardwareValue(change), what);
            const now = { share, gpus: hardware.gpus };
            await provider.sendReplaceHardware(actor.sender, { value, number, codeVersion, ...now, change });
        } else {
            const value = await valueOf(change, () => provider.getChangeNodeValue(change), what);
            await provider.sendChangeNode(actor.sender, { value, number, codeVersion, change });
        }
    }
    const { closeNode: value } = await provider.getValuesOf(0n, 0n);
    for (const { number, codeVersion } of close) {
        await provider.sendCloseNode(actor.sender, { value, number, codeVersion });
    }
}

/** True when this checkout's node code is what a Provider registers nodes with. */
export function registersOwnCode(rules: Cell, code: Cell): boolean {
    const { nodeCodes } = parseRules(rules);
    return nodeCodes.length > 0 && nodeCodes[nodeCodes.length - 1].hash === codeId(code).hash;
}
