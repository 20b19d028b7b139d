/** `cocoon gateway nodes` and `cocoon gateway demand`: who sells what this client buys, and what it wants to buy. */
import { announceDemand, modelKey, Registry } from '@cocoon-market/wrappers';
import type { Command } from 'commander';
import { z } from 'zod';
import type { NodeView } from '../gateway/views';
import { address, chainFields } from '../process/fields';
import { readJsonAs } from '../process/settings';
import { addressText } from '../process/addresses';
import { acting, type ActFlags, chainOf, send } from './actor';
import { print, timeOf, tonText } from './output';

const DAY = 86_400; // seconds

/** One node in lines for people. */
export function nodeLines(node: NodeView): string {
    const { rates, measured, features, context, covered } = node;
    const number = (value: number | null, unit: string) => (value === null ? [] : [`${value.toFixed(2)} ${unit}`]);
    const facts = [
        node.tier ?? 'tier unknown',
        ...(node.region ? [`region ${node.region}`] : []),
        ...(rates === null ? [] : [`${tonText(rates.prompt)} in, ${tonText(rates.completion)} out per million tokens`]),
        ...(context === null ? [] : [`context ${context}`]),
        ...(features.length === 0 ? [] : [features.join(' ')]),
        ...(covered === null ? [] : [`stake covers ${Math.round(covered * 100)} % of its share`]),
        ...number(measured.delay, 's to the first token'),
        ...number(measured.speed, 'tokens/s'),
        `answers ${Math.round(measured.success * 100)} %`,
        `${node.jobs} jobs`,
    ];
    const mark = node.fits ? `${Math.round(node.share * 100)} %` : 'no';
    return `${node.model}  ${node.worker}  ${mark}  ${node.reason}\n    ${facts.join(', ')}`;
}

interface DemandFlags extends ActFlags {
    model: string;
    queries: string;
    days: string;
}

const settings = z.object({ ...chainFields, registry: address, models: z.record(z.string(), z.unknown()) });

/** Adds `demand` to the commands of the gateway. */
export function addDemand(gateway: Command): void {
    acting(gateway.command('demand').description('announce to providers what you are going to buy; it binds nobody'))
        .requiredOption('--model <model>', 'a model of the configuration')
        .requiredOption('--queries <number>', 'queries a day')
        .option('--days <number>', 'for so many days', '30')
        .action(announce);
}

async function announce(flags: DemandFlags): Promise<void> {
    const absent = 'name the configuration of the gateway with --config; it needs "registry"';
    const { registry, models } = readJsonAs(settings, flags.config, 'configuration', absent);
    const { model } = flags;
    if (!Object.hasOwn(models, model)) {
        throw new Error(`"${model}" is not in models of ${flags.config}: ${Object.keys(models).join(', ')}`);
    }
    const queriesPerDay = countOf(flags.queries, '--queries', 0xffffffff);
    const days = countOf(flags.days, '--days', 3650);
    const chain = chainOf(flags.config);
    const { at } = await chain.account(registry);
    const endsAt = at + days * DAY;
    const value = await chain.open(Registry.fromAddress(registry)).getAnnounceDemandValue(false);
    const sent = await send(chain, flags, value, (actor) =>
        announceDemand(actor, { registry, model: modelKey(model), queriesPerDay, endsAt }),
    );
    const view = { registry: addressText(registry, chain), model, queriesPerDay, endsAt, attached: value, sent };
    print(
        flags,
        view,
        () =>
            `${model}: ${queriesPerDay} queries a day until ${timeOf(endsAt)}\n` +
            `${sent ? 'announced to' : 'nothing was sent to'} ${view.registry}; ${tonText(value)} attached, most of which comes back`,
    );
}

function countOf(text: string, flag: string, max: number): number {
    const count = Number(text);
    if (!/^[0-9]+$/.test(text) || count < 1 || count > max) {
        throw new Error(`${flag} takes a whole number from 1 to ${max}, not "${text}"`);
    }
    return count;
}
