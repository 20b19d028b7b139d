/** Dictionaries in cells that strangers or an endpoint made: a few hundred bytes unfold to more than memory holds. */
import { configParams, opcodes, parseMessage, readPrices, withFewEntries } from '@cocoon-market/wrappers';
import { Address, beginCell, type Cell, Dictionary, loadMessage, storeMessage } from '@ton/core';
import { tooLongKey, unfolding } from '../support/unfolding';

const FORKS = 13; // 8192 entries
const nobody = new Address(0, Buffer.alloc(32));
const empty = beginCell().endCell();

/** The body of a Launch with these codes. */
function launchWith(codes: Cell): Cell {
    const rules = beginCell()
        .storeUint(0, 6 * 32 + 64)
        .storeAddress(nobody)
        .storeRef(empty);
    const committee = beginCell().storeUint(0, 16).storeRef(empty);
    const content = beginCell().storeBuilder(rules).storeBuilder(committee).storeMaybeRef(codes).storeUint(0, 256);
    return beginCell().storeUint(opcodes.Launch, 32).storeUint(0, 64).storeBuilder(content).endCell();
}

const code = beginCell().storeRef(beginCell().storeUint(5, 256).storeUint(1, 16).endCell()).endCell();

describe('A dictionary of few cells that has more entries than anything on chain', () => {
    it('does not end whoever asks an endpoint what the network charges', async () => {
        const prices = unfolding(
            32,
            FORKS,
            beginCell()
                .storeUint(0, 8 + 32 + 256)
                .endCell(),
        );

        await expect(readPrices(async () => prices, 'basechain')).rejects.toThrow('more than 4096 entries');
    });

    it('is no configuration of a network', () => {
        const config = unfolding(32, FORKS, beginCell().storeRef(empty).endCell());

        expect(() => configParams(config)).toThrow('more than 4096 entries');
    });

    it('is not read with the message that carries it', () => {
        const libraries = unfolding(256, FORKS, beginCell().storeBit(1).storeRef(empty).endCell());
        const init = {
            libraries: { size: 1, store: (into: ReturnType<typeof beginCell>) => into.storeMaybeRef(libraries) },
        };
        const info = { type: 'external-in' as const, dest: nobody, importFee: 0n };
        const message = beginCell()
            .store(storeMessage({ info, init: init as never, body: empty }))
            .endCell();

        expect(() => withFewEntries(() => loadMessage(message.beginParse()))).toThrow('more than 4096 entries');
    });

    it('does not keep other dictionaries of the same reading from being counted', () => {
        const half = unfolding(32, 11, beginCell().storeUint(1, 8).endCell());
        const load = () => Dictionary.loadDirect(Dictionary.Keys.Uint(32), Dictionary.Values.Uint(8), half).size;

        expect(withFewEntries(() => [load(), load()])).toEqual([2048, 2048]);
        expect(() => withFewEntries(() => [load(), load(), load()])).toThrow('more than 4096 entries');
    });

    it('is read as ever by whoever does not ask for few entries', () => {
        const all = unfolding(32, FORKS, beginCell().storeUint(1, 8).endCell());

        expect(() =>
            withFewEntries(() => Dictionary.loadDirect(Dictionary.Keys.Uint(32), Dictionary.Values.Uint(8), all)),
        ).toThrow();
        expect(Dictionary.loadDirect(Dictionary.Keys.Uint(32), Dictionary.Values.Uint(8), all).size).toBe(8192);
    });
});

describe('A message of a stranger with a dictionary that is none', () => {
    it('keeps no explorer reading it for ever', () => {
        expect(parseMessage(launchWith(tooLongKey(16)))).toBeUndefined();
    });

    it('is told from one whose dictionary is good', () => {
        expect(parseMessage(launchWith(unfolding(8, 3, code)))?.name).toBe('Launch');
    });
});
