/** Network configurations that differ only in what storage, gas and forwarding cost. */
import { Address, beginCell, Cell, Dictionary, type ShardAccount } from '@ton/core';
import { createShardAccount, defaultConfig, loadConfig, updateConfig } from '@ton/sandbox';
import { type PriceLevel } from './levels';

// Read once: it has thousands of cells.
const DEFAULT_CONFIG = Cell.fromBase64(defaultConfig);

// Parsing takes long because of the validators.
const PRICED = only(18, 19, 20, 21, 24, 25);

type Config = ReturnType<typeof loadConfig>;
type GasLimits = Config[21]['anon0'];
type ForwardPrices = Config[25]['anon0'];

// Storage: nanoTON per 2^16 seconds. Gas: `flat` is nanoTON for the first 100 gas units, `unit` nanoTON per 2^16 units.
// Forwarding: `lump` is nanoTON per message, `bit` and `cell` nanoTON per 2^16. `mc` is the masterchain.
interface PriceValues {
    storage: { bit: bigint; cell: bigint; mcBit: bigint; mcCell: bigint };
    gas: { flat: bigint; unit: bigint };
    mcGas: { flat: bigint; unit: bigint };
    forward: { lump: bigint; bit: bigint; cell: bigint };
    mcForward: { lump: bigint; bit: bigint; cell: bigint };
}

const PRICES_2025: PriceValues = {
    storage: { bit: 1n, cell: 500n, mcBit: 1000n, mcCell: 500_000n },
    gas: { flat: 40_000n, unit: 26_214_400n },
    mcGas: { flat: 1_000_000n, unit: 655_360_000n },
    forward: { lump: 400_000n, bit: 26_214_400n, cell: 2_621_440_000n },
    mcForward: { lump: 10_000_000n, bit: 655_360_000n, cell: 65_536_000_000n },
};

// Read from mainnet's configuration as of masterchain block 92871331; the masterchain's own prices did not change.
const PRICES_2026: PriceValues = {
    ...PRICES_2025,
    storage: { ...PRICES_2025.storage, bit: 0n, cell: 135n },
    gas: { flat: 6_667n, unit: 4_369_067n },
    forward: { lump: 66_667n, bit: 4_369_067n, cell: 436_906_667n },
};

const PRICES: Record<PriceLevel, PriceValues> = {
    '2025': PRICES_2025,
    '2026': PRICES_2026,
    tenfold: {
        storage: tenfold(PRICES_2025.storage),
        gas: tenfold(PRICES_2025.gas),
        mcGas: tenfold(PRICES_2025.mcGas),
        forward: tenfold(PRICES_2025.forward),
        mcForward: tenfold(PRICES_2025.mcForward),
    },
};

const made = new Map<string, Cell>();

/** The sandbox's default configuration, all parameters, at a price level and, if given, with another network id. */
export function networkConfig(level: PriceLevel, networkId?: number): Cell {
    const key = `${level} ${networkId}`;
    const config = made.get(key) ?? makeConfig(level, networkId);
    made.set(key, config);
    return config;
}

function makeConfig(level: PriceLevel, networkId?: number): Cell {
    const config = loadConfig(PRICED);
    const { storage, gas, mcGas, forward, mcForward } = PRICES[level];
    // One entry from time 0 on, so that a clock set into the past pays the same.
    const storagePrices = config[18].anon0.set(0, {
        kind: 'StoragePrices',
        utime_since: 0,
        bit_price_ps: storage.bit,
        _cell_price_ps: storage.cell,
        mc_bit_price_ps: storage.mcBit,
        mc_cell_price_ps: storage.mcCell,
    });
    return updateConfig(
        DEFAULT_CONFIG,
        { ...config[18], anon0: storagePrices },
        { ...config[19], global_id: networkId ?? config[19].global_id },
        { ...config[20], anon0: withGas(config[20].anon0, mcGas) },
        { ...config[21], anon0: withGas(config[21].anon0, gas) },
        { ...config[24], anon0: withForward(config[24].anon0, mcForward) },
        { ...config[25], anon0: withForward(config[25].anon0, forward) },
    );
}

/** One parameter of a configuration; undefined if it is not set. */
export function configParam(config: Cell, id: number): Cell | undefined {
    return config.beginParse().loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell()).get(id);
}

/** The network id (parameter 19) that contracts read with GLOBALID. */
export function networkIdOf(config: Cell): number {
    const globalId = configParam(config, 19);
    if (!globalId) {
        throw new Error('the configuration has no parameter 19');
    }
    return globalId.beginParse().loadInt(32);
}

function only(...ids: number[]): Cell {
    const some = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    for (const id of ids) {
        some.set(id, configParam(DEFAULT_CONFIG, id)!);
    }
    return beginCell().storeDictDirect(some).endCell();
}

function tenfold<T extends Record<string, bigint>>(prices: T): T {
    return Object.fromEntries(Object.entries(prices).map(([name, price]) => [name, price * 10n])) as T;
}

function withGas(limits: GasLimits, gas: PriceValues['gas']): GasLimits {
    return limits.kind === 'GasLimitsPrices_gas_flat_pfx'
        ? { ...limits, flat_gas_price: gas.flat, other: withGas(limits.other, gas) }
        : { ...limits, gas_price: gas.unit };
}

function withForward(prices: ForwardPrices, forward: PriceValues['forward']): ForwardPrices {
    return { ...prices, lump_price: forward.lump, bit_price: forward.bit, _cell_price: forward.cell };
}

/** Where a real network keeps its configuration; Blueprint's getConfig() reads it there. */
export const CONFIG_ADDRESS = new Address(-1, Buffer.alloc(32, 0x55));

/** The account that keeps a configuration. */
export function configAccount(config: Cell): ShardAccount {
    const data = beginCell().storeRef(config).storeUint(0, 32).storeUint(0, 256).storeBit(false).endCell();
    return createShardAccount({ address: CONFIG_ADDRESS, code: Cell.EMPTY, data, balance: 1_000_000_000n });
}
