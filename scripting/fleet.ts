/** From a manifest to messages. A second run registers nothing twice. */
import { addStake, Node, parseRules } from '@cocoon-market/wrappers';
import {
    applyFleet,
    type FleetPlan,
    type Manifest,
    ManifestError,
    planFleet,
    readFleet,
    readManifest,
    type RegisteredNode,
    registersOwnCode,
} from '../offchain/fleet';
import { lineForTerminal } from '../offchain/process/terminal';
import { sendingFee } from './fees';
import { file, formatDuration, toggle } from './flags';
import { keepRegistrations, waitForRegistrations } from './fleetOrders';
import { type Row, ton } from './output';
import { readCatalogue } from './profile';
import { type OpenedProvider, openProvider, providerFlags } from './provider';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import type { Outgoing } from './wallet';

export const fleetFlags = {
    ...providerFlags,
    manifest: file.required('the fleet, a YAML file such as params/fleet.example.yaml'),
    closeMissing: toggle('also close nodes that are registered and not in the manifest'),
};

interface FleetFlags {
    registry: Parameters<typeof openProvider>[1]['registry'];
    provider: Parameters<typeof openProvider>[1]['provider'];
    manifest: string;
    closeMissing: boolean;
}

const KEY_OVERLAP = 14 * 86_400; // seconds that a rotated receipt key still signs, for the jobs that run
const ORDER_SECONDS = 20; // until the next order can follow

/** A fleet as its manifest and as the chain have it. */
export interface Fleet {
    opened: OpenedProvider;
    manifest: Manifest;
    plan: FleetPlan;
    close: RegisteredNode[];
    stakeDue: bigint; // nanoTON to add before nodes can be registered
    messages: Outgoing[];
    orders: number[]; // messages of each order of this wallet
    fees: bigint; // nanoTON at most, a year of rent of each new node included
}

/** Compares manifest and chain. Refuses what the contracts would refuse. */
export async function openFleet(session: ScriptSession, flags: FleetFlags): Promise<Fleet> {
    const manifest = manifestOf(flags.manifest);
    const opened = await openProvider(session, flags);
    if (session.wallet === undefined) {
        session.actsAs ??= opened.state.owner; // a plan needs no wallet
    }
    await waitForRegistrations(session, opened);
    const { rules } = await opened.provider.getMembership();
    if (rules === null) {
        throw new ScriptError('This Provider has not joined yet', 'run joinMarket');
    }
    const { rates, baseStake } = parseRules(rules);
    requireRates(manifest, rates);
    const present = await readFleet(session.reader(), opened.at);
    const plan = planFleet(manifest.nodes, present, { rates, baseStake });
    if (plan.register.length > 0 && !registersOwnCode(rules, (await Node.ofProvider(opened.at, 0)).init!.code)) {
        throw new ScriptError(
            'The node code of this checkout is not the newest of the rules that this Provider follows',
            'run adoptRules, or use the release that the market runs (checkDeployment)',
        );
    }
    const close = flags.closeMissing ? plan.missing : [];
    const { stake } = await opened.provider.getProviderState();
    const stakeDue = plan.requiredStake > stake ? plan.requiredStake - stake : 0n;
    const now = await session.now();
    const messages = await session.rehearse(async (actor) => {
        if (stakeDue > 0n) {
            await addStake(actor, { provider: opened.at, amount: stakeDue });
        }
        await applyFleet(actor, { provider: opened.at, oldKeysEndAt: now + KEY_OVERLAP }, { ...plan, close });
    });
    const attached = messages.reduce((sum, { value }) => sum + value, 0n);
    const fees = attached - stakeDue + (await sendingFee(session, messages));
    return { opened, manifest, plan, close, stakeDue, messages, orders: ordersOf(session, messages), fees };
}

function manifestOf(path: string): Manifest {
    try {
        return readManifest(path, readCatalogue('params/catalogue.json').models);
    } catch (error) {
        throw error instanceof ManifestError ? new ScriptError(error.message) : error;
    }
}

function requireRates({ nodes, file: name }: Manifest, rates: readonly bigint[]): void {
    const without = nodes.find(({ listing }) => (rates[listing.hardware.gpuClass] ?? 0n) === 0n);
    if (without !== undefined) {
        throw new ScriptError(
            `${name}: the market takes no GPUs of class ${without.listing.hardware.gpuClass} (${without.name})`,
            'checkDeployment shows the classes that have a rate',
        );
    }
}

function ordersOf({ wallet }: ScriptSession, messages: readonly Outgoing[]): number[] {
    const orders: number[] = [];
    for (let sent = 0; sent < messages.length; sent += orders[orders.length - 1]) {
        orders.push(wallet === undefined ? 1 : wallet.capacity(messages.slice(sent)));
    }
    return orders;
}

/** The number of changes in a plan. */
export const changesOf = ({ plan, close }: Fleet) => plan.register.length + plan.changes.length + close.length;

/** The plan in rows. */
export function planRows(session: ScriptSession, fleet: Fleet): Row[] {
    const { opened, manifest, plan, close, stakeDue, orders, fees } = fleet;
    const stillOpen = plan.missing.length - close.length;
    return [
        ['provider', session.format(opened.at)],
        ...manifest.sites.map((site): Row => [`site ${site.name}`, `${site.nodes} nodes, ${site.gpus} GPUs`]),
        ['register', `${plan.register.length} nodes, ${ton(plan.shares)} of shares`],
        ['change', changeText(plan)],
        [
            'close',
            `${close.length} nodes${stillOpen > 0 ? `; ${stillOpen} are not in the manifest and stay (--close-missing)` : ''}`,
        ],
        ['unchanged', `${plan.unchanged} nodes`],
        ['fees', `at most ${ton(fees)}, a year of rent of each new node included`],
        ['stake', `${ton(plan.requiredStake)} required, ${ton(stakeDue)} to add`],
        [
            'time',
            orders.length === 0
                ? 'none'
                : `about ${formatDuration(Math.ceil((orders.length * ORDER_SECONDS) / 60) * 60)}, ${orders.length} orders of at most ${Math.max(...orders)} messages`,
        ],
    ];
}

function changeText({ changes }: FleetPlan): string {
    const kinds = [...new Set(changes.map(({ what }) => what))];
    const counts = kinds.map((kind) => `${changes.filter(({ what }) => what === kind).length} ${kind}`);
    return counts.length === 0 ? '0 nodes' : counts.join(', ');
}

/** The diff, a line for each node; long lists are cut. */
export function planLines({ plan, close }: Fleet, max = 10): string[] {
    const lines = [
        ...plan.register.map(({ name, listing }) => `+ ${name}  ${listing.service.endpoint}`),
        ...plan.changes.map(({ target, node, what }) => `~ ${target.name}  node ${node.number}: ${what}`),
        ...close.map(({ number, service }) => `- node ${number}  ${lineForTerminal(service.endpoint)}`),
    ];
    return lines.length <= max ? lines : [...lines.slice(0, max), `… and ${lines.length - max} more`];
}

/** True once the first `sent` messages of a fleet have arrived. */
export async function fleetArrived(session: ScriptSession, fleet: Fleet, sent: number): Promise<boolean> {
    const { opened, plan, close, messages } = fleet;
    const { nextNumber } = await opened.provider.getProviderState();
    if (nextNumber < opened.state.nextNumber + BigInt(registrationsIn(fleet, sent))) {
        return false;
    }
    if (sent < messages.length) {
        return true;
    }
    const targetNodes = fleet.manifest.nodes;
    const remaining = planFleet(targetNodes, await readFleet(session.reader(), opened.at), {
        rates: [],
        baseStake: 0n,
    });
    return (
        remaining.register.length + remaining.changes.length === 0 &&
        remaining.missing.length === plan.missing.length - close.length
    );
}

/** The number of registrations among the first `sent` messages. */
const registrationsIn = ({ plan, stakeDue }: Fleet, sent: number) =>
    Math.max(0, Math.min(sent - (stakeDue > 0n ? 1 : 0), plan.register.length));

/** Stores that an order is on its way, after which `sent` messages are. */
export function rememberOrder(session: ScriptSession, fleet: Fleet, sent: number): void {
    keepRegistrations(session, fleet.opened, registrationsIn(fleet, sent));
}
