import { Session } from '../fuzz/session';
import { waysHome } from './home';
import { exhaust, lacking, onModel, SCENE_NAMES } from './run';
import { playAll } from './sandbox';
import { firstState, modelScene } from './scenes';
import { search, Violation } from './search';

const quiet = () => undefined;

/** What a search ends in. */
function violationOf(run: () => unknown): Violation {
    try {
        run();
    } catch (error) {
        if (error instanceof Violation) {
            return error;
        }
        throw error;
    }
    throw new Error('The search found nothing');
}

describe('The exhaustive search', () => {
    it.each(SCENE_NAMES)('finds no sequence of two moves that breaks a guarantee in the model: %s', (name) => {
        const { sequences, states, ways } = onModel(name, 2, quiet);

        expect(sequences).toBeGreaterThan(200n);
        expect(states).toBeGreaterThan(20);
        expect(ways.length).toBeGreaterThan(0);
    });

    it('plays every single move on the contracts, which agree with the model', async () => {
        const session = await Session.launch();
        let sequences = 0;

        for (const name of SCENE_NAMES) {
            sequences += (await playAll(session, name, 1, quiet)).sequences;
        }

        expect(sequences).toBeGreaterThan(100);
    });

    it('counts a sequence once for each way through the same states', () => {
        const scene = { ...modelScene('channel'), check: (_: unknown, book: object) => ({ ...book }) };
        const moves = scene.moves.filter(({ name }) => /unknown opcode|leaves directly/.test(name));

        const { sequences, states } = search({ ...scene, moves }, firstState(), 5, quiet);

        // Two moves that change nothing: 2 + 4 + 8 + 16 + 32 sequences through one state.
        expect({ sequences, states }).toEqual({ sequences: 62n, states: 1 });
    });

    it('shows the shortest sequence to a state that a check refuses', () => {
        const scene = modelScene('channel');
        const check: typeof scene.check = (step, book) => {
            const paid = [...step.after.contracts.values()].some((each) => each.kind === 'channel' && each.paid > 300n);
            if (paid) {
                throw new Error('more than 30 were paid');
            }
            return book;
        };

        const found = violationOf(() => search({ ...scene, check }, firstState(), 3, quiet));

        expect(found.message).toBe('more than 30 were paid');
        expect(found.sequence).toEqual(['payout: claims 70']);
    });

    it('tells a party whose money stays away', () => {
        const scene = modelScene('channel');
        const { found } = search(scene, firstState(), 1, quiet);
        const [client] = scene.homebound;
        const moves = client.moves.filter(({ name }) => !name.includes('refunds'));

        const violation = violationOf(() => waysHome({ ...client, moves }, found));

        expect(violation.message).toBe('The client cannot bring its money home');
    });

    it('says what a search lacks of the sequences that are due', async () => {
        const report = await exhaust({ depth: 1, progress: quiet });

        expect(lacking(report)).toEqual([expect.stringMatching(/^\d+ sequences on the model, and at least 1000000/)]);
    });
});
