/** What a wallet pays to send, at the prices in force. */
import { computeFee, forwardFee, type Prices, readPrices, sizeOf } from '@cocoon-market/wrappers';
import { beginCell, Cell, storeStateInit } from '@ton/core';
import { configParam } from './network';
import type { ScriptSession } from './session';
import type { Outgoing } from './wallet';

const ORDER_GAS = 6_000n; // gas of a wallet that takes an order; the next is for each message it sends
const MESSAGE_GAS = 1_000n;

/** nanoTON that the wallet itself pays for sending these: gas, and the forwarding of what they carry. */
export async function sendingFee({ provider }: ScriptSession, messages: readonly Outgoing[]): Promise<bigint> {
    const pricesOn = (chain: keyof Prices) => readPrices((id) => configParam(provider, id), chain);
    const basechain = await pricesOn('basechain');
    const toMasterchain = messages.some(({ to }) => to.workChain !== 0);
    const masterchain = toMasterchain ? await pricesOn('masterchain') : basechain;
    const carried = messages.reduce((sum, message) => {
        const prices = message.to.workChain === 0 ? basechain : masterchain;
        return sum + forwardFee(prices, sizeOf(contentOf(message)));
    }, 0n);
    // Each message is carried twice: from outside to the wallet, and on to the contract.
    return computeFee(basechain, (ORDER_GAS + MESSAGE_GAS) * BigInt(messages.length)) + 2n * carried;
}

function contentOf({ body, init }: Outgoing): Cell {
    const builder = beginCell().storeRef(body);
    return (init === undefined ? builder : builder.storeRef(beginCell().store(storeStateInit(init)))).endCell();
}
