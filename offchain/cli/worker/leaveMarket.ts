/**
 * What `cocoon worker leave` does: drains the worker, closes the node, asks for the stake, and sweeps the wallet once
 * nobody can make a demand any more. Each run does what is possible by then.
 */
import {
    closeNode,
    Node,
    nodeStates,
    parseRules,
    Provider,
    stakeSlots,
    unbondStake,
    withdrawStake,
} from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { TonHttpChain, type Transfer } from '../../chain';
import { assertCountable } from '../../fleet';
import { toWire } from '../../link';
import { addressText } from '../../process/addresses';
import { Remedied } from '../../process/errors';
import { waitUntil } from '../../process/tasks';
import { cheapMessagesOf } from '../../setup/ownerOrder';
import { stakeHold } from '../../setup/prospects';
import { askWorker, statusOnce, sweepOnce, type WorkerConfig, type WorkerParts } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { durationText, print, timeOf, tonText } from '../output';
import { Questions } from '../question';
import { readFlag, wholeFrom } from './initFlags';
import { folderOf, type OwnerFlags, requireFunds, senderOf, sendAsOwner } from './ownerSends';
import { sweepText, type WireReport } from './sweep';

/** The flags of the command. */
export interface LeaveFlags extends OwnerFlags {
    config: string;
    now?: boolean;
    unbond?: boolean;
}

/** How far a node is on its way out. */
interface LeaveView {
    node: string;
    clearAt: number; // unix seconds until which receipts count as evidence, and the worker has to answer demands
    stake: bigint; // nanoTON
    free: bigint; // nanoTON of it that no node requires
    unbonding: { amount: bigint; unlockAt: number }[];
    sweep: WireReport | undefined; // undefined until clearAt
}

/** Goes on with leaving. */
export async function leaveMarket(flags: LeaveFlags, parts: WorkerParts): Promise<void> {
    const config = readMoneyConfig(flags.config);
    const chain = new TonHttpChain(config);
    const say = (line: string) => (flags.json === true ? console.error(line) : console.log(line));
    const isGone = await isCleared(chain, config);
    const node = chain.open(Node.fromAddress(config.node));
    const questions = new Questions(flags.yes === true);
    const provider = chain.open(Provider.fromAddress(config.provider));
    const [{ owner }, { operator, rules }] = [await provider.getProviderState(), await provider.getMembership()];

    if (!isGone && (await node.getNodeState()).state === nodeStates.open) {
        const wallet = await senderOf(chain, flags, [
            { role: 'the owner', address: owner },
            { role: 'the operator', address: operator },
        ]);
        const name = await nameOf(chain, config);
        const messages = await cheapMessagesOf(chain, wallet?.address ?? owner, (actor) =>
            closeNode(actor, { provider: config.provider, ...name }),
        );
        if (flags.print !== true) {
            // All that can refuse comes before the worker drains.
            await (wallet && requireFunds(chain, wallet, messages));
            const question = flags.now === true ? 'Close' : 'End all jobs and close';
            await questions.agree(`${question} the node ${addressText(config.node, chain)}?`);
            await (flags.now === true ? undefined : drain(config, flags, parts, say));
        }
        say(`These messages close the node ${addressText(config.node, chain)}:`);
        const arrived = async () => (await node.getNodeState()).state !== nodeStates.open;
        if (
            !(await sendAsOwner(
                chain,
                { owner, wallet, messages, folder: folderOf(flags), arrived },
                { ...flags, yes: true },
            ))
        ) {
            return;
        }
    }
    const { stake, requiredStake } = await provider.getProviderState();
    const free = stake - requiredStake;
    if (flags.unbond === true && free > 0n) {
        const wallet = await senderOf(chain, flags, [{ role: 'the owner', address: owner }]);
        const messages: Transfer[] = await cheapMessagesOf(chain, owner, (actor) =>
            unbondStake(actor, { provider: config.provider, amount: free }),
        );
        say(`These messages ask for ${tonText(free)} of stake:`);
        const arrived = async () => (await provider.getProviderState()).stake < stake;
        if (!(await sendAsOwner(chain, { owner, wallet, messages, folder: folderOf(flags), arrived }, flags))) {
            return;
        }
    }
    if (!(await withdraw(config, chain, owner, flags, say))) {
        return;
    }
    const clearAt = isGone ? 0 : await clearTime(chain, config);
    const sweep =
        (await chain.account(config.provider)).at < clearAt
            ? undefined
            : await sweepAll(config, flags, { parts, questions });
    const view = await viewOf(chain, config, { clearAt, sweep });
    const hold = rules === null ? 0 : stakeHold(parseRules(rules));
    print(flags, view, () => textOf(view, hold, flags, config));
}

/**
 * True if every endpoint says that the account of the node has ended, which anyone may do after its time.
 * @throws {Remedied} if the node is not of this provider, or never was
 */
async function isCleared(chain: TonHttpChain, { node, provider }: WorkerConfig): Promise<boolean> {
    const states = await Promise.all(chain.sources.map(async (source) => (await source.account(node)).state));
    if (states.some((state) => state === 'active')) {
        const { provider: found } = await chain.open(Node.fromAddress(node)).getNodeState();
        if (!found.equals(provider)) {
            throw new Remedied(
                `The node ${addressText(node, chain)} belongs to ${addressText(found, chain)}, not to the provider of ` +
                    'the configuration',
            );
        }
        return false;
    }
    const opened = chain.open(Provider.fromAddress(provider));
    const [{ nextNumber }, { rules }] = [await opened.getProviderState(), await opened.getMembership()];
    assertCountable(nextNumber);
    const versions = rules === null ? 0 : parseRules(rules).nodeCodes.length;
    for (let number = 0n; number < nextNumber; number++) {
        for (let version = 0n; version < BigInt(versions); version++) {
            if ((await opened.getNodeAddress(number, version)).equals(node)) {
                return true;
            }
        }
    }
    throw new Remedied(`This provider never registered the node ${addressText(node, chain)}: check the configuration`);
}

/**
 * What the provider calls the node. The address proves the number: by that of an endpoint alone another node of the
 * provider would be closed. A code version that is none of the node's names no account, so it closes nothing.
 * @throws {Remedied} if the address does not follow from provider, number and the code that the node runs
 */
async function nameOf(
    chain: TonHttpChain,
    { node, provider }: Pick<WorkerConfig, 'node' | 'provider'>,
): Promise<{ number: number; codeVersion: number }> {
    const { code } = await chain.account(node);
    const { number, codeVersion } = await chain.open(Node.fromAddress(node)).getNodeState();
    const name = { number: Number(number), codeVersion: Number(codeVersion) };
    if (!(await Node.ofProvider(provider, name.number, code)).address.equals(node)) {
        throw new Remedied(
            `The endpoint calls ${addressText(node, chain)} node ${number} of the provider, whose address is another: ` +
                'use another endpoint. Nothing was sent',
        );
    }
    return name;
}

/** Withdraws the unbonded stake whose time has come. False if that was only printed. */
async function withdraw(
    config: WorkerConfig,
    chain: TonHttpChain,
    owner: Address,
    flags: LeaveFlags,
    say: (line: string) => void,
): Promise<boolean> {
    const provider = chain.open(Provider.fromAddress(config.provider));
    const { unbonding } = await provider.getProviderState();
    const due: { slot: number; amount: bigint }[] = [];
    for (let slot = 0; slot < stakeSlots && unbonding > 0n; slot++) {
        due.push({ slot, amount: await provider.getWithdrawable(BigInt(slot)) });
    }
    const ready = due.filter(({ amount }) => amount > 0n);
    if (ready.length === 0) {
        return true;
    }
    const wallet = await senderOf(chain, flags, [{ role: 'the owner', address: owner }]);
    const messages = await cheapMessagesOf(chain, owner, async (actor) => {
        for (const { slot, amount } of ready) {
            await withdrawStake(actor, { provider: config.provider, slot, amount });
        }
    });
    say(`These messages withdraw ${tonText(ready.reduce((sum, { amount }) => sum + amount, 0n))} of stake:`);
    const arrived = async () => (await provider.getProviderState()).unbonding < unbonding;
    const isSent = await sendAsOwner(chain, { owner, wallet, messages, folder: folderOf(flags), arrived }, flags);
    if (isSent) {
        say('The owner has it.');
    }
    return isSent;
}

/** Ends the jobs of the worker. Clients pay a job only while its node is open, so the node is closed afterwards. */
async function drain(
    config: WorkerConfig,
    flags: LeaveFlags,
    parts: WorkerParts,
    say: (line: string) => void,
): Promise<void> {
    const running = await askWorker(config, 'POST', '/drain');
    if (running === undefined) {
        const { jobs, unclaimed } = await statusOnce(config, parts);
        if (jobs.open > 0) {
            throw new Remedied(
                `${jobs.open} jobs are open with ${tonText(unclaimed)} unclaimed, and no worker runs: start it, and run ` +
                    'this again while it runs. --now closes the node at once',
            );
        }
        return;
    }
    const seconds = readFlag('--wait', flags.wait, wholeFrom(1, 1_000_000));
    let openJobs = -1;
    const isDrained = async () => {
        const { jobs } = (await askWorker(config, 'GET', '/status')) as { jobs: { open: number } };
        if (jobs.open !== openJobs) {
            say(`The worker takes no new jobs; ${jobs.open} are open`);
            openJobs = jobs.open;
        }
        return jobs.open === 0;
    };
    if (!(await waitUntil(isDrained, { maxMs: seconds * 1000, pollMs: 1000 }))) {
        throw new Remedied(
            `${openJobs} jobs are still open after ${seconds} s. They end when their clients settle or leave, or at their ` +
                'end. Run this again later, or close the node at once with --now. The worker goes on draining',
        );
    }
}

/** Unix seconds from which nobody can make a demand, as the endpoint says that says the latest. */
async function clearTime(chain: TonHttpChain, { node }: WorkerConfig): Promise<number> {
    const times = await Promise.all(
        chain.sources.map(async (source) => (await source.open(Node.fromAddress(node)).getNodeState()).clearAt),
    );
    return Math.max(...times.map(Number));
}

/** Sends what is in the worker's wallet to the owner, who is asked; with `--print` it only says what it would send. */
async function sweepAll(
    config: WorkerConfig,
    { print: isDry = false }: LeaveFlags,
    { parts, questions }: { parts: WorkerParts; questions: Questions },
): Promise<WireReport> {
    const sweep = async (method: 'GET' | 'POST') =>
        ((await askWorker(config, method, '/sweep/all')) ??
            toWire(await sweepOnce(config, { isDry: method === 'GET', all: true }, parts))) as WireReport;
    const plan = await sweep('GET');
    if (isDry || plan.amount === '0') {
        return plan;
    }
    await questions.agree(`Send ${tonText(plan.amount)} from the worker's wallet to the owner?`);
    return sweep('POST');
}

async function viewOf(
    chain: TonHttpChain,
    config: WorkerConfig,
    { clearAt, sweep }: Pick<LeaveView, 'clearAt' | 'sweep'>,
): Promise<LeaveView> {
    const provider = chain.open(Provider.fromAddress(config.provider));
    const { stake, requiredStake } = await provider.getProviderState();
    const slots = await Promise.all(
        Array.from({ length: stakeSlots }, (_, slot) => provider.getStakeSlot(BigInt(slot))),
    );
    return {
        node: addressText(config.node, chain),
        ...{ clearAt, stake, free: stake - requiredStake, sweep },
        unbonding: slots
            .filter(({ amount }) => amount > 0n)
            .map(({ amount, unlockAt }) => ({ amount, unlockAt: Number(unlockAt) })),
    };
}

function textOf(
    { node, clearAt, stake, free, unbonding, sweep }: LeaveView,
    hold: number, // seconds from the request for stake until it may be withdrawn
    flags: LeaveFlags,
    config: WorkerConfig,
): string {
    return [
        `The node ${node} is closed.`,
        `Stake: ${tonText(stake)}, of which no node requires ${tonText(free)}`,
        ...unbonding.map(
            ({ amount, unlockAt }) =>
                `  ${tonText(amount)} may be withdrawn from ${timeOf(unlockAt)} on: run this again then`,
        ),
        ...(free > 0n && flags.unbond !== true
            ? [`  "cocoon worker leave --unbond" asks for it; it may be withdrawn about ${durationText(hold)} later`]
            : []),
        ...(sweep === undefined
            ? [
                  `Keep the worker running until ${timeOf(clearAt)}: until then it answers demands and claims.`,
                  'Run this again then: it sends what is in its wallet to the owner',
              ]
            : [
                  sweepText(sweep, config),
                  'Nobody can make a demand any more: stop the worker. Keep its key file until its wallet is empty',
              ]),
    ].join('\n');
}
