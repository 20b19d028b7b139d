/** The whole search: on the model, the ways home from all that it found, and on the contracts that ship. */
import type { Session } from '../fuzz/session';
import { waysHome, Ways } from './home';
import { playAll, Played } from './sandbox';
import { firstState, modelScene, SceneName, SCENES } from './scenes';
import { search } from './search';

export const SCENE_NAMES = Object.keys(SCENES) as SceneName[];

/** Moves of a sequence. */
export const MODEL_DEPTHS: Readonly<Record<SceneName, number>> = { channel: 6, escrow: 6, provider: 4, cases: 4 };
export const SANDBOX_DEPTHS: Readonly<Record<SceneName, number>> = { channel: 3, escrow: 4, provider: 3, cases: 3 };

/** What the whole search must reach at least, with the depths above. */
export const LEAST = { model: 1_000_000n, sandbox: 20_000 };

export interface OnModel {
    depth: number;
    sequences: bigint;
    steps: number;
    states: number;
    ways: Ways[];
    seconds: number;
}

export interface OnSandbox extends Played {
    depth: number;
    seconds: number;
}

export interface Report {
    scenes: { name: SceneName; model: OnModel; sandbox?: OnSandbox }[];
    model: { sequences: bigint; steps: number; states: number };
    sandbox?: { sequences: number; transactions: number };
}

export function onModel(name: SceneName, depth: number, progress: (text: string) => void): OnModel {
    const started = performance.now();
    const scene = modelScene(name);
    const { found, ...counts } = search(scene, firstState(), depth, progress);
    const ways = scene.homebound.map((party) => {
        const all = waysHome(party, found);
        const { messages, seconds } = all.longest;
        progress(`${name}: the ${party.who}'s longest way home has ${messages} messages and ${seconds} s of waiting`);
        return all;
    });
    return { depth, ...counts, ways, seconds: secondsSince(started) };
}

async function onSandbox(
    session: Session,
    name: SceneName,
    depth: number,
    progress: (text: string) => void,
): Promise<OnSandbox> {
    const started = performance.now();
    const played = await playAll(session, name, depth, progress);
    return { depth, ...played, seconds: secondsSince(started) };
}

const secondsSince = (started: number): number => Math.round((performance.now() - started) / 100) / 10;

/**
 * Searches these scenes, all unless told. `depth` replaces the depths on the model, and shortens those in the sandbox
 * to it. Without `launch` only the model is searched. Throws the first violation.
 */
export async function exhaust(options: {
    scenes?: readonly SceneName[];
    depth?: number;
    launch?: () => Promise<Session>;
    progress: (text: string) => void;
}): Promise<Report> {
    const { depth, launch, progress } = options;
    const scenes: Report['scenes'] = (options.scenes ?? SCENE_NAMES).map((name) => ({
        name,
        model: onModel(name, depth ?? MODEL_DEPTHS[name], progress),
    }));
    const sum = <N extends 'steps' | 'states'>(part: N) => scenes.reduce((total, { model }) => total + model[part], 0);
    const sequences = scenes.reduce((total, { model }) => total + model.sequences, 0n);
    const report: Report = { scenes, model: { sequences, steps: sum('steps'), states: sum('states') } };
    const session = await launch?.();
    if (session === undefined) {
        return report;
    }
    report.sandbox = { sequences: 0, transactions: 0 };
    for (const scene of scenes) {
        const most = SANDBOX_DEPTHS[scene.name];
        scene.sandbox = await onSandbox(session, scene.name, Math.min(depth ?? most, most), progress);
        report.sandbox.sequences += scene.sandbox.sequences;
        report.sandbox.transactions += scene.sandbox.transactions;
    }
    return report;
}

/** What a whole search lacks of what it must reach; nothing if it reached it. */
export function lacking({ model, sandbox }: Report): string[] {
    const few = (what: string, is: bigint | number, least: bigint | number) =>
        is < least ? [`${is} sequences ${what}, and at least ${least} are due`] : [];
    const played = sandbox === undefined ? [] : few('in the sandbox', sandbox.sequences, LEAST.sandbox);
    return [...few('on the model', model.sequences, LEAST.model), ...played];
}
