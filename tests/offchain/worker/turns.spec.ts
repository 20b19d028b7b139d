/** Who is next at the backends, of clients with equally many running queries. */
import { ClientTurns } from '../../../offchain/worker/turns';

const turnsOf = (...clients: string[]) => {
    const turns = new ClientTurns<{ client: string }>();
    clients.forEach((client) => turns.add({ client }));
    return turns;
};
const next = (turns: ClientTurns<{ client: string }>) =>
    turns.take(
        () => true,
        () => 0,
    )?.client;

describe('The turns of clients', () => {
    it('go round, however many queries one of them has', () => {
        const turns = turnsOf('a', 'a', 'a', 'b', 'c');

        expect(Array.from({ length: 6 }, () => next(turns))).toEqual(['a', 'b', 'c', 'a', 'a', undefined]);
    });

    it('put a client that was forgotten behind those that wait, as one that is new', () => {
        const turns = turnsOf('a');
        expect(next(turns)).toBe('a');
        ['b', 'c', 'b', 'c', 'b'].forEach((client) => turns.add({ client }));
        expect([next(turns), next(turns), next(turns)]).toEqual(['b', 'c', 'b']);

        turns.keep(new Set(['b', 'c']));
        turns.add({ client: 'a' }); // its turn was before all of theirs
        expect([next(turns), next(turns), next(turns)]).toEqual(['c', 'a', 'b']);
    });
});
