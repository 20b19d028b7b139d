import { setTimeout as sleep } from 'node:timers/promises';
import { ClientPatience } from '../../../offchain/worker/patience';

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
