/** Actions about faults: reports, and what follows them in a case. */
import { Cell, toNano } from '@ton/core';
import { Dispute } from '../../wrappers/Dispute';
import { FaultClass } from '../../wrappers/faults';
import { Verdict } from '../../wrappers/signed/payloads';
import { NETWORK } from '../support/cases';
import { DAY } from '../support/stake';
import { drawReport, keyNumber, pair } from './evidence';
import { Dice } from './dice';
import { StakeMarket } from './market';
import { ModelCase, ModelNode, ModelProvider, Payment, refuseIf } from './model';
import { accountNamed, addressOf, committee, hex, messageOf, Ran } from './world';

/** A report, true or false, of any key, in time or late, with the right code or another. */
export async function report(
    market: StakeMarket,
    faultClass: FaultClass,
    p: ModelProvider,
    node: ModelNode,
    dice: Dice,
): Promise<void> {
    const { model, world } = market;
    const codes = [p.rules.dispute, p.rules.dispute, p.rules.dispute, Math.max(p.disputeBefore, 0)];
    const { claim, evidence, body } = drawReport(faultClass, p, node, { now: model.now, code: dice.of(codes), dice });
    const fault = { class: faultClass, job: evidence.job, query: claim.query };
    const known = new Set([p.rules.dispute, Math.max(p.disputeBefore, 0)]);
    const disputes = new Map<number, Awaited<ReturnType<typeof world.disputeOf>>>();
    for (const code of known) {
        disputes.set(code, await world.disputeOf(addressOf(p.account), fault, code));
    }

    const deployed = disputes.get(claim.dispute)!;
    if (dice.below(12) === 0 && !p.cases.has(hex(deployed.address))) {
        const early = { to: deployed.address, body: Cell.EMPTY };
        await world.send(world.stranger, early, { value: toNano('0.01'), init: deployed.init, bounce: false });
    }
    const before = new Set(p.cases.keys());
    const message = { to: addressOf(node.account), body: body(world.codes.disputes[claim.dispute]) };
    await market.both(
        `report ${faultClass}`,
        p,
        () => model.report(p, node, claim, (code) => hex(disputes.get(code)?.address ?? accountNamed('nobody'))),
        () => world.send(addressOf(claim.reporter), message),
        { fault: true },
    );
    for (const account of p.cases.keys()) {
        if (!before.has(account)) {
            market.evidence.set(account, evidence);
        }
    }
}

/** One message to a case of this provider, open or closed, by whoever may send it, in time or not. */
export async function continueCase(
    market: StakeMarket,
    kind: 'answer' | 'state' | 'verdict' | 'decide' | 'clearCase',
    p: ModelProvider,
    dice: Dice,
): Promise<void> {
    const all = [...p.cases.values()];
    const open = all.filter(({ state }) => state === 'open');
    const wanted = kind === 'clearCase' || dice.below(8) === 0 ? all : open;
    const about = wanted.filter((each) => fits(kind, each));
    if (wanted.length === 0) {
        return;
    }
    const found = dice.of(about.length > 0 && dice.below(8) > 0 ? about : wanted);
    if (dice.below(3) === 0 && found.state === 'open') {
        const { answerBy, decideFrom } = found;
        const early = [answerBy, answerBy, answerBy, answerBy + 1];
        const late = [answerBy + 1, answerBy + 1, decideFrom, decideFrom + 1];
        const edge = dice.of(kind === 'answer' || kind === 'state' ? early : late);
        await market.wait(Math.max(edge - market.model.now, 0));
    }
    const step = { answer, state, verdict, decide, clearCase }[kind](market, p, found, dice);
    await market.both(kind, p, step.tell, step.send, { fault: true });
    if (market.evidence.has(found.account) && !p.cases.has(found.account)) {
        market.evidence.delete(found.account);
    }
}

function fits(kind: string, found: ModelCase): boolean {
    if (kind === 'decide' || kind === 'clearCase') {
        return true;
    }
    return found.class === (kind === 'answer' ? 'A3' : 'B1');
}

interface Step {
    tell: () => Payment[] | void;
    send: () => Promise<Ran>;
}

type CaseStep = (market: StakeMarket, p: ModelProvider, found: ModelCase, dice: Dice) => Step;

const requireOpen = (found: ModelCase, faultClass: FaultClass) =>
    refuseIf(found.state !== 'open' || found.class !== faultClass, found.account, 'ErrWrongState');

const contractOf = ({ account }: ModelCase) => Dispute.fromAddress(addressOf(account));

const answer: CaseStep = ({ model, world, evidence }, p, found, dice) => {
    const held = evidence.get(found.account)!;
    const result = held.result(found.query, found.date);
    const sender = dice.of([addressOf(p.owner), world.stranger]);
    const contract = contractOf(found);
    const how = dice.below(4);
    return {
        tell: () => {
            requireOpen(found, 'A3');
            refuseIf(model.now > found.answerBy, found.account, 'ErrExpired');
            refuseIf(how === 3, found.account, 'ErrWrongJob');
            return model.acquit(p, found, found.reporter); // less what the answer cost, see StakeMarket.withoutCosts
        },
        send: async () => {
            switch (how) {
                case 0: {
                    const args = { value: 0n, result, answer: held.answer, index: 0 };
                    return world.sendWith(sender, contract, (c, via, s) => c.sendPiece(via, s, args));
                }
                case 1: {
                    const args = { value: 0n, result, voucher: held.voucher(1) };
                    return world.sendWith(sender, contract, (c, via, s) => c.sendVoucher(via, s, args));
                }
                default: {
                    const fail = held.fail(how === 3 ? found.query + 1 : found.query, found.date);
                    return world.sendWith(sender, contract, (c, via, s) => c.sendFail(via, s, { value: 0n, fail }));
                }
            }
        },
    };
};

const state: CaseStep = ({ model, world }, p, found, dice) => {
    const byOwner = dice.below(4) > 0;
    const sender = byOwner ? addressOf(p.owner) : world.stranger;
    const args = { value: 0n, statement: Buffer.alloc(32, 8) };
    return {
        tell: () => {
            requireOpen(found, 'B1');
            refuseIf(!byOwner, found.account, 'ErrNotOwner');
            refuseIf(model.now > found.answerBy, found.account, 'ErrExpired');
            found.stated = true;
        },
        send: () => world.sendWith(sender, contractOf(found), (c, via, s) => c.sendStatement(via, s, args)),
    };
};

const verdict: CaseStep = ({ model, world }, p, found, dice) => {
    const { keys, threshold } = committee(found.rules.committee);
    const basisPoints = dice.of([0, 1, found.most, found.most, Math.floor(found.most / 2), found.most + 1]);
    const signing = dice.of([threshold, threshold, keys.length, threshold - 1]);
    const validUntil = model.now + dice.of([0, DAY, DAY, -1]);
    const signed = { basisPoints, validUntil };
    const hash = Verdict.hash({
        network: NETWORK,
        dispute: Buffer.from(found.account, 'hex'),
        class: 4,
        ...signed,
        rulesVersion: found.rules.version,
    });
    const members = keys.map((_, index) => `committee ${index}`).sort((a, b) => (keyNumber(a) < keyNumber(b) ? -1 : 1));
    const votes = members.slice(0, signing).map((name, member) => ({ member, signature: pair(name).sign(hash) }));
    const args = { value: 0n, ...signed, votes };
    return {
        tell: () => {
            requireOpen(found, 'B1');
            refuseIf(!found.stated && model.now <= found.answerBy, found.account, 'ErrTooEarly');
            refuseIf(model.now > found.decideFrom || model.now > validUntil, found.account, 'ErrExpired');
            refuseIf(basisPoints > found.most || signing < threshold, found.account, 'ErrWrongVerdict');
            return basisPoints === 0
                ? model.acquit(p, found, found.rules.insurance.hash.toString('hex'))
                : model.convict(p, found, basisPoints);
        },
        send: () => world.sendWith(world.stranger, contractOf(found), (c, via, s) => c.sendVerdict(via, s, args)),
    };
};

export const decide: CaseStep = ({ model, world }, p, found) => ({
    tell: () => {
        refuseIf(found.state !== 'open', found.account, 'ErrWrongState');
        refuseIf(model.now <= found.decideFrom, found.account, 'ErrTooEarly');
        return found.class === 'A3' ? model.convict(p, found) : model.acquit(p, found, found.reporter);
    },
    send: () => world.sendWith(world.stranger, contractOf(found), (c, via, s) => c.sendDecide(via, s, { value: 0n })),
});

const clearCase: CaseStep = ({ model, world }, p, found) => ({
    tell: () => {
        refuseIf(found.state !== 'closed', found.account, 'ErrWrongState');
        refuseIf(model.now < found.clearAt, found.account, 'ErrTooEarly');
        p.cases.delete(found.account);
    },
    send: async () => {
        const message = await messageOf(contractOf(found), (c, via, s) => c.sendClear(via, s, { value: 0n }));
        return world.send(world.stranger, message);
    },
});
