/**
 * Jest imports this before each test file, other runs first. Cells and the emulator are faster, see localnet/fast.ts.
 * The words of a wallet become its seed once for a process: that takes a tenth of a second, and every run of a script
 * asks for it.
 */
import '../../localnet/fast';

type Derive = (key: Buffer | string, salt: Buffer | string, iterations: number, length: number) => Promise<Buffer>;

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the object from which the library reads it
const primitive = require('@ton/crypto/dist/primitives/pbkdf2_sha512') as {
    pbkdf2_sha512: Derive & { original?: Derive };
};

function onceEach(original: Derive): Derive & { original: Derive } {
    const derived = new Map<string, Promise<Buffer>>();
    const derive: Derive = async (...asked) => {
        const key = asked.map((part) => (typeof part === 'number' ? part : Buffer.from(part).toString('hex'))).join();
        const result = derived.get(key) ?? original(...asked);
        derived.set(key, result);
        return Buffer.from(await result); // the caller's own
    };
    const SEED_OF_WORDS = 100_000; // iterations; fewer are tries of new words, which nobody repeats
    return Object.assign<Derive, { original: Derive }>(
        (...asked) => (asked[2] < SEED_OF_WORDS ? original(...asked) : derive(...asked)),
        { original },
    );
}

if (primitive.pbkdf2_sha512.original === undefined) {
    primitive.pbkdf2_sha512 = onceEach(primitive.pbkdf2_sha512);
}
