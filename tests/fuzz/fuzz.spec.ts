import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { opcodes } from '@cocoon-market/wrappers';

import { drawActions, failureOf, openSession, shortened } from './episode';
import { bringHome } from './home';
import { BUYERS, OWNERS, STRANGER } from './launch';
import { optionsOf, readReplay } from './main';
import { Book } from './scene';
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

    const deposit = async () => {
        await session.begin();
        const [to] = session.accounts.escrows;
        session.send({ from: BUYERS[0], to, value: session.plenty, bounce: true, body: { op: 'deposit' } });
        await session.drain();
    };

    it('are told from a network in which one nanoTON is lost', async () => {
        await deposit();
        const { deliver } = session.network;
        session.network.deliver = async (wired) => {
            const ran = await deliver.call(session.network, wired);
            Object.assign(session.network, { fees: session.network.snapshot().sums.fees + 1n });
            return ran;
        };

        await expect(deposit()).rejects.toThrow('-1 nanoTON are missing');
        session.network.deliver = deliver;
    });

    it('are told from contracts that keep a message to another contract', async () => {
        const { deliver } = session.network;
        session.network.deliver = async (wired) => {
            const ran = await deliver.call(session.network, wired);
            return { ...ran, sent: ran.sent.filter(({ op }) => op !== opcodes.AskRules) };
        };
        await session.begin();
        const [to] = session.accounts.providers;
        const body = { op: 'adopt', rules: '' } as const;
        session.send({ from: OWNERS[0], to, value: session.plenty, bounce: true, body });

        await expect(session.drain()).rejects.toThrow('The model sent {op: askRules');
        session.network.deliver = deliver;
    });

    it('tell a client whose deposit stays away', async () => {
        await session.begin();
        const [account] = session.accounts.escrows;
        const stolen = { ...session.get('escrow', account)!, owner: STRANGER };
        session.state = { ...session.state, contracts: new Map(session.state.contracts).set(account, stolen) };

        await expect(bringHome(session, new Book())).rejects.toThrow('a client finds no way home in 8 moves');
    });
});

describe('The flags of the fuzz', () => {
    it('are a number of actions and a seed', () => {
        expect(optionsOf(['--actions', '10', '--seed', '3'])).toMatchObject({ actions: 10, seed: 3, json: false });
    });

    it('are refused where a number is none', () => {
        expect(() => optionsOf(['--actions', 'many'])).toThrow('--actions is a whole number from 1 on, not "many"');
        expect(() => optionsOf(['--actions', '0'])).toThrow('--actions is a whole number from 1 on, not "0"');
        expect(() => optionsOf(['--seed', '1.5'])).toThrow('--seed is a whole number from 0 on, not "1.5"');
    });

    it('are refused where there is no such flag', () => {
        expect(() => optionsOf(['--sed', '3'])).toThrow("Unknown option '--sed'");
    });

    it('replay the actions of a file, and no other file', () => {
        const file = join(mkdtempSync(join(tmpdir(), 'fuzz-')), 'failure.json');
        const actions = drawActions(1, 2);
        writeFileSync(file, JSON.stringify({ actions }));

        expect(readReplay(JSON.stringify({ actions }))).toEqual(actions);
        for (const other of ['{"actions":[{"kind":"fly","dice":[]}]}', '{"actions":[null]}', 'null', 'no JSON']) {
            expect(() => readReplay(other)).toThrow('no actions of the fuzz');
        }
    });
});
