import { majoritySays } from '../../../offchain/chain';

describe('Most of several endpoints', () => {
    const LONG_MS = 3_600_000;
    const yes = async () => true;
    const no = async () => false;
    const silent = () => new Promise<boolean>(() => undefined);
    const fails = () => Promise.reject<boolean>(new Error('down'));
    const decide = (...endpoints: (() => Promise<boolean>)[]) => majoritySays(endpoints, (one) => one(), LONG_MS);

    it.each([
        { endpoints: [silent, yes, yes], says: true },
        { endpoints: [silent, no, fails], says: false },
        { endpoints: [yes, silent, silent, yes, yes], says: true },
        { endpoints: [no, silent], says: false },
        { endpoints: [yes, no, yes], says: true },
        { endpoints: [yes, no], says: false },
        { endpoints: [], says: false },
    ])('say $says as soon as it is decided, though one keeps its answer back ($#)', async ({ endpoints, says }) => {
        expect(await decide(...endpoints)).toBe(says);
    });

    it('have no word of one that does not answer in time', async () => {
        expect(await majoritySays([yes, silent], (one) => one(), 1)).toBe(false);
    });
});
