/** Reads the JSON files that a process is started with, or that a command is given. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { isPostgres } from './storeAddress';
import { Remedied } from './errors';

/** The content of a JSON file. Errors name the file; `absent` says what to do if it does not exist. */
function readJson(path: string, absent = 'check its name'): unknown {
    const text = textOf(path, absent);
    try {
        return JSON.parse(text) as unknown;
    } catch (error) {
        throw new Error(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
    }
}

// Only a file that does not exist is reported so: a folder that may not be read has an error of its own, which says
// which.
function textOf(path: string, absent: string): string {
    try {
        return readFileSync(path, 'utf8');
    } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'ENOENT'
            ? new Remedied(`There is no file ${path}`, { remedy: absent, cause: error })
            : error;
    }
}

function parsed<T extends z.ZodType>(schema: T, value: unknown, path: string, kind: string): z.output<T> {
    const result = schema.safeParse(value);
    if (!result.success) {
        throw new Error(`${path} is no ${kind}:\n${z.prettifyError(result.error)}`);
    }
    return result.data;
}

/** The content of a JSON file of one kind. Errors name the file and every wrong field; `kind` completes "is no …". */
export function readJsonAs<T extends z.ZodType>(schema: T, path: string, kind: string, absent?: string): z.output<T> {
    return parsed(schema, readJson(path, absent), path, kind);
}

/** Fields that take the place of those in a file; an undefined one takes none. */
interface SettingFlags {
    [name: string]: SettingFlags | string | number | boolean | undefined;
}

/**
 * The settings of a process: its file, with `flags` in the place of what it says. Relative paths in the file start at
 * the folder of the file; `from` resolves them. The store may also be the address of a database. `complete` adds what
 * the file leaves to another one, before the fields are checked. Errors name every wrong field.
 */
export function readSettings<T extends z.ZodType<{ keyFile: string; store: string }>>(
    schema: T,
    path: string,
    name: 'gateway' | 'worker',
    flags: SettingFlags = {},
    complete: (file: unknown, from: (file: string) => string) => unknown = (file) => file,
): { settings: z.output<T>; from: (file: string) => string } {
    const writer = name === 'worker' ? '"cocoon worker init" writes one' : `docs/${name}.md shows one`;
    const file = readJson(path, `${writer}; name it with --config`);
    const from = (relative: string) => resolve(dirname(path), relative);
    const settings = parsed(schema, complete(withFlags(file, flags), from), path, `${name}'s configuration`);
    const store = isPostgres(settings.store) ? settings.store : from(settings.store);
    return { settings: Object.assign(settings, { keyFile: from(settings.keyFile), store }), from };
}

function withFlags(value: unknown, flags: SettingFlags): unknown {
    if (typeof value !== 'object' && value !== undefined) {
        return value;
    }
    const fields: Record<string, unknown> = { ...(value as object) };
    for (const [name, flag] of Object.entries(flags)) {
        if (typeof flag === 'object') {
            fields[name] = withFlags(fields[name], flag);
        } else if (flag !== undefined) {
            fields[name] = flag;
        }
    }
    return fields;
}
