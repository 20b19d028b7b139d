/** What a wallet pays to send, at the prices in force. */
import { sizeOf } from '@cocoon-market/wrappers';
import { beginCell, Cell, storeStateInit } from '@ton/core';
import { configParam } from './network';
import type { ScriptSession } from './session';
import type { Outgoing } from './wallet';

const GAS_PRICES = 21; // parameters of the basechain
const FORWARD_PRICES = { basechain: 25, masterchain: 24 };
const ORDER_GAS = 6_000n; // gas of a wallet that takes an order, and of each message it sends
const MESSAGE_GAS = 1_000n;
const SHIFT = 16n; // prices are per 2^16

/** nanoTON, rounded up, that the wallet itself pays for sending these: gas, and the way of what they carry. */
export async function sendingFee({ provider }: ScriptSession, messages: readonly Outgoing[]): Promise<bigint> {
    const gas = (await configParam(provider, GAS_PRICES)).beginParse();
    const gasPrice = gas.skip(8 + 64 + 64 + 8).loadUintBig(64);
    const used = (ORDER_GAS + MESSAGE_GAS) * BigInt(messages.length) * gasPrice;
    let carried = 0n;
    for (const chain of ['basechain', 'masterchain'] as const) {
        const own = messages.filter(({ to }) => (to.workChain === 0) === (chain === 'basechain'));
        if (own.length > 0) {
            const forward = (await configParam(provider, FORWARD_PRICES[chain])).beginParse().skip(8);
            const [lump, bit, cell] = [forward.loadUintBig(64), forward.loadUintBig(64), forward.loadUintBig(64)];
            carried += own.reduce((sum, message) => {
                const { cells, bits } = sizeOf(contentOf(message));
                return sum + ((cells * cell + bits * bit) >> SHIFT) + lump;
            }, 0n);
        }
    }
    // Twice the way: once from outside to the wallet, once on to the contract.
    return (used >> SHIFT) + 2n * carried;
}

function contentOf({ body, init }: Outgoing): Cell {
    const builder = beginCell().storeRef(body);
    return (init === undefined ? builder : builder.storeRef(beginCell().store(storeStateInit(init)))).endCell();
}
