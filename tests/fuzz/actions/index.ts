/** Every kind of action: how often it is drawn, and what it does. */
import { STRANGER } from '../launch';
import { DAY, HOUR, Op } from '../../model';
import { PRICE_LEVELS } from '../chain';
import { anyone, Scene, Take } from '../scene';
import { cellOfForgery, FORGERIES } from '../forgeries';
import * as clients from './clients';
import * as faults from './faults';
import * as providers from './providers';

const PAUSES = [1, 60, HOUR, HOUR, HOUR, 6 * HOUR, 6 * HOUR, DAY, DAY, 2 * DAY, 8 * DAY, 33 * DAY]; // seconds

const pickWith =
    ({ dice }: Scene) =>
    (count: number): number =>
        dice.below(count);

/** One message that is on its way arrives, whichever may be next. */
const deliverOne: Take = async ({ session, dice }) => {
    const { next } = session;
    if (next.length > 0) {
        await session.deliver(dice.of(next));
    }
};

// Between contracts; the documents say what follows if one of these bounces.
const BOUNCING = new Set<Op>([
    ...([
        'startNode',
        'applyChange',
        'applyHardware',
        'stopNode',
        'shareFreed',
        'announceSelf',
        'announceNode',
    ] as const),
    ...(['askRules', 'openCase', 'caseClosed', 'slashShare', 'releaseShare', 'leave'] as const),
]);

/** Delivers messages until one is on its way that can come back, at most so many, and has it come back. */
async function bounceOne({ session, dice }: Scene, ops: ReadonlySet<Op>, deliveries: number): Promise<void> {
    for (let left = deliveries; session.next.length > 0; left--) {
        const possible = session.next.filter((index) => {
            const { from, body, bounced, bounce: asks } = session.state.queue[index];
            // The answer to a second report cannot be sent again: docs/contracts/dispute.md, "What remains".
            const isLost = body.op === 'caseClosed' && body.duplicate;
            return asks && !bounced && !isLost && session.state.contracts.has(from) && ops.has(body.op);
        });
        if (possible.length > 0) {
            session.bounce(dice.of(possible));
            return;
        }
        if (left === 0) {
            return;
        }
        await session.deliver(dice.of(session.next));
    }
}

/** A message between contracts comes back, as when its receiver is frozen or out of gas. */
const bounce: Take = (scene) => bounceOne(scene, BOUNCING, 3);

/** The same of a message about a case that has just been reported. */
const bounceCase: Take = async (scene) => {
    const { dice } = scene;
    await faults.report(dice.of(['A1', 'A2', 'A2', 'A3']))(scene);
    await bounceOne(scene, new Set([dice.of(['openCase', 'caseClosed', 'slashShare', 'releaseShare'] as const)]), 9);
};

/** Prices of the network change; when they rise, nothing is on its way that was paid for at lower ones. */
const setPrices: Take = async ({ session, dice }) => {
    const level = dice.of(PRICE_LEVELS);
    if (session.prices[level].reportCost > session.prices[session.level].reportCost) {
        await session.drain(); // see docs/peculiarities.md
    }
    session.setPrices(level);
};

/** An order that is on its way is lost. */
const drop: Take = ({ session, dice }) => {
    const orders = session.next.filter((index) => session.state.queue[index].external);
    if (orders.length > 0) {
        session.drop(dice.of(orders));
    }
};

/** A stranger, or a contract's owner, sends what only contracts send. */
const forge: Take = (scene) => {
    const { session, dice } = scene;
    const [to, { kind }] = dice.of([...session.state.contracts]);
    const names = FORGERIES[kind];
    if (names.length > 0) {
        const from = dice.of([STRANGER, anyone(scene)]);
        const of = dice.of(names);
        session.send(
            { from, to, value: session.plenty, bounce: true, body: { op: 'unreadable', of } },
            cellOfForgery(of),
        );
    }
};

/** Text, an unknown opcode or a body shorter than an opcode. */
const babble: Take = (scene) => {
    const { session, dice } = scene;
    const [to] = dice.of([...session.state.contracts]);
    const op = dice.of(['text', 'unknown', 'short', 'none'] as const);
    session.send({ from: anyone(scene), to, value: session.plenty, bounce: !dice.once(4), body: { op } });
};

const actions = {
    wait: [14, ({ session, dice }) => session.wait(dice.of(PAUSES))],
    drain: [16, async (scene) => scene.session.drain(pickWith(scene))],
    deliverOne: [10, deliverOne],
    drop: [1, drop],
    bounce: [4, bounce],
    bounceCase: [3, bounceCase],
    prices: [1, setPrices],
    library: [1, ({ session, dice }) => session.setLibrary(!dice.once(3))],
    setUp: [3, clients.setUp],
    deposit: [3, clients.deposit],
    open: [4, clients.open],
    openJobs: [7, clients.openJobs],
    jobOrder: [4, clients.jobOrder],
    replayOrder: [2, clients.replayOrder],
    leaveJob: [3, clients.leaveJob],
    withdraw: [3, clients.withdraw],
    claim: [8, clients.claim],
    claimLast: [4, clients.claimLast],
    refund: [5, clients.refund],
    topUp: [3, clients.topUp],
    forgeLeave: [1, clients.forgeLeave],
    redeploy: [2, clients.redeploy],
    addStake: [3, providers.addStake],
    unbond: [5, providers.unbond],
    cancelUnbonding: [2, providers.cancelUnbonding],
    withdrawStake: [5, providers.withdrawStake],
    withdrawSurplus: [2, providers.withdrawSurplus],
    setOperator: [2, providers.setOperator],
    setPayout: [1, providers.setPayout],
    joinAgain: [1, providers.joinAgain],
    registerNode: [3, providers.registerNode],
    deployNodeEarly: [1, providers.deployNodeEarly],
    changeNode: [3, providers.changeNode],
    setKeys: [8, providers.setKeys],
    endKey: [2, providers.endKey],
    replaceHardware: [4, providers.replaceHardware],
    closeNode: [2, providers.closeNode],
    clearNode: [3, providers.clearNode],
    give: [2, providers.give],
    unjail: [2, providers.unjail],
    adopt: [5, providers.adopt],
    propose: [4, providers.propose],
    execute: [4, providers.execute],
    cancel: [1, providers.cancel],
    pause: [1, providers.pause],
    catalogue: [1, providers.catalogue],
    handOver: [1, providers.handOver],
    announce: [1, providers.announce],
    askRules: [1, providers.askRules],
    sign: [6, faults.sign],
    reportTwice: [8, faults.report('A1')],
    reportExcess: [12, faults.report('A2')],
    demandAnswer: [14, faults.report('A3')],
    reportWrong: [8, faults.report('B1')],
    answer: [12, faults.answer],
    state: [3, faults.state],
    verdict: [9, faults.verdict],
    decide: [8, faults.decide],
    clearCase: [2, faults.clearCase],
    forge: [3, forge],
    babble: [3, babble],
} satisfies Record<string, [weight: number, take: Take]>;

export type Kind = keyof typeof actions;

export const kinds = Object.entries(actions) as [Kind, [weight: number, take: Take]][];

export const takeOf = (kind: Kind): Take => actions[kind][1];
