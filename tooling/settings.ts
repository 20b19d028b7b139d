/**
 * Makes offchain/settings.md, which the package of the cocoon command contains, out of the schemas of the two
 * configurations. `npm run generate` writes it, tests/tooling/settings.spec.ts checks it.
 */
import { join } from 'node:path';
import { gatewayConfig } from '../offchain/gateway/config';
import { workerConfig } from '../offchain/worker/schema';
import { wrapped } from './attacksPage';

export const SETTINGS = join(__dirname, '..', 'offchain', 'settings.md');

/** What the page reads of a JSON schema; `unit` and `form` are what our fields add. */
interface Schema {
    type?: string;
    properties?: Record<string, Schema>;
    required?: string[];
    additionalProperties?: Schema | boolean;
    items?: Schema;
    anyOf?: Schema[];
    oneOf?: Schema[];
    enum?: string[];
    const?: string;
    default?: unknown;
    description?: string;
    format?: string;
    unit?: string;
    form?: string;
    minimum?: number;
    exclusiveMinimum?: number;
    maximum?: number;
    minItems?: number;
    maxItems?: number;
}

const UNITS: [RegExp, string][] = [
    [/seconds$/i, 'seconds'],
    [/hours$/i, 'hours'],
    [/Ms$/, 'milliseconds'],
    [/Bytes$/, 'bytes'],
];

/** The blocks of settings in a schema, each with what follows the name of the setting that holds it. */
function blocksIn(schema: Schema): { suffix: string; block: Schema }[] {
    if (schema.properties !== undefined) {
        return [{ suffix: '', block: schema }];
    }
    const below = (inner: Schema, start: string) =>
        blocksIn(inner).map(({ suffix, block }) => ({ suffix: start + suffix, block }));
    const entries = typeof schema.additionalProperties === 'object' ? below(schema.additionalProperties, '.<id>') : [];
    return [
        ...(schema.anyOf ?? schema.oneOf ?? []).flatMap(blocksIn),
        ...(schema.items === undefined ? [] : below(schema.items, '[]')),
        ...entries,
    ];
}

function typeOf(schema: Schema): string {
    const alternatives = schema.anyOf ?? schema.oneOf;
    if (alternatives !== undefined) {
        return [...new Set(alternatives.map(typeOf))].join(' or ');
    }
    if (schema.const !== undefined) {
        return `\`${schema.const}\``;
    }
    if (schema.enum !== undefined) {
        return schema.enum.map((value) => `\`${value}\``).join(', ');
    }
    switch (schema.type) {
        case 'array':
            return `list of ${typeOf(schema.items!)}`;
        case 'object':
            return schema.properties === undefined ? `${typeOf(schema.additionalProperties as Schema)} by id` : 'block';
        case 'string':
            return (
                schema.form ?? (schema.format === 'uri' ? 'URL' : schema.unit === undefined ? 'text' : 'text of digits')
            );
        case 'integer':
            return 'whole number';
        case 'boolean':
            return '`true` or `false`';
        default:
            return schema.type!;
    }
}

function rangeOf({ minimum: min, maximum: max, exclusiveMinimum: above, minItems, maxItems }: Schema): string[] {
    const isBounded = max !== undefined && max < Number.MAX_SAFE_INTEGER;
    const lower = min !== undefined && min > Number.MIN_SAFE_INTEGER ? min : undefined;
    return [
        ...(above === undefined ? [] : [`above ${above}`]),
        ...(lower !== undefined && isBounded ? [`${lower} to ${max}`] : []),
        ...(lower !== undefined && !isBounded ? [`at least ${lower}`] : []),
        ...(lower === undefined && isBounded ? [`at most ${max}`] : []),
        ...(minItems === undefined ? [] : [`at least ${minItems}`]),
        ...(maxItems === undefined ? [] : [`at most ${maxItems}`]),
    ];
}

function amount(value: unknown, unit: string | undefined): string {
    const text = `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
    if (unit === 'nanoTON') {
        return `${text} (${Number(value) / 1e9} TON)`;
    }
    return unit === 'bytes' && Number(value) % (1 << 20) === 0 ? `${text} (${Number(value) / (1 << 20)} MiB)` : text;
}

/** Throws if a setting has no description. */
function sentence({ description }: Schema, path: string): string {
    if (description === undefined) {
        throw new Error(`The setting ${path} has no description: give its schema one`);
    }
    return `${description[0].toUpperCase()}${description.slice(1)}${description.endsWith('.') ? '' : '.'}`;
}

function line(name: string, schema: Schema, isRequired: boolean, path: string): string[] {
    const unit = schema.unit ?? UNITS.find(([ending]) => ending.test(name))?.[1];
    const isEmpty = Array.isArray(schema.default) && schema.default.length === 0;
    const presence = isRequired
        ? 'required'
        : schema.default === undefined || isEmpty
          ? 'optional'
          : `default ${amount(schema.default, unit)}`;
    const facts = [typeOf(schema) + (unit === undefined ? '' : ` (${unit})`), ...rangeOf(schema), presence];
    return wrapped(`\`${name}\`: ${facts.join(', ')}. ${sentence(schema, path)}`, '- ');
}

/** The lines about a block: its own settings, then the blocks in it. */
function section(block: Schema, path: string): string[] {
    const settings = Object.entries(block.properties!).map(([name, schema]) => {
        const full = path === '' ? name : `${path}.${name}`;
        return { name, schema, full, isRequired: block.required?.includes(name) ?? false };
    });
    const inner = settings.flatMap(({ schema, full, isRequired }) =>
        blocksIn(schema).flatMap(({ suffix, block: one }) => {
            const kind = one.properties!.kind?.const;
            const isWhole = schema === one;
            return [
                `### \`${full}${suffix}\`${kind === undefined ? '' : ` of kind ${kind}`}`,
                '',
                ...(isWhole ? [...wrapped(sentence(one, full) + (isRequired ? ' Required.' : '')), ''] : []),
                ...section(one, full + suffix),
            ];
        }),
    );
    const own = settings.filter(({ schema }) => schema.properties === undefined);
    const lines = own.flatMap(({ name, schema, isRequired, full }) => line(name, schema, isRequired, full));
    return [...(lines.length === 0 ? [] : [...lines, '']), ...inner];
}

const schemaOf = (config: typeof workerConfig | typeof gatewayConfig) =>
    config.toJSONSchema({ io: 'input', reused: 'inline' }) as Schema;

/** Every setting of a configuration by its path, such as `chain.stream.url`. */
export function settingPaths(of: 'worker' | 'gateway'): string[] {
    const paths = (block: Schema, path: string): string[] =>
        Object.entries(block.properties!).flatMap(([name, schema]) => [
            path + name,
            ...blocksIn(schema).flatMap(({ suffix, block: one }) => paths(one, `${path}${name}${suffix}.`)),
        ]);
    return [...new Set(paths(schemaOf(of === 'worker' ? workerConfig : gatewayConfig), ''))];
}

/** The page, as it must be committed. */
export function settingsPage(): string {
    return [
        '# Settings',
        '',
        ...wrapped(
            'This page lists all settings of the two configuration files, which are JSON. It is generated from their ' +
                'schemas by `npm run generate`. Unknown settings are refused. Amounts are nanoTON as text of digits: ' +
                '1 TON is `"1000000000"`. Paths of files start at the folder of the configuration file.',
        ),
        '',
        ...['## Worker', '', 'The file that `cocoon worker run --config` reads, mostly `worker.json`.', ''],
        ...section(schemaOf(workerConfig), ''),
        ...['## Gateway', '', 'The file that `cocoon gateway up --config` reads, mostly `gateway.json`.', ''],
        ...section(schemaOf(gatewayConfig), ''),
    ]
        .join('\n')
        .replace(/\n+$/, '\n');
}
