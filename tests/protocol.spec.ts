import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Address, Cell } from '@ton/core';
import {
    channelCode,
    errorName,
    Dispute,
    errors,
    Escrow,
    gas,
    Library,
    Node,
    opcodeName,
    opcodes,
    type OpcodeName,
    Provider,
    Registry,
    tags,
} from '@cocoon-market/wrappers';
import { built, contractNames, schema } from '../tooling/schema';

const CONTRACTS = join(__dirname, '..', 'contracts');
const SOURCES = readdirSync(CONTRACTS, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.tact') && !path.startsWith('testing'))
    .map((path) => ({ path, text: readFileSync(join(CONTRACTS, path), 'utf8') }));

interface Abi {
    types: { name: string; header: number | null }[];
    receivers: { receiver: 'internal' | 'external' }[];
}

const abiOf = (contract: string) => JSON.parse(built(contract, 'abi').toString('utf8')) as Abi;

/** Constants of this prefix in all sources, in the order in which they stand. */
function constants(prefix: string): { name: string; value: number }[] {
    const pattern = new RegExp(`^const (${prefix}[A-Z]\\w*): Int = (0x[0-9a-f]+|\\d+);`, 'gm');
    return SOURCES.flatMap(({ text }) =>
        Array.from(text.matchAll(pattern), ([, name, value]) => ({ name, value: Number(value) })),
    );
}

const repeated = (values: number[]) => values.filter((value, i) => values.indexOf(value) !== i);

describe('opcodes', () => {
    const headers = new Map(
        contractNames().flatMap((contract) =>
            abiOf(contract)
                .types.filter(({ header }) => header !== null)
                .map(({ name, header }) => [name, header!] as const),
        ),
    );

    it('are written out for every message: none is derived from a name', () => {
        const derived = SOURCES.flatMap(({ path, text }) =>
            Array.from(text.matchAll(/^message (?!\()/gm), () => path).concat(
                Array.from(text.matchAll(/^message\((?!0x[0-9a-f]{8}\))/gm), () => path),
            ),
        );

        expect(derived).toEqual([]);
    });

    it('belong to one message each, in all contracts', () => {
        expect(repeated([...headers.values()])).toEqual([]);
        for (const contract of contractNames()) {
            for (const { name, header } of abiOf(contract).types.filter((type) => type.header !== null)) {
                expect({ contract, name, header }).toEqual({ contract, name, header: headers.get(name) });
            }
        }
    });

    it("begin with the project's number, but for TEP-74's Excesses", () => {
        const foreign = [...headers].filter(([, header]) => header >>> 16 !== 0xc0c0).map(([name]) => name);

        expect(foreign).toEqual(['Excesses']);
    });

    it('are the same where a contract names one without its message', () => {
        for (const { name, value } of constants('Op')) {
            expect({ name, value }).toEqual({ name, value: headers.get(name.slice(2)) });
        }
    });

    it('are all known to the wrappers, by name and by number', () => {
        for (const [name, header] of headers) {
            expect({ name, header: opcodes[name as OpcodeName] }).toEqual({ name, header });
            expect(opcodeName(header)).toBe(name);
        }
        expect(opcodeName(0x01020304)).toBe('0x01020304');
    });
});

describe('exit codes', () => {
    const codes = constants('Err');

    it("are unique and leave the TVM's and Tact's own alone", () => {
        expect(repeated(codes.map(({ value }) => value))).toEqual([]);
        expect(codes.filter(({ value }) => value < 256 || value > 0xffff)).toEqual([]);
        expect(codes.length).toBeGreaterThan(30);
    });

    it('stand in one file', () => {
        const elsewhere = SOURCES.filter(({ path, text }) => !path.endsWith('errors.tact') && /^const Err/m.test(text));

        expect(elsewhere.map(({ path }) => path)).toEqual([]);
    });

    it('are all known to the wrappers, by name and by number', () => {
        expect(errors).toEqual(Object.fromEntries(codes.map(({ name, value }) => [name, value])));
        for (const { name, value } of codes) {
            expect(errorName(value)).toBe(`${name} (${value})`);
        }
        expect(errorName(-14)).toBe('out of gas (-14)');
        expect(errorName(9)).toBe('cell underflow (9)');
        expect(errorName(77)).toBe('exit code 77');
    });

    it('are named wherever a contract throws', () => {
        const bare = SOURCES.flatMap(({ path, text }) =>
            Array.from(text.matchAll(/throw(?:If|Unless)?\(\s*\d|\brequire\(/g), ([match]) => `${path}: ${match}`),
        );

        expect(bare).toEqual([]);
    });
});

describe('tags', () => {
    const all = constants('Tag');

    it('are unique and apart from opcodes, so that no payload reads as another or as a message', () => {
        const values = all.map(({ value }) => value);

        expect(repeated([...values, ...Object.values(opcodes)])).toEqual([]);
        expect(values.filter((value) => value >>> 8 !== 0xc0c0ff)).toEqual([]);
    });

    it('are all known to the wrappers', () => {
        expect(tags).toEqual(Object.fromEntries(all.map(({ name, value }) => [name, value])));
    });
});

describe('gas ceilings', () => {
    it('are all known to the wrappers', () => {
        expect(gas).toEqual(Object.fromEntries(constants('Gas').map(({ name, value }) => [name, value])));
    });
});

describe('docs/schema.tlb', () => {
    it('is what tooling/schema.ts makes of this build', () => {
        expect(readFileSync(join(__dirname, '..', 'docs', 'schema.tlb'), 'utf8')).toBe(schema());
    });
});

describe('contracts', () => {
    it.each(contractNames().filter((name) => name !== 'Escrow'))('%s takes no external message', (contract) => {
        expect(abiOf(contract).receivers.filter(({ receiver }) => receiver === 'external')).toEqual([]);
        expect(built(contract, 'fif').toString('utf8')).not.toMatch(/DECLPROC recv_external/);
    });

    it('Escrow takes external messages, and has one receiver for them', () => {
        expect(abiOf('Escrow').receivers.filter(({ receiver }) => receiver === 'external').length).toBe(1);
        expect(built('Escrow', 'fif').toString('utf8')).toMatch(/DECLPROC recv_external/);
    });

    // Blueprint's compile() takes the code of a contract's innermost child; the wrappers must not.
    it('have the code of their own build in their wrappers', async () => {
        const owner = new Address(0, Buffer.alloc(32, 1));
        const wrapped = {
            Channel: await channelCode(),
            Escrow: (await Escrow.ofOwner(owner)).init!.code,
            Registry: (await Registry.ofGovernor(owner, 86400)).init!.code,
            Provider: (await Provider.ofOwner(owner, owner)).init!.code,
            Node: (await Node.ofProvider(owner, 1)).init!.code,
            Dispute: (await Dispute.ofFault(owner, { class: 'A1', job: Buffer.alloc(32), query: 0 })).init!.code,
            Library: (await Library.ofHash(Buffer.alloc(32))).init!.code,
        };

        expect(Object.keys(wrapped).sort()).toEqual(contractNames().sort());
        for (const [contract, code] of Object.entries(wrapped)) {
            const hash = Cell.fromBoc(built(contract, 'code.boc'))[0].hash().toString('hex');
            expect({ contract, hash: code.hash().toString('hex') }).toEqual({ contract, hash });
        }
    });
});
