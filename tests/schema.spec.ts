/** docs/schema.tlb as a stranger uses it: with a decoder that a tool of others makes of it. */
import { type OpcodeName, opcodes, parseMessage } from '@cocoon-market/wrappers';
import { Address, beginCell, Builder, Cell, Dictionary } from '@ton/core';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plain, SchemaDecoder } from './support/decoder';
import { nodeMarket } from './support/stake';
import { cellsByKey, ValueOf, writeType } from './support/schema';

const vectors = <T>(name: string) =>
    JSON.parse(readFileSync(join(__dirname, 'vectors', `${name}.json`), 'utf8')) as T[];
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

    it('reads what a node stores, through all its cells', async () => {
        const { blockchain, node } = await nodeMarket();
        const { accountState } = await blockchain.getContract(node.address);
        const data = accountState?.type === 'active' ? accountState.state.data! : Cell.EMPTY;
        const { receiptKey } = await node.getNodeState();
        const { evidence } = await node.getNodeRecord();

        expect(decoder.read('Node', data)).toMatchObject({ receiptKey: receiptKey.toString() });
        const info = data.refs[0];
        const [, , more] = info.refs;
        expect(decoder.read('NodeInfo', info)).toMatchObject({ more: { attestation: null } });
        expect(decoder.read('NodeRecord', more.refs[0])).toMatchObject({ evidence: evidence.toString() });
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

/** Values of the fields of a type; what is random depends on the seed alone. */
function valuesOf(numbersAre: NumbersAre, seed: string): ValueOf {
    return (type, path) => {
        const digest = createHash('sha256').update(`${seed}.${path}`).digest();
        const number = (bits: number) =>
            numbersAre === 'max' ? 2n ** BigInt(bits) - 1n : BigInt(`0x${digest.toString('hex')}`) % 2n ** BigInt(bits);
        const cell = beginCell().storeBuffer(digest).endCell();
        const [, kind, size] = /^(uint|int|bits)(\d+)$/.exec(type) ?? [];
        if (kind !== undefined) return number(Number(size) - (kind === 'int' ? 1 : 0));
        if (type === 'Bool') return digest[0] % 2 === 0;
        if (type === 'Grams') return number(120);
        if (type === 'MsgAddressInt') return new Address(0, digest);
        if (type === 'MsgAddress') return numbersAre === 'max' ? new Address(0, digest) : null;
        if (type === '(Maybe ^Cell)') return numbersAre === 'max' ? cell : null;
        return type === '(HashmapE 8 ^CodeId)' ? codesOf(numbersAre, `${seed}.${path}`) : cell;
    };
}

function write(builder: Builder, name: string, numbersAre: NumbersAre, seed: string): Builder {
    return writeType(builder, name, valuesOf(numbersAre, seed));
}

function codesOf(numbersAre: NumbersAre, seed: string): Dictionary<number, Cell> {
    return cellsByKey(
        [1, 200].map((key) => [key, write(beginCell(), 'CodeId', numbersAre, `${seed}.${key}`).endCell()]),
    );
}
