/** Target balances: the amount to send for one, and the line to print when it was not reached. */
import { type Actor, pricesOf, sizeOf, storageFee } from '@cocoon-market/wrappers';
import { type Address, beginCell, type Cell } from '@ton/core';
import { balanceAfter } from './forecast';
import { ton } from './output';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { type ScriptStep, stepTask, type Subject } from './step';
import type { Task } from './task';

// Added where the arrival costs something, because prices and rent may change on the way.
const SLACK = 1_000_000n; // nanoTON
const OWN_BITS = 512n; // of an account besides its code and data
const MAX_GAS = 1_000_000_000n; // nanoTON that the arrival may cost; no rent is more than the balance that pays it

/** An account and what it holds. */
interface Funded {
    at: Address;
    balance: bigint; // nanoTON
}

interface Funding extends Funded {
    upTo: bigint; // nanoTON
    /** Sends `amount` nanoTON to the account. */
    action: (actor: Actor, amount: bigint) => Promise<unknown>;
    /** What the account stores besides its code and data. */
    library?: Cell;
}

/**
 * nanoTON to send so that the account holds `upTo` after rent and gas of the arrival; 0n if it holds that already.
 * @throws {ScriptError} if rent and gas are more than they can be: an endpoint says both, and what is sent stays there
 */
export async function missing(
    session: ScriptSession,
    { at, balance, upTo, action, library }: Funding,
): Promise<bigint> {
    if (balance >= upTo) {
        return 0n;
    }
    const rent = await rentDue(session, at, { library });
    const bare = upTo - balance;
    const arrived = await balanceAfter(session, await session.rehearse((actor) => action(actor, bare)), at);
    const lost = rent + (arrived === undefined || arrived > upTo ? 0n : upTo - arrived);
    if (lost > upTo + MAX_GAS) {
        throw new ScriptError(
            `By what the endpoint says, ${ton(lost)} for rent and gas would be lost on the way to ${ton(upTo)}`,
            'use another endpoint; nothing was sent',
        );
    }
    return lost > 0n ? bare + lost + SLACK : bare;
}

/** How a script speaks of its funding. */
interface FundingWords {
    stays: string; // as what the amount stays
    will?: (due: bigint) => string;
    holder?: string; // "it" unless given
}

/** The step that brings a balance up to a target; a text if it holds that already. */
export async function fundingStep<S extends Funded>(
    session: ScriptSession,
    { at, balance }: S,
    { stays, will, holder = 'it', ...funding }: FundingWords & Omit<Funding, keyof Funded>,
): Promise<ScriptStep<S> | string> {
    const { upTo, action } = funding;
    const due = await missing(session, { at, balance, ...funding });
    if (due === 0n) {
        return `${holder} holds ${ton(upTo)} or more`;
    }
    return {
        ...(will === undefined ? {} : { will: will(due) }),
        action: (actor) => action(actor, due),
        done: (now) => now.balance > balance,
        unmet: (now) => shortOf(now.balance, upTo),
        retained: due,
        stays: [[stays, ton(due)]],
        anyone: true,
    };
}

/** A task that brings an account up to a target. From anyone. */
export async function fundingTask(
    session: ScriptSession,
    at: Address,
    { rows, ...funding }: Parameters<typeof fundingStep>[2] & Pick<Subject<Funded>, 'rows'>,
): Promise<Task> {
    const read = async () => ({ at, balance: (await session.account(at)).balance });
    const present = await read();
    return stepTask(session, { present, read, rows }, await fundingStep(session, present, funding));
}

/** For a task's `unmet`: a line if an account holds less than the target. */
export function shortOf(balance: bigint, upTo: bigint, what = 'up to'): string[] {
    return balance >= upTo ? [] : [`${what}: it holds ${ton(balance)} of ${ton(upTo)}, what arrived paid for rent too`];
}

/**
 * nanoTON of rent that an account will owe `withinSeconds` from now. Its next message pays it. 0n if the endpoint
 * does not say when the account last paid.
 */
export async function rentDue(
    session: ScriptSession,
    at: Address,
    { library, withinSeconds = 0 }: { library?: Cell | undefined; withinSeconds?: number } = {},
): Promise<bigint> {
    const [{ code, data }, since, config] = [
        await session.account(at),
        await session.changedAt(at),
        await session.config(),
    ];
    if (code === undefined || data === undefined || since === undefined || config === undefined) {
        return 0n;
    }
    const content = beginCell().storeRef(code).storeRef(data);
    const { cells, bits } = sizeOf((library === undefined ? content : content.storeRef(library)).endCell());
    const { basechain, masterchain } = pricesOf(config);
    const seconds = Math.max(0, (await session.now()) - since) + withinSeconds;
    return storageFee(at.workChain === 0 ? basechain : masterchain, { cells, bits: bits + OWN_BITS }, seconds);
}
