/** What the network charges, read from its configuration, and the arithmetic of rent and forward fees. */
import { beginCell, Cell, Dictionary } from '@ton/core';

/**
 * Prices of one chain. Storage: nanoTON per 2^16 seconds. Gas: `flat` nanoTON for the first `flatUnits`, `unit` nanoTON per
 * 2^16 more. Forwarding: nanoTON, `bit` and `cell` per 2^16.
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

const STORAGE = 18;
const MASTERCHAIN_GAS = 20;
const BASECHAIN_GAS = 21;
const MASTERCHAIN_FORWARD = 24;
const BASECHAIN_FORWARD = 25;

const PRICE_PARAMS = [STORAGE, MASTERCHAIN_GAS, BASECHAIN_GAS, MASTERCHAIN_FORWARD, BASECHAIN_FORWARD] as const;

/** The prices in force under a configuration, the newest of each kind. Throws when a parameter is missing. */
export function pricesOf(config: Cell): Prices {
    const params = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config);
    const param = (id: number) => {
        const cell = params.get(id);
        if (cell === undefined) {
            throw new Error(`The configuration has no parameter ${id}`);
        }
        return cell;
    };
    const forward = (id: number) => {
        const slice = param(id).beginParse().skip(8);
        return { lump: slice.loadUintBig(64), bit: slice.loadUintBig(64), cell: slice.loadUintBig(64) };
    };
    const gas = (id: number) => {
        const slice = param(id).beginParse().skip(8);
        const [flatUnits, flat] = [slice.loadUintBig(64), slice.loadUintBig(64)];
        return { flatUnits, flat, unit: slice.skip(8).loadUintBig(64) };
    };
    const history = Dictionary.loadDirect(
        Dictionary.Keys.Uint(32),
        Dictionary.Values.BitString(8 + 32 + 256),
        param(STORAGE),
    );
    const newest = history.get(Math.max(...history.keys()))!;
    const slice = beginCell().storeBits(newest).asSlice().skip(40);
    const storage = () => ({ bit: slice.loadUintBig(64), cell: slice.loadUintBig(64) });
    return {
        basechain: { storage: storage(), gas: gas(BASECHAIN_GAS), forward: forward(BASECHAIN_FORWARD) },
        masterchain: { storage: storage(), gas: gas(MASTERCHAIN_GAS), forward: forward(MASTERCHAIN_FORWARD) },
    };
}

/** The prices in force, of parameters that are asked for one by one. */
export async function readPrices(param: (id: number) => Promise<Cell>): Promise<Prices> {
    const params = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    for (const id of PRICE_PARAMS) {
        params.set(id, await param(id));
    }
    return pricesOf(beginCell().storeDictDirect(params).endCell());
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
    const seen = new Map<string, Cell>();
    const visit = (cell: Cell) => {
        const hash = cell.hash().toString('hex');
        if (!seen.has(hash)) {
            seen.set(hash, cell);
            cell.refs.forEach(visit);
        }
    };
    visit(tree);
    return {
        cells: BigInt(seen.size),
        bits: [...seen.values()].reduce((sum, { bits }) => sum + BigInt(bits.length), 0n),
    };
}

function ceiling(parts: bigint): bigint {
    return (parts + 0xffffn) >> 16n;
}
