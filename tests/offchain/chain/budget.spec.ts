import { Budget, type Urgency } from '../../../offchain/chain';

/** The order in which waiting calls get their turn. */
async function orderOf(budget: Budget, calls: readonly Urgency[]): Promise<Urgency[]> {
    const order: Urgency[] = [];
    await Promise.all(
        calls.map(async (urgency) => {
            if (await budget.turn(urgency, 20_000)) {
                order.push(urgency);
            }
        }),
    );
    return order;
}

describe('A budget of calls', () => {
    it('gives one call a second where one a second is all there is', async () => {
        const budget = new Budget(1);
        const from = performance.now();

        const order = await orderOf(budget, ['routine', 'routine', 'routine']);

        expect(order).toHaveLength(3);
        expect(performance.now() - from).toBeGreaterThanOrEqual(1950);
    });

    it('lets claims go before what is routine, and that before strangers', async () => {
        const budget = new Budget(20);
        await orderOf(budget, Array<Urgency>(10).fill('urgent')); // what a burst may be

        const order = await orderOf(budget, ['stranger', 'routine', 'urgent', 'stranger', 'routine', 'urgent']);

        expect(order).toEqual(['urgent', 'urgent', 'routine', 'routine', 'stranger', 'stranger']);
    });

    it('serves strangers and what can wait in the order in which they came', async () => {
        const budget = new Budget(20);
        await orderOf(budget, Array<Urgency>(10).fill('urgent'));

        const order = await orderOf(budget, ['idle', 'stranger', 'idle', 'routine']);

        expect(order).toEqual(['routine', 'idle', 'stranger', 'idle']);
    });

    it('keeps half of a burst from strangers, and a quarter for claims alone', async () => {
        const now = async (budget: Budget, urgency: Urgency) => {
            const took = await Promise.all(Array.from({ length: 12 }, () => budget.turn(urgency, 0)));
            return took.filter((came) => came).length;
        };
        const full = () => new Budget(0.001, 10); // so slow that nothing comes back while the test runs
        const [strangers, routine, claims] = [full(), full(), full()];

        expect(await now(strangers, 'stranger')).toBe(5);
        expect(await now(strangers, 'urgent')).toBe(5);
        expect(await now(routine, 'routine')).toBe(7);
        expect(await now(claims, 'urgent')).toBe(10);
    });

    it('refuses the ninth stranger that waits at once', async () => {
        const budget = new Budget(0.01);
        await budget.turn('urgent', 0);
        const waiting = Array.from({ length: 8 }, () => budget.turn('stranger', 100));

        const from = performance.now();
        const ninth = await budget.turn('stranger', 20_000);

        expect(ninth).toBe(false);
        expect(performance.now() - from).toBeLessThan(90);
        expect(await Promise.all(waiting)).toEqual(Array(8).fill(false));
    });

    it('serves what is routine in turns with the calls of clients, however many of these came before', async () => {
        const budget = new Budget(50);
        await orderOf(budget, Array<Urgency>(25).fill('urgent')); // what a burst may be

        const order = await orderOf(budget, [...Array<Urgency>(30).fill('client'), 'routine', 'routine', 'urgent']);

        expect(order.slice(0, 5)).toEqual(['urgent', 'routine', 'client', 'routine', 'client']);
        expect(order).toHaveLength(33);
    });

    it('serves a stranger after two calls of clients, however many of these come', async () => {
        const budget = new Budget(50);
        await orderOf(budget, Array<Urgency>(25).fill('urgent')); // what a burst may be

        const order = await orderOf(budget, [...Array<Urgency>(8).fill('client'), 'stranger', 'stranger', 'urgent']);

        const [client, stranger] = ['client', 'stranger'] as const;
        expect(order.slice(0, 7)).toEqual(['urgent', client, client, stranger, client, client, stranger]);
        expect(order).toHaveLength(11);
    });

    it('gives a turn up when it does not come in time, and serves the next one', async () => {
        const budget = new Budget(2);
        await budget.turn('urgent', 0);

        const [given, taken] = await Promise.all([budget.turn('urgent', 50), budget.turn('routine', 5000)]);

        expect([given, taken]).toEqual([false, true]);
    });

    it.each([
        ['is to pause for a minute', (budget: Budget) => budget.slowDown(60_000)],
        ['has sent more bytes than are read in passing', (budget: Budget) => budget.noteBytes(1e9)],
    ])('has no call wait on once the endpoint %s, and lets it wait again', async (_, pause) => {
        const budget = new Budget(2);
        await budget.turn('urgent', 0);
        const waiting = [budget.turn('urgent', 20_000), budget.turn('stranger', 20_000)];

        pause(budget);

        expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
        expect(await budget.turn('urgent', 50)).toBe(false);
    });
});
