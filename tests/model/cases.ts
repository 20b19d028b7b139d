/** Provider: freezing, cases and slashes (docs/contracts/dispute.md). */
import type { BodyOf } from './bodies';
import { newDispute } from './dispute';
import { count, requireNode, versionOf } from './nodes';
import { bonded, forward, setSlot, sumOf } from './provider';
import { basisPoints, Call, DAY, knownAt, max, min, refuseIf } from './state';
import type { Account, CaseRules, Fault, Provider } from './types';

const TON = 1_000_000_000n;
const STRIKES = 3;

/** A node found a fault: freezes, and opens a case with the code of its date, or lets the node take it back. */
export function onFaultFound(call: Call, provider: Provider, body: BodyOf<'faultFound'>): Provider {
    const { number, codeVersion, frozen, fault, code, dispute } = body;
    requireNode(call, number);
    const version = versionOf(provider, codeVersion);
    const counted = max(version.frozen, min(version.frozen + frozen, version.slashable));
    count(provider, codeVersion, { frozen: counted, cases: version.cases + 1 });
    const { rules, disputeSince, disputeBefore } = provider;
    const due = fault.date > disputeSince ? rules!.dispute : disputeBefore;
    if (code !== due) {
        release(call, provider, fault, call.message.from, fault.reporter);
        return provider;
    }
    provider.opened += 1;
    call.events.push('CaseOpened');
    forward(call, provider, dispute, { op: 'openCase', fault, rules: caseRulesOf(provider) }, true, { fault: true });
    Object.assign(call.sent[call.sent.length - 1], { init: newDispute(call.self, fault.class) });
    return provider;
}

function caseRulesOf({ rules, owner }: Provider): CaseRules {
    const { version, response, verdict, insurance, committee } = rules!;
    return { version, response, verdict, insurance, owner, committee };
}

function release(call: Call, provider: Provider, fault: Fault, node: Account, excessTo: Account): void {
    const { nodeVersion: codeVersion, amount, keySerial } = fault;
    const body = { op: 'releaseShare', codeVersion, amount, keySerial, excessTo } as const;
    forward(call, provider, node, body, true, { fault: true });
}

/** The end of a case: its slash goes to the node, which says what the key's share can bear. */
export function onCaseClosed(call: Call, provider: Provider, body: BodyOf<'caseClosed'>): Provider {
    const { guilty, slash, fault, rules, excessTo } = body;
    const sender = knownAt(call.state, call.message.from); // one that was cleared meanwhile is known, too
    refuseIf(sender?.kind !== 'dispute' || sender.provider !== call.self, 'ErrNotDispute');
    const node = fault.account;
    if (!guilty) {
        release(call, provider, fault, node, excessTo);
        return provider;
    }
    const { nodeVersion: codeVersion } = fault;
    let capped = slash;
    if (fault.class === 'B1') {
        capped = min(slash, verdictsCanTake(provider, call.now));
        const { pendingVerdicts } = versionOf(provider, codeVersion);
        count(provider, codeVersion, { pendingVerdicts: pendingVerdicts + 1 });
    }
    const message = { op: 'slashShare', codeVersion, slash: capped, fault, rules, excessTo } as const;
    forward(call, provider, node, message, true, { fault: true });
    return provider;
}

/** Verdicts take at most a tenth of stake and slots in a day and a fifth in 14 days, counted with what they took. */
export function verdictsCanTake(provider: Provider, now: number): bigint {
    const since = (seconds: number) =>
        provider.verdicts.reduce((sum, { at, amount }) => sum + (now < at + seconds ? amount : 0n), 0n);
    const base = bonded(provider) + since(14 * DAY);
    const ofDay = basisPoints(base, 1_000) - since(DAY);
    const ofFortnight = basisPoints(base, 2_000) - since(14 * DAY);
    return max(min(ofDay, ofFortnight), 0n);
}

export function onShareReleased(call: Call, provider: Provider, body: BodyOf<'shareReleased'>): Provider {
    requireNode(call, body.number);
    endCase(provider, body.codeVersion, body.frozen);
    forward(call, provider, body.excessTo, { op: 'excesses' }, false, { fault: true });
    return provider;
}

/** A case is over: lifts what its node said. With the last case nothing stays frozen. */
function endCase(provider: Provider, codeVersion: number, lifted: bigint, slashed = 0n): void {
    const version = versionOf(provider, codeVersion);
    const cases = Math.max(version.cases - 1, 0);
    const slashable = version.slashable - slashed;
    const frozen = cases === 0 ? 0n : min(max(version.frozen - lifted, 0n), slashable);
    count(provider, codeVersion, { cases, slashable, frozen });
}

export function onShareSlashed(call: Call, provider: Provider, body: BodyOf<'shareSlashed'>): Provider {
    const { codeVersion, fault, rules, excessTo } = body;
    requireNode(call, body.number);
    const { slashable, shares, pendingVerdicts } = versionOf(provider, codeVersion);
    let slash = min(body.amount, slashable);
    if (fault.class === 'B1') {
        slash = pendingVerdicts > 0 ? min(slash, verdictsCanTake(provider, call.now)) : 0n;
        if (pendingVerdicts > 0) {
            count(provider, codeVersion, { pendingVerdicts: pendingVerdicts - 1 });
            rememberVerdict(provider, call.now, slash);
        }
    }
    if (fault.class === 'A3' && (slashable > 0n || shares > 0n)) {
        strike(provider, call.now);
    }
    endCase(provider, codeVersion, body.frozen, slash);
    const amount = min(slash, bonded(provider), max(provider.balance, 0n));
    take(provider, amount);
    const parts = partsOf(fault, amount, call.prices.reportCost);
    call.events.push('StakeSlashed');
    const payments: [Account, bigint][] = [
        [fault.victim, parts.victim],
        [rules.insurance, parts.insurance],
        [fault.reporter, parts.reward],
    ];
    for (const [to, value] of payments.filter(([, part]) => part > 0n)) {
        call.pay(to, value);
    }
    forward(call, provider, excessTo, { op: 'excesses' }, false, { fault: true, paid: amount });
    return provider;
}

/** The victim first, then the reporter, both together at most half; the insurance gets the rest. */
export function partsOf(
    fault: Fault,
    amount: bigint,
    cost: bigint,
): { victim: bigint; reward: bigint; insurance: bigint } {
    const half = amount / 2n;
    const victim = min(fault.loss, half);
    const reward = min(max(min(basisPoints(amount, 1_000), 20n * TON), cost), half - victim);
    return { victim, reward, insurance: amount - victim - reward };
}

/** Slots first, the oldest first, then the stake. */
function take(provider: Provider, amount: bigint): void {
    let remaining = amount;
    const order = [...provider.slots.keys()].filter((place) => provider.slots[place] !== undefined);
    order.sort((a, b) => provider.slots[a]!.unlockAt - provider.slots[b]!.unlockAt);
    for (const place of order) {
        const slot = provider.slots[place]!;
        const part = min(remaining, slot.amount);
        remaining -= part;
        setSlot(provider, place, part === slot.amount ? undefined : { ...slot, amount: slot.amount - part });
    }
    provider.stake -= remaining;
}

/** One strike is forgotten after every 30 days without a new one; the third means jail for seven days. */
function strike(provider: Provider, now: number): void {
    const past = Math.floor((now - provider.strikeAt) / (30 * DAY));
    provider.strikes = Math.min(Math.max(provider.strikes - past, 0) + 1, STRIKES);
    provider.strikeAt = now;
    provider.jailedUntil = provider.strikes >= STRIKES ? now + 7 * DAY : provider.jailedUntil;
}

/** Four are remembered; the two oldest become one with the later date. */
function rememberVerdict(provider: Provider, now: number, amount: bigint): void {
    const all = [{ at: now, amount }, ...provider.verdicts];
    if (all.length > 4) {
        const oldest = all.pop()!;
        all[3] = { ...all[3], amount: all[3].amount + oldest.amount };
    }
    provider.verdicts = all;
}

/** A message about a case came back: the case counts as ended, or its node takes it back. */
export function onCaseBounce(call: Call, provider: Provider): Provider {
    const { body } = call.message;
    if (body.op === 'openCase') {
        release(call, provider, body.fault, body.fault.account, provider.rules!.insurance);
        return provider;
    }
    if (body.op === 'slashShare' || body.op === 'releaseShare') {
        endCase(provider, body.codeVersion, 0n);
    }
    forward(call, provider, provider.rules!.insurance, { op: 'excesses' }, false, { fault: true });
    return provider;
}

/** All that open cases may take. */
export const frozenOf = (provider: Provider): bigint => sumOf(provider, 'frozen');
