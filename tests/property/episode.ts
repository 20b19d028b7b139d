/** Lists of actions: drawn from a seed, taken from the beginning to the end of all that is open, made shorter. */
import { Action, actions, closeNode, Kind, Take, unbond, withdraw, withdrawSurplus } from './actions';
import { decide } from './faults';
import { Dice } from './dice';
import { StakeMarket } from './market';
import { holdOf, there } from './model';

/** Takes these actions from the beginning, then ends all that is open and takes everything home. */
export async function takeAll(market: StakeMarket, list: Action[]): Promise<void> {
    await market.begin();
    for (const { kind, dice: numbers } of list) {
        await market.wait(numbers[7] % 90);
        const dice = new Dice(numbers);
        const p = dice.of(market.model.providers);
        const node = dice.of(p.nodes.filter(({ state }) => state !== 'cleared'));
        const [, take] = actions[kind];
        await take({ market, p, node, dice });
    }
    await endAll(market);
}

/** No case stays open for ever, nothing stays frozen, and no nanoTON stays behind. */
async function endAll(market: StakeMarket): Promise<void> {
    const { model } = market;
    const open = () =>
        model.providers.flatMap((p) =>
            [...p.cases.values()].filter(({ state }) => state === 'open').map((found) => ({ p, found })),
        );
    await market.wait(Math.max(...open().map(({ found }) => found.decideFrom + 1 - model.now), 0));
    for (const { p, found } of open()) {
        const step = decide(market, p, found, new Dice([0]));
        await market.both('decide', p, step.tell, step.send, { fault: true });
    }
    for (const p of model.providers) {
        for (const node of p.nodes.filter(({ state }) => state === 'open')) {
            await closeNode(market, p, node);
        }
    }
    await market.wait(
        Math.max(
            ...model.providers.map((p) =>
                Math.max(holdOf(p), ...p.slots.map((slot) => (slot ? slot.unlockAt - model.now : 0))),
            ),
        ),
    );
    for (const p of model.providers) {
        for (const slot of p.slots.keys()) {
            if (p.slots[slot] !== undefined) {
                await withdraw(market, p, slot);
            }
        }
        if (p.stake > 0n) {
            await unbond(market, p, p.stake);
            await market.wait(Math.max(holdOf(p), p.lockedUntil - model.now));
            await withdraw(market, p, 0);
        }
        await withdrawSurplus(market, p);
        await market.compare(p);
        if (there(p) !== 0n || p.frozen !== 0n) {
            throw new Error(`${there(p)} nanoTON stayed behind, ${p.frozen} of it frozen`);
        }
    }
}

/** So many actions, the same for the same seed. */
export function drawActions(seed: number, count: number): Action[] {
    const random = numbersFrom(seed);
    const kinds = Object.entries(actions) as [Kind, [number, Take]][];
    const total = kinds.reduce((sum, [, [weight]]) => sum + weight, 0);
    return Array.from({ length: count }, () => {
        let left = random() % total;
        const [kind] = kinds.find(([, [weight]]) => (left -= weight) < 0)!;
        return { kind, dice: Array.from({ length: 11 }, random) };
    });
}

/** Numbers below 2^32 that look random, by shifts. */
function numbersFrom(seed: number): () => number {
    let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
    return () => {
        state ^= state << 13;
        state >>>= 0;
        state ^= state >>> 17;
        state ^= state << 5;
        state >>>= 0;
        return state;
    };
}

/** The error that these actions end in, undefined if they hold. */
export async function failureOf(market: StakeMarket, list: Action[]): Promise<Error | undefined> {
    try {
        await takeAll(market, list);
        return undefined;
    } catch (error) {
        return error as Error;
    }
}

/** A list of actions that still fails, from which no part can be left out; at most `tries` runs. */
export async function shortened(market: StakeMarket, failing: Action[], tries = 200): Promise<Action[]> {
    let list = failing;
    for (let part = Math.ceil(list.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
        for (let from = 0; from < list.length && tries > 0; tries--) {
            const rest = [...list.slice(0, from), ...list.slice(from + part)];
            if (await failureOf(market, rest)) {
                list = rest;
            } else {
                from += part;
            }
        }
    }
    return list;
}
