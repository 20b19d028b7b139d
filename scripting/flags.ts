/** Flags of scripts: what each takes, and the errors when it is something else. */
import { assertUsableKey, parseTon, readAddress } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { parseArgs } from 'node:util';
import { hex32 } from '../offchain/fleet';
import { ScriptError } from './scriptError';
import type { NetworkName } from './network';

/** What reading a flag may depend on. */
export interface FlagContext {
    testOnly: boolean; // whether friendly addresses of this network carry the test mark
    network: NetworkName;
}

/** One flag: `read` throws an Error that says what is wrong with the text. */
export interface Flag<T> {
    about: string;
    takes: string; // what stands after it in the help; empty for a switch
    required: boolean;
    read(text: string, reading: FlagContext): T;
}

export type Flags = Record<string, Flag<unknown>>;
export type FlagValues<F extends Flags> = { [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

function flag<T>(takes: string, read: Flag<T>['read']) {
    return {
        required: (about: string): Flag<T> => ({ about, takes, required: true, read }),
        optional: (about: string): Flag<T | undefined> => ({ about, takes, required: false, read }),
    };
}

export const text = flag('TEXT', (value) => value);
export const file = flag('FILE', (value) => value);
/** nanoTON */
export const amount = flag('TON', parseTon);
export const address = flag('ADDRESS', readAddress);
/** An address, or a word that stands for none; then the value is null. */
export const addressOr = (word: string) =>
    flag(`ADDRESS|${word}`, (value, reading): Address | null => (value === word ? null : readAddress(value, reading)));
export const count = flag('N', (value) => {
    if (!/^\d{1,10}$/.test(value)) {
        throw new Error(`"${value}" is not a whole number`);
    }
    return Number(value);
});
/** A key that signs; 32 zero bytes stand for none. */
export const key = flag('HEX', (value) => {
    const read = hex32(value);
    if (read.some((byte) => byte !== 0)) {
        assertUsableKey(read);
    }
    return read;
});
export const keys = flag('HEX,HEX,…', (value) => value.split(',').map(hex32));
/** Seconds, of a text such as `90m`, `36h` or `14d`. */
export const duration = flag('TIME', parseDuration);

/** A point in time, in unix seconds once the present is known: a span from now, a date (UTC), or unix seconds. */
export const moment = flag('TIME', (value) => {
    const text = value.trim();
    if (/^\d{9,10}$/.test(text)) {
        return () => Number(text);
    }
    if (/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?$/.test(text)) {
        const [day, time = '00:00'] = text.replace('Z', '').split(/[T ]/);
        const at = Date.parse(`${day}T${time}Z`);
        if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== day) {
            throw new Error(`"${value}" is not a date`);
        }
        return () => at / 1000;
    }
    if (!/^\d{1,6}\s*[smhd]$/.test(text)) {
        throw new Error(
            `"${value}" is no time: write a span such as 30d, a date such as 2026-12-31 or 2026-12-31T18:00, or unix seconds`,
        );
    }
    const span = parseDuration(text);
    return (now: number) => now + span;
});

/** A flag without a value. */
export const toggle = (about: string): Flag<boolean> => ({ about, takes: '', required: false, read: () => true });

/** One of some words. */
export function choice<T extends string>(words: readonly T[]) {
    return flag(words.join('|'), (value): T => {
        const found = words.find((word) => word === value);
        if (found === undefined) {
            throw new Error(`"${value}" is none of ${words.join(', ')}`);
        }
        return found;
    });
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a text such as `90m`. */
export function parseDuration(value: string): number {
    const match = /^(\d{1,6})\s*([smhd])$/.exec(value.trim());
    if (match === null) {
        throw new Error(`"${value}" is not a time: write a whole number and s, m, h or d, such as 36h`);
    }
    return Number(match[1]) * UNITS[match[2]];
}

/** A time in seconds as `parseDuration` takes it, in the largest unit that divides it. */
export function formatDuration(seconds: number): string {
    const [unit, size] = Object.entries(UNITS)
        .reverse()
        .find(([, each]) => seconds >= each && seconds % each === 0) ?? ['s', 1];
    return `${seconds / size}${unit}`;
}

export const optionName = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Texts by flag from a script's arguments. Refuses an unknown flag and a flag without its value. */
export function splitArguments(flags: Flags, args: readonly string[]): Map<string, string> {
    const names = new Map(Object.keys(flags).map((name) => [optionName(name), name]));
    const options = Object.fromEntries(
        [...names].map(([option, name]) => [
            option,
            { type: flags[name].takes === '' ? 'boolean' : 'string' } as const,
        ]),
    );
    let parsed: ReturnType<typeof parseArgs>;
    try {
        parsed = parseArgs({ args: [...args], options, allowPositionals: false, strict: true });
    } catch (error) {
        const [sentence] = (error as Error).message.split(/\. (?=To specify|If you)/);
        const options = [...names.keys()].map((option) => `--${option}`).join(', ');
        throw new ScriptError(sentence, `the flags of this script are ${options}`);
    }
    return new Map(Object.entries(parsed.values).map(([option, value]) => [names.get(option)!, String(value)]));
}

/** Values of flags from their texts. Refuses the first that cannot be read, by its name. */
export function readFlags<F extends Flags>(flags: F, texts: Map<string, string>, reading: FlagContext): FlagValues<F> {
    const values = Object.entries(flags).map(([name, each]) => {
        const value = texts.get(name);
        if (value === undefined) {
            return [name, each.takes === '' ? false : undefined];
        }
        try {
            return [name, each.read(value, reading)];
        } catch (error) {
            throw error instanceof ScriptError
                ? error
                : new ScriptError(`--${optionName(name)}: ${(error as Error).message}`);
        }
    });
    return Object.fromEntries(values) as FlagValues<F>;
}

/** Lines of a help text. */
export function flagLines(flags: Flags): string[] {
    const heads = Object.entries(flags).map(([name, { takes }]) => `--${optionName(name)} ${takes}`.trim());
    const width = Math.max(...heads.map((head) => head.length)) + 2;
    return Object.values(flags).map(
        ({ about, required }, i) => `  ${heads[i].padEnd(width)}${about}${required ? ' (needed)' : ''}`,
    );
}
