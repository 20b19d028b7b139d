/**
 * Who may send what: every message, from every kind of sender, in every state, as the table says that is also
 * docs/access.md. `npm run test:access` tries every cell, and this a part, another in each state. What
 * cannot be sent on, or brings too little, changes nothing and comes back.
 */
import { Cell } from '@ton/core';
import { readFileSync } from 'node:fs';
import { errors, pricesOf } from '@cocoon-market/wrappers';
import { accessPage, PAGE } from '../../tooling/accessPage';
import { bouncesOf } from '../support/bounces';
import { withoutBasechain, withSmallMessages } from '../support/networks';
import { messagesOfSchema } from '../support/schema';
import { channelScenes, escrowScenes, libraryScenes } from './clientScenes';
import { disputeScenes } from './disputeScenes';
import { nodeScenes } from './nodeScenes';
import { providerScenes } from './providerScenes';
import { registryScenes } from './registryScenes';
import {
    cellsSent,
    fromElsewhere,
    fromMasterchain,
    sending,
    sendingOfAnyValue,
    TOO_LARGE,
    withSmallValues,
} from './returned';
import { shortened, Stage, Trial, trialsOf } from './run';
import { checkScenes, Scene, Scenes } from './scene';
import { cellsOf, messageOf, NO_EXTERNAL, receiversOf, receivers, senders } from './table';
import { notReceived, tables } from '.';

const ALL = process.env.ACCESS === 'all';
const scenes: Record<string, Scenes> = {
    ...{ Registry: registryScenes, Provider: providerScenes, Node: nodeScenes, Dispute: disputeScenes },
    ...{ Escrow: escrowScenes, Channel: channelScenes, Library: libraryScenes },
};

let sent = 0;

describe.each(tables)('Access to $contract', (table) => {
    const states = Object.keys(table.states);
    const tried = new Set<string>();
    let made: { state: string; scene: Scene; stage: Stage } | undefined;

    /** The contract in this state, made once for the tests that follow each other. */
    async function staged(state: string) {
        if (made?.state !== state) {
            checkScenes(table, scenes[table.contract]);
            const scene = await scenes[table.contract][state]();
            made = { state, scene, stage: await Stage.of(scene) };
        }
        return made;
    }

    /** What went wrong with each of these messages. Without `expectedOf` each may be taken or refused. */
    async function wrongOf(stage: Stage, trials: Trial[], expectedOf?: (trial: Trial) => string): Promise<string[]> {
        const wrong: string[] = [];
        for (const trial of trials) {
            const { message, sender, value } = trial;
            sent += 1;
            try {
                const outcome = await stage.outcomeOf(trial);
                const expected = expectedOf?.(trial) ?? outcome;
                if (outcome !== expected) {
                    wrong.push(`${message}, from ${sender}: ${outcome}, and not ${expected}`);
                }
            } catch (error) {
                wrong.push(`${message}, from ${sender}, with ${value}: ${(error as Error).message}`);
            }
        }
        return wrong;
    }

    /** Those of messages that were tried in no state before; `npm run test:access` tries them in each. */
    function newOf(trials: Trial[], how: string): Trial[] {
        const ids = trials.map(({ message, sender }) => `${how}: ${message}, from ${sender}`);
        const news = trials.filter((_, i) => ALL || !tried.has(ids[i]));
        ids.forEach((id) => tried.add(id));
        return news;
    }

    for (const state of states) {
        it(`is as the table says in the state ${state}`, async () => {
            const { scene, stage } = await staged(state);
            const all = trialsOf(table, state, scene);
            const trials = ALL ? all : shortened(all, states.indexOf(state), states.length);

            expect(await wrongOf(stage, trials, (trial) => stage.expectedOf(trial))).toEqual([]);
            expect(all.length).toBeGreaterThan(0);
        });

        it(`changes nothing and gives back what it cannot send on, in the state ${state}`, async () => {
            const { scene, stage } = await staged(state);
            const trials = trialsOf(table, state, scene);

            const wrong = await stage.on(withoutBasechain, () =>
                wrongOf(stage, fromElsewhere(trials), ({ outcome }) => outcome),
            );
            for (const trial of newOf(sending(trials), 'small')) {
                const { message, event } = cellsSent(await stage.receive(trial));
                const limit = Math.floor(message / 2);
                if (message > 0 && limit >= event) {
                    const smaller = (config: Cell) => withSmallMessages(config, limit);
                    wrong.push(...(await stage.on(smaller, () => wrongOf(stage, [trial], () => TOO_LARGE))));
                }
            }

            expect(wrong).toEqual([]);
        });

        it(`takes a message or gives its value back, however small that is, in the state ${state}`, async () => {
            const { scene, stage } = await staged(state);
            const trials = trialsOf(table, state, scene);
            const prices = pricesOf(scene.blockchain.config);

            const wrong: string[] = [];
            for (const trial of newOf([...sendingOfAnyValue(trials), ...fromMasterchain(trials)], 'poor')) {
                wrong.push(...(await wrongOf(stage, withSmallValues(trial, await stage.receive(trial), prices))));
            }

            expect(wrong).toEqual([]);
        });
    }
});

if (ALL) {
    afterAll(() => console.log(`npm run test:access: ${sent} messages sent`));
}

describe('The access table', () => {
    it('has every message of the schema, in the row of a contract or among those that none receives', () => {
        const rows = tables.flatMap(({ rows: each }) => Object.keys(each).flatMap((row) => messageOf(row) ?? []));
        const listed = new Set([...rows, ...Object.values(notReceived).flat()]);

        expect([...messagesOfSchema().keys()].filter((name) => !listed.has(name))).toEqual([]);
        const known = [...messagesOfSchema().keys(), 'OpenJobs', 'JobOrder'];
        expect([...listed].filter((name) => !known.includes(name))).toEqual([]);
        expect(rows.filter((name) => Object.values(notReceived).flat().includes(name))).toEqual([]);
    });

    it.each(tables)('has a row of $contract for each message that comes back to it', ({ contract, rows }) => {
        const returned = bouncesOf(contract);

        const bounces = Object.keys(rows).flatMap((row) => /^bounce of (\w+)/.exec(row)?.[1] ?? []);
        expect(returned.length > 0).toBe(['Provider', 'Node', 'Dispute'].includes(contract));
        expect(returned.filter((name) => !bounces.includes(name))).toEqual([]);
    });

    it.each(tables)('says of $contract nothing but exit codes and receivers that exist', (table) => {
        const outcomes = [...new Set(cellsOf(table).map(({ outcome }) => outcome))];
        const names = [...Object.keys(senders), ...Object.keys(receivers), 'sender', 'next Node'];
        const exists = (outcome: string) =>
            outcome === 'ok' ||
            outcome === 'never' ||
            outcome === NO_EXTERNAL ||
            /^\d+$/.test(outcome) ||
            outcome in errors ||
            (receiversOf(outcome).length > 0 && receiversOf(outcome).every((name) => names.includes(name)));

        expect(outcomes.filter((outcome) => !exists(outcome))).toEqual([]);
    });

    it('is on the page that npm run generate makes of it', () => {
        expect(readFileSync(PAGE, 'utf8')).toBe(accessPage());
    });
});
