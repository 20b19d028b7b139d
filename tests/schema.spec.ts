/** docs/schema.tlb as a stranger uses it: with a decoder that a tool of others makes of it. */
import { type OpcodeName, opcodes, parseMessage } from '@cocoon-market/wrappers';
import { Address, beginCell, Builder, Cell, Dictionary } from '@ton/core';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plain, SchemaDecoder } from './support/decoder';

const vectors = <T>(name: string) =>
    JSON.parse(readFileSync(join(__dirname, 'vectors', `${name}.json`), 'utf8')) as T[];
const SCHEMA = readFileSync(join(__dirname, '../docs/schema.tlb'), 'utf8');
const lines = new Map(
    Array.from(SCHEMA.matchAll(/^(\w+(?:#(\w+))? .*?) ?= (\w+);$/gm), ([, line, tag, name]) => [name, { line, tag }]),
);

const cellOf = (hex: string) => Cell.fromHex(hex);
const bytesCell = (hex: string) => new Builder().storeBuffer(Buffer.from(hex, 'hex')).endCell();
/** Fields of a vector with hex numbers as the decoder gives them. */
const numbers = (fields: Record<string, string | number>) =>
    Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
            name,
            typeof value === 'string' && value.length === 64 ? BigInt(`0x${value}`).toString() : value.toString(),
        ]),
    );

describe('A decoder made of docs/schema.tlb', () => {
    let decoder: SchemaDecoder;

    beforeAll(() => {
        decoder = SchemaDecoder.make();
    });

    it('reads every signed payload of the vectors', () => {
        const payloads = vectors<{ payload: string; fields: Record<string, string | number>; bytes: string }>(
            'payloads',
        );

        for (const { payload, fields, bytes } of payloads) {
            expect(decoder.read(payload, bytesCell(bytes))).toEqual(numbers(fields));
        }
        expect(payloads.length).toBeGreaterThan(15);
    });

    it('reads every order of the vectors, and the jobs that it opens', () => {
        const orders = vectors<{ order: string; cell: string; body: string }>('orders');

        for (const { order, cell, body } of orders) {
            const signed = decoder.read('SignedOrder', cellOf(body)) as { order: string };
            const { seqno } = decoder.read(order, cellOf(cell)) as { seqno: string };
            const jobs = order === 'OpenJobs' ? cellOf(cell).refs.map((job) => decoder.read('NewJob', job)) : [];
            expect([signed.order, seqno]).toEqual([cellOf(cell).hash().toString('hex'), '9']);
            expect(jobs).toEqual(jobs.map(() => expect.objectContaining({ deposit: '1000000000', end: '1798027200' })));
        }
        expect(orders.length).toBe(5);
    });

    it('reads the terms of the vectors', () => {
        for (const { cell, terms } of vectors<{ cell: string; terms: Record<string, unknown> }>('terms')) {
            const [parties] = [cellOf(cell)];
            const [keys] = parties.refs;
            const { rates, ...rest } = terms as { rates: Record<string, string> } & Record<string, string | number>;
            const { keys: _, ...first } = decoder.read('TermsParties', parties) as Record<string, string>;
            const { rates: __, ...second } = decoder.read('TermsKeys', keys) as Record<string, string>;
            const third = decoder.read('TermsRates', keys.refs[0]) as Record<string, string>;

            expect({ ...first, ...second, ...third }).toEqual(numbers({ ...rest, ...rates }));
        }
    });

    it.each(Object.keys(opcodes) as OpcodeName[])('reads %s as the wrappers do', (name) => {
        for (const numbersAre of ['random', 'max'] as const) {
            const body = write(beginCell(), name, numbersAre, name).endCell();
            const parsed = parseMessage(body);

            expect(parsed?.name).toBe(name);
            expect(decoder.read(name, body)).toEqual(plain(parsed!.fields));
        }
    });

    it('refuses a message with a bit more, a bit less, or another opcode', () => {
        const body = write(beginCell(), 'Join', 'random', 'seed').endCell();
        const bits = body.bits;
        const more = beginCell().storeBits(bits).storeBit(1).endCell();
        const less = beginCell()
            .storeBits(bits.substring(0, bits.length - 1))
            .endCell();

        expect(() => decoder.read('Join', more)).toThrow('holds more than its fields');
        expect(() => decoder.read('Join', less)).toThrow();
        expect(() => decoder.read('Adopt', body)).toThrow('does not satisfy');
    });
});

type NumbersAre = 'random' | 'max';

/** Writes a value of a type as its line in the schema says; what is random depends on the seed alone. */
function write(builder: Builder, name: string, numbersAre: NumbersAre, seed: string): Builder {
    const { line, tag } = lines.get(name)!;
    if (tag !== undefined) builder.storeUint(parseInt(tag, 16), 32);
    for (const [, field, type] of line.matchAll(/(\w+):(\([^)]*\)|\S+)/g)) {
        writeField(builder, type, numbersAre, `${seed}.${field}`);
    }
    return builder;
}

function writeField(builder: Builder, type: string, numbersAre: NumbersAre, seed: string): void {
    const digest = createHash('sha256').update(seed).digest();
    const number = (bits: number) =>
        numbersAre === 'max' ? 2n ** BigInt(bits) - 1n : BigInt(`0x${digest.toString('hex')}`) % 2n ** BigInt(bits);
    const cell = beginCell().storeBuffer(digest).endCell();
    const [, kind, size] = /^(uint|int|bits)(\d+)$/.exec(type) ?? [];
    if (kind === 'int') builder.storeInt(number(Number(size) - 1), Number(size));
    else if (kind !== undefined) builder.storeUint(number(Number(size)), Number(size));
    else if (type === 'Bool') builder.storeBit(digest[0] % 2 === 0);
    else if (type === 'Grams') builder.storeCoins(number(120));
    else if (type === 'MsgAddressInt') builder.storeAddress(new Address(0, digest));
    else if (type === 'MsgAddress') builder.storeAddress(numbersAre === 'max' ? new Address(0, digest) : null);
    else if (type === '^Cell') builder.storeRef(cell);
    else if (type === '(Maybe ^Cell)') builder.storeMaybeRef(numbersAre === 'max' ? cell : null);
    else if (type === 'Any') builder.storeSlice(cell.beginParse());
    else if (type === '(HashmapE 8 ^CodeId)') {
        const entries = [1, 200].map((key): [number, Cell] => {
            return [key, write(beginCell(), 'CodeId', numbersAre, `${seed}.${key}`).endCell()];
        });
        builder.storeDict(dictionaryOf(entries));
    } else if (lines.has(type)) write(builder, type, numbersAre, seed);
    else throw new Error(`docs/schema.tlb has a type that this test does not write: ${type}`);
}

function dictionaryOf(entries: [number, Cell][]): Dictionary<number, Cell> {
    const dictionary = Dictionary.empty(Dictionary.Keys.Uint(8), Dictionary.Values.Cell());
    entries.forEach(([key, value]) => dictionary.set(key, value));
    return dictionary;
}
