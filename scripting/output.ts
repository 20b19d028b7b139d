/** What scripts print. */
import { formatTon, opcodeName } from '@cocoon-market/wrappers';
import { tonDeepLink } from '@ton/blueprint';
import { beginCell, type Cell, Dictionary, internal, SendMode, storeMessageRelaxed, storeStateInit } from '@ton/core';
import { lineForTerminal } from '../offchain/process/terminal';
import type { ScriptSession } from './session';
import type { Outgoing } from './wallet';

/** One row of output. */
export type Row = readonly [name: string, value: string];

export const ton = (nano: bigint) => `${formatTon(nano)} TON`;

/** UTC to the minute. */
export const when = (seconds: number) =>
    seconds === 0 ? 'never' : `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** Rows in two columns. Strangers wrote some of the values on chain, and none of them makes a row of its own. */
export function table(rows: readonly Row[], indent = '  '): string {
    const width = Math.max(0, ...rows.map(([name]) => name.length));
    const inRow = ([name, value]: Row) => lineForTerminal(`${name.padEnd(width)}  ${value}`);
    return rows.map((row) => `${indent}${inRow(row)}`.trimEnd()).join('\n');
}

/** The name of what a message does. */
export function messageLabel({ body, init }: Outgoing): string {
    const slice = body.beginParse();
    if (slice.remainingBits >= 32) {
        return opcodeName(slice.preloadUint(32));
    }
    return init === undefined ? 'transfer' : 'deploy';
}

/** One line per message; equal ones of a row are counted. */
export function messageLines(session: ScriptSession, messages: readonly Outgoing[]): string[] {
    const lines: { text: string; count: number }[] = [];
    for (const message of messages) {
        const text = `${messageLabel(message)} to ${session.format(message.to)} with ${ton(message.value)}`;
        const last = lines[lines.length - 1];
        if (last?.text === text) {
            last.count++;
        } else {
            lines.push({ text, count: 1 });
        }
    }
    return lines.map(({ text, count }) => `  ${count === 1 ? '' : `${count} × `}${text}`);
}

const SEND_MESSAGE = 0xf1381e5b; // the action of multisig-v2's order.tlb

/** An order of a multisig-v2 wallet that sends this one message, as its `new_order` takes it. */
export function multisigOrder({ to, value, body, init, bounce = true }: Outgoing): Cell {
    const message = storeMessageRelaxed(internal({ to, value, body, init, bounce }));
    const action = beginCell()
        .storeUint(SEND_MESSAGE, 32)
        .storeUint(SendMode.PAY_GAS_SEPARATELY, 8)
        .storeRef(beginCell().store(message))
        .endCell();
    const order = Dictionary.empty(Dictionary.Keys.Uint(8), Dictionary.Values.Cell()).set(0, action);
    return beginCell().storeDictDirect(order).endCell();
}

/** A message for somebody else's wallet, such as a multisig. */
export function exported(session: ScriptSession, message: Outgoing) {
    const init = message.init && beginCell().store(storeStateInit(message.init)).endCell();
    return {
        message: messageLabel(message),
        address: session.format(message.to),
        value: message.value.toString(), // nanoTON
        body: message.body.toBoc().toString('base64'),
        ...(init ? { stateInit: init.toBoc().toString('base64') } : {}),
        multisigOrder: multisigOrder(message).toBoc().toString('base64'), // of multisig-v2
        link: tonDeepLink(message.to, message.value, message.body, init, session.network.testOnly),
    };
}
