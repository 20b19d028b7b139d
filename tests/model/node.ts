/** Node: keys, hardware and share, from docs/contracts/node.md. `ledger.ts` counts what its keys cost. */
import type { BodyOf } from './bodies';
import { EMPTY_LEDGER, endNow, retire } from './keys';
import { onReleaseShare, onReport, onSlashShare } from './ledger';
import { Call, isWeak, max, Refusal, refuseIf } from './state';
import type { Account, Change, Key, Node } from './types';
import { NOTICE, SPAN } from './windows';

const KEY_SLOTS = 4;

/** A node as its account's first data has it. */
export function newNode(provider: Account, number: number): Node {
    return {
        kind: 'node',
        balance: 0n,
        provider,
        number,
        state: 'new',
        codeVersion: 0,
        owner: '',
        registry: '',
        share: 0n,
        gpus: 0,
        gpuClass: 0,
        clearAt: 0,
        ended: Array.from({ length: KEY_SLOTS }, () => undefined),
        evidence: 0,
        current: EMPTY_LEDGER,
        pastShare: 0n,
        pastUntil: 0,
        slashedAt: { A1: 0, A2: 0, A3: 0, B1: 0 },
        forgotten: EMPTY_LEDGER,
        forgottenUntil: 0,
        serial: 0,
    };
}

/** Takes a message; `node` is a copy that may be changed. Returns undefined if the account ended. */
export function onNode(call: Call, node: Node): Node | undefined {
    const { body, from, value } = call.message;
    const fromProvider = () => refuseIf(from !== node.provider, 'ErrNotProvider');
    const open = () => refuseIf(node.state !== 'open', 'ErrWrongState');
    switch (body.op) {
        case 'none':
        case 'short':
            call.absorbs = true;
            return { ...node, balance: node.balance + value };
        case 'startNode':
            fromProvider();
            refuseIf(node.state !== 'new', 'ErrWrongState');
            return start(call, node, body);
        case 'applyChange':
            fromProvider();
            open();
            refuseIf(body.codeVersion !== node.codeVersion, 'ErrUnknownVersion');
            refuseIf(body.change.kind === 'keys' && !body.byOwner, 'ErrNotOwner');
            apply(call, node, body);
            announce(call, node, body.excessTo, value);
            return node;
        case 'applyHardware':
            fromProvider();
            open();
            refuseIf(body.oldShare !== node.share || body.oldGpus !== node.gpus, 'ErrWrongShare');
            refuseIf(body.codeVersion !== node.codeVersion, 'ErrUnknownVersion');
            return replace(call, node, body);
        case 'stopNode':
            fromProvider();
            open();
            return stop(call, node, body);
        case 'clearNode':
            refuseIf(node.state !== 'closed', 'ErrWrongState');
            refuseIf(call.now < node.clearAt, 'ErrTooEarly');
            call.needs(call.prices.stakeStep);
            call.pass(node.owner, node.balance);
            call.pass(from, value);
            return undefined;
        case 'slashShare':
            fromProvider();
            return onSlashShare(call, node, body);
        case 'releaseShare':
            fromProvider();
            return onReleaseShare(call, node, body);
        case 'reportTwice':
        case 'reportExcess':
        case 'demandAnswer':
        case 'reportWrong':
            return onReport(call, node, body);
        default:
            throw new Refusal('130');
    }
}

function announce(call: Call, node: Node, excessTo: Account, value: bigint, first = false): void {
    const { number, provider } = node;
    call.pass(node.registry, value, { op: 'announceSelf', first, number, provider, excessTo }, true);
}

function start(call: Call, node: Node, body: BodyOf<'startNode'>): Node {
    const { listing, share, gpus, codeVersion, owner, registry, evidence } = body;
    refuseIf(isWeak(listing.receiptKey) || isWeak(listing.encryptionKey), 'ErrWeakKey');
    refuseIf(listing.wrong !== undefined, listing.wrong!);
    const { receiptKey, encryptionKey, gpuClass } = listing;
    Object.assign(node, { share, gpus, gpuClass, codeVersion, owner, registry, evidence, receiptKey, encryptionKey });
    node.state = 'open';
    node.serial = 1;
    const reserve = call.prices.nodeReserve;
    const kept = node.balance >= reserve ? 0n : reserve - node.balance;
    node.balance += kept;
    announce(call, node, body.excessTo, call.message.value - kept, true);
    return node;
}

function apply(call: Call, node: Node, { change, evidence }: BodyOf<'applyChange'>): void {
    node.evidence = Math.max(node.evidence, evidence); // the longest that it has followed
    switch (change.kind) {
        case 'offers':
            return refuseIf(change.wrong === true, 'ErrWrongOffers');
        case 'service':
            return refuseIf(change.wrong === true, 'ErrWrongService');
        case 'attestation':
            return refuseIf(change.wrong === true, 'ErrWrongAttestation');
        case 'keys':
            refuseIf(isWeak(change.receiptKey) || isWeak(change.encryptionKey), 'ErrWeakKey');
            return setKeys(call, node, change);
        case 'endKey':
            return endKey(call, node, change.receiptKey);
        case 'other':
            return refuseIf(true, 'ErrUnknownChange');
    }
}

function setKeys(call: Call, node: Node, { receiptKey, encryptionKey, oldEndsAt }: Change & { kind: 'keys' }): void {
    node.encryptionKey = encryptionKey;
    if (receiptKey === node.receiptKey) {
        return;
    }
    refuseIf(oldEndsAt < call.now || oldEndsAt > call.now + 90 * 86_400, 'ErrWrongKeyEnd');
    refuseIf(
        node.ended.some((slot) => slot?.key === receiptKey),
        'ErrKeyUsed',
    );
    retire(call.now, node, Math.max(oldEndsAt, call.now + NOTICE));
    refuseIf(freeSlots(node, call.now) === 0, 'ErrNoSlot');
    node.receiptKey = receiptKey;
    node.serial += 1;
    node.current = EMPTY_LEDGER;
}

export const freeSlots = (node: Node, now: number): number =>
    node.ended.filter((slot) => slot === undefined || slot.freeAt <= now).length;

function endKey(call: Call, node: Node, key: Key): void {
    const endsAt = call.now + NOTICE;
    if (key === node.receiptKey) {
        retire(call.now, node, endsAt);
        return;
    }
    const slot = node.ended.findIndex((each) => each?.key === key);
    refuseIf(slot < 0 || node.ended[slot]!.endsAt <= endsAt, 'ErrUnknownKey');
    const freeAt = endsAt + SPAN + node.evidence;
    node.ended = node.ended.map((each, index) => (index === slot ? { ...each!, endsAt, freeAt } : each));
}

/** The share falls: for one hold it counts as it was. */
function lower(call: Call, node: Node, hold: number): void {
    node.pastShare = max(node.share, call.now <= node.pastUntil ? node.pastShare : 0n);
    node.pastUntil = Math.max(node.pastUntil, call.now + hold);
}

function replace(call: Call, node: Node, body: BodyOf<'applyHardware'>): Node {
    const { share, gpus, gpuClass, hold, excessTo } = body;
    const freed = { share: max(node.share - share, 0n), gpus: Math.max(node.gpus - gpus, 0) };
    if (freed.share > 0n) {
        lower(call, node, hold);
        if (node.receiptKey !== undefined && node.current.slashed >= share) {
            endNow(call.now, node, node.serial);
        }
    }
    Object.assign(node, { share, gpus, gpuClass });
    free(call, node, freed, false, excessTo);
    return node;
}

function free(
    call: Call,
    node: Node,
    { share, gpus }: { share: bigint; gpus: number },
    closed: boolean,
    excessTo: Account,
    content = true,
): void {
    const { number, codeVersion } = node;
    const body = { op: 'shareFreed', share, gpus, number, codeVersion, closed, content, excessTo } as const;
    call.pass(node.provider, call.message.value, body, true);
}

function stop(call: Call, node: Node, { evidence, hold, excessTo }: BodyOf<'stopNode'>): Node {
    node.evidence = Math.max(node.evidence, evidence);
    const endsAt = call.now + NOTICE;
    retire(call.now, node, endsAt);
    const freeAt = endsAt + SPAN + node.evidence;
    node.ended = node.ended.map((each) =>
        each !== undefined && each.endsAt > endsAt ? { ...each, endsAt, freeAt } : each,
    );
    lower(call, node, hold);
    const freed = { share: node.share, gpus: node.gpus };
    Object.assign(node, { state: 'closed', share: 0n, gpus: 0, clearAt: call.now + hold });
    free(call, node, freed, true, excessTo);
    return node;
}

/** A message of the node came back. */
export function onNodeBounce(call: Call, node: Node): Node {
    const { body, value } = call.message;
    if (body.op === 'announceSelf' && body.first && node.state === 'open') {
        const freed = { share: node.share, gpus: node.gpus };
        // Nobody had a job with it: it can be cleared at once.
        const ended = node.ended.map(() => undefined);
        Object.assign(node, { state: 'closed', share: 0n, gpus: 0, clearAt: 0, receiptKey: undefined, ended });
        free(call, node, freed, true, node.owner, false);
        return node;
    }
    if (body.op === 'shareFreed') {
        node.share += body.share;
        node.gpus += body.gpus;
        Object.assign(node, body.closed ? { state: 'open', clearAt: 0 } : {});
    }
    call.pass(node.owner, value);
    return node;
}
