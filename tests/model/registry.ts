/** Registry, from docs/contracts/registry.md. */
import type { BodyOf } from './bodies';
import { Call, DAY, HOUR, inBasechain, isWeak, knownAt, Refusal, refuseIf } from './state';
import type { Registry, Rules, RulesChange, RuleSet } from './types';

const MAX_AMOUNT = 1_000_000n * 1_000_000_000n; // nanoTON of the base stake, or of a GPU
const MAX_CODES = 8;

/** Hash of rules that a provider's owner signs, as text. */
export const hashOf = ({ version }: Rules): string => `rules ${version}`;

export function onRegistry(call: Call, registry: Registry): Registry {
    const { message, now, prices } = call;
    const { body, from, value } = message;
    const fromGovernor = () => refuseIf(from !== registry.governor, 'ErrNotGovernor');
    const running = () => refuseIf(registry.rules === undefined, 'ErrWrongState');
    const done = (changed: Partial<Registry>, event: string, to = from): Registry => {
        call.needs(prices.stakeStep);
        call.events.push(event);
        call.pass(to, value);
        return { ...registry, ...changed };
    };
    switch (body.op) {
        case 'topUpRegistry':
            call.absorbs = true;
            return { ...registry, balance: registry.balance + value };
        case 'registerProvider':
            return onRegister(call, registry, body);
        case 'askRules':
            running();
            refuseIf(body.rules !== '' && body.rules !== hashOf(registry.rules!), 'ErrWrongRules');
            call.pass(from, value, { op: 'rulesGiven', rules: registry.rules! });
            return registry;
        case 'announceNode':
            running();
            refuseIf(knownAt(call.state, from)?.kind !== 'provider', 'ErrNotProvider');
            return done({}, 'NodeAnnounced', body.excessTo);
        case 'announceSelf':
            refuseIf(body.first && registry.paused, 'ErrPaused');
            running();
            refuseIf(knownAt(call.state, from)?.kind !== 'node', 'ErrNotNode');
            return done({}, 'NodeAnnounced', body.excessTo);
        case 'announceDemand':
            refuseIf(body.endsAt <= now, 'ErrExpired');
            return done({}, 'DemandAnnounced');
        case 'proposeChange': {
            fromGovernor();
            refuseIf(registry.rules === undefined || registry.pending !== undefined, 'ErrWrongState');
            requireBounds(call, registry, body.change);
            const pending = { change: body.change, executeAt: now + registry.delay };
            return done({ pending }, 'ChangeProposed');
        }
        case 'executeChange': {
            const { pending } = registry;
            refuseIf(pending === undefined, 'ErrWrongState');
            refuseIf(now < pending!.executeAt, 'ErrTooEarly');
            requireBounds(call, registry, pending!.change);
            return done({ ...executed(registry, pending!.change), pending: undefined }, 'ChangeExecuted');
        }
        case 'cancelChange':
            fromGovernor();
            refuseIf(registry.pending === undefined, 'ErrWrongState');
            return done({ pending: undefined }, 'ChangeCancelled');
        case 'setPaused':
            fromGovernor();
            return done({ paused: body.paused }, 'WorkPaused');
        case 'setCatalogue':
            fromGovernor();
            return done({}, 'CatalogueChanged');
        case 'proposeGovernor':
            fromGovernor();
            call.needs(prices.stakeStep);
            call.pass(from, value);
            return { ...registry, nextGovernor: body.governor };
        case 'acceptGovernor':
            refuseIf(registry.nextGovernor === undefined || from !== registry.nextGovernor, 'ErrNotGovernor');
            return done({ governor: from, nextGovernor: undefined }, 'GovernorChanged');
        default:
            throw new Refusal('130');
    }
}

function onRegister(call: Call, registry: Registry, body: BodyOf<'registerProvider'>): Registry {
    const { from, value } = call.message;
    const { rules } = registry;
    refuseIf(registry.paused, 'ErrPaused');
    refuseIf(rules === undefined, 'ErrWrongState');
    refuseIf(body.codeVersion >= registry.codes.provider, 'ErrUnknownVersion');
    refuseIf(knownAt(call.state, from)?.kind !== 'provider', 'ErrNotProvider');
    refuseIf(body.stake < rules!.baseStake, 'ErrLowStake');
    refuseIf(body.rules !== '' && body.rules !== hashOf(rules!), 'ErrWrongRules');
    call.events.push('ProviderRegistered');
    call.pass(from, value, { op: 'rulesGiven', rules: rules! });
    return registry;
}

/** The bounds of a change, checked when it is proposed and again when it is executed. */
function requireBounds(call: Call, registry: Registry, change: RulesChange): void {
    switch (change.kind) {
        case 'rules':
            return requireRules(call, change.set);
        case 'committee': {
            const { threshold, keys } = change.committee;
            const decides = threshold * 3 >= keys.length * 2 && threshold <= keys.length;
            refuseIf(keys.length < 1 || keys.length > 9 || !decides, 'ErrWrongCommittee');
            refuseIf(keys.some(isWeak), 'ErrWeakKey');
            refuseIf(new Set(keys).size < keys.length, 'ErrWrongCommittee');
            return;
        }
        case 'code':
            return refuseIf(registry.codes[change.of] >= MAX_CODES, 'ErrTooManyVersions');
        case 'other':
            return refuseIf(true, 'ErrUnknownChange');
    }
}

function requireRules(call: Call, set: RuleSet): void {
    const { evidence, response, verdict, buffer, unbonding } = set;
    const windows = [evidence, response, verdict, buffer];
    const each = windows.every((window) => window >= HOUR && window <= 30 * DAY);
    const sum = windows.reduce((total, window) => total + window, 0);
    const late = unbonding < sum || unbonding > 180 * DAY || set.payoutDelay > 30 * DAY;
    refuseIf(!each || late, 'ErrWrongWindows');
    refuseIf(set.baseStake <= 0n || set.baseStake > MAX_AMOUNT, 'ErrWrongAmount');
    refuseIf(!inBasechain(set.insurance), 'ErrWrongInsurance');
    const isRate = (rate: bigint) => rate === 0n || (rate >= 6n * call.prices.reportCost && rate <= MAX_AMOUNT);
    refuseIf(!set.rates.every(isRate), 'ErrWrongAmount');
}

/** Every change raises the version of the rules, except a code of a Provider, Escrow or Channel. */
function executed(registry: Registry, change: RulesChange): Partial<Registry> {
    const rules = registry.rules!;
    const version = rules.version + 1;
    switch (change.kind) {
        case 'rules':
            return { rules: { ...rules, ...change.set, version } };
        case 'committee':
            return { rules: { ...rules, committee: change.committee, version } };
        case 'code': {
            const codes = { ...registry.codes, [change.of]: registry.codes[change.of] + 1 };
            if (change.of === 'node') {
                return { codes, rules: { ...rules, nodeVersions: codes.node, version } };
            }
            return change.of === 'dispute'
                ? { codes, rules: { ...rules, dispute: codes.dispute - 1, version } }
                : { codes };
        }
        case 'other':
            return {};
    }
}
