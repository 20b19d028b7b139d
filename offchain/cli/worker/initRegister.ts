/** The second half of `init`: shows what the node costs, has the owner sign, and waits until the chain has it. */
import { bytesToNumber, formatTon, tokenKinds } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { mkdirSync, readFileSync } from 'node:fs';
import { addressText, walletText } from '../../process/addresses';
import { Remedied } from '../../process/errors';
import { waitUntil } from '../../process/tasks';
import {
    endProgress,
    type Progress,
    readProgress,
    type WorkerFiles,
    writeProgress,
    writeWhole,
} from '../../setup/files';
import { nextNode } from '../../setup/market';
import { earningsPerDay, type FaultCost, faultCosts, stakeHold, UTILIZATIONS } from '../../setup/prospects';
import { nextStep, type OwnerStep } from '../../setup/registration';
import { MAX_STEP } from '../../worker/reserves';
import { durationText, tonText } from '../output';
import type { Questions } from '../question';
import type { InitFlags } from './initFlags';
import type { PreparedNode } from './initPlan';
import { FEES, pollMsOf, sendAsOwner } from './ownerSends';

const IN_FLIGHT = 300; // seconds after which an order that has not arrived will not arrive
const SWEEPS = 'the worker sends by itself what its wallet does not need, to the owner (--no-sweep: it does not)';
const SWEEPS_NOT = 'off: what the worker\'s wallet earns stays there until worker.json has a "sweep"';

/** The node on chain. */
export interface RegisteredWorker {
    provider: string;
    node: string;
    wallet: string; // the worker's
    receiptKey: Buffer;
}

/** Brings the node onto the chain; undefined if it only printed what has to be signed. */
export async function register(
    flags: InitFlags,
    files: WorkerFiles,
    prepared: PreparedNode,
    questions: Questions,
    say: (line: string) => void,
): Promise<RegisteredWorker | undefined> {
    const { chain, rules, manifest, owner, worker, fund, stake, receiptKey } = prepared;
    const target = { owner, nodes: manifest.nodes, worker, fund, stake, anyCode: flags.anyCode === true };
    const look = () => nextStep(chain, rules, target);
    const now = async () => (await chain.account(owner)).at;
    const earlier = readProgress(files);
    const progress: Progress = { owner, stake, fund, sent: earlier?.owner.equals(owner) ? earlier.sent : undefined };
    let step = await look();
    (await describe(prepared, step)).forEach(say);
    if (step.messages.length > 0) {
        if (!isUnderWay(progress, namesOf(step), await now())) {
            await assertFunds(prepared, step, flags.print === true ? say : undefined);
        }
        if (flags.print !== true) {
            await questions.agree('Write the files and go on?');
        }
    }
    mkdirSync(files.folder, { recursive: true });
    writeProgress(files, progress);
    prepared.writeFiles(await nodeOf(step, receiptKey), step.provider);

    const agreed = wholeOf(step);
    let ordered = 0n; // nanoTON
    while (step.messages.length > 0) {
        step.parts.forEach(({ what }) => say(`Next: ${what}`));
        // Messages of one order arrive one by one, and none may be sent twice: all of them are waited for.
        const will = namesOf(step);
        const arrived = async () => {
            step = await look();
            return !namesOf(step).some((part) => will.includes(part));
        };
        if (flags.print !== true && prepared.wallet !== undefined && isUnderWay(progress, will, await now())) {
            say('An order of an earlier run may be on its way');
            if (await waitUntil(arrived, { maxMs: IN_FLIGHT * 1000, pollMs: pollMsOf(chain) })) {
                continue;
            }
        }
        // An endpoint could ask for one thing after another.
        ordered += step.messages.reduce((sum, { value }) => sum + value, 0n);
        if (ordered > agreed) {
            throw new Remedied(
                `The chain now asks for ${tonText(ordered)} in all, more than the ${tonText(agreed)} that you agreed to: ` +
                    'run this again, and look at its steps',
            );
        }
        const beforeSend = (at: number) => {
            progress.sent = { parts: will, until: at + IN_FLIGHT };
            writeProgress(files, progress);
        };
        const { folder } = files;
        const order = { owner, wallet: prepared.wallet, messages: step.messages, folder, arrived, beforeSend };
        if (!(await sendAsOwner(chain, order, { ...flags, yes: true }))) {
            return undefined; // printed
        }
    }
    const node = await nodeOf(step, receiptKey);
    correctNode(files, addressText(node, chain));
    endProgress(files);
    return {
        provider: addressText(step.provider, chain),
        node: addressText(node, chain),
        wallet: walletText(worker, chain),
        receiptKey,
    };
}

/** Whether an order of an earlier run with one of these parts may still arrive. `now`: unix seconds of the chain. */
function isUnderWay({ sent }: Progress, will: readonly string[], now: number): boolean {
    return sent !== undefined && sent.until > now && sent.parts.some((part) => will.includes(part));
}

const namesOf = ({ parts }: OwnerStep): string[] => parts.map(({ what }) => what);

/** nanoTON that leave the owner's wallet until everything is on chain, at most. What is not used comes back. */
function wholeOf({ parts, later }: OwnerStep): bigint {
    const orders = later.length > 0 ? 2n : 1n;
    return [...parts, ...later].reduce((sum, { value }) => sum + value, orders * FEES);
}

/** Throws unless the owner's wallet can pay for all steps, or only warns. */
async function assertFunds(
    { chain, owner }: PreparedNode,
    step: OwnerStep,
    warn: ((line: string) => void) | undefined,
): Promise<void> {
    const needed = wholeOf(step);
    const { balance } = await chain.account(owner);
    if (balance >= needed) {
        return;
    }
    const text = `The owner's wallet ${walletText(owner, chain)} holds ${tonText(balance)} and needs ${tonText(needed)}`;
    if (warn === undefined) {
        throw new Remedied(`${text}: fund it, or lower --stake and --fund. Nothing was written or sent`);
    }
    warn(`! ${text}: fund it before you sign`);
}

async function nodeOf({ present, provider, nextNumber }: OwnerStep, receiptKey: Buffer): Promise<Address> {
    const registered = present.find((node) => node.open && node.receiptKey === bytesToNumber(receiptKey));
    return nextNode(provider, registered?.number ?? nextNumber);
}

/** The configuration names the node that was registered, though another was registered meanwhile. */
function correctNode({ config }: WorkerFiles, node: string): void {
    const settings = JSON.parse(readFileSync(config, 'utf8')) as { node: string };
    if (settings.node !== node) {
        writeWhole(config, JSON.stringify({ ...settings, node }, null, 4), { replace: true });
    }
}

/** What the node is, costs, risks and may earn. */
async function describe(prepared: PreparedNode, step: OwnerStep): Promise<string[]> {
    const { chain, rules, manifest, owner, worker, receiptKey, sweeps, prices, rates, speed } = prepared;
    const own = manifest.nodes.find(({ listing }) => listing.receiptKey === bytesToNumber(receiptKey))!;
    const { hardware } = own.listing;
    const share = (rules.rates[hardware.gpuClass] ?? 0n) * BigInt(hardware.gpus);
    const stake = step.requiredStake > prepared.stake ? step.requiredStake : prepared.stake;
    const costs = faultCosts({ stake, share, loss: MAX_STEP }, { basechain: await chain.prices() });
    return [
        `Owner      ${walletText(owner, chain)}`,
        `Provider   ${addressText(step.provider, chain)}`,
        `Worker     wallet ${walletText(worker, chain)}`,
        `Sweeping   ${sweeps ? SWEEPS : SWEEPS_NOT}`,
        `Node       ${own.name} at ${own.listing.service.endpoint}`,
        ...[...rates].map(([model, each]) => {
            const texts = tokenKinds.map((kind) => `${kind} ${formatTon(each[kind])}`).join(', ');
            const market = prices.get(model);
            const others =
                market &&
                `; the market: ${market.providers} providers, prompt ${formatTon(market.min.prompt)} to ` +
                    `${formatTon(market.max.prompt)}, completion ${formatTon(market.min.completion)} to ${formatTon(market.max.completion)}`;
            return `Price      ${model}: ${texts} TON per million tokens${others ?? ''}`;
        }),
        `Stake      ${tonText(stake)}, of which ${tonText(share)} answers for this node`,
        `Unbonding  the stake may be withdrawn about ${durationText(stakeHold(rules))} after you ask for it`,
        `Faults     what one may take of the stake at most, in TON, if a client loses ${tonText(MAX_STEP)}:`,
        ...faultLines(costs),
        ...earningLines(prepared, speed),
        ...costLines(step),
    ];
}

/** Everything that the owner signs, and what leaves the wallet with it. */
function costLines(step: OwnerStep): string[] {
    const all = [...step.parts, ...step.later];
    if (all.length === 0) {
        return [];
    }
    const whole = wholeOf(step);
    const rest = tonText(whole - step.stake - step.funds);
    return [
        "Steps      what the owner's wallet signs, and what leaves it with each:",
        ...all.map(({ what, value }, i) => `           ${i + 1}. ${what}: ${tonText(value)}`),
        `Now        ${tonText(whole)} leave the owner's wallet in all: ${tonText(step.stake)} stake, ` +
            `${tonText(step.funds)} for the worker's wallet, and up to ${rest} for fees and the rent of the ` +
            'accounts, of which comes back what is not used',
    ];
}

const CENT = 10_000_000n; // nanoTON

/** One line a fault, with amounts rounded up to 0.01 TON. */
function faultLines(costs: readonly FaultCost[]): string[] {
    const rounded = (amount: bigint) => formatTon(((amount + CENT - 1n) / CENT) * CENT);
    const row = (first: string, repeat: string, what: string) =>
        `           ${first.padStart(10)}  ${repeat.padStart(10)}  ${what}`;
    return [
        row('first time', 'repeated', 'fault'),
        ...costs.map(({ class: name, what, first, repeat }) =>
            row(rounded(first), rounded(repeat), `${what} (${name})`),
        ),
    ];
}

function earningLines({ rates }: PreparedNode, speed: number | undefined): string[] {
    const [first] = rates;
    if (speed === undefined || first === undefined) {
        return ['Earnings   not estimated: no speed is known (--speed TOKENS_PER_SECOND)'];
    }
    const [model, each] = first;
    const shares = UTILIZATIONS.map(
        (percent) => `${tonText(earningsPerDay(each, speed, percent))} a day if busy ${percent} % of it`,
    );
    return [
        `Earnings   ${model} at ${speed.toFixed(1)} tokens a second, answers only: ${shares.join(', ')}`,
        '           a server that answers several queries at once earns a multiple. Nothing promises that clients come',
    ];
}
