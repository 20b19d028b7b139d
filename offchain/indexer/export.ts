/** The market as lines of JSON that are the same for everyone who read the same histories, byte for byte. */
import { createHash } from 'node:crypto';
import { jobsOf } from './jobs';
import type { IndexStore } from './store';
import { payoutsOf, readView, type ViewOptions } from './view';

/**
 * JSON in printable ASCII: amounts as decimal strings, every other character than ASCII escaped. So a text on chain can
 * hide nothing: no control character and no mark of direction reaches a terminal.
 */
export function plainJson(value: unknown): string {
    const json = JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? `${field}` : field));
    return json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The lines, sorted by their bytes; each begins with its type and its id. */
export async function* exportLines(store: IndexStore, options: ViewOptions): AsyncGenerator<string> {
    const { cases, clients, days, demands, models, nodes, providers, slashes, ...market } = await readView(
        store,
        options,
    );
    const line = (type: string, id: string, fields: object) => plainJson({ type, id, ...fields });
    for (const each of cases) {
        yield line('case', each.dispute, each);
    }
    for (const each of clients) {
        yield line('client', each.client, each);
    }
    for (const each of days) {
        yield line('day', each.day, each);
    }
    for (const each of demands) {
        yield line('demand', `${each.client}/${each.model}`, each);
    }
    for await (const each of jobsOf(store, new Set((await payoutsOf(store)).keys()))) {
        yield line('job', each.channel, each);
    }
    yield line('market', market.registry, market);
    for (const each of models) {
        yield line('model', each.model, each);
    }
    for (const each of nodes) {
        yield line('node', each.key, each);
    }
    for (const each of providers) {
        yield line('provider', each.provider, each);
    }
    for (const each of slashes) {
        yield line('slash', `${each.provider}/${String(each.lt).padStart(20, '0')}`, each);
    }
}

/** Passes the lines on and computes SHA-256 over them, each with its line feed. */
export async function hashedExport(
    lines: AsyncIterable<string>,
    onLine: (line: string) => Promise<void> | void,
): Promise<{ hash: string; lines: number }> {
    const hash = createHash('sha256');
    let count = 0;
    for await (const line of lines) {
        hash.update(`${line}\n`);
        count++;
        await onLine(line);
    }
    return { hash: hash.digest('hex'), lines: count };
}
