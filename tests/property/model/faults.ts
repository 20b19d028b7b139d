/**
 * What docs/contracts/dispute.md promises about faults, cases and slashes, as arithmetic without a chain. Written from
 * that page, not from the contracts.
 */
import { ok } from 'node:assert';

import { forgottenBy, StakeModel } from './stake';
import {
    basisPoints,
    Claim,
    DAY,
    min,
    ModelCase,
    ModelNode,
    ModelProvider,
    max,
    Payment,
    refuseIf,
    SKEW,
    SPAN,
    there,
} from './state';

const TON = 1_000_000_000n;

interface Held {
    taken: bigint;
    asked: bigint; // what open cases ask for
    frozen: bigint; // what of it is frozen
}

export class FaultModel extends StakeModel {
    private reportCost = 0n;
    private demandBond = 0n;

    /** What showing a fault costs, and the bond of a demand, at the prices in force. */
    price(prices: { reportCost: bigint; demandBond: bigint }): void {
        this.reportCost = prices.reportCost;
        this.demandBond = prices.demandBond;
    }

    /** `accountOf`: the account of the Dispute of a code about this claim. */
    report(p: ModelProvider, node: ModelNode, claim: Claim, accountOf: (code: number) => string): Payment[] {
        refuseIf(claim.flaw !== undefined, node.account, claim.flaw!);
        const record = this.recordOf(node, claim);
        refuseIf(claim.date > this.now, node.account, 'ErrTooEarly');
        refuseIf(this.now > claim.date + node.evidence, node.account, 'ErrExpired');
        const basis = this.basis(node);
        const lastWas = node.last[claim.class];
        const repeat = lastWas !== 0 && claim.date > lastWas;
        const amount = min(this.wanted(claim, basis, repeat), max(basis - record.taken, 0n));
        refuseIf(amount === 0n, node.account, 'ErrNoShare');

        record.asked += amount;
        this.freeze(p, record, max(record.frozen, min(record.asked, basis - record.taken)));
        const decided = claim.class === 'A1' || claim.class === 'A2';
        if (claim.class === 'A1') {
            this.end(node, claim.key);
        }
        if (node.state === 'closed') {
            node.clearAt = Math.max(node.clearAt, this.now + 90 * DAY);
        }
        const code = claim.date > p.disputeSince ? p.rules.dispute : p.disputeBefore;
        const account = accountOf(code);
        if (claim.dispute !== code) {
            return this.release(p, node, claim.key, amount);
        }
        const before = p.cases.get(account);
        if (before !== undefined) {
            const more = claim.loss - before.counted;
            if (!decided || more <= 0n) {
                return this.release(p, node, claim.key, amount);
            }
            const take = min(amount, max(amount - before.asked, 2n * more));
            Object.assign(before, { counted: claim.loss, asked: before.asked + take });
            return this.take(p, node, { ...claim, loss: more }, { amount, take, basis });
        }
        const answerBy = this.now + p.rules.response;
        p.cases.set(account, {
            ...claim,
            account,
            node,
            amount,
            bond: this.bondOf(claim, amount),
            most: repeat ? 2_000 : 500,
            answerBy,
            decideFrom: answerBy + (claim.class === 'B1' ? p.rules.verdict : 0),
            openedAt: this.now,
            clearAt: this.now + 31 * DAY,
            stated: false,
            basis,
            state: decided ? 'closed' : 'open',
            counted: claim.loss,
            asked: decided ? amount : 0n,
            rules: p.rules,
        });
        if (decided) {
            return this.take(p, node, claim, { amount, take: amount, basis });
        }
        return [];
    }

    /** An A1 or A2, at once: what the key's share still bears. */
    private take(
        p: ModelProvider,
        node: ModelNode,
        claim: Claim,
        of: { amount: bigint; take: bigint; basis: bigint },
    ): Payment[] {
        const take = this.bear(p, node, claim.key, of);
        node.last[claim.class] = this.now;
        return this.slash(p, node, claim, take, p.rules.insurance.hash.toString('hex'));
    }

    bondOf(claim: Claim, amount: bigint): bigint {
        if (claim.class === 'A3') {
            return this.demandBond;
        }
        return claim.class === 'B1' ? max(5n * TON, amount / 10n) : 0n;
    }

    /** A case ends by an answer, an acquittal or nobody's word: nothing is taken, the bond goes to whom it is due. */
    acquit(p: ModelProvider, found: ModelCase, bondTo: string): Payment[] {
        found.state = 'closed';
        this.release(p, found.node, found.key, found.amount);
        return [{ from: found.account, to: bondTo, value: found.bond }];
    }

    /** Guilty: takes what the key's share still bears. A node that is gone bears nothing. */
    convict(p: ModelProvider, found: ModelCase, points = found.most): Payment[] {
        found.state = 'closed';
        const { node, key } = found;
        const bond = { from: found.account, to: found.reporter, value: found.bond };
        // A case keeps its node: only where nobody had it decided for 90 days may it be gone.
        if (node.state === 'cleared') {
            ok(this.now >= found.openedAt + 90 * DAY, 'the node is there while its case is open');
            this.thaw(p);
            return [bond];
        }
        const said = (found.amount * BigInt(points)) / BigInt(found.most);
        const judged = found.class === 'B1' ? min(said, this.leftForVerdicts(p)) : said;
        const basis = max(this.basis(node), found.basis);
        const take = this.bear(p, node, key, { amount: found.amount, take: judged, basis });
        node.last[found.class] = this.now;
        if (found.class === 'B1') {
            this.rememberVerdict(p, take);
        } else {
            const forgotten = Math.floor((this.now - p.strikeAt) / (30 * DAY));
            p.strikes = Math.min(Math.max(p.strikes - forgotten, 0) + 1, 3);
            p.strikeAt = this.now;
            p.jailedUntil = p.strikes >= 3 ? this.now + 7 * DAY : p.jailedUntil;
        }
        return [bond, ...this.slash(p, node, found, take, found.rules.insurance.hash.toString('hex'))];
    }

    /**
     * Verdicts take at most a tenth of the stake a day and a fifth in 14 days, measured with what they took still
     * there.
     */
    leftForVerdicts(p: ModelProvider): bigint {
        const since = (seconds: number) =>
            p.verdicts.reduce((sum, { at, amount }) => sum + (this.now < at + seconds ? amount : 0n), 0n);
        const base = there(p) + since(14 * DAY);
        const [day, fortnight] = [basisPoints(base, 1_000) - since(DAY), basisPoints(base, 2_000) - since(14 * DAY)];
        return max(min(day, fortnight), 0n);
    }

    /** Four are remembered; the two oldest become one of the later date. */
    private rememberVerdict(p: ModelProvider, amount: bigint): void {
        p.verdicts.unshift({ at: this.now, amount });
        if (p.verdicts.length > 4) {
            const oldest = p.verdicts.pop()!;
            p.verdicts[3].amount += oldest.amount;
        }
    }

    /** What percentages count from: the share, or the higher one it was before. */
    private basis(node: ModelNode): bigint {
        return max(node.share, this.now <= node.pastUntil ? node.pastShare : 0n);
    }

    private wanted(claim: Claim, basis: bigint, repeat: boolean): bigint {
        switch (claim.class) {
            case 'A1':
                return max(basisPoints(basis, repeat ? 10_000 : 2_000), 6n * this.reportCost);
            case 'A2':
                return max(3n * claim.loss, basisPoints(basis, repeat ? 500 : 100), 6n * this.reportCost);
            case 'A3':
                return 2n * claim.loss + basisPoints(min(claim.loss, basis), repeat ? 200 : 100);
            case 'B1':
                return basisPoints(basis, repeat ? 2_000 : 500);
        }
    }

    /** Where what this key's receipts cost is counted. Refuses keys that the node does not know at this date. */
    private recordOf(node: ModelNode, claim: Claim): Held {
        if (claim.key === node.key) {
            return node;
        }
        const ended = node.ended.find((each) => each?.key === claim.key);
        const span = claim.class === 'A3' ? SPAN : SKEW;
        refuseIf(ended === undefined || claim.date > ended.endsAt + span, node.account, 'ErrUnknownKey');
        return ended!;
    }

    /** Where what a key has cost, and its open cases ask for, is counted; keys that were forgotten count as one. */
    private heldBy(node: ModelNode, key: string): Held {
        const known = key === node.key ? node : node.ended.find((each) => each?.key === key);
        if (known !== undefined) {
            return known;
        }
        const { taken, asked, frozen } = forgottenBy(node, this.now);
        return Object.assign(node.forgotten, { taken, asked, frozen });
    }

    /**
     * A case of this key that asked for `amount` is over, and its share is to bear `take`: what it still can. What is
     * frozen falls to what others ask for, and to what the share then bears; it never rises by an end.
     */
    private bear(
        p: ModelProvider,
        node: ModelNode,
        key: string,
        { amount, take, basis }: { amount: bigint; take: bigint; basis: bigint },
    ): bigint {
        const record = this.heldBy(node, key);
        const left = basis - record.taken;
        const borne = min(take, max(left, 0n));
        const stillBorne = max(left, record.frozen) - borne; // what was frozen began under a share that stays liable
        record.taken += borne;
        record.asked -= min(amount, record.asked);
        this.freeze(p, record, min(record.frozen, record.asked, stillBorne));
        if (record === node.forgotten && borne > 0n) {
            node.forgotten.until = this.now + 90 * DAY;
        }
        this.thaw(p);
        if (borne >= left) {
            this.end(node, key);
        }
        return borne;
    }

    /** A case of this key that asked for `amount` is over, and nothing is taken. A node that is gone says nothing. */
    private release(p: ModelProvider, node: ModelNode, key: string, amount: bigint): Payment[] {
        if (node.state !== 'cleared') {
            const record = this.heldBy(node, key);
            record.asked -= min(amount, record.asked);
            this.freeze(p, record, min(record.frozen, record.asked));
        }
        this.thaw(p);
        return [];
    }

    /** What the key's cases freeze from now on; the provider keeps the sum. */
    private freeze(p: ModelProvider, record: Held, frozen: bigint): void {
        p.frozen += frozen - record.frozen;
        record.frozen = frozen;
    }

    /** With the last open case nothing stays frozen, whatever a node that is gone would have said. */
    private thaw(p: ModelProvider): void {
        const open = [...p.cases.values()].some(({ state }) => state === 'open');
        p.frozen = open ? p.frozen : 0n;
    }

    /** Slots first, oldest first, then the stake; never more than there is. */
    private slash(p: ModelProvider, node: ModelNode, claim: Claim, amount: bigint, insurance: string): Payment[] {
        ok(amount <= p.slashable, 'what a key’s share bears was counted for its version');
        p.slashable -= amount;
        const taken = min(amount, there(p));
        let left = taken;
        const order = [...p.slots.keys()].filter((slot) => p.slots[slot] !== undefined);
        order.sort((a, b) => p.slots[a]!.unlockAt - p.slots[b]!.unlockAt);
        for (const slot of order) {
            const used = p.slots[slot]!;
            const part = min(left, used.amount);
            left -= part;
            p.slots[slot] = part === used.amount ? undefined : { ...used, amount: used.amount - part };
        }
        p.stake -= left;
        p.out += taken;
        node.cost.set(claim.key, (node.cost.get(claim.key) ?? 0n) + taken);

        const half = taken / 2n;
        const victim = min(claim.loss, half);
        const reward = min(max(min(basisPoints(taken, 1_000), 20n * TON), this.reportCost), half - victim);
        const from = p.account;
        return [
            { from, to: claim.victim, value: victim },
            { from, to: insurance, value: taken - victim - reward },
            { from, to: claim.reporter, value: reward },
        ].filter(({ value }) => value > 0n);
    }
}
