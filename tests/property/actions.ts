/** Every kind of action, and how a list of them is drawn, taken, and made shorter. */
import { Cell, toNano } from '@ton/core';
import { FaultClass } from '../../wrappers/faults';
import { nodeChanges } from '../../wrappers/Node';
import { Rules } from '../../wrappers/Registry';
import { DAY, HOUR } from '../support/stake';
import { keyNumber } from './evidence';
import { continueCase, report } from './faults';
import { Dice } from './dice';
import { StakeMarket } from './market';
import { ModelNode, ModelProvider } from './model';
import { addressOf, changeCells, CODES, DELAY } from './world';

/** What to do, and the numbers below 2^32 that every choice in it is made by. */
export interface Action {
    kind: Kind;
    dice: number[];
}

const MAX_NODES = 6; // of one provider
const PAUSES = [60, HOUR, HOUR, HOUR, 6 * HOUR, 6 * HOUR, DAY, DAY, 2 * DAY, 8 * DAY, 33 * DAY]; // seconds
const HARDWARE = { vram: 80, model: 'GPU' };

interface Scene {
    market: StakeMarket;
    p: ModelProvider;
    node: ModelNode | undefined; // one that is still there
    dice: Dice;
}

export type Take = (scene: Scene) => Promise<unknown>;

const reportOf =
    (faultClass: FaultClass): Take =>
    async ({ market, p, node, dice }) =>
        node && report(market, faultClass, p, node, dice);

const continueWith =
    (kind: Parameters<typeof continueCase>[1]): Take =>
    ({ market, p, dice }) =>
        continueCase(market, kind, p, dice);

const asOwner = ({ market: { world }, p }: Scene) => ({ world, owner: addressOf(p.owner) });

/** By kind: how often it is drawn, and what it does. */
export const actions = {
    wait: [12, ({ market, dice }) => market.wait(dice.of(PAUSES))],
    reportTwice: [8, reportOf('A1')],
    reportExcess: [8, reportOf('A2')],
    demandAnswer: [14, reportOf('A3')],
    reportWrong: [10, reportOf('B1')],
    answer: [8, continueWith('answer')],
    state: [4, continueWith('state')],
    verdict: [10, continueWith('verdict')],
    decide: [10, continueWith('decide')],
    clearCase: [3, continueWith('clearCase')],
    addStake: [
        5,
        ({ market, p, dice }) => {
            const { world, model } = market;
            const amount = BigInt(dice.of([1, 1e9, 17e9, 200e9, 500e9]));
            const by = dice.of([addressOf(p.owner), world.stranger]);
            const value = toNano('1') + amount;
            return market.both(
                'addStake',
                p,
                () => model.addStake(p, amount),
                () =>
                    world.sendWith(
                        by,
                        market.contractOf(p),
                        (c, via, s) => c.sendAddStake(via, s, { value: 0n, amount }),
                        {
                            value,
                        },
                    ),
            );
        },
    ],
    unbond: [
        6,
        (scene) => {
            const { market, p, dice } = scene;
            const spare = p.stake - market.model.required(p);
            const wanted = dice.of([1n, toNano('5'), spare, spare / 2n, spare + 1n]);
            return unbond(market, p, wanted > 0n ? wanted : 1n);
        },
    ],
    cancelUnbonding: [
        2,
        (scene) => {
            const { market, p, dice } = scene;
            const { world, owner } = asOwner(scene);
            const slot = dice.below(4);
            return market.both(
                'cancelUnbonding',
                p,
                () => market.model.cancelUnbonding(p, slot),
                () =>
                    world.sendWith(owner, market.contractOf(p), (c, via, s) =>
                        c.sendCancelUnbonding(via, s, { value: 0n, slot }),
                    ),
            );
        },
    ],
    withdraw: [6, ({ market, p, dice }) => withdraw(market, p, dice.below(4))],
    registerNode: [
        3,
        async ({ market, p, dice }) => {
            if (p.nodes.length < MAX_NODES) {
                await market.registerNode(p, { gpuClass: dice.below(4), gpus: 1 + dice.below(6) });
            }
        },
    ],
    replaceHardware: [
        4,
        async (scene) => {
            const { market, p, node, dice } = scene;
            const { world, owner } = asOwner(scene);
            const hardware = { gpuClass: dice.below(4), gpus: 1 + dice.below(6) };
            const change = nodeChanges.hardware({ ...hardware, ...HARDWARE });
            if (node !== undefined) {
                const args = { value: 0n, number: node.number, share: node.share, gpus: node.gpus, change };
                await market.both(
                    'replaceHardware',
                    p,
                    () => market.model.replaceHardware(p, node, hardware),
                    () =>
                        world.sendWith(owner, market.contractOf(p), (c, via, s) => c.sendReplaceHardware(via, s, args)),
                );
            }
        },
    ],
    closeNode: [2, async ({ market, p, node }) => node && closeNode(market, p, node)],
    clearNode: [
        2,
        async ({ market, p, node }) => {
            if (node !== undefined) {
                const contract = market.nodeContractOf(node);
                const { world, model } = market;
                await market.both(
                    'clearNode',
                    p,
                    () => model.clearNode(node),
                    () => world.sendWith(world.stranger, contract, (c, via, s) => c.sendClear(via, s, { value: 0n })),
                );
            }
        },
    ],
    setKeys: [
        10,
        async ({ market, p, node: any, dice }) => {
            const node = p.nodes.find(({ state, key }) => state === 'open' && key === undefined) ?? any;
            if (node !== undefined) {
                const used = [node.key, ...node.ended.map((ended) => ended?.key)].filter((key) => key !== undefined);
                const fresh = market.freshKey();
                const key = dice.of([fresh, fresh, fresh, ...used]);
                const oldEndsAt =
                    market.model.now + dice.of([0, 120, 121, HOUR, DAY, 10 * DAY, 90 * DAY, -1, 90 * DAY + 1]);
                const change = nodeChanges.keys({ receiptKey: keyNumber(key), encryptionKey: 7n, oldEndsAt });
                await changeNode(market, 'setKeys', p, node, change, () =>
                    market.model.setKeys(p, node, key, oldEndsAt),
                );
            }
        },
    ],
    endKey: [
        2,
        async ({ market, p, node, dice }) => {
            if (node !== undefined) {
                const used = [node.key, ...node.ended.map((ended) => ended?.key)].filter((key) => key !== undefined);
                const key = dice.of([...used, 'nobody']);
                const change = nodeChanges.endKey(keyNumber(key));
                await changeNode(market, 'endKey', p, node, change, () => market.model.endKey(p, node, key));
            }
        },
    ],
    unjail: [
        3,
        (scene) => {
            const { market, p } = scene;
            const { world, owner } = asOwner(scene);
            return market.both(
                'unjail',
                p,
                () => market.model.unjail(p),
                () => world.sendWith(owner, market.contractOf(p), (c, via, s) => c.sendUnjail(via, s, { value: 0n })),
            );
        },
    ],
    adopt: [
        4,
        (scene) => {
            const { market, p } = scene;
            const { world, owner } = asOwner(scene);
            return market.both(
                'adopt',
                p,
                () => market.model.adopt(p, market.newest),
                () => world.sendWith(owner, market.contractOf(p), (c, via, s) => c.sendAdopt(via, s, { value: 0n })),
            );
        },
    ],
    propose: [2, ({ market, dice }) => propose(market, dice)],
    execute: [3, ({ market }) => execute(market)],
    give: [
        1,
        ({ market, p, node, dice }) => {
            const to = dice.of([p.account, node?.account ?? p.account]);
            const plain = { to: addressOf(to), body: Cell.EMPTY };
            return market.world.send(market.world.stranger, plain, { value: toNano('0.5') });
        },
    ],
    withdrawSurplus: [2, ({ market, p }) => withdrawSurplus(market, p)],
} satisfies Record<string, [weight: number, take: Take]>;

export type Kind = keyof typeof actions;

export function unbond(market: StakeMarket, p: ModelProvider, amount: bigint): Promise<boolean> {
    const send = () =>
        market.world.sendWith(addressOf(p.owner), market.contractOf(p), (c, via, s) =>
            c.sendUnbond(via, s, { value: 0n, amount }),
        );
    return market.both('unbond', p, () => market.model.unbond(p, amount), send);
}

export function withdraw(market: StakeMarket, p: ModelProvider, slot: number): Promise<boolean> {
    const send = () =>
        market.world.sendWith(addressOf(p.owner), market.contractOf(p), (c, via, s) =>
            c.sendWithdrawStake(via, s, { value: 0n, slot }),
        );
    return market.both('withdraw', p, () => market.model.withdraw(p, slot), send);
}

export function withdrawSurplus(market: StakeMarket, p: ModelProvider): Promise<boolean> {
    const send = () =>
        market.world.sendWith(addressOf(p.owner), market.contractOf(p), (c, via, s) =>
            c.sendWithdrawSurplus(via, s, { value: 0n }),
        );
    return market.both('withdrawSurplus', p, () => undefined, send, { surplus: true });
}

export function closeNode(market: StakeMarket, p: ModelProvider, node: ModelNode): Promise<boolean> {
    const args = { value: 0n, number: node.number };
    const send = () =>
        market.world.sendWith(addressOf(p.owner), market.contractOf(p), (c, via, s) => c.sendCloseNode(via, s, args));
    return market.both('closeNode', p, () => market.model.closeNode(p, node), send);
}

function changeNode(
    market: StakeMarket,
    kind: string,
    p: ModelProvider,
    node: ModelNode,
    change: Cell,
    tell: () => void,
): Promise<boolean> {
    const args = { value: 0n, number: node.number, change };
    const send = () =>
        market.world.sendWith(addressOf(p.owner), market.contractOf(p), (c, via, s) => c.sendChangeNode(via, s, args));
    return market.both(kind, p, tell, send);
}

/** Rules that the governor might choose: other windows, amounts, insurance, committee, or code of Disputes. */
async function propose(market: StakeMarket, dice: Dice): Promise<void> {
    if (market.pending !== undefined) {
        return;
    }
    const { world, newest, model } = market;
    const variants: Partial<Rules>[] = [
        { evidence: 240 * HOUR, unbonding: 400 * HOUR },
        { evidence: 24 * HOUR, response: 6 * HOUR, verdict: 12 * HOUR, unbonding: 120 * HOUR },
        { baseStake: toNano('80'), rates: [toNano('20'), toNano('5'), toNano('2'), toNano('30')] },
        { baseStake: toNano('10'), insurance: world.insurances[1] },
        {},
    ];
    const chosen = dice.below(variants.length + 2);
    const version = newest.version + 1;
    const codes = newest.dispute + 1;
    const [rules, change] =
        chosen === variants.length
            ? [{ ...newest, committee: 1 - newest.committee }, changeCells.committee(1 - newest.committee)]
            : chosen > variants.length && codes < CODES
              ? [{ ...newest, dispute: codes }, changeCells.dispute(world.codes.disputes[codes])]
              : [
                    { ...newest, ...world.rulesOf(variants[chosen] ?? {}) },
                    changeCells.rules(world.rulesOf(variants[chosen] ?? {})),
                ];
    market.pending = { executeAt: model.now + DELAY, rules: { ...rules, version } };
    await world.sendWith(world.governor, world.registry, (c, via, s) =>
        c.sendProposeChange(via, s, { value: 0n, change }),
    );
}

async function execute(market: StakeMarket): Promise<void> {
    const { world, pending, model } = market;
    if (pending === undefined || model.now < pending.executeAt) {
        return;
    }
    const ran = await world.sendWith(world.stranger, world.registry, (c, via, s) =>
        c.sendExecuteChange(via, s, { value: 0n }),
    );
    if (ran.refused !== undefined) {
        throw new Error(`The registry refused a change with ${ran.refused.code}`);
    }
    market.newest = pending.rules;
    market.pending = undefined;
}
