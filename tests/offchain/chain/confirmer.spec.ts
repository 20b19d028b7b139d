import { Address } from '@ton/core';
import { type ChainAccount, Confirmer } from '../../../offchain/chain';

const ADDRESS = new Address(0, Buffer.alloc(32, 7));
const RULES = { reads: 3, seconds: 60 };

/** An endpoint that says what it is told to. */
class Endpoint {
    exists = true;
    down = false;

    async account(): Promise<ChainAccount> {
        if (this.down) {
            throw new Error('the API does not answer');
        }
        const state = this.exists ? 'active' : 'uninitialized';
        return { state, balance: 0n, code: undefined, data: undefined, at: 0 };
    }
}

describe('What an API says of money', () => {
    let time: number;
    let first: Endpoint;
    let second: Endpoint;

    const goneOf = ({ state }: ChainAccount) => (state === 'active' ? undefined : 'gone');
    const confirmed = (others: Endpoint[] = []) => new Confirmer(Object.assign(first, { others }), RULES, () => time);
    /** The verdicts of readings at these seconds. */
    const verdicts = async (words: Confirmer, times: number[]) => {
        const all: boolean[] = [];
        for (time of times) {
            all.push((await words.read(ADDRESS, goneOf)).confirmed);
        }
        return all;
    };

    beforeEach(() => {
        time = 0;
        [first, second] = [new Endpoint(), new Endpoint()];
        first.exists = second.exists = false;
    });

    it('is believed at the third reading after a minute, and not a second before', async () => {
        expect(await verdicts(confirmed(), [0, 30, 59, 60])).toEqual([false, false, false, true]);
    });

    it('is not believed for many readings in a moment and one a minute later', async () => {
        expect(await verdicts(confirmed(), [0, 0, 1, 2, 3, 60])).toEqual([false, false, false, false, false, false]);
    });

    it('is believed for two readings neither a minute apart nor an hour', async () => {
        expect(await verdicts(confirmed(), [0, 3600])).toEqual([false, false]);
    });

    it('begins again when one reading says otherwise', async () => {
        const words = confirmed();
        await verdicts(words, [0, 30]);
        first.exists = true;
        await verdicts(words, [45]);
        first.exists = false;

        expect(await verdicts(words, [60, 90, 119, 120])).toEqual([false, false, false, true]);
    });

    it('begins again when it says something else', async () => {
        const words = confirmed();
        const says = async (paid: number) => {
            const said = await words.ask(
                'key',
                async () => paid,
                (answer) => `paid ${answer}`,
            );
            return said.confirmed;
        };
        await says(5);
        time = 30;
        await says(5);
        time = 60;

        expect(await says(6)).toBe(false);
    });

    it('is asked of every other source in the same way, whatever is asked', async () => {
        const doubter: { fault: string | undefined } = { fault: undefined };
        const closed = { fault: 'closed' } as typeof doubter;
        const words = new Confirmer({ ...closed, others: [closed, doubter] }, RULES, () => time);
        const says = async () =>
            (
                await words.ask(
                    'node',
                    async ({ fault }) => fault,
                    (fault) => fault,
                )
            ).confirmed;
        for (time of [0, 30]) await says();
        time = 60;

        expect(await says()).toBe(false);
        doubter.fault = 'closed';
        expect(await says()).toBe(true);
    });

    it('is not believed while another endpoint says otherwise, or does not answer', async () => {
        const words = confirmed([second]);
        second.exists = true;
        expect(await verdicts(words, [0, 30, 60])).toEqual([false, false, false]);
        second.down = true;
        expect(await verdicts(words, [90])).toEqual([false]);
        second.down = second.exists = false;

        expect(await verdicts(words, [120])).toEqual([true]);
    });

    it('counts for nothing when the API does not answer', async () => {
        const words = confirmed();
        await verdicts(words, [0]);
        first.down = true;
        time = 30;
        await expect(words.read(ADDRESS, goneOf)).rejects.toThrow('does not answer');
        first.down = false;

        expect(await verdicts(words, [59, 60])).toEqual([false, false]);
    });
});
