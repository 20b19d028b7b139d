/**
 * `cocoon keys …`: who may use the gateway, and how much each may spend. The keys are in the gateway's store. Without a
 * running gateway the commands open that store; a running gateway holds it, so then they ask the gateway.
 */
import { parseTon } from '@cocoon-market/wrappers';
import { Command } from 'commander';
import { existsSync } from 'node:fs';
import type { People } from '../gateway/people';
import { type KeyView, keyView, newKeyView } from '../gateway/views';
import { Remedied } from '../process/errors';
import { askGateway } from './gatewayClient';
import { print, timeOf, tonText } from './output';

interface KeyFlags {
    config: string;
    url?: string;
    json?: boolean;
}

interface LimitFlags extends KeyFlags {
    daily?: string;
    monthly?: string;
    models?: string;
    expires?: string;
}

/** The `keys` command and everything below it. */
export function keysCommand(): Command {
    const keys = new Command('keys');

    limited(keys.command('create').description('make an API key for somebody; its secret is printed this once'))
        .requiredOption('--name <name>', 'what the key is called in lists, logs and limits')
        .action(async ({ name, ...flags }: LimitFlags & { name: string }) => {
            const body = { name, ...limitsOf(flags) };
            const made = newKeyView.parse(
                await ask(flags, {
                    method: 'POST',
                    path: '/admin/keys',
                    body,
                    at: (at) => at.actions.create(at.people, body),
                }),
            );
            print(
                flags,
                made,
                () => `${keyLine(made)}\n${made.secret}\nIt is not shown again: only its hash is stored.`,
            );
        });

    placed(keys.command('list').description('list the keys, their limits and what they spent')).action(
        async (flags: KeyFlags) => {
            const list = keyView.array().parse(
                await ask(flags, {
                    method: 'GET',
                    path: '/admin/keys',
                    at: async (at) => at.actions.keys(at.people),
                }),
            );
            print(flags, list, () => list.map(keyLine).join('\n') || 'no keys: requests from this machine need none');
        },
    );

    placed(keys.command('revoke <name>').description('answer no request with this key any more')).action(
        async (name: string, flags: KeyFlags) => {
            const path = `/admin/keys/${encodeURIComponent(name)}/revoke`;
            const at = (parts: LocalParts) => parts.actions.revoke(parts.people, name);
            const key = keyView.parse(await ask(flags, { method: 'POST', path, at }));
            print(flags, key, () => keyLine(key));
        },
    );

    limited(keys.command('limit <name>').description('change limits of a key; "none" takes a limit away')).action(
        async (name: string, flags: LimitFlags) => {
            const body = limitsOf(flags);
            if (Object.keys(body).length === 0) {
                throw new Error('say what changes: --daily, --monthly, --models or --expires');
            }
            const path = `/admin/keys/${encodeURIComponent(name)}/limit`;
            const at = (parts: LocalParts) => parts.actions.limit(parts.people, name, body);
            const key = keyView.parse(await ask(flags, { method: 'POST', path, body, at }));
            print(flags, key, () => keyLine(key));
        },
    );
    return keys;
}

function placed(command: Command): Command {
    return command
        .option('--config <file>', "the gateway's settings, which name its store and where it listens", 'gateway.json')
        .option('--url <url>', 'ask the gateway that listens there, whatever the settings say')
        .option('--json', 'print JSON, amounts in nanoTON');
}

function limited(command: Command): Command {
    return placed(command)
        .option('--daily <ton>', 'TON that the key may spend in a day (UTC)')
        .option('--monthly <ton>', 'TON that the key may spend in a month (UTC)')
        .option('--models <names>', 'models that the key may use, separated by commas')
        .option('--expires <date>', 'when the key ends, such as 2027-01-31 or 2027-01-31T12:00:00Z');
}

function limitsOf({ daily, monthly, models, expires }: LimitFlags) {
    return {
        ...(daily !== undefined && { daily: daily === 'none' ? null : parseTon(daily).toString() }),
        ...(monthly !== undefined && { monthly: monthly === 'none' ? null : parseTon(monthly).toString() }),
        ...(models !== undefined && { models: models === 'none' ? null : models.split(',').map((one) => one.trim()) }),
        ...(expires !== undefined && { expiresAt: expires === 'none' ? null : secondsOf(expires) }),
    };
}

function secondsOf(text: string): number {
    const date = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : NaN;
    if (Number.isNaN(date)) {
        throw new Error(`"${text}" is no date: write 2027-01-31, or 2027-01-31T12:00:00Z`);
    }
    if (date <= Date.now()) {
        throw new Error(`"${text}" is over: name a date that is still to come`);
    }
    return Math.floor(date / 1000);
}

/** The people of a store that no gateway uses, and what can be done with them. */
interface LocalParts {
    people: People;
    actions: typeof import('../gateway/peopleAdmin').peopleActions;
}

interface KeyRequest {
    method: 'GET' | 'POST';
    path: string;
    body?: unknown;
    at: (parts: LocalParts) => Promise<unknown>; // the same without a gateway
}

async function ask({ config, url }: KeyFlags, { method, path, body, at }: KeyRequest): Promise<unknown> {
    if (url !== undefined) {
        return askGateway(url, method, path, body);
    }
    if (!existsSync(config)) {
        const remedy = 'name the running gateway with --url, or the file of its settings with --config';
        throw new Remedied(`There is no file ${config}`, { remedy });
    }
    const { readGatewayConfig } = await import('../gateway/config');
    const { openGatewayStore } = await import('../store/open');
    const { People } = await import('../gateway/people');
    const { peopleActions } = await import('../gateway/peopleAdmin');
    const { StoreInUse } = await import('../store/database');
    const { unixSeconds } = await import('../process/clock');
    const settings = readGatewayConfig(config);
    let store;
    try {
        store = await openGatewayStore(settings.store);
    } catch (error) {
        if (error instanceof StoreInUse) {
            const { ownUrl } = await import('../gateway/doorkeeper');
            return askGateway(ownUrl(settings), method, path, body);
        }
        throw error;
    }
    try {
        return await at({ people: await People.load(store, unixSeconds), actions: peopleActions });
    } finally {
        await store.close();
    }
}

function keyLine({ name, models, daily, monthly, expiresAt, revokedAt }: KeyView): string {
    return [
        name,
        `today ${budgetText(daily)}`,
        `this month ${budgetText(monthly)}`,
        models === null ? 'all models' : models.join(', '),
        ...(expiresAt === null ? [] : [`until ${timeOf(expiresAt)}`]),
        ...(revokedAt === null ? [] : [`revoked ${timeOf(revokedAt)}`]),
    ].join('  ');
}

function budgetText({ limit, spent, reserved }: KeyView['daily']): string {
    const running = reserved === '0' ? '' : ` and ${tonText(reserved)} reserved`;
    return `${tonText(spent)}${running} of ${limit === null ? 'any amount' : tonText(limit)}`;
}
