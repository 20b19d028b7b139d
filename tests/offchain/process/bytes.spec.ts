import { readVectors } from '../../../offchain/backend/vectors';
import { wholeAnswer } from '../../../offchain/process/bytes';
import { usedBytes } from '../../support/memory';

const BYTES = 100_000;
const MAX_USED = 2 << 20; // bytes; a Buffer for each byte takes several times as much

/** A server that sends each byte for itself; `onLast` is called before it ends. */
async function* dribbled(text: string, onLast: () => void = () => undefined) {
    for (const byte of Buffer.from(text)) yield Buffer.of(byte);
    onLast();
}

describe('An answer that a server sends byte by byte', () => {
    it('takes about as much memory as it has bytes, such as the vectors of a model server', async () => {
        const embedding = Buffer.alloc(BYTES / 2).toString('base64');
        const before = usedBytes();
        let used = Infinity;
        const body = dribbled(JSON.stringify({ data: [{ index: 0, embedding }] }), () => (used = usedBytes() - before));

        const { vectors } = await readVectors(body as never, BYTES);

        expect(used).toBeLessThan(MAX_USED);
        expect(vectors).toEqual([{ index: 0, embedding }]);
    });

    it('is whole as long as it has no more bytes than allowed', async () => {
        const text = 'x'.repeat(BYTES);

        expect((await wholeAnswer(dribbled(text), BYTES))?.toString()).toBe(text);
        expect(await wholeAnswer(dribbled(text), BYTES - 1)).toBeUndefined();
    });
});
