/** The task of a sending script: printed, confirmed, sent, and checked afterwards. */
import { formatTon } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { ChainError } from '../offchain/chain/errors';
import { sendingFee } from './fees';
import { forecast } from './forecast';
import { faucetFor } from './network';
import { exported, messageLabel, messageLines, type Row, table, ton } from './output';
import { forgetOrder, keepOrder } from './pending';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { type Outgoing, waitUntil } from './wallet';

/** The task of a script before it is done. */
export interface Task {
    found: Row[];
    /** Why nothing has to be sent; then the other fields are not used. */
    nothing?: string;
    /** What differs from the request and no message can change: a line each. */
    differs?: string[];
    /** In words, what is going to happen. */
    will?: string[];
    /** Who has to send, and as what: the governor, the owner. Anyone if left out. */
    only?: { address: Address; role: string };
    messages?: Outgoing[];
    /** What of the attached value stays with its receiver, and as what; `retained` is its sum in nanoTON. */
    stays?: Row[];
    retained?: bigint;
    /** True once the first `sent` messages have done what they were sent for. */
    settled?: (sent: number) => Promise<boolean>;
    /** Called before an order is sent, with the number of messages sent by then. */
    beforeOrder?: (sent: number) => void;
    /** The new state; writes records too. */
    resultRows?: () => Promise<Row[]>;
    /** What differs from the request although all messages arrived: a line each. */
    unmet?: () => Promise<string[]>;
}

/** The flags of the command line about sending. */
export interface Consent {
    dryRun: boolean;
    print: boolean;
    yes: boolean;
    json: boolean;
}

/** Prints a task, asks, sends and prints the result. Throws a ScriptError if the result differs from the request. */
export async function carryOut(session: ScriptSession, task: Task, consent: Consent): Promise<void> {
    const { messages = [], will = [], stays = [] } = task;
    const as = session.actsAs ?? session.wallet?.address;
    const sender = as === undefined ? '' : `, wallet ${session.formatWallet(as)}`;
    console.log(`Network ${session.network.name}${sender}`);
    console.log(table(task.found));
    const { differs = [] } = task;
    if (differs.length > 0) {
        throw new ScriptError(
            `Not as requested: ${task.nothing ?? 'something else is there'}\n${listed(differs)}`,
            'leave out what differs, or change it by the script that does',
        );
    }
    if (task.nothing !== undefined || messages.length === 0) {
        console.log(`Nothing to do: ${task.nothing ?? 'everything is as requested'}.`);
        report(consent, { sent: 0, ...Object.fromEntries((await task.resultRows?.()) ?? []) });
        return;
    }
    const attached = messages.reduce((sum, { value }) => sum + value, 0n);
    const retained = task.retained ?? 0n;
    console.log('Will:');
    [...will.map((line) => `  ${line}`), ...messageLines(session, messages)].forEach((line) => console.log(line));
    stays.forEach(([what, value]) => console.log(`  ${value} stays as ${what}`));
    const sending = await sendingFee(session, messages);
    const maxFees = ton(attached - retained + sending);
    if (!consent.dryRun && !consent.print) {
        await requireRole(session, task);
    }
    const expected = await forecast(session, messages);
    if (expected?.refused !== undefined) {
        throw new ScriptError(
            expected.refused,
            'nothing was sent; the codes are explained in contracts/protocol/errors.tact',
        );
    }
    if (expected !== undefined) {
        const net = attached + sending - expected.back;
        console.log(
            net < retained
                ? `Expects: about ${ton(expected.back)} come back, ${ton(expected.back - attached - sending)} more than is sent.`
                : `Expects: fees of about ${ton(net - retained)}.`,
        );
    }
    console.log(`Costs: ${ton(retained)} that stays, and fees of at most ${maxFees}. Unused fees come back.`);
    if (consent.dryRun) {
        console.log('Dry run: nothing was sent.');
        report(consent, { sent: 0, attached: attached.toString(), retained: retained.toString() });
        return;
    }
    if (consent.print) {
        const orders = messages.map((message) => exported(session, message));
        console.log(
            consent.json ? JSON.stringify(orders) : orders.map((order) => table(Object.entries(order))).join('\n\n'),
        );
        return;
    }
    await requireFunds(session, attached + sending);
    await requireConsent(session, consent);
    await send(session, task, consent);
}

async function requireRole(session: ScriptSession, { only }: Task): Promise<void> {
    const { wallet } = session;
    if (wallet === undefined || !session.actor.equals(wallet.address)) {
        throw new ScriptError(
            'This command line has no wallet that could send',
            'add --mnemonic, or --print for another wallet',
        );
    }
    if (only !== undefined && !only.address.equals(wallet.address)) {
        throw new ScriptError(
            `Only the ${only.role}, ${session.formatWallet(only.address)}, may do this; this wallet is ${session.formatWallet(wallet.address)}`,
            `use its words, or add --print --from ${session.formatWallet(only.address)} and send from there`,
        );
    }
}

async function requireFunds(session: ScriptSession, needed: bigint): Promise<void> {
    const { address, version } = session.wallet!;
    const { balance } = await session.account(address);
    if (balance < needed) {
        const other = version === 'v5r1' ? ' A v5r1 wallet has another address on each network.' : '';
        throw new ScriptError(
            `The wallet ${session.formatWallet(address)} holds ${ton(balance)} and needs ${ton(needed)}.${other}`,
            faucetFor(session.network, session.provider, session.formatWallet(address), formatTon(needed - balance)),
        );
    }
}

async function requireConsent({ provider }: ScriptSession, { yes }: Consent): Promise<void> {
    if (yes) {
        return;
    }
    if (!process.stdin.isTTY) {
        throw new ScriptError('Nobody can agree here', 'add --yes to send, or --dry-run to stop here');
    }
    // Blueprint's own question takes Enter as yes.
    if (!/^y(es)?$/i.test((await provider.ui().input('Send? (y/N)')).trim())) {
        throw new ScriptError('Not sent');
    }
}

async function send(
    session: ScriptSession,
    { messages = [], settled, resultRows, unmet, beforeOrder, retained = 0n }: Task,
    consent: Consent,
): Promise<void> {
    const wallet = session.wallet!;
    const balanceBefore = (await session.account(wallet.address)).balance;
    for (let sent = 0; sent < messages.length;) {
        const next = messages.slice(sent, sent + wallet.capacity(messages.slice(sent)));
        const newest = await session.newest(next[next.length - 1].to);
        beforeOrder?.(sent + next.length);
        const last = next[next.length - 1].to;
        try {
            await wallet.send(next, (order) => keepOrder(session, order, last, newest));
        } catch (error) {
            if (!(error instanceof ChainError && error.unknown)) {
                forgetOrder(session); // it was not sent
            }
            throw error;
        }
        sent += next.length;
        console.log(`Sent ${sent} of ${messages.length}`);
        await waitForEffect(session, next, newest, async () => settled === undefined || settled(sent));
        forgetOrder(session);
    }
    const spent = balanceBefore - (await session.account(wallet.address)).balance;
    const received = spent < retained ? retained - spent : 0n; // more came back than the fees
    console.log(
        received === 0n
            ? `Done. The wallet paid ${ton(spent)}: ${ton(retained)} stays, ${ton(spent - retained)} were fees.`
            : `Done. The wallet holds ${ton(received - retained)} more than before, fees taken off.`,
    );
    const rows = (await resultRows?.()) ?? [];
    console.log(table(rows));
    report(consent, {
        sent: messages.length,
        ...(received === 0n ? { spent: spent.toString() } : { received: (received - retained).toString() }),
        retained: retained.toString(),
        ...Object.fromEntries(rows),
    });
    const lacking = (await unmet?.()) ?? [];
    if (lacking.length > 0) {
        throw new ScriptError(
            `Sent, and not yet as requested:\n${listed(lacking)}`,
            'run it again: it sends what is missing',
        );
    }
}

const listed = (lines: readonly string[]) => lines.map((line) => `  - ${line}`).join('\n');

async function waitForEffect(
    session: ScriptSession,
    messages: readonly Outgoing[],
    since: bigint,
    holds: () => Promise<boolean>,
): Promise<void> {
    const last = messages[messages.length - 1];
    await waitUntil(session.patience, async () => {
        const isSettled = await holds();
        // Read in any case, because rent alone can change a balance as the message would.
        const { failure, isDue } = await session.arrivalSince(last.to, since);
        if (failure !== undefined) {
            forgetOrder(session);
            throw new ScriptError(
                `${messageLabel(last)} was refused by ${session.format(last.to)}: ${failure}`,
                'what was attached comes back; the codes are explained in contracts/protocol/errors.tact',
            );
        }
        return isSettled && !isDue; // coins of somebody else can look like the effect
    });
}

function report({ json }: Consent, result: Record<string, unknown>): void {
    if (json) {
        console.log(JSON.stringify(result));
    }
}
