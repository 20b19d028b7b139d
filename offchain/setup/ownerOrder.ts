/** Messages for the wallet of an owner whose key is not on this machine: as TonConnect takes them, and as links. */
import { formatTon, isTestOnly, opcodeName } from '@cocoon-market/wrappers';
import { beginCell, Cell, type SenderArguments, storeStateInit } from '@ton/core';
import type { Actor } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { Chain, Transfer } from '../chain';
import { Remedied } from '../process/errors';

/** The messages that an action of the owner sends. Nothing is sent. */
export async function messagesOf(
    chain: Pick<Chain, 'open'>,
    owner: Address,
    action: (actor: Actor) => Promise<unknown>,
): Promise<Transfer[]> {
    const messages: Transfer[] = [];
    const send = ({ to, value, body, init, bounce }: SenderArguments) => {
        const { code, data } = init ?? {};
        messages.push({
            ...{ to, value, bounce: bounce ?? true },
            ...(body && { body }),
            ...(code && data && { init: { code, data } }),
        });
        return Promise.resolve();
    };
    await action({ sender: { address: owner, send }, open: (contract) => chain.open(contract) });
    return messages;
}

const MAX_ASKED = 1_000_000_000n; // nanoTON, far above what any such message costs

/**
 * As {@link messagesOf}, of an action that leaves nothing with the provider. The provider's account says what each
 * message has to bring, and one that an endpoint has made up would ask for all that the wallet has, and keep it.
 * @throws {Remedied} if it asks for more than such a message can cost
 */
export async function cheapMessagesOf(...of: Parameters<typeof messagesOf>): Promise<Transfer[]> {
    const messages = await messagesOf(...of);
    const dear = messages.find(({ value }) => value > MAX_ASKED);
    if (dear !== undefined) {
        throw new Remedied(
            `The provider asks for ${formatTon(dear.value)} TON with ${messageName(dear)}, of at most ` +
                `${formatTon(MAX_ASKED)}: an endpoint or a provider that asks for so much is not to be believed. ` +
                'Use another endpoint, and look at "provider" in worker.json. Nothing was sent',
        );
    }
    return messages;
}

/** What a message does, in one word: the name of its operation, or `transfer`. */
export function messageName({ body }: Transfer): string {
    const slice = body?.beginParse();
    return slice !== undefined && slice.remainingBits >= 32 ? opcodeName(slice.preloadUint(32)) : 'transfer';
}

/** A request for `sendTransaction` of TonConnect's SDK. Addresses are friendly, payloads bags of cells in base64. */
export function tonConnectRequest(
    { network, owner, validUntil }: { network: number; owner: Address; validUntil: number },
    messages: readonly Transfer[],
) {
    return {
        validUntil, // unix seconds
        network: String(network),
        from: owner.toRawString(),
        messages: messages.map((message) => {
            const init = stateOf(message);
            return {
                address: addressIn(network, message),
                amount: message.value.toString(), // nanoTON
                ...(message.body && { payload: message.body.toBoc().toString('base64') }),
                ...(init && { stateInit: init.toBoc().toString('base64') }),
            };
        }),
    };
}

/** A link that opens a wallet with one message. */
export function transferLink(network: number, message: Transfer): string {
    const init = stateOf(message);
    const body = message.body === undefined ? '' : `&bin=${message.body.toBoc().toString('base64url')}`;
    const state = init === undefined ? '' : `&init=${init.toBoc().toString('base64url')}`;
    return `ton://transfer/${addressIn(network, message)}?amount=${message.value}${body}${state}`;
}

const MAX_LINK = 2000; // characters that wallets and QR codes take

/** True of a link that a wallet takes. A message with code in it fits into none. */
export const isShort = (link: string): boolean => link.length <= MAX_LINK;

/** A message with its parts, for a wallet of any kind, such as a multisig. */
export function printedMessage(network: number, message: Transfer) {
    const init = stateOf(message);
    const link = transferLink(network, message);
    return {
        message: messageName(message),
        address: addressIn(network, message),
        value: message.value.toString(), // nanoTON
        ...(message.body && { body: message.body.toBoc().toString('base64') }),
        ...(init && { stateInit: init.toBoc().toString('base64') }),
        ...(isShort(link) && { link }),
    };
}

/** One line about a message for people. */
export function messageLine(network: number, message: Transfer): string {
    return `${messageName(message)} to ${addressIn(network, message)} with ${formatTon(message.value)} TON`;
}

function addressIn(network: number, { to, bounce = true }: Transfer): string {
    return to.toString({ testOnly: isTestOnly(network), bounceable: bounce });
}

function stateOf({ init }: Transfer): Cell | undefined {
    return init && beginCell().store(storeStateInit(init)).endCell();
}
