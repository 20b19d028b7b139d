import { setTimeout as sleep } from 'node:timers/promises';
import { ClientPatience } from '../../../offchain/worker/patience';

afterEach(() => jest.restoreAllMocks());

const isLate = async (patience: ClientPatience, ms: number): Promise<boolean> => {
    let late = false;
    await patience.wait(sleep(ms), () => (late = true));
    return late;
};

it('a query waits for its client no longer than the limit at once, nor in all', async () => {
    expect(await isLate(new ClientPatience(100), 150)).toBe(true);
    const patience = new ClientPatience(100);
    expect(await isLate(patience, 60)).toBe(false);
    expect(await isLate(patience, 60)).toBe(true);
});

it('a query may also wait for as long as the model worked', async () => {
    const patience = new ClientPatience(100);
    expect(await isLate(patience, 60)).toBe(false);
    await sleep(100);
    expect(await isLate(patience, 60)).toBe(false);
});

it('a place stood idle once a query has waited much longer for its client than the model worked', async () => {
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const patience = new ClientPatience(30_000);
    const wait = (ms: number) =>
        patience.wait(
            Promise.resolve().then(() => (now += ms)),
            () => undefined,
        );
    patience.begin();
    now += 6000; // the model works
    await wait(4000);
    now += 4000;
    await wait(11_000);
    expect(patience.isLong).toBe(false);
    await wait(1);
    expect(patience.isLong).toBe(true);
});
