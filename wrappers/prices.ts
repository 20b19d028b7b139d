/** The prices of the network, read from its configuration, and the arithmetic of gas, rent and forward fees. */
import { beginCell, Cell, Dictionary } from '@ton/core';
import { withFewEntries } from './dictionaries';

/**
 * Prices of one chain. Storage: nanoTON per 2^16 seconds. Gas: `flat` nanoTON for the first `flatUnits`, `unit`
 * nanoTON per 2^16 more. Forwarding: nanoTON, `bit` and `cell` per 2^16.
 */
export interface ChainPrices {
    storage: { bit: bigint; cell: bigint };
    gas: { flatUnits: bigint; flat: bigint; unit: bigint };
    forward: { lump: bigint; bit: bigint; cell: bigint };
}

export interface Prices {
    basechain: ChainPrices;
    masterchain: ChainPrices;
}

/** Distinct cells of a tree and their bits, as the network counts them. */
export interface Size {
    cells: bigint;
    bits: bigint;
}

export const YEAR = 31_557_600; // seconds

const STORAGE = 18; // parameter of the configuration, as are the others
const PARAMS = { basechain: { gas: 21, forward: 25 }, masterchain: { gas: 20, forward: 24 } };

/** The parameters of a configuration by their numbers. @throws Error if it is none */
export function configParams(config: Cell): Dictionary<number, Cell> {
    const [number, param] = [Dictionary.Keys.Int(32), Dictionary.Values.Cell()];
    return withFewEntries(() => Dictionary.loadDirect(number, param, config));
}

/** The prices in force under a configuration, the newest of each kind. Throws when a parameter is missing. */
export function pricesOf(config: Cell): Prices {
    const params = configParams(config);
    const param = (id: number) => {
        const cell = params.get(id);
        if (cell === undefined) {
            throw new Error(`The configuration has no parameter ${id}`);
        }
        return cell;
    };
    const prices = (chain: keyof Prices) =>
        chainPrices(chain, param(STORAGE), param(PARAMS[chain].gas), param(PARAMS[chain].forward));
    return { basechain: prices('basechain'), masterchain: prices('masterchain') };
}

/** The prices of one chain in force, of parameters that are requested one by one. */
export async function readPrices(param: (id: number) => Promise<Cell>, chain: keyof Prices): Promise<ChainPrices> {
    const { gas, forward } = PARAMS[chain];
    return chainPrices(chain, await param(STORAGE), await param(gas), await param(forward));
}

function chainPrices(chain: keyof Prices, storage: Cell, gas: Cell, forward: Cell): ChainPrices {
    const [number, prices] = [Dictionary.Keys.Uint(32), Dictionary.Values.BitString(8 + 32 + 256)];
    const history = withFewEntries(() => Dictionary.loadDirect(number, prices, storage));
    const newest = history.get(Math.max(...history.keys()))!;
    const rent = beginCell().storeBits(newest).asSlice();
    rent.skip(40 + (chain === 'basechain' ? 0 : 128));
    const units = gas.beginParse().skip(8);
    const [flatUnits, flat] = [units.loadUintBig(64), units.loadUintBig(64)];
    const way = forward.beginParse().skip(8);
    return {
        storage: { bit: rent.loadUintBig(64), cell: rent.loadUintBig(64) },
        gas: { flatUnits, flat, unit: units.skip(8).loadUintBig(64) },
        forward: { lump: way.loadUintBig(64), bit: way.loadUintBig(64), cell: way.loadUintBig(64) },
    };
}

/** nanoTON for keeping this much for so many seconds, rounded up. */
export function storageFee({ storage }: ChainPrices, { cells, bits }: Size, seconds: number): bigint {
    return ceiling((storage.cell * cells + storage.bit * bits) * BigInt(seconds));
}

/** nanoTON for so many units of gas, rounded up. */
export function computeFee({ gas: { flatUnits, flat, unit } }: ChainPrices, units: bigint | number): bigint {
    const more = BigInt(units) - flatUnits;
    return more <= 0n ? flat : flat + ceiling(more * unit);
}

/** nanoTON for one message that carries this much besides its root cell. */
export function forwardFee({ forward }: ChainPrices, { cells, bits }: Size): bigint {
    return forward.lump + ceiling(forward.cell * cells + forward.bit * bits);
}

/** Cells and bits of a tree, each cell once. */
export function sizeOf(tree: Cell): Size {
    const cells = new Map<string, Cell>();
    const visit = (cell: Cell) => {
        const hash = cell.hash().toString('hex');
        if (!cells.has(hash)) {
            cells.set(hash, cell);
            cell.refs.forEach(visit);
        }
    };
    visit(tree);
    return {
        cells: BigInt(cells.size),
        bits: [...cells.values()].reduce((sum, { bits }) => sum + BigInt(bits.length), 0n),
    };
}

function ceiling(parts: bigint): bigint {
    return (parts + 0xffffn) >> 16n;
}
