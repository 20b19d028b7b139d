/**
 * What docs/contracts/dispute.md promises about faults, cases and slashes, as arithmetic without a chain. Written from that
 * page, not from the contracts.
 */
import { ok } from 'node:assert';

import { forgottenBy, StakeModel } from './stake';
import {
    basisPoints,
    Claim,
    DAY,
    least,
    ModelCase,
    ModelNode,
    ModelProvider,
    most,
    Payment,
    refuseIf,
    SKEW,
    SPAN,
    there,
} from './state';

const TON = 1_000_000_000n;

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
        const amount = least(this.wanted(claim, basis, repeat), most(basis - record.taken, 0n));
        refuseIf(amount === 0n, node.account, 'ErrNoShare');

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
            return [];
        }
        const before = p.cases.get(account);
        if (before !== undefined) {
            const more = claim.loss - before.counted;
            if (!decided || more <= 0n) {
                return [];
            }
            const take = least(amount, most(amount - before.asked, 2n * more));
            Object.assign(before, { counted: claim.loss, asked: before.asked + take });
            return this.take(p, node, { ...claim, loss: more }, take, basis);
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
            return this.take(p, node, claim, amount, basis);
        }
        p.frozen += amount;
        return [];
    }

    /** An A1 or A2, at once: what the key's share still bears. */
    private take(p: ModelProvider, node: ModelNode, claim: Claim, wanted: bigint, basis: bigint): Payment[] {
        const record = claim.key === node.key ? node : node.ended.find((each) => each?.key === claim.key)!;
        const take = least(wanted, most(basis - record.taken, 0n));
        record.taken += take;
        node.last[claim.class] = this.now;
        if (record.taken >= basis) {
            this.end(node, claim.key);
        }
        return this.slash(p, node, claim, take, p.rules.insurance.hash.toString('hex'));
    }

    bondOf(claim: Claim, amount: bigint): bigint {
        if (claim.class === 'A3') {
            return this.demandBond;
        }
        return claim.class === 'B1' ? most(5n * TON, amount / 10n) : 0n;
    }

    /** A case ends by an answer, an acquittal or nobody's word: nothing is taken, the bond goes to whom it is due. */
    acquit(p: ModelProvider, found: ModelCase, bondTo: string): Payment[] {
        this.close(p, found);
        return [{ from: found.account, to: bondTo, value: found.bond }];
    }

    /** Guilty: takes what the key's share still bears. A node that is gone bears nothing. */
    convict(p: ModelProvider, found: ModelCase, points = found.most): Payment[] {
        this.close(p, found);
        const { node, key } = found;
        const bond = { from: found.account, to: found.reporter, value: found.bond };
        // A case keeps its node: only where nobody had it decided for 90 days may it be gone.
        if (node.state === 'cleared') {
            ok(this.now >= found.openedAt + 90 * DAY, 'the node is there while its case is open');
            return [bond];
        }
        const known = key === node.key ? node : node.ended.find((each) => each?.key === key);
        const record = known ?? { taken: forgottenBy(node, this.now) };
        const said = (found.amount * BigInt(points)) / BigInt(found.most);
        const judged = found.class === 'B1' ? least(said, this.leftForVerdicts(p)) : said;
        const left = most(this.basis(node), found.basis) - record.taken;
        const take = least(judged, most(left, 0n));
        record.taken += take;
        if (known === undefined) {
            node.forgotten = { taken: record.taken, until: this.now + 90 * DAY };
        }
        if (take >= left) {
            this.end(node, key);
        }
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

    /** Verdicts take at most a tenth of the stake a day and a fifth in 14 days, measured with what they took still there. */
    leftForVerdicts(p: ModelProvider): bigint {
        const since = (seconds: number) =>
            p.verdicts.reduce((sum, { at, amount }) => sum + (this.now < at + seconds ? amount : 0n), 0n);
        const base = there(p) + since(14 * DAY);
        const [day, fortnight] = [basisPoints(base, 1_000) - since(DAY), basisPoints(base, 2_000) - since(14 * DAY)];
        return most(least(day, fortnight), 0n);
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
        return most(node.share, this.now <= node.pastUntil ? node.pastShare : 0n);
    }

    private wanted(claim: Claim, basis: bigint, repeat: boolean): bigint {
        switch (claim.class) {
            case 'A1':
                return most(basisPoints(basis, repeat ? 10_000 : 2_000), 6n * this.reportCost);
            case 'A2':
                return most(3n * claim.loss, basisPoints(basis, repeat ? 500 : 100), 6n * this.reportCost);
            case 'A3':
                return 2n * claim.loss + basisPoints(least(claim.loss, basis), repeat ? 200 : 100);
            case 'B1':
                return basisPoints(basis, repeat ? 2_000 : 500);
        }
    }

    /** Where what this key's receipts cost is counted. Refuses keys that the node does not know at this date. */
    private recordOf(node: ModelNode, claim: Claim): { taken: bigint } {
        if (claim.key === node.key) {
            return node;
        }
        const ended = node.ended.find((each) => each?.key === claim.key);
        const span = claim.class === 'A3' ? SPAN : SKEW;
        refuseIf(ended === undefined || claim.date > ended.endsAt + span, node.account, 'ErrUnknownKey');
        return ended!;
    }

    private close(p: ModelProvider, found: ModelCase): void {
        found.state = 'closed';
        p.frozen -= found.amount;
    }

    /** Slots first, oldest first, then the stake; never more than there is. */
    private slash(p: ModelProvider, node: ModelNode, claim: Claim, amount: bigint, insurance: string): Payment[] {
        const taken = least(amount, there(p));
        let left = taken;
        const order = [...p.slots.keys()].filter((slot) => p.slots[slot] !== undefined);
        order.sort((a, b) => p.slots[a]!.unlockAt - p.slots[b]!.unlockAt);
        for (const slot of order) {
            const used = p.slots[slot]!;
            const part = least(left, used.amount);
            left -= part;
            p.slots[slot] = part === used.amount ? undefined : { ...used, amount: used.amount - part };
        }
        p.stake -= left;
        p.out += taken;
        node.cost.set(claim.key, (node.cost.get(claim.key) ?? 0n) + taken);

        const half = taken / 2n;
        const victim = least(claim.loss, half);
        const reward = least(most(least(basisPoints(taken, 1_000), 20n * TON), this.reportCost), half - victim);
        const from = p.account;
        return [
            { from, to: claim.victim, value: victim },
            { from, to: insurance, value: taken - victim - reward },
            { from, to: claim.reporter, value: reward },
        ].filter(({ value }) => value > 0n);
    }
}
