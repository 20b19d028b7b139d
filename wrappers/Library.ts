/**
 * The account that publishes a code in the masterchain, where every account finds it by its hash. See
 * docs/contracts/library.md.
 */
import { beginCell, Cell, contractAddress, ContractProvider, Sender } from '@ton/core';
import * as tact from '../build/Library/Library_Library';
import { forwardFee, Prices, sizeOf, storageFee, YEAR } from './prices';
import { toCell } from './cells';
import { boolean, bytes, CALL, cell, checkFields, optional, uint } from './fields';
import { Call, stateless, withoutState, withWholeValue } from './sending';
import { bytesToNumber } from './bytes';

const MASTERCHAIN = -1;

/** A code as a library: its hash (32 bytes), and the cell that replaces the code. */
export interface CodeLibrary {
    hash: Buffer;
    cell: Cell;
}

/** The library cell of a code: 264 bits, which the network resolves to the code if it is published. */
export function libraryOf(code: Cell): CodeLibrary {
    const hash = code.hash();
    return { hash, cell: beginCell().storeUint(2, 8).storeBuffer(hash, 32).endCell({ exotic: true }) };
}

/** nanoTON that a keeper of this code pays for so many seconds. */
export function libraryRent(prices: Prices, code: Cell, seconds: number): bigint {
    const { cells, bits } = sizeOf(code);
    return storageFee(prices.masterchain, { cells: cells + tact.KeeperCells, bits: bits + tact.KeeperBits }, seconds);
}

/**
 * Whether a library is worth its rent: the rent of a year, the saving of one opening that carries the library cell
 * instead of the code, the rent that a channel saves in a year (all in nanoTON), and the number of openings a year
 * that pay for the rent.
 */
export function libraryBreakEven(prices: Prices, code: Cell) {
    const [whole, cell] = [sizeOf(code), sizeOf(libraryOf(code).cell)];
    const rentPerYear = libraryRent(prices, code, YEAR);
    const savedPerOpening = forwardFee(prices.basechain, whole) - forwardFee(prices.basechain, cell);
    const savedPerYearOpen = storageFee(prices.basechain, whole, YEAR) - storageFee(prices.basechain, cell, YEAR);
    const openingsPerYear = (rentPerYear + savedPerOpening - 1n) / savedPerOpening;
    return { rentPerYear, savedPerOpening, savedPerYearOpen, openingsPerYear };
}

function initialData(hash: Buffer, number: number): Cell {
    bytes(32)(hash, 'hash');
    uint(32)(number, 'number');
    const empty = { cells: 0n, bits: 0n, lastRunAt: 0n };
    const data = { hash: bytesToNumber(hash), number: BigInt(number), ...empty };
    return toCell(tact.storeLibraryData({ $$type: 'LibraryData', ...data }));
}

/**
 * The content of a keeper's data cell. `cells` and `bits` are 0 until it has published. Throws for data of another
 * kind.
 */
export function loadLibraryData(data: Cell): tact.LibraryData {
    const slice = data.beginParse();
    const loaded = tact.loadLibraryData(slice);
    slice.endParse();
    return loaded;
}

export class Library extends stateless(tact.Library) {
    /** Keeper number `number` (0 to 2^32 - 1) of the code with this hash, in the masterchain. */
    static async ofHash(hash: Buffer, number = 0): Promise<Library> {
        const { code } = await tact.Library.init();
        const init = { code, data: initialData(hash, number) };
        return new Library(contractAddress(MASTERCHAIN, init), init);
    }

    /**
     * Publishes the code, for the first time or again. From anyone; deploys the account if it does not exist. The
     * whole `value` (nanoTON) stays and pays rent. Together with the balance it covers at least 90 days and the gas.
     * @throws on chain: ErrWrongCode, ErrLowBalance
     */
    async sendPublish(provider: ContractProvider, via: Sender, args: Call & { code: Cell }) {
        checkFields('Publish', { ...CALL, code: cell }, args);
        const { value, code, queryId = 0n } = args;
        const body = toCell(tact.storePublish({ $$type: 'Publish', queryId, code }));
        await withWholeValue(provider).internal(via, { value, body });
    }

    /**
     * Pays rent ahead with the whole `value` (nanoTON). From anyone; a plain transfer does the same. `opens` deploys
     * the account.
     */
    async sendTopUp(provider: ContractProvider, via: Sender, args: Call & { opens?: boolean }) {
        checkFields('TopUpLibrary', { ...CALL, opens: optional(boolean) }, args);
        const { value, queryId = 0n, opens = false } = args;
        const body = toCell(tact.storeTopUpLibrary({ $$type: 'TopUpLibrary', queryId }));
        const to = opens ? withWholeValue(provider) : withoutState(provider, this.address);
        await to.internal(via, { value, body });
    }
}
