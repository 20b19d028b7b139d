/** Configurations of networks that take fewer messages than usual, so that what a contract sends fails as an action. */
import { beginCell, Builder, Cell, Dictionary, Slice } from '@ton/core';

const [CHAINS, SIZE_LIMITS] = [12, 43];

const descriptions = {
    parse: (slice: Slice) => slice.asCell(),
    serialize: (description: Cell, builder: Builder) => void builder.storeSlice(description.asSlice()),
};

/**
 * The configuration of a network whose basechain takes no message, so that to send one there fails as an action. Its
 * workchain 1 takes messages.
 */
export function withoutBasechain(config: Cell): Cell {
    const moved = Dictionary.empty(Dictionary.Keys.Int(32), descriptions);
    const chains = paramsOf(config).get(CHAINS)!.beginParse().loadDict(Dictionary.Keys.Int(32), descriptions);
    return withParam(
        config,
        CHAINS,
        beginCell()
            .storeDict(moved.set(1, chains.get(0)!))
            .endCell(),
    );
}

/** The configuration of a network that takes no message of more than `cells` cells besides its first one. */
export function withSmallMessages(config: Cell, cells: number): Cell {
    const limits = beginCell()
        .storeUint(1, 8) // tag
        .storeUint(2 ** 21, 32) // bits of a message, like all below as on mainnet
        .storeUint(cells, 32)
        .storeUint(1000, 32) // cells of a library
        .storeUint(512, 16) // depth of data
        .storeUint(65535, 32) // bytes of an external message, and its depth
        .storeUint(512, 16)
        .endCell();
    return withParam(config, SIZE_LIMITS, limits);
}

function withParam(config: Cell, id: number, param: Cell): Cell {
    return beginCell().storeDictDirect(paramsOf(config).set(id, param)).endCell();
}

function paramsOf(config: Cell): Dictionary<number, Cell> {
    return config.beginParse().loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
}
