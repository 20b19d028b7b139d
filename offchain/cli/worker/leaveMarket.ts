/**
 * What `cocoon worker leave` does: drains the worker, closes the node, asks for the stake, and sweeps the wallet once
 * nobody can make a demand any more. Each run does what is possible by then.
 */
import { closeNode, Node, nodeStates, parseRules, Provider, stakeSlots, unbondStake } from '@cocoon-market/wrappers';
import { TonHttpChain, type Transfer } from '../../chain';
import { toWire } from '../../link';
import { Remedied } from '../../process/errors';
import { waitUntil } from '../../process/tasks';
import { messagesOf } from '../../setup/ownerOrder';
import { askWorker, statusOnce, sweepOnce, type WorkerConfig, type WorkerParts } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { addressText } from '../actor';
import { print, timeOf, tonText } from '../output';
import { readFlag, wholeFrom } from './initFlags';
import { type OwnerFlags, senderOf, sendAsOwner } from './ownerSends';
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
    const node = await openNode(chain, config);
    const provider = chain.open(Provider.fromAddress(config.provider));
    const [{ owner }, { operator, rules }] = [await provider.getProviderState(), await provider.getMembershipNow()];

    if ((await node.getNodeState()).state === nodeStates.open) {
        const wallet = await senderOf(chain, flags, [
            { role: 'the owner', address: owner },
            { role: 'the operator', address: operator },
        ]);
        if (flags.now !== true && flags.print !== true) {
            await drain(config, flags, parts, say);
        }
        const { number, codeVersion } = await node.getNodeState();
        const name = { number: Number(number), codeVersion: Number(codeVersion) };
        const messages = await messagesOf(chain, wallet?.address ?? owner, (actor) =>
            closeNode(actor, { provider: config.provider, ...name }),
        );
        say(`The node ${addressText(config.node, chain)} is closed:`);
        const arrived = async () => (await node.getNodeState()).state !== nodeStates.open;
        if (!(await sendAsOwner(chain, { owner, wallet, messages, arrived }, flags))) {
            return;
        }
    }
    const { stake, requiredStake } = await provider.getProviderState();
    const free = stake - requiredStake;
    if (flags.unbond === true && free > 0n) {
        const wallet = await senderOf(chain, flags, [{ role: 'the owner', address: owner }]);
        const messages: Transfer[] = await messagesOf(chain, owner, (actor) =>
            unbondStake(actor, { provider: config.provider, amount: free }),
        );
        say(`${tonText(free)} of stake are unbonded:`);
        const arrived = async () => (await provider.getProviderState()).stake < stake;
        if (!(await sendAsOwner(chain, { owner, wallet, messages, arrived }, flags))) {
            return;
        }
    }
    const view = await viewOf(chain, config, parts);
    const unbonding = rules === null ? 0 : parseRules(rules).unbonding;
    print(flags, view, () => textOf(view, unbonding, flags));
}

async function openNode(chain: TonHttpChain, { node, provider }: WorkerConfig) {
    if ((await chain.account(node)).state !== 'active') {
        throw new Remedied(
            `No node exists at ${addressText(node, chain)}: it was never registered, or it was closed and cleared`,
        );
    }
    const opened = chain.open(Node.fromAddress(node));
    const state = await opened.getNodeState();
    if (!state.provider.equals(provider)) {
        throw new Remedied(
            `The node ${addressText(node, chain)} belongs to ${addressText(state.provider, chain)}, not to the provider ` +
                'of the configuration',
        );
    }
    return opened;
}

/** Ends the jobs of the worker. Clients pay a job only while its node is open, so the node is closed afterwards. */
async function drain(
    config: WorkerConfig,
    flags: LeaveFlags,
    parts: WorkerParts,
    say: (line: string) => void,
): Promise<void> {
    const running = await askWorker(config.store, 'POST', '/drain');
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
        const { jobs } = (await askWorker(config.store, 'GET', '/status')) as { jobs: { open: number } };
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

async function viewOf(chain: TonHttpChain, config: WorkerConfig, parts: WorkerParts): Promise<LeaveView> {
    const provider = chain.open(Provider.fromAddress(config.provider));
    const { stake, requiredStake } = await provider.getProviderState();
    const slots = await Promise.all(
        Array.from({ length: stakeSlots }, (_, slot) => provider.getStakeSlot(BigInt(slot))),
    );
    const clearAt = Number((await chain.open(Node.fromAddress(config.node)).getNodeState()).clearAt);
    const { at } = await chain.account(config.node);
    const sweep =
        at < clearAt
            ? undefined
            : (((await askWorker(config.store, 'POST', '/sweep/all')) ??
                  toWire(await sweepOnce(config, { isDry: false, all: true }, parts))) as WireReport);
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
    seconds: number,
    flags: LeaveFlags,
): string {
    const duration = seconds % 86_400 === 0 ? `${seconds / 86_400} days` : `${seconds / 3600} hours`;
    return [
        `The node ${node} is closed.`,
        `Stake: ${tonText(stake)}, of which no node requires ${tonText(free)}`,
        ...unbonding.map(({ amount, unlockAt }) => `  ${tonText(amount)} may be withdrawn from ${timeOf(unlockAt)} on`),
        ...(free > 0n && flags.unbond !== true
            ? [`  "cocoon worker leave --unbond" asks for it; it may be withdrawn ${duration} later`]
            : []),
        ...(sweep === undefined
            ? [
                  `Keep the worker running until ${timeOf(clearAt)}: until then it answers demands and claims.`,
                  'Run this again then: it sends what is in its wallet to the owner',
              ]
            : [
                  sweepText(sweep),
                  'Nobody can make a demand any more: stop the worker. Keep its key file until its wallet is empty',
              ]),
    ].join('\n');
}
