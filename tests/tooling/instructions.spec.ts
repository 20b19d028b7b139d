/** `npm run coverage` counts what the TVM executes: the places of its log are those of the instructions. */
import { toNano } from '@ton/core';
import { runtime, text } from 'ton-assembly';
import { breaches, coverageOf } from '../../tooling/coverage';
import { differences, instructionsOf, reachable } from '../../tooling/proof/instructions';
import { codeOf, FileRecord } from '../../tooling/proof/records';
import { transactionsOn } from '../support/chain';
import { Market } from '../support/market';

const PLACE = /code cell hash: ([0-9A-F]{64}) offset: (\d+)/g;

/** Where a claim runs, by the log of the TVM. */
async function placesOfClaim(library: boolean): Promise<string[]> {
    const market = await Market.deploy({ library });
    const { channel } = await market.openJob();
    const voucher = market.voucher(channel, 1n);
    market.blockchain.verbosity = { ...market.blockchain.verbosity, vmLogs: 'vm_logs_location' };
    const result = await channel.sendClaim(market.payout.getSender(), { value: toNano('0.05'), voucher });
    const [{ vmLogs }] = transactionsOn(result, channel.address);
    return Array.from(vmLogs.matchAll(PLACE), ([, cell, offset]) => `${cell.toLowerCase()}:${offset}`);
}

function of(assembly: string) {
    const parsed = text.parse('code', assembly);
    if (parsed.$ === 'ParseFailure') {
        throw new Error(`${assembly} is no assembly`);
    }
    return instructionsOf(runtime.compileCell(parsed.instructions));
}

const differing = (original: string, changed: string) => differences(of(original), of(changed)).map(({ name }) => name);

describe('Instructions', () => {
    it.each([
        ['its code', false],
        ['its code in a library', true],
    ])('of a Channel with %s are where the TVM executes them', async (_, library) => {
        const known = reachable(instructionsOf(codeOf('Channel')));

        const places = await placesOfClaim(library);

        expect(places.length).toBeGreaterThan(50);
        expect(places.filter((place) => !known.has(place))).toEqual([]);
    });

    it('that follow a throw in the same block cannot be reached', () => {
        const { size } = reachable(of('THROW 40 ADD PUSHCONT { INC } IF'));

        expect(size).toBe(1);
    });

    it.each([
        ['nowhere, where nothing differs', 'ADD PUSHCONT { INC } IF', 'ADD PUSHCONT { INC } IF', []],
        ['where the first does', 'ADD MUL INC', 'ADD SUB DEC', ['MUL']],
        ['inside a block, and behind it', 'PUSHCONT { INC } IF ADD', 'PUSHCONT { DEC } IF SUB', ['INC', 'ADD']],
        ['where the shorter one ends', 'ADD', 'ADD INC', ['ADD']],
        ['at a block that is empty', 'PUSHCONT { } IF', 'PUSHCONT { INC } IF', ['PUSHCONT']],
    ])('differ %s', (_, original, changed, expected) => {
        expect(differing(original, changed)).toEqual(expected);
    });
});

describe('Coverage', () => {
    const all = [...reachable(instructionsOf(codeOf('Channel'))).keys()];
    const recorded = (places: string[]): FileRecord[] => [
        { file: 'some.spec.ts', shared: () => false, tests: [], places: () => places },
    ];

    it('is what was executed of what can be, and names the rest', () => {
        const { executed, percent, missing } = coverageOf('Channel', recorded(all.slice(1)));

        expect({ executed, missing: missing.length }).toEqual({ executed: all.length - 1, missing: 1 });
        expect(percent).toBe(Math.floor(((all.length - 1) / all.length) * 10_000) / 100);
    });

    it('refuses a recording of another code', () => {
        expect(() => coverageOf('Channel', recorded([...all, 'ff:0']))).toThrow('record anew');
    });

    it('is too low below its floor, and below 97 % whatever the floor', () => {
        const coverage = { contract: 'Node' as const, reachable: 100, executed: 96, percent: 96, missing: [] };

        expect(breaches([coverage], { Node: 96 }, []).length).toBe(1);
        expect(breaches([{ ...coverage, percent: 98 }], { Node: 99 }, []).length).toBe(1);
        expect(breaches([{ ...coverage, percent: 98 }], { Node: 98 }, [])).toEqual([]);
    });

    it('asks for a reason of each block that nothing executes, and for none of others', () => {
        const missing = [{ instructions: 'ADD', block: 'code' }];
        const coverage = { contract: 'Node' as const, reachable: 100, executed: 99, percent: 99, missing };
        const listed = { contract: 'Node' as const, instructions: 'ADD', blocks: 1, reason: 'none' };

        expect(breaches([coverage], { Node: 99 }, [listed])).toEqual([]);
        expect(breaches([coverage], { Node: 99 }, []).length).toBe(1);
        expect(breaches([coverage], { Node: 99 }, [{ ...listed, blocks: 2 }]).length).toBe(1);
        expect(breaches([{ ...coverage, missing: [] }], { Node: 99 }, [listed]).length).toBe(1);
    });
});
