/**
 * What docs/contracts/{provider,node}.md promise about stake, slots, shares and keys, as arithmetic without a chain.
 * Written from those pages, not from the contracts.
 */
import {
    DAY,
    ModelNode,
    ModelProvider,
    ModelRules,
    max,
    NOTICE,
    openNodes,
    refuseIf,
    SLOTS,
    SPAN,
    there,
} from './state';

export class StakeModel {
    now = 0;
    readonly providers: ModelProvider[] = [];

    join(account: string, owner: string, rules: ModelRules, stake: bigint): void {
        const record = { frozen: 0n, strikes: 0, strikeAt: 0, jailedUntil: 0, verdicts: [], cases: new Map() };
        const slots = Array.from({ length: SLOTS }, () => undefined);
        const since = { disputeBefore: -1, disputeSince: 0, followed: [rules], lockedUntil: 0 };
        const rest = { shares: 0n, largest: 0n, slashable: 0n, nodes: [], ...since, in: stake, out: 0n };
        this.providers.push({ account, owner, rules, stake, slots, ...record, ...rest });
    }

    required(p: ModelProvider): bigint {
        return openNodes(p) === 0 ? 0n : p.rules.baseStake + p.shares;
    }

    addStake(p: ModelProvider, amount: bigint): void {
        p.stake += amount;
        p.in += amount;
    }

    unbond(p: ModelProvider, amount: bigint): void {
        refuseIf(p.stake - amount < this.required(p), p.account, 'ErrLowStake');
        const slot = p.slots.findIndex((used) => used === undefined);
        refuseIf(slot < 0, p.account, 'ErrNoSlot');
        p.stake -= amount;
        p.slots[slot] = { amount, unlockAt: Math.max(this.now + holdOf(p), p.lockedUntil) };
    }

    cancelUnbonding(p: ModelProvider, slot: number): void {
        p.stake += usedSlot(p, slot).amount;
        p.slots[slot] = undefined;
    }

    withdraw(p: ModelProvider, slot: number): void {
        const { amount, unlockAt } = usedSlot(p, slot);
        refuseIf(this.now < unlockAt, p.account, 'ErrTooEarly');
        const left = there(p) - amount;
        refuseIf(p.frozen > 0n && left < p.frozen + this.required(p), p.account, 'ErrLowStake');
        p.slots[slot] = undefined;
        p.out += amount;
    }

    unjail(p: ModelProvider): void {
        refuseIf(p.jailedUntil === 0, p.account, 'ErrWrongState');
        refuseIf(this.now < p.jailedUntil, p.account, 'ErrTooEarly');
        refuseIf(p.stake < p.rules.baseStake + p.shares, p.account, 'ErrLowStake');
        p.jailedUntil = 0;
        p.strikes = 0;
    }

    adopt(p: ModelProvider, newest: ModelRules): void {
        const other = newest.dispute !== p.rules.dispute;
        const early = other && this.now < p.disputeSince + 90 * DAY;
        const next = early ? { ...newest, dispute: p.rules.dispute } : newest;
        if (newest.version === p.rules.version && (early || !other)) {
            return;
        }
        if (other && !early) {
            p.disputeBefore = p.rules.dispute;
            p.disputeSince = this.now;
        }
        if (openNodes(p) === 0) {
            p.lockedUntil = Math.max(p.lockedUntil, this.now + holdOf(p));
            p.followed = [];
        }
        p.followed.push(next);
        p.rules = next;
    }

    registerNode(p: ModelProvider, account: string, hardware: { gpuClass: number; gpus: number }, key: string): void {
        const share = shareOf(p, hardware);
        refuseIf(p.stake < p.rules.baseStake + p.shares + share, p.account, 'ErrLowStake');
        refuseIf(p.jailedUntil !== 0, p.account, 'ErrJailed');
        p.shares += share;
        p.largest = max(p.largest, share);
        p.slashable += share;
        p.nodes.push({
            account,
            number: p.nodes.length,
            state: 'open',
            ...hardware,
            share,
            clearAt: 0,
            key,
            ended: Array.from({ length: SLOTS }),
            evidence: longestOf(p, 'evidence'),
            taken: 0n,
            asked: 0n,
            frozen: 0n,
            forgotten: { taken: 0n, until: 0, asked: 0n, frozen: 0n },
            pastShare: 0n,
            pastUntil: 0,
            last: { A1: 0, A2: 0, A3: 0, B1: 0 },
            most: share,
            cost: new Map(),
        });
    }

    replaceHardware(p: ModelProvider, node: ModelNode, hardware: { gpuClass: number; gpus: number }): void {
        const share = shareOf(p, hardware);
        const raised = max(share - node.share, 0n);
        refuseIf(p.stake < p.rules.baseStake + p.shares + raised, p.account, 'ErrLowStake');
        p.largest = max(p.largest, share);
        requireOpen(node);
        p.slashable += KEYS * raised;
        if (share < node.share) {
            this.lower(p, node);
            if (node.key !== undefined && node.taken >= share) {
                this.end(node, node.key);
            }
        }
        p.shares += share - node.share;
        Object.assign(node, hardware, { share, most: max(node.most, share) });
    }

    closeNode(p: ModelProvider, node: ModelNode): void {
        requireOpen(node);
        node.evidence = longestOf(p, 'evidence');
        const endsAt = this.now + NOTICE;
        this.retire(node, node.key, endsAt);
        node.ended.forEach((ended) => {
            if (ended !== undefined && ended.endsAt > endsAt) {
                Object.assign(ended, { endsAt, freeAt: endsAt + SPAN + node.evidence });
            }
        });
        this.lower(p, node);
        p.shares -= node.share;
        const clearAt = this.now + holdOf(p);
        Object.assign(node, { state: 'closed', key: undefined, ...NOTHING, share: 0n, gpus: 0, clearAt });
    }

    clearNode(node: ModelNode): void {
        refuseIf(node.state !== 'closed', node.account, 'ErrWrongState');
        refuseIf(this.now < node.clearAt, node.account, 'ErrTooEarly');
        node.state = 'cleared';
    }

    setKeys(p: ModelProvider, node: ModelNode, key: string, oldEndsAt: number): void {
        requireOpen(node);
        const [slots, forgotten, evidence] = [[...node.ended], { ...node.forgotten }, node.evidence];
        node.evidence = longestOf(p, 'evidence');
        if (key !== node.key) {
            const inTime = oldEndsAt >= this.now && oldEndsAt <= this.now + 90 * DAY;
            const old = node.key;
            try {
                refuseIf(!inTime, node.account, 'ErrWrongKeyEnd');
                refuseIf(
                    node.ended.some((ended) => ended?.key === key),
                    node.account,
                    'ErrKeyUsed',
                );
                this.retire(node, old, Math.max(oldEndsAt, this.now + NOTICE));
                refuseIf(freeSlot(node, this.now) < 0, node.account, 'ErrNoSlot');
            } catch (error) {
                Object.assign(node, { ended: slots, forgotten, evidence });
                throw error;
            }
            node.key = key;
            Object.assign(node, NOTHING);
        }
        p.slashable += p.largest;
    }

    endKey(p: ModelProvider, node: ModelNode, key: string): void {
        requireOpen(node);
        const evidence = longestOf(p, 'evidence');
        const endsAt = this.now + NOTICE;
        if (key === node.key) {
            this.retire(node, key, endsAt, evidence);
            Object.assign(node, { key: undefined, ...NOTHING });
        } else {
            const ended = node.ended.find((each) => each?.key === key);
            refuseIf(ended === undefined || ended.endsAt <= endsAt, node.account, 'ErrUnknownKey');
            Object.assign(ended!, { endsAt, freeAt: endsAt + SPAN + evidence });
        }
        node.evidence = evidence;
    }

    protected lower(p: ModelProvider, node: ModelNode): void {
        node.pastShare = max(node.share, this.now <= node.pastUntil ? node.pastShare : 0n);
        node.pastUntil = Math.max(node.pastUntil, this.now + holdOf(p));
    }

    /** A key that has signed twice, or could cost nothing more, ends at once. */
    protected end(node: ModelNode, key: string): void {
        if (key === node.key) {
            this.retire(node, key, this.now);
            Object.assign(node, { key: undefined, ...NOTHING });
        }
        const ended = node.ended.find((each) => each?.key === key);
        if (ended !== undefined) {
            ended.endsAt = Math.min(ended.endsAt, this.now);
        }
    }

    protected retire(node: ModelNode, key: string | undefined, endsAt: number, evidence = node.evidence): void {
        if (key === undefined) {
            return;
        }
        const slot = freeSlot(node, this.now);
        refuseIf(slot < 0, node.account, 'ErrNoSlot');
        const old = node.ended[slot];
        if (old !== undefined) {
            const before = forgottenBy(node, this.now);
            Object.assign(node.forgotten, {
                taken: max(before.taken, old.taken),
                asked: before.asked + old.asked,
                frozen: before.frozen + old.frozen,
            });
            if (old.taken > before.taken || old.asked > 0n) {
                node.forgotten.until = this.now + 90 * DAY;
            }
        }
        const { taken, asked, frozen } = node;
        node.ended[slot] = { key, endsAt, freeAt: endsAt + SPAN + evidence, taken, asked, frozen };
    }
}

/** That a node keeps at once: the current one, those in slots, and forgotten ones as one. */
const KEYS = BigInt(SLOTS + 2);

/** What a new key has cost, and what cases about it hold. */
const NOTHING = { taken: 0n, asked: 0n, frozen: 0n };

type Window = 'evidence' | 'response' | 'verdict' | 'buffer' | 'unbonding';

/** The longest of all rules under which something may have begun that is still liable. */
function longestOf(p: ModelProvider, window: Window): number {
    return Math.max(...p.followed.map((rules) => rules[window]));
}

/**
 * What ends now stays liable for so many seconds: its keys' notice, evidence, the longest case, time to have it
 * decided.
 */
export function holdOf(p: ModelProvider): number {
    const demandOrVerdict = Math.max(
        ...p.followed.map(({ response, buffer, verdict }) => response + buffer + Math.max(verdict, SPAN)),
    );
    return Math.max(longestOf(p, 'unbonding'), NOTICE + longestOf(p, 'evidence') + demandOrVerdict);
}

function shareOf(p: ModelProvider, { gpuClass, gpus }: { gpuClass: number; gpus: number }): bigint {
    const rate = p.rules.rates[gpuClass] ?? 0n;
    refuseIf(rate === 0n, p.account, 'ErrWrongClass');
    return rate * BigInt(gpus);
}

function usedSlot(p: ModelProvider, slot: number): { amount: bigint; unlockAt: number } {
    refuseIf(p.slots[slot] === undefined, p.account, 'ErrEmptySlot');
    return p.slots[slot]!;
}

function requireOpen(node: ModelNode): void {
    refuseIf(node.state !== 'open', node.account, 'ErrWrongState');
}

function freeSlot(node: ModelNode, now: number): number {
    return node.ended.findIndex((ended) => ended === undefined || ended.freeAt <= now);
}

/** What forgotten keys have cost, and what their cases ask for: for 90 days, until which all of these have ended. */
export function forgottenBy(node: ModelNode, now: number): ModelNode['forgotten'] {
    return { ...node.forgotten, ...(now <= node.forgotten.until ? {} : NOTHING) };
}
