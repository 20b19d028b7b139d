/** Provider: what it counts for its nodes, and passes on to them (docs/contracts/provider.md). */
import type { BodyOf } from './bodies';
import { newNode } from './node';
import { forward, giveBack, NEW_VERSION, sumOf } from './provider';
import { Call, knownAt, max, min, refuseIf } from './state';
import type { Account, Provider, Version } from './types';
import { holdOf } from './windows';

/** A node counts for six keys: the current one, four in slots, and forgotten ones as one. */
const KEYS = 6n;

export function count(provider: Provider, version: number, change: Partial<Version>): void {
    provider.versions = Array.from({ length: Math.max(provider.versions.length, version + 1) }, (_, place) => {
        const each = provider.versions[place] ?? NEW_VERSION;
        return place === version ? { ...each, ...change } : each;
    });
}

export const versionOf = (provider: Provider, version: number): Version => provider.versions[version] ?? NEW_VERSION;

function shareOf(provider: Provider, gpuClass: number, gpus: number): bigint {
    const rate = provider.rules!.rates[gpuClass] ?? 0n;
    refuseIf(rate === 0n || gpus === 0, 'ErrWrongClass');
    return rate * BigInt(gpus);
}

function requireOperator(call: Call, provider: Provider): { byOwner: boolean } {
    const { from } = call.message;
    refuseIf(from !== provider.owner && from !== provider.operator, 'ErrNotOperator');
    return { byOwner: from === provider.owner };
}

function requireVersion(provider: Provider, version: number): void {
    refuseIf(!provider.joined, 'ErrWrongState');
    refuseIf(version >= provider.rules!.nodeVersions, 'ErrUnknownVersion');
}

export function onRegisterNode(call: Call, provider: Provider, body: BodyOf<'registerNode'>): Provider {
    const { listing, code, node } = body;
    const rules = provider.rules!;
    const codeVersion = rules.nodeVersions - 1;
    refuseIf(rules.nodeVersions === 0, 'ErrUnknownVersion');
    refuseIf(code !== codeVersion, 'ErrWrongCode');
    const share = shareOf(provider, listing.gpuClass, listing.gpus);
    refuseIf(provider.stake < rules.baseStake + sumOf(provider, 'shares') + share, 'ErrLowStake');
    refuseIf(provider.jailedUntil !== 0, 'ErrJailed');
    call.needs(call.prices.registerNode);
    const version = versionOf(provider, codeVersion);
    count(provider, codeVersion, {
        shares: version.shares + share,
        nodes: version.nodes + 1,
        gpus: version.gpus + listing.gpus,
        maxShare: max(version.maxShare, share),
        slashable: version.slashable + share,
    });
    const number = provider.nextNumber;
    provider.nextNumber += 1;
    const { owner, registry, windows } = provider;
    const rest = { byOwner: true, codeVersion, evidence: windows.evidence, owner, registry, excessTo: owner };
    forward(call, provider, node, { op: 'startNode', share, gpus: listing.gpus, listing, ...rest }, true);
    Object.assign(call.sent[call.sent.length - 1], { init: newNode(call.self, number) });
    return provider;
}

export function onChangeNode(call: Call, provider: Provider, body: BodyOf<'changeNode'>): Provider {
    const { codeVersion, change, node } = body;
    const { byOwner } = requireOperator(call, provider);
    requireVersion(provider, codeVersion);
    call.needs(call.prices.changeNode);
    const version = versionOf(provider, codeVersion);
    const slashable = change.kind === 'keys' && byOwner ? version.maxShare : 0n;
    count(provider, codeVersion, { slashable: version.slashable + slashable });
    const { evidence } = provider.windows;
    const excessTo = call.message.from;
    forward(
        call,
        provider,
        node,
        { op: 'applyChange', slashable, codeVersion, byOwner, evidence, change, excessTo },
        true,
    );
    return provider;
}

export function onReplaceHardware(call: Call, provider: Provider, body: BodyOf<'replaceHardware'>): Provider {
    const { codeVersion, share: oldShare, gpus: oldGpus, gpuClass, newGpus: gpus, node } = body;
    const { byOwner } = requireOperator(call, provider);
    requireVersion(provider, codeVersion);
    const share = shareOf(provider, gpuClass, gpus);
    const raisedShare = max(share - oldShare, 0n);
    refuseIf(raisedShare > 0n && !byOwner, 'ErrNotOwner');
    const raisedGpus = Math.max(gpus - oldGpus, 0);
    const { baseStake } = provider.rules!;
    refuseIf(provider.stake < baseStake + sumOf(provider, 'shares') + raisedShare, 'ErrLowStake');
    call.needs(call.prices.changeNode);
    const version = versionOf(provider, codeVersion);
    count(provider, codeVersion, {
        shares: version.shares + raisedShare,
        gpus: version.gpus + raisedGpus,
        // No node has more than all of them, whatever share the message says that it had.
        maxShare: raisedShare > 0n ? max(version.maxShare, min(share, version.shares + raisedShare)) : version.maxShare,
        slashable: version.slashable + KEYS * raisedShare,
    });
    const hold = holdOf(provider.windows);
    const excessTo = call.message.from;
    const raise = { raisedShare, raisedGpus, codeVersion, byOwner, oldShare, oldGpus };
    forward(call, provider, node, { op: 'applyHardware', ...raise, share, gpus, gpuClass, hold, excessTo }, true);
    return provider;
}

export function onCloseNode(call: Call, provider: Provider, body: BodyOf<'closeNode'>): Provider {
    const { byOwner } = requireOperator(call, provider);
    requireVersion(provider, body.codeVersion);
    call.needs(call.prices.changeNode);
    const { evidence } = provider.windows;
    const hold = holdOf(provider.windows);
    const excessTo = call.message.from;
    forward(call, provider, body.node, { op: 'stopNode', byOwner, evidence, hold, excessTo }, true);
    return provider;
}

/** A node of this Provider says what of its share is free. */
export function onShareFreed(call: Call, provider: Provider, body: BodyOf<'shareFreed'>): Provider {
    const { number, codeVersion, excessTo } = body;
    requireNode(call, number);
    const version = versionOf(provider, codeVersion);
    const share = body.share < version.shares ? body.share : version.shares;
    count(provider, codeVersion, {
        shares: version.shares - share,
        gpus: Math.max(version.gpus - body.gpus, 0),
        nodes: Math.max(version.nodes - (body.closed ? 1 : 0), 0),
    });
    const { owner, registry } = provider;
    if (body.content) {
        forward(call, provider, registry, { op: 'announceNode', owner, excessTo, number }, true);
        return provider;
    }
    return giveBack(call, provider, excessTo);
}

/** Whether the sender is this provider's node of this number; on chain its address proves it. */
export function requireNode(call: Call, number: number): void {
    const sender = knownAt(call.state, call.message.from); // one that was cleared meanwhile is known, too
    const isOwn = sender?.kind === 'node' && sender.provider === call.self && sender.number === number;
    refuseIf(!isOwn, 'ErrNotNode');
}

/** A message to a node or to the Registry came back. */
export function onProviderBounce(call: Call, provider: Provider): Provider | undefined {
    const { body, value } = call.message;
    const back = (byOwner: boolean): Account => (byOwner ? provider.owner : (provider.operator ?? provider.owner));
    switch (body.op) {
        case 'registerProvider':
            if (!provider.joined) {
                call.pass(provider.owner, provider.balance + value);
                return undefined;
            }
            return giveBack(call, provider, provider.owner);
        case 'startNode': {
            const version = versionOf(provider, body.codeVersion);
            count(provider, body.codeVersion, {
                shares: version.shares - body.share,
                gpus: version.gpus - body.gpus,
                nodes: version.nodes - 1,
                slashable: version.slashable - body.share,
            });
            return giveBack(call, provider, back(body.byOwner));
        }
        case 'applyHardware': {
            const version = versionOf(provider, body.codeVersion);
            count(provider, body.codeVersion, {
                shares: version.shares - body.raisedShare,
                gpus: version.gpus - body.raisedGpus,
                slashable: version.slashable - KEYS * body.raisedShare,
            });
            return giveBack(call, provider, back(body.byOwner));
        }
        case 'applyChange': {
            const version = versionOf(provider, body.codeVersion);
            count(provider, body.codeVersion, { slashable: version.slashable - body.slashable });
            return giveBack(call, provider, back(body.byOwner));
        }
        case 'stopNode':
            return giveBack(call, provider, back(body.byOwner));
        default:
            return giveBack(call, provider, provider.owner);
    }
}
