// Makes a file of merges from a published tokenizer: node make.mjs TOKENIZER.JSON OUT. See README.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const [, , from, to] = process.argv;
const { vocab, merges, ignore_merges: byRank } = JSON.parse(readFileSync(from, 'utf8')).model;

// A published vocabulary writes each byte as a printable character.
const printable = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
const others = range(0, 256).filter((byte) => !printable.includes(byte));
const byteOf = new Map([
    ...printable.map((byte) => [String.fromCharCode(byte), byte]),
    ...others.map((byte, i) => [String.fromCharCode(256 + i), byte]),
]);
const toBytes = (token) => [...token].map((letter) => String.fromCharCode(byteOf.get(letter) ?? NaN)).join('');

const ids = new Map(range(0, 256).map((byte) => [String.fromCharCode(byte), byte]));
const pairs = [];
for (const [first, second] of byRank
    ? pairsByRank()
    : merges.map((one) => (Array.isArray(one) ? one : one.split(' ')))) {
    const [a, b] = [toBytes(first), toBytes(second)];
    if (ids.has(a) && ids.has(b)) {
        ids.set(a + b, 256 + pairs.length);
        pairs.push([ids.get(a), ids.get(b)]);
    }
}
const planes = [0, 1].flatMap((side) =>
    [0, 8, 16].map((shift) => Buffer.from(pairs.map((pair) => pair[side] >> shift))),
);
const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
writeFileSync(to, brotliCompressSync(Buffer.concat(planes), { params }));

function range(start, end) {
    return Array.from({ length: end - start }, (_, i) => start + i);
}

/** The pair that makes each token of a vocabulary in which any two neighbours merge that a token has. */
function* pairsByRank() {
    for (const [token, rank] of Object.entries(vocab).sort(([, a], [, b]) => a - b)) {
        let parts = [...token];
        for (;;) {
            const ranks = parts.slice(1).map((part, i) => vocab[parts[i] + part] ?? Infinity);
            const best = Math.min(...ranks);
            if (best >= rank) break;
            const at = ranks.indexOf(best);
            parts = [...parts.slice(0, at), parts[at] + parts[at + 1], ...parts.slice(at + 2)];
        }
        if (parts.length === 2) yield parts;
    }
}
