import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { drawActions, failureOf, openSession, shortened } from './episode';
import { optionsOf, readReplay } from './main';
import { Session } from './session';

describe('The model and the contracts under random actions', () => {
    let session: Session;

    beforeAll(async () => {
        session = await openSession();
    });

    it('agree after each delivery, and everybody brings the money home alone', async () => {
        const failure = await failureOf(session, drawActions(6, 120));

        expect(failure).toBeUndefined();
    });

    it('are told from contracts that keep one nanoTON each time, by the message that shows it', async () => {
        const deliver = session.network.deliver.bind(session.network);
        const list = drawActions(6, 3).map(({ dice }, place) => ({
            kind: (['announce', 'askRules', 'addStake'] as const)[place],
            dice,
        }));
        session.network.deliver = async (wired) => {
            const ran = await deliver(wired);
            return { ...ran, balanceAfter: ran.code === 'done' ? ran.balanceAfter + 1n : ran.balanceAfter };
        };

        const short = await shortened(session, [...list, { kind: 'drain', dice: [0] }]);
        const failure = await failureOf(session, short);
        session.network.deliver = deliver;

        expect(short.length).toBeLessThanOrEqual(2);
        expect(failure?.message).toContain('a balance from');
    });
});

describe('The flags of the fuzz', () => {
    it('are a number of actions and a seed', () => {
        expect(optionsOf(['--actions', '10', '--seed', '3'])).toMatchObject({ actions: 10, seed: 3, json: false });
    });

    it('are refused where a number is none', () => {
        expect(() => optionsOf(['--actions', 'many'])).toThrow('--actions is a whole number from 0 on, not many');
    });

    it('are refused where there is no such flag', () => {
        expect(() => optionsOf(['--sed', '3'])).toThrow("Unknown option '--sed'");
    });

    it('replay the actions of a file, and no other file', () => {
        const file = join(mkdtempSync(join(tmpdir(), 'fuzz-')), 'failure.json');
        const actions = drawActions(1, 2);
        writeFileSync(file, JSON.stringify({ actions }));

        expect(readReplay(JSON.stringify({ actions }))).toEqual(actions);
        expect(() => readReplay('{"actions":[{"kind":"fly","dice":[]}]}')).toThrow('no actions of the fuzz');
    });
});
