/** One function per thing that a governor, or anyone, does with the registry. The rest of a value comes back. */
import { Address, Cell, toNano } from '@ton/core';
import { registryCode } from '../codes';
import { type CodeConsent, requireCode } from '../market/chain';
import { CodeKind, Committee, Registry, registryChanges, Rules } from '../Registry';
import { Call } from '../sending';
import { Actor, addressOf } from './actor';
import { boundedFees } from './fees';

interface Which {
    registry: Address;
}

/** nanoTON attached to a governor's message. It is far above the cost, and the rest comes back. */
const GOVERNOR_VALUE = toNano('0.5');

/**
 * Deploys the actor's registry with `rent` nanoTON for its account, then sets the first rules, codes and committee. A
 * rent of 0n skips the deployment, after a launch that was interrupted.
 */
export async function launchRegistry(
    actor: Actor,
    args: {
        delay: number; // seconds that every change waits, for ever
        rent: bigint;
        rules: Rules;
        committee: Committee;
        codes: Partial<Record<CodeKind, Cell>>;
        catalogue: bigint;
    },
) {
    const { delay, rent, ...first } = args;
    const registry = actor.open(await Registry.ofGovernor(addressOf(actor), delay));
    if (rent > 0n) {
        await registry.sendTopUp(actor.sender, { value: rent, opens: true });
    }
    await registry.sendLaunch(actor.sender, { value: GOVERNOR_VALUE, ...first });
    return registry;
}

/** Starts the clock of new rules. */
export async function proposeRules(actor: Actor, { registry, rules }: Which & { rules: Rules }) {
    await propose(actor, registry, registryChanges.rules(rules));
}

/** Starts the clock of the next code version of a kind. */
export async function proposeCode(actor: Actor, { registry, kind, code }: Which & { kind: CodeKind; code: Cell }) {
    await propose(actor, registry, registryChanges.code(kind, code));
}

/** Starts the clock of another committee. */
export async function proposeCommittee(actor: Actor, { registry, committee }: Which & { committee: Committee }) {
    await propose(actor, registry, registryChanges.committee(committee));
}

type Send = Extract<keyof Registry, `send${string}`>;

/** An action that sends one message of the Registry. */
const step =
    <S extends Send>(send: S) =>
    async (actor: Actor, { registry, ...args }: Which & Omit<Parameters<Registry[S]>[2], keyof Call>) => {
        await open(actor, registry)[send](actor.sender, { value: GOVERNOR_VALUE, ...args } as never);
    };

/** Applies the waiting change after its delay. Anyone may. */
export const executeChange = step('sendExecuteChange');

/** Cancels the waiting change. */
export const cancelChange = step('sendCancelChange');

/** Stops or resumes the arrival of new providers and nodes. */
export const setPaused = step('sendSetPaused');

/** Names the hash of the newest model catalogue. */
export const setCatalogue = step('sendSetCatalogue');

/** Names the next governor. */
export const proposeGovernor = step('sendProposeGovernor');

/** Takes over as governor. */
export const acceptGovernor = step('sendAcceptGovernor');

/** Pays the registry's rent ahead. Anyone may. */
export async function topUpRegistry(actor: Actor, { registry, amount }: Which & { amount: bigint }) {
    await open(actor, registry).sendTopUp(actor.sender, { value: amount });
}

/**
 * Announces what a client is going to buy. `model`: SHA-256 of its catalogue id; `endsAt`: unix seconds.
 * @throws {MarketError} `foreign-code` for a registry that is not of this release, unless `anyCode`; `dear-fees`
 */
export async function announceDemand(
    actor: Actor,
    {
        registry: address,
        anyCode,
        ...demand
    }: Which & CodeConsent & { model: bigint; queriesPerDay: number; endsAt: number },
) {
    await requireCode(actor, address, [await registryCode()], { anyCode });
    const registry = open(actor, address);
    const isMasterchain = (actor.address ?? actor.sender.address)?.workChain === -1;
    const value = boundedFees(address, await registry.getAnnounceDemandValue(isMasterchain));
    await registry.sendAnnounceDemand(actor.sender, { value, ...demand });
}

async function propose(actor: Actor, registry: Address, change: Cell) {
    await open(actor, registry).sendProposeChange(actor.sender, { value: GOVERNOR_VALUE, change });
}

function open(actor: Actor, registry: Address) {
    return actor.open(Registry.fromAddress(registry));
}
