/**
 * What an action would send, without sending it: for TonConnect, for a link that a wallet opens, and for whoever shows
 * a message before it is signed.
 */
import { Address, beginCell, Cell, type SenderArguments, storeStateInit } from '@ton/core';
import type { Actor } from './actions/actor';
import { isTestOnly } from './addresses';

/** A message as TonConnect's `sendTransaction` takes it. */
export interface TonConnectMessage {
    address: string; // friendly; bounceable as the message is
    amount: string; // nanoTON
    payload?: string; // base64 of a bag of cells
    stateInit?: string; // base64 of a bag of cells
}

/**
 * The messages that an action would send from this wallet, in their order; nothing is sent. Exactly these messages
 * come from the same action with a sender.
 */
export async function messagesOfAction(
    chain: Pick<Actor, 'open'>,
    wallet: Address,
    action: (actor: Actor) => Promise<unknown>,
): Promise<SenderArguments[]> {
    const sent: SenderArguments[] = [];
    const send = async (message: SenderArguments) => void sent.push(message);
    await action({ open: (contract) => chain.open(contract), address: wallet, sender: { address: wallet, send } });
    return sent;
}

/** A message for TonConnect. `network`: the GLOBALID of the chain, -239 or -3. */
export function tonConnectMessage(message: SenderArguments, network: number): TonConnectMessage {
    const { body, init } = message;
    const testOnly = isTestOnly(network);
    return {
        address: message.to.toString({ bounceable: message.bounce ?? true, testOnly }),
        amount: message.value.toString(),
        ...(body ? { payload: bocOf(body).toString('base64') } : {}),
        ...(init ? { stateInit: stateBoc(init).toString('base64') } : {}),
    };
}

/** A link that opens a wallet with this message filled in: `ton://transfer/…`. */
export function transferLink(message: SenderArguments, network: number): string {
    const { address, amount } = tonConnectMessage(message, network);
    const { body, init } = message;
    const parameters = [
        `amount=${amount}`,
        ...(body ? [`bin=${urlSafe(bocOf(body))}`] : []),
        ...(init ? [`init=${urlSafe(stateBoc(init))}`] : []),
    ];
    return `ton://transfer/${address}?${parameters.join('&')}`;
}

const bocOf = (cell: Cell): Buffer => cell.toBoc();

const stateBoc = (init: NonNullable<SenderArguments['init']>): Buffer =>
    bocOf(
        beginCell()
            .store(storeStateInit({ code: init.code, data: init.data }))
            .endCell(),
    );

// `base64url` is unknown to the Buffer of browsers.
const urlSafe = (bytes: Buffer): string =>
    bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
