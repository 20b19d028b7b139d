/** What localnet/fast.ts and tests/support/faster.ts put in the place of the libraries' own does the same. */
import { beginCell, BitBuilder, BitReader, BitString, Cell, crc32c, storeShardAccount } from '@ton/core';
import { SmartContract } from '@ton/sandbox';
import { createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import { createBlockchain } from './chain';
import { deployProbe } from './probe';

const original = <F extends object>(replaced: F): F => {
    expect(replaced).toHaveProperty('original');
    return (replaced as unknown as { original: F }).original;
};

const BYTES = randomBytes(64);
interface Assembly {
    Module: new (bytes: Buffer) => object;
    Instance: new (module: object) => {
        exports: {
            t: { get(at: number): unknown; set(at: number, f: unknown): void; grow(by: number): void };
            f: unknown;
        };
    };
}

/** Strings of bits that begin and end anywhere within their bytes. */
const LENGTHS = [0, 1, 3, 7, 8, 9, 32, 33, 40, 41, 47, 48, 49, 64, 77, 256, 257];
const STRINGS = [0, 1, 3, 4, 7, 8, 13].flatMap((offset) => LENGTHS.map((bits) => new BitString(BYTES, offset, bits)));

describe('What makes cells faster', () => {
    it('hashes as SHA-256 does, and as the chain does', async () => {
        const { sha256_sync } = await import('@ton/crypto');
        const probe = await deployProbe(await createBlockchain());
        const cell = beginCell().storeUint(7, 13).storeRef(Cell.EMPTY).endCell();

        expect(sha256_sync(BYTES)).toEqual(original(sha256_sync)(BYTES));
        expect(sha256_sync('abc')).toEqual(createHash('sha256').update('abc').digest());
        expect(await probe.getHashOf(cell)).toBe(BigInt(`0x${cell.hash().toString('hex')}`));
    });

    it('derives seeds of words as PBKDF2 does, and gives each caller its own', async () => {
        const { pbkdf2_sha512 } = await import('@ton/crypto');
        expect(original(pbkdf2_sha512)).not.toBe(pbkdf2_sha512);
        const native = (iterations: number) => pbkdf2Sync(BYTES, 'salt', iterations, 64, 'sha512');

        const first = await pbkdf2_sha512(BYTES, 'salt', 100_000, 64);
        expect(first).toEqual(native(100_000));
        first.fill(0);

        expect(await pbkdf2_sha512(BYTES, 'salt', 100_000, 64)).toEqual(native(100_000));
        expect(await pbkdf2_sha512(BYTES, 'salt', 100_001, 64)).toEqual(native(100_001));
        expect(await pbkdf2_sha512(BYTES, 'salt', 390, 64)).toEqual(native(390));
        expect(await pbkdf2_sha512(BYTES.subarray(1), 'salt', 100_000, 64)).not.toEqual(native(100_000));
    });

    it('sums as crc32c does', () => {
        expect(crc32c(Buffer.from('123456789')).readUInt32LE()).toBe(0xe3069283);
        expect(crc32c(BYTES)).toEqual(original(crc32c)(BYTES));
    });

    it('reads numbers of all sizes at all offsets', () => {
        const { _preloadUint, _preloadInt } = BitReader.prototype as unknown as Record<
            string,
            (bits: number, offset: number) => bigint
        >;
        for (const bits of STRINGS) {
            const reader = new BitReader(bits);
            for (const read of [_preloadUint, _preloadInt]) {
                for (const at of [0, 1, 3, 8].filter((offset) => offset <= bits.length)) {
                    const length = bits.length - at;
                    expect(read.call(reader, length, at)).toBe(original(read).call(reader, length, at));
                }
            }
        }
    });

    it('refuses to read over the end in the same words', () => {
        const reader = new BitReader(new BitString(BYTES, 3, 20));

        expect(() => reader.loadUintBig(21)).toThrow('Index 20 > 20 is out of bounds');
        expect(reader.loadUintBig(20)).toBe((BigInt(`0x${BYTES.subarray(0, 3).toString('hex')}`) >> 1n) & 0xfffffn);
        expect(() => reader.loadIntBig(1)).toThrow('Index 20 > 20 is out of bounds');
    });

    it('writes bits of all lengths from and to all offsets, and no bit beyond', () => {
        const { writeBits } = BitBuilder.prototype;
        for (const bits of STRINGS) {
            for (const before of [0, 1, 5, 8]) {
                const [ours, theirs] = [writeBits, original(writeBits)].map((write) => {
                    const builder = new BitBuilder(272);
                    builder.writeUint((1 << before) - 1, before);
                    write.call(builder, bits);
                    builder.writeUint(0, 272 - builder.length);
                    return builder.buffer().toString('hex');
                });
                expect(ours).toBe(theirs);
            }
        }
        expect(() => beginCell().storeBits(new BitString(Buffer.alloc(200), 0, 1100))).toThrow('BitBuilder overflow');
    });

    it('pads bits, and hashes and writes cells of all sizes, with references, as the libraries do', async () => {
        const { bitsToPaddedBuffer } = (await import('@ton/core/dist/boc/utils/paddedBits')) as {
            bitsToPaddedBuffer: (bits: BitString) => Buffer;
        };
        const { wonderCalculator } = (await import('@ton/core/dist/boc/cell/wonderCalculator')) as {
            wonderCalculator: (...cell: unknown[]) => { hashes: Buffer[]; depths: number[]; mask: { value: number } };
        };
        let below = Cell.EMPTY;
        for (const bits of STRINGS) {
            const cell = beginCell().storeBits(bits).storeRef(below).storeRef(Cell.EMPTY).endCell();
            const theirs = original(wonderCalculator)(cell.type, cell.bits, cell.refs);

            expect(bitsToPaddedBuffer(bits)).toEqual(original(bitsToPaddedBuffer)(bits));
            for (const level of [0, 1, 2, 3]) {
                expect(cell.hash(level)).toEqual(theirs.hashes[level]);
                expect(cell.depth(level)).toBe(theirs.depths[level]);
            }
            expect(cell.mask.value).toBe(theirs.mask.value);
            below = cell.depth() > 40 ? Cell.EMPTY : cell;
        }
        const written = below.toBoc();
        expect(written).toEqual(original(Cell.prototype.toBoc).call(below));
        expect(below.toBoc({ idx: true })).toEqual(original(Cell.prototype.toBoc).call(below, { idx: true }));
        written.fill(0); // is the caller's own
        expect(Cell.fromBoc(below.toBoc())[0].hash()).toEqual(below.hash());
    });

    it('reads bags of cells of all sizes as the library does, and keeps each content once', async () => {
        const { deserializeBoc } = (await import('@ton/core/dist/boc/cell/serialization')) as {
            deserializeBoc: (source: Buffer) => Cell[];
        };
        const cells = STRINGS.map((bits) => beginCell().storeBits(bits).storeRef(Cell.EMPTY).endCell());
        const all = cells.reduce((rest, cell) =>
            beginCell().storeRef(rest).storeRef(cell).storeRef(cell).storeUint(cell.bits.length, 9).endCell(),
        );

        for (const options of [{}, { idx: true }, { crc32: false }]) {
            const written = all.toBoc(options);
            const [[ours], [theirs]] = [deserializeBoc(written), original(deserializeBoc)(written)];
            expect(ours.hash()).toEqual(all.hash());
            expect(ours.toString()).toBe(theirs.toString());
            expect(ours.depth()).toBe(theirs.depth());
            written.fill(0); // is the caller's own
            expect(ours.toString()).toBe(all.toString());
            expect(deserializeBoc(all.toBoc(options))[0]).toBe(ours);
        }
    });

    it('refuses a bag that is broken in the words of the library, and reads exotic cells', async () => {
        const { deserializeBoc } = (await import('@ton/core/dist/boc/cell/serialization')) as {
            deserializeBoc: (source: Buffer) => Cell[];
        };
        const bag = beginCell().storeUint(5, 3).storeRef(Cell.EMPTY).endCell().toBoc({ crc32: false });
        const exotic = beginCell().storeUint(2, 8).storeBuffer(BYTES.subarray(0, 32)).endCell({ exotic: true });
        const said = (read: () => unknown) => {
            try {
                return read() && 'nothing';
            } catch (error) {
                return String(error);
            }
        };

        expect(deserializeBoc(exotic.toBoc())[0].isExotic).toBe(true);
        for (let at = 0; at < bag.length; at++) {
            for (const changed of [
                bag.subarray(0, at),
                Buffer.from(bag.map((byte, i) => (i === at ? byte ^ 2 : byte))),
            ]) {
                expect([at, said(() => deserializeBoc(changed))]).toEqual([
                    at,
                    said(() => original(deserializeBoc)(changed)),
                ]);
            }
        }
    });

    it('leaves cells with pruned branches to the library', () => {
        const pruned = beginCell().storeUint(1, 8).storeUint(1, 8).storeBuffer(BYTES.subarray(0, 32)).storeUint(7, 16);
        const cell = beginCell()
            .storeRef(pruned.endCell({ exotic: true }))
            .endCell();

        expect(cell.hash(0)).not.toEqual(cell.hash(1));
        expect(cell.depth(0)).toBe(8);
        expect(cell.depth(1)).toBe(1);
    });

    it('puts accounts back as they were, as often as wanted, whatever was done to what was read of them', async () => {
        const blockchain = await createBlockchain();
        const { address } = await blockchain.treasury('one');
        const account = await blockchain.getContract(address);
        const first = account.snapshot();
        const theirs = original(SmartContract.prototype.snapshot).call(account);
        const stateOf = ({ account: state, ...rest }: typeof theirs) => ({
            state: beginCell().store(storeShardAccount(state)).endCell().hash().toString('hex'),
            ...{ lastTxTime: rest.lastTxTime, verbosity: rest.verbosity, address: rest.address.toString() },
        });

        for (const change of [1n, 2n]) {
            (await blockchain.getContract(address)).balance += change;
            account.loadFrom(first);
            expect(stateOf(account.snapshot())).toEqual(stateOf(theirs));
            account.account.account!.storage.balance.coins = 0n;
            first.account.account!.storage.balance.coins = 0n;
            expect(stateOf(first)).toEqual(stateOf(theirs));
        }
        account.balance = 5n;
        account.loadFrom(theirs); // one that the library made
        expect(account.balance).toBe(theirs.account.account!.storage.balance.coins);
        const other = (await blockchain.treasury('two')).address;
        expect(() => SmartContract.empty(blockchain, other).loadFrom(first)).toThrow('Wrong snapshot address');
    });

    it('finds the functions of a table of WebAssembly, also those that came later', () => {
        // A module with a function f and a table t of one place.
        const bytes = '0061736d01000000010401600000030201000404017000010709020166000001740100' + '0a040102000b';
        const { Instance, Module } = (globalThis as unknown as { WebAssembly: Assembly }).WebAssembly;
        const { t: table, f } = new Instance(new Module(Buffer.from(bytes, 'hex'))).exports;

        expect(table.get(0)).toBe(null);
        table.set(0, f);
        expect(table.get(0)).toBe(f);
        expect(table.get(0)).toBe(f);
        table.grow(1);
        table.set(1, f);
        expect(table.get(1)).toBe(f);
        expect(() => table.get(2)).toThrow(RangeError);
    });
});
