/**
 * What nodes sign, and what reporters, owners and committees do about it.
 *
 * Longer than 350 lines because reports and their answers are made of the same receipts.
 */
import {
    Account,
    Body,
    BodyOf,
    DAY,
    Dispute,
    FaultClass,
    HOUR,
    jobOf,
    Key,
    priceOf,
    Receipt,
    Result,
    signed,
    signReceipt,
    SKEW,
    SPAN,
    Terms,
    Unsigned,
    verdictText,
    voucherOf,
} from '../../model';
import { START } from '../chain';
import { PAYOUTS, STRANGER } from '../launch';
import { accountNamed } from '../names';
import { hashOfJob, NETWORK } from '../payloads';
import { Job, put, Reported, Scene, Take } from '../scene';
import { keysOf, memberOf, nodesOf } from './providers';

const TON = 1_000_000_000n;
const COUNTS = [1000, 0, 500, 0] as const;
const RATES = [100_000n, 50_000n, 400_000n, 400_000n] as const;
const PRICE = priceOf(COUNTS, RATES);
const ANOTHER_JOB = 'another job'; // that receipts name
const STEPS = [TON / 10n, 2n * TON, 15n * TON];

/** This Provider signs nothing that is a fault: reporters can only forge, or show what is right. */
export const HONEST = 0;

function jobFor(scene: Scene, provider: Account, node: Account, key: Key): Job {
    const { session, dice } = scene;
    const variant = dice.below(6);
    const channel = accountNamed(`channel ${variant}`);
    const terms: Terms = {
        escrow: variant < 3 ? session.accounts.escrows[variant % 2] : accountNamed(`escrow ${variant}`),
        provider,
        node,
        receiptKey: key,
        payout: PAYOUTS[variant % 2],
        voucherKey: 'voucher 0',
        rates: RATES,
        step: STEPS[variant % STEPS.length],
        variant,
    };
    hashOfJob(channel, terms);
    return { provider, node, key, channel, terms, name: jobOf(NETWORK, channel, terms) };
}

function resultOf(
    job: Job,
    number: number,
    finishedAt: number,
    overrides: Partial<Result> = {},
): Unsigned & { kind: 'result' } {
    const price = overrides.price ?? PRICE;
    const fields = { job: job.name, number, index: 1, content: 'content', counts: COUNTS, price, cumulative: price };
    return { kind: 'result', ...fields, finishedAt, ...overrides };
}

const acceptOf = (job: Job, number: number, deadline: number, ceiling: bigint): Unsigned => ({
    kind: 'accept',
    job: job.name,
    number,
    request: 'content',
    ceiling,
    deadline,
});

const refusalOf = (job: Job, kind: 'fail' | 'decline', number: number, signedAt: number): Unsigned => ({
    kind,
    job: job.name,
    number,
    request: 'content',
    signedAt,
});

/** A node signs a receipt in time, as honest ones do; whatever comes, it can be shown for its window. */
export const sign: Take = (scene) => {
    const { session, book, dice } = scene;
    const member = memberOf(scene);
    const all =
        member === undefined ? [] : nodesOf(session, member.account).filter(([, { state }]) => state === 'open');
    if (member === undefined || all.length === 0) {
        return;
    }
    const [node, { receiptKey: key, evidence }] = dice.of(all);
    if (key === undefined) {
        return;
    }
    const job = jobFor(scene, member.account, node, key);
    const number = 1 + dice.below(5);
    const isAccept = dice.once(2);
    const date = session.now + (isAccept ? dice.below(DAY) : 0);
    const receipt = signReceipt(key, isAccept ? acceptOf(job, number, date, TON) : resultOf(job, number, date));
    const { channel, terms } = job;
    const slashedBefore = book.slashed.get(member.account) ?? 0n;
    const until = date + evidence;
    book.signed.push({ node, provider: member.account, key, channel, terms, receipt, date, until, slashedBefore });
};

/** A date of a receipt: mostly fresh, sometimes at either edge of the evidence window or a little in the future. */
const dateFrom = (now: number, evidence: number, { dice }: Scene): number =>
    now - dice.of([0, 1, 60, 60, HOUR, HOUR, DAY, evidence, evidence + 1, -45, dice.below(evidence + 1)]);

/** A date around the end of a key: as long as a receipt or an accept's deadline may pass it, and a second more. */
const dateAtEnd = (endsAt: number, { dice }: Scene): number =>
    endsAt + dice.of([0, 1, SKEW, SKEW, SKEW + 1, SPAN, SPAN + 1]);

type Draw = (scene: Scene, job: Job, number: number, date: number) => DrawnReport;

type WithoutJob<B> = B extends unknown ? Omit<B, 'code' | 'dispute' | 'channel' | 'terms'> : never;

interface DrawnReport {
    body: WithoutJob<BodyOf<'reportTwice' | 'reportExcess' | 'demandAnswer' | 'reportWrong'>>;
    query: number;
}

/** Signs with the job's key; once in ten times with another. */
function sealed({ dice }: Scene, { key }: Job, receipt: Unsigned): Receipt {
    return signReceipt(dice.once(10) ? 'forger' : key, receipt);
}

const drawTwice: Draw = (scene, job, number, date) => {
    const { dice } = scene;
    const price = dice.of([0n, 1n, (3n * TON) / 10n, 40n * TON]);
    const first = resultOf(job, number, date - dice.below(100));
    const second = dice.of<Unsigned>([
        refusalOf(job, 'fail', number, date),
        resultOf(job, number + 1, date, { price }),
        first,
        resultOf(job, number + 1, date, { index: 2 }),
        refusalOf(job, 'decline', number, date),
        resultOf(job, number, date, { index: 2, price }),
        resultOf(job, number, date, { index: 2, price }),
        resultOf(job, number, date, { index: 2, price }),
    ]);
    return {
        query: 0,
        body: { op: 'reportTwice', first: signReceipt(job.key, first), second: sealed(scene, job, second) },
    };
};

const drawExcess: Draw = (scene, job, number, date) => {
    const { dice } = scene;
    const excess = dice.of([0n, 1n, TON / 20n, 6n * TON, 60n * TON]);
    const kind = dice.below(4);
    const make = (result: Unsigned, comparison?: Unsigned): DrawnReport => ({
        query: (result as Result).index,
        body: {
            op: 'reportExcess',
            result: sealed(scene, job, result),
            ...(comparison === undefined ? {} : { comparison: signReceipt(job.key, comparison) }),
        },
    });
    switch (kind) {
        case 0: // above its counts
            return make(resultOf(job, number, date, { index: 2, price: PRICE + excess, cumulative: 10n ** 12n }));
        case 1: // above the first of all results
            return make(resultOf(job, number, date, { cumulative: PRICE + excess }));
        case 2: // above the result before
            return make(
                resultOf(job, number, date, { index: 3, cumulative: 5n * PRICE + excess }),
                resultOf(job, number + 1, date, { index: 2, cumulative: 4n * PRICE }),
            );
        default: // above what was accepted
            return make(resultOf(job, number, date, { price: PRICE + excess }), acceptOf(job, number, date, PRICE));
    }
};

const drawDemand: Draw = (scene, job, number, date) => {
    const { dice } = scene;
    const ceiling = dice.of([1n, TON / 20n, TON, 30n * TON]);
    const accept = sealed(scene, job, acceptOf(job, number, date, ceiling));
    return { query: number, body: { op: 'demandAnswer', accept, firstPiece: dice.of([0, 0, 1, 1000]) } };
};

const drawWrong: Draw = (scene, job, number, date) => {
    const result = sealed(scene, job, resultOf(job, number, date));
    return { query: number, body: { op: 'reportWrong', result } };
};

const DRAWS: Record<FaultClass, Draw> = { A1: drawTwice, A2: drawExcess, A3: drawDemand, B1: drawWrong };

const FAILS = 4; // each fourth query of an honest node

/**
 * What an honest node signed for a query: it ends one an hour, numbered by the hours since the beginning. Its receipts
 * follow from the number, so whichever two a reporter shows, they do not exclude each other and bill no excess.
 */
function honestEnding(job: Job, number: number): Unsigned {
    const date = START + number * HOUR;
    const index = number - Math.floor(number / FAILS);
    return number % FAILS === 0
        ? refusalOf(job, 'fail', number, date)
        : resultOf(job, number, date, { index, cumulative: BigInt(index) * PRICE });
}

function honestQuery({ session, dice }: Scene): number {
    const newest = Math.max(Math.floor((session.now - START) / HOUR), 1);
    return Math.max(newest - dice.below(6), 1);
}

const drawHonestTwice: Draw = (scene, job) => {
    const [first, second] = [0, 1].map(() => signReceipt(job.key, honestEnding(job, honestQuery(scene))));
    return { query: 0, body: { op: 'reportTwice', first, second } };
};

const drawHonestExcess: Draw = (scene, job) => {
    const number = honestQuery(scene);
    const date = START + number * HOUR;
    const comparison = scene.dice.of<Unsigned | undefined>([
        undefined,
        honestEnding(job, Math.max(number - 1, 1)),
        honestEnding(job, Math.max(number - 2, 1)),
        honestEnding(job, honestQuery(scene)),
        acceptOf(job, number, date, PRICE),
    ]);
    const result = signReceipt(job.key, honestEnding(job, number));
    const rest = comparison === undefined ? {} : { comparison: signReceipt(job.key, comparison) };
    return { query: number, body: { op: 'reportExcess', result, ...rest } };
};

/** What can be shown of a node that keeps to the rules. Demands and cases of the committee it would have to answer. */
const HONEST_DRAWS: Partial<Record<FaultClass, Draw>> = { A1: drawHonestTwice, A2: drawHonestExcess };

/** One of the last faults for which there is a case, once in two times. */
function reportedBefore({ session, book, dice }: Scene, of: FaultClass, provider: Account): Reported | undefined {
    const all = book.reported.filter(
        ({ class: other, job, dispute }) =>
            other === of &&
            job.provider === provider &&
            session.get('node', job.node) !== undefined &&
            session.get('dispute', dispute) !== undefined,
    );
    return all.length > 0 && dice.once(2) ? dice.of(all.slice(-3)) : undefined;
}

/** One report of a class: about a fault in most cases, about nothing in the others. */
export const report =
    (faultClass: FaultClass): Take =>
    async (scene) => {
        const { session, book, dice } = scene;
        const first = memberOf(scene);
        // Reports of the honest Provider all end alike, so there are fewer of them.
        const member = first?.index === HONEST && !dice.once(3) ? memberOf(scene) : first;
        const all = member === undefined ? [] : nodesOf(session, member.account);
        if (member === undefined || all.length === 0) {
            return;
        }
        const [drawn, drawnNode] = dice.of(all);
        const before = reportedBefore(scene, faultClass, member.account);
        const node = before?.job.node ?? drawn;
        const found = session.get('node', node) ?? drawnNode;
        const keys = keysOf(found);
        // Of the honest Provider nobody has evidence: the receipts are right, or of a key that it never had.
        const honestDraw = member.index === HONEST && dice.once(2) ? HONEST_DRAWS[faultClass] : undefined;
        const isForged = member.index === HONEST && honestDraw === undefined;
        const key = isForged ? 'stranger' : dice.of([...keys, ...keys, ...keys, 'stranger']);
        const aboutNode = dice.once(15) ? STRANGER : node;
        // A node cannot tell whose Provider the terms name: its key signs them or not.
        const provider = dice.once(15) ? STRANGER : member.account;
        const job = before?.job ?? jobFor(scene, provider, aboutNode, key);
        const number = before?.number ?? 1 + dice.below(5);
        const ended = found.ended.find((slot) => slot?.key === job.key);
        // The last receipts of a key that has ended are as old as its end.
        const last = ended === undefined || dice.once(4) ? session.now : Math.min(session.now, ended.endsAt);
        const atEnd = ended !== undefined && dice.once(4);
        const date = atEnd ? dateAtEnd(ended.endsAt, scene) : dateFrom(last, found.evidence, scene);
        const draw = honestDraw ?? DRAWS[faultClass];
        const shown = dice.once(12) ? { ...job, name: ANOTHER_JOB } : job;
        let drawnReport = draw(scene, shown, number, date);
        for (let tries = 0; before !== undefined && drawnReport.query !== before.query && tries < 8; tries++) {
            drawnReport = draw(scene, shown, number, date);
        }
        const { body, query } = drawnReport;
        const { rules, disputeBefore } = member.provider;
        const code = dice.of([rules!.dispute, rules!.dispute, rules!.dispute, Math.max(disputeBefore, 0)]);
        const about = { ...job, provider: member.account };
        const dispute = await disputeOf(session, about, { faultClass, query }, code);
        const { channel, terms } = job;
        const whole = { ...body, channel, terms, code, dispute } as Body;
        const value = session.plenty;
        if (before === undefined && aboutNode === node) {
            book.reported.push({ class: faultClass, job: about, number, query, dispute });
        }
        put(scene, { from: accountNamed(`reporter ${dice.below(3)}`), to: node, value, body: whole });
    };

async function disputeOf(
    session: Scene['session'],
    { provider, channel, terms }: Job,
    { faultClass, query }: { faultClass: FaultClass; query: number },
    code: number,
): Promise<Account> {
    const fault = { class: faultClass, job: hashOfJob(channel, terms), query };
    return session.accounts.dispute(provider, fault, code);
}

/** A case, mostly an open one of a class. */
function caseOf({ session, dice }: Scene, faultClass?: FaultClass): [Account, Dispute] | undefined {
    const all = session.all('dispute').filter(([, { state }]) => state !== 'new');
    const fitting = all.filter(([, { state, class: of }]) => state === 'open' && (faultClass ?? of) === of);
    const from = fitting.length > 0 && !dice.once(8) ? fitting : all;
    return from.length === 0 ? undefined : dice.of(from);
}

/** Sometimes waits until a moment at which the answer changes. */
async function waitFor({ session, dice }: Scene, ...moments: number[]): Promise<void> {
    const edges = moments.filter((moment) => moment > session.now && moment < session.now + 12 * DAY);
    if (edges.length > 0 && dice.once(3)) {
        await session.drain();
        session.pass(dice.of(edges) - session.now);
    }
}

const senderOf = ({ dice }: Scene, { rules }: Dispute): Account =>
    dice.once(2) ? STRANGER : (rules?.owner ?? STRANGER);

/** A case as `caseOf` finds it; where none of the class is open, mostly a fault is reported first. */
async function caseFor(scene: Scene, faultClass: FaultClass): Promise<[Account, Dispute] | undefined> {
    const { session, dice } = scene;
    const isOpen = session.all('dispute').some(([, { state, class: of }]) => state === 'open' && of === faultClass);
    if (!isOpen && !dice.once(4)) {
        await report(faultClass)(scene);
        await session.drain();
    }
    return caseOf(scene, faultClass);
}

export const answer: Take = async (scene) => {
    const { session, dice } = scene;
    const found = await caseFor(scene, 'A3');
    if (found?.[1].fault === undefined) {
        return;
    }
    const [to, dispute] = found;
    await waitFor(scene, dispute.answerBy, dispute.answerBy + 1);
    const { fault } = dispute;
    const job = { name: dice.once(12) ? ANOTHER_JOB : fault!.job } as Job;
    const number = dice.once(5) ? fault!.query + 1 : fault!.query;
    const key = dice.once(8) ? 'forger' : fault!.key;
    const result = signReceipt(key, resultOf(job, number, fault!.date, { index: dice.once(4) ? 0 : 1 }));
    const { voucherKey, channel } = fault!;
    const count = dice.once(4) ? 0 : 1;
    const voucher = voucherOf(session.state, dice.once(8) ? 'forger' : voucherKey, channel, 1n, count);
    const fail = signReceipt(key, refusalOf(job, dice.once(8) ? 'decline' : 'fail', number, fault!.date));
    const [shownResult, shownFail] = dice.once(12) ? [fail, result] : [result, fail];
    const body = dice.of<Body>([
        { op: 'postPiece', result: shownResult, index: 0, proven: !dice.once(5) },
        { op: 'postVoucher', result: shownResult, voucher, channel },
        { op: 'postFail', fail: shownFail },
    ]);
    put(scene, { from: senderOf(scene, dispute), to, value: session.plenty, body });
};

export const state: Take = async (scene) => {
    const { session, dice } = scene;
    const found = await caseFor(scene, 'B1');
    if (found !== undefined) {
        const [to, dispute] = found;
        await waitFor(scene, dispute.answerBy, dispute.answerBy + 1);
        const from = dice.once(4) ? STRANGER : (dispute.rules?.owner ?? STRANGER);
        put(scene, { from, to, value: session.plenty, body: { op: 'stateCase' } });
    }
};

export const verdict: Take = async (scene) => {
    const { session, dice } = scene;
    const found = await caseFor(scene, 'B1');
    if (found?.[1].fault === undefined || found[1].rules === undefined) {
        return;
    }
    const [to, dispute] = found;
    const { answerBy, decideFrom, fault, rules } = dispute;
    await waitFor(scene, answerBy + 1, answerBy + 1, decideFrom, decideFrom + 1);
    const { threshold, keys } = rules!.committee;
    const { maxPoints } = fault!;
    const points = dice.of([0, 1, maxPoints, maxPoints, Math.floor(maxPoints / 2), maxPoints + 1]);
    const signing = dice.of([threshold, threshold, keys.length, threshold - 1]);
    const validUntil = session.now + dice.of([0, DAY, DAY, -1]);
    const rulesVersion = rules!.version;
    const text = verdictText(NETWORK, to, points, rulesVersion, validUntil);
    const votes = keys.slice(0, signing).map((key, member) => ({ member, signature: signed(key, ...text) }));
    const flaw = dice.once(3) ? dice.below(4) : -1;
    const place = dice.below(votes.length);
    if (flaw === 0) {
        votes[place].signature = signed('forger', ...text);
    } else if (flaw === 1) {
        votes.splice(place, 0, votes[place]); // a member twice
    } else if (flaw === 2) {
        votes[votes.length - 1].member = keys.length; // nobody
    } else if (flaw === 3) {
        votes.reverse();
    }
    const body: Body = { op: 'submitVerdict', points, rulesVersion, validUntil, votes };
    put(scene, { from: STRANGER, to, value: session.plenty, body });
};

export const decide: Take = async (scene) => {
    const { session } = scene;
    const found = caseOf(scene);
    if (found !== undefined) {
        await waitFor(scene, found[1].decideFrom, found[1].decideFrom + 1);
        put(scene, { from: STRANGER, to: found[0], value: session.plenty, body: { op: 'decideCase' } });
    }
};

export const clearCase: Take = (scene) => {
    const { session, dice } = scene;
    const all = session.all('dispute');
    if (all.length > 0) {
        put(scene, { from: STRANGER, to: dice.of(all)[0], value: session.plenty, body: { op: 'clearCase' } });
    }
};
