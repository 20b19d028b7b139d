/** Profiles: what a market is launched with, and what its rules are changed to. `params/<name>.json`. */
import { catalogueHash, parseCatalogue, parseTon, type Rules } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDuration } from './flags';
import { Refusal } from './refusal';

/** A profile as read; times in seconds, amounts in nanoTON. */
export interface Profile {
    file: string;
    delay: number; // seconds that every change of rules waits
    rent: bigint; // paid ahead for the registry's account
    rules: Omit<Rules, 'insurance'>;
    gpuClasses: string[]; // names, by class
    catalogue: { file: string; hash: bigint; models: string[] };
}

const WINDOWS = ['evidence', 'response', 'verdict', 'buffer', 'unbonding', 'payoutDelay'] as const;
const FIELDS = ['about', 'delay', 'rent', 'rules', 'gpuClasses', 'catalogue'];

/** Reads `params/<name>.json`, or a file by its path. Refuses what is misspelt, missing or malformed, by its name. */
export function readProfile(name: string): Profile {
    const file = name.endsWith('.json') ? name : join('params', `${name}.json`);
    const json = readJson(file);
    refuseUnknown(file, json, FIELDS);
    const rules = object(file, json, 'rules');
    refuseUnknown(`${file}: rules`, rules, [...WINDOWS, 'baseStake']);
    const times = Object.fromEntries(WINDOWS.map((window) => [window, read(file, rules, window, parseDuration)]));
    const classes = json.gpuClasses;
    if (!Array.isArray(classes) || classes.length === 0 || classes.length > 8) {
        throw new Refusal(`${file}: gpuClasses is not a list of 1 to 8 classes`);
    }
    const gpuClasses = classes as Record<string, unknown>[];
    return {
        file,
        delay: read(file, json, 'delay', parseDuration),
        rent: read(file, json, 'rent', parseTon),
        rules: {
            ...(times as Record<(typeof WINDOWS)[number], number>),
            baseStake: read(file, rules, 'baseStake', parseTon),
            rates: gpuClasses.map((each, i) => read(`${file}: gpuClasses ${i}`, each, 'stake', parseTon)),
        },
        gpuClasses: gpuClasses.map((each, i) => read(`${file}: gpuClasses ${i}`, each, 'name', (text) => text)),
        catalogue: readCatalogue(read(file, json, 'catalogue', (text) => text)),
    };
}

/** A catalogue file with its hash. */
export function readCatalogue(file: string): Profile['catalogue'] {
    const bytes = readFile(file);
    try {
        return { file, hash: catalogueHash(bytes), models: parseCatalogue(bytes).map(({ id }) => id) };
    } catch (error) {
        throw new Refusal(`${file}: ${(error as Error).message}`);
    }
}

/** A profile's rules with the address that gets what is left of a slash. */
export function rulesOf({ rules }: Profile, insurance: Address): Rules {
    return { ...rules, insurance };
}

/** A file's bytes. Refuses one that cannot be read. */
export function readFile(file: string): Buffer {
    try {
        return readFileSync(file);
    } catch {
        throw new Refusal(`${file} cannot be read`, 'paths count from the root of this repository');
    }
}

function readJson(file: string): Record<string, unknown> {
    try {
        return JSON.parse(readFile(file).toString('utf8')) as Record<string, unknown>;
    } catch (error) {
        throw error instanceof Refusal ? error : new Refusal(`${file} is not JSON: ${(error as Error).message}`);
    }
}

function refuseUnknown(where: string, json: Record<string, unknown>, known: readonly string[]): void {
    const unknown = Object.keys(json).find((name) => !known.includes(name));
    if (unknown !== undefined) {
        throw new Refusal(`${where}: unknown field "${unknown}"`, `known are ${known.join(', ')}`);
    }
}

function object(where: string, json: Record<string, unknown>, name: string): Record<string, unknown> {
    const value = json[name];
    if (typeof value !== 'object' || value === null) {
        throw new Refusal(`${where}: "${name}" is missing`);
    }
    return value as Record<string, unknown>;
}

function read<T>(where: string, json: Record<string, unknown>, name: string, parse: (text: string) => T): T {
    const value = json[name];
    if (typeof value !== 'string') {
        throw new Refusal(`${where}: "${name}" is ${value === undefined ? 'missing' : 'not a text in quotes'}`);
    }
    try {
        return parse(value);
    } catch (error) {
        throw new Refusal(`${where}: ${name}: ${(error as Error).message}`);
    }
}
