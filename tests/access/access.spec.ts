/**
 * Who may send what: every message, from every kind of sender, in every state, as the table says that is also
 * docs/access.md. `npm run test:access` tries every cell, and this a part, another in each state.
 */
import { readFileSync } from 'node:fs';
import { errors } from '@cocoon-market/wrappers';
import { accessPage, PAGE } from '../../tooling/accessPage';
import { bouncesOf } from '../support/bounces';
import { messagesOfSchema } from '../support/schema';
import { channelScenes, escrowScenes, libraryScenes } from './clientScenes';
import { disputeScenes } from './disputeScenes';
import { nodeScenes } from './nodeScenes';
import { providerScenes } from './providerScenes';
import { registryScenes } from './registryScenes';
import { shortened, Stage, trialsOf } from './run';
import { checkScenes, Scenes } from './scene';
import { cellsOf, messageOf, NO_EXTERNAL, receiversOf, receivers, senders } from './table';
import { notReceived, tables } from '.';

const ALL = process.env.ACCESS === 'all';
const scenes: Record<string, Scenes> = {
    ...{ Registry: registryScenes, Provider: providerScenes, Node: nodeScenes, Dispute: disputeScenes },
    ...{ Escrow: escrowScenes, Channel: channelScenes, Library: libraryScenes },
};

let sent = 0;

describe.each(tables)('Access to $contract', (table) => {
    it.each(Object.entries(table.states))('is as the table says in the state %s', async (state) => {
        checkScenes(table, scenes[table.contract]);
        const scene = await scenes[table.contract][state]();
        const stage = await Stage.of(scene);
        const all = trialsOf(table, state, scene);
        const names = Object.keys(table.states);

        const wrong: string[] = [];
        for (const trial of ALL ? all : shortened(all, names.indexOf(state), names.length)) {
            const expected = stage.expectedOf(trial);
            const outcome = await stage.outcomeOf(trial).catch((error: Error) => error.message);
            sent += 1;
            if (outcome !== expected) {
                wrong.push(`${trial.message}, from ${trial.sender}: ${outcome}, and not ${expected}`);
            }
        }

        expect(wrong).toEqual([]);
        expect(all.length).toBeGreaterThan(0);
    });
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
